"""`blobfs upload`."""

import os
from typing import TYPE_CHECKING, Any

import click

from blobfs.cli.cluster import cluster, dask_option
from blobfs.cli.completion import complete_path, complete_ref
from blobfs.cli.exit_status import DONE
from blobfs.cli.options import Common, command
from blobfs.cli.output import count_text, document, say, shown, size_text
from blobfs.cli.progress import progress

if TYPE_CHECKING:
    from blobfs.artifact.value import Artifact, UploadPlan
    from blobfs.manifest import Entry
    from blobfs.store import Store


@command(
    "upload",
    example="blobfs upload model/ --name resnet --version 3",
    verbose="Say on standard error what is done, and trace errors.",
)
@click.argument("source", metavar="PATH|URL", shell_complete=complete_path)
@click.option("--name", metavar="N", help="Register it under this name.")
@click.option("--version", metavar="V", help="As this version; else the next whole number.")
@click.option(
    "--base",
    metavar="REF",
    shell_complete=complete_ref,
    help="What it shares files with; else the latest version.",
)
@click.option("--check", is_flag=True, help="Look for each file of what is stored already.")
@click.option(
    "--copy", is_flag=True, help="Bring in the bytes of a URL, not a reference to it."
)
@click.option(
    "--links",
    type=click.Choice(["inside", "follow", "skip", "error"]),
    help="Which symbolic links are followed; else as the store says (inside).",
)
@click.option("--no-ignore", is_flag=True, help="Take what .amlignore or .gitignore leave out.")
@click.option("--ignore-file", metavar="FILE", help="Read the rules from this file instead.")
@click.option("--no-hash-cache", is_flag=True, help="Hash every file, changed or not.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@dask_option()
def upload(  # noqa: PLR0913 - what the command takes
    common: Common,
    *,
    source: str,
    name: str | None,
    version: str | None,
    base: str | None,
    check: bool,
    copy: bool,
    links: Any,  # noqa: ANN401 - one of the choices
    no_ignore: bool,
    ignore_file: str | None,
    no_hash_cache: bool,
    dry_run: bool,
    dask: str | None,
) -> int:
    """Publish a file or a directory.

    Content that the store has already is not sent again. A URL is registered as a reference to
    what it names, which stays where it is.
    """
    if no_ignore and ignore_file is not None:
        raise click.UsageError("--no-ignore and --ignore-file contradict each other")
    from blobfs import api

    store = api.open_store(common.store)
    how: dict[str, Any] = {
        "store": store,
        "name": name,
        "version": version,
        "base": base,
        "links": links,
        "ignore": not no_ignore if ignore_file is None else ignore_file,
        "hash_cache": not no_hash_cache,
        "check": check,
        "copy": copy,
    }
    if dry_run:
        return _tell_plan(common, api.plan_upload(source, **how), source, store)
    how["jobs"] = common.jobs
    with cluster(dask) as executor, progress(wanted=common.talks) as callback:
        artifact = api.upload(source, **how, executor=executor, callback=callback)
    if common.json:
        document(artifact.to_dict())
    elif not common.quiet:
        _tell(artifact, _asset(name, artifact.version) or _name_of(source), store)
    return DONE


def _tell(artifact: "Artifact", what: str, store: "Store") -> None:
    say(f"{shown(what)} {_outcome(artifact, what)}")
    _tell_place(store, artifact.digest, artifact.path)


def _outcome(artifact: "Artifact", what: str) -> str:
    from blobfs.digest import short

    if artifact.reused:
        last = _asset(artifact.name, artifact.version)  # if no name was given
        known = f", last registered as {last}" if last and last != what else ""
        return f"is stored already ({short(artifact.digest)}{known}): nothing sent"
    if artifact.kind == "reference":
        return f"refers to {shown(artifact.path)}: nothing sent"
    sent = f"sent {_amount(artifact.sent_files, artifact.sent_bytes)}"
    if artifact.copied_files:
        sent += f", copied {_amount(artifact.copied_files, artifact.copied_bytes)} in the store"
    return f"is stored: {sent}"


def _tell_plan(common: Common, plan: "UploadPlan", source: str, store: "Store") -> int:
    if common.json:
        document(
            {
                "dry_run": True,
                "store": plan.store,
                "digest": plan.digest,
                "path": plan.path,
                "kind": plan.kind,
                "size": plan.size,
                "files": plan.files,
                "name": plan.name,
                "version": plan.version,
                "reused": plan.reused,
                "send_files": len(plan.send),
                "send_bytes": plan.send_bytes,
                "copy_files": len(plan.copy),
                "copy_bytes": plan.copy_bytes,
                "send": [_entry(entry) for entry in plan.send],
                "copy": [_entry(entry) for entry in plan.copy],
            }
        )
        return DONE
    if common.verbose:
        for verb, entries in (("send", plan.send), ("copy", plan.copy)):
            for entry in entries:
                say(f"{verb}\t{shown(entry.path)}\t{size_text(entry.size)}")
    if common.talks:
        what = _asset(plan.name, plan.version) or _name_of(source)
        say(f"{shown(what)} {_intention(plan)}; this was a dry run")
        _tell_place(store, plan.digest, plan.path)
    return DONE


def _intention(plan: "UploadPlan") -> str:
    if plan.reused:
        return "is stored already: nothing would be sent"
    if plan.kind == "reference":
        return f"would refer to {shown(plan.path)}: nothing would be sent"
    text = f"is not stored: {_amount(len(plan.send), plan.send_bytes)} would be sent"
    if plan.copy:
        text += f", {_amount(len(plan.copy), plan.copy_bytes)} copied in the store"
    return text


def _tell_place(store: "Store", digest: str, path: str) -> None:
    say(f"  store   {shown(str(store))} ({shown(store.origin)})")
    say(f"  digest  {digest}")
    say(f"  path    {shown(path)}")


def _entry(entry: "Entry") -> dict[str, Any]:
    return {"path": entry.path, "size": entry.size, "digest": entry.digest}


def _amount(files: int, size: int) -> str:
    return f"{count_text(files)}, {size_text(size)}"


def _asset(name: str | None, version: str | None) -> str | None:
    return f"{name}:{version}" if name and version else None


def _name_of(source: str) -> str:
    return os.path.basename(
        (source if "://" in source else os.path.abspath(source)).rstrip("/")
    )
