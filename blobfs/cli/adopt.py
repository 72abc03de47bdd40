"""`blobfs adopt`: artifacts of what lies in a store already."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from blobfs.cli.completion import complete_store
from blobfs.cli.exit_status import worst
from blobfs.cli.options import Common, command
from blobfs.cli.output import document, is_terminal, say, size_text, table
from blobfs.cli.progress import progress

if TYPE_CHECKING:
    from blobfs.artifact.adopted import Adopted


@command("adopt", example="blobfs adopt LocalUpload --dry-run")
@click.argument("first", metavar="[STORE]", required=False, shell_complete=complete_store)
@click.argument("second", metavar="[PREFIX]", required=False)
@click.option("--name", metavar="N", help="Register it under this name, not its own.")
@click.option("--version", metavar="V", help="As this version; else AzureML's, or the next.")
@click.option("--dry-run", is_flag=True, help="Say what would be adopted, and read no file.")
def adopt(  # noqa: PLR0913 - what the command takes
    common: Common,
    *,
    first: str | None,
    second: str | None,
    name: str | None,
    version: str | None,
    dry_run: bool,
) -> int:
    """Make artifacts of what lies in a store already.

    Nothing is moved: it is read, hashed, and gets a manifest and a name. PREFIX is a path below
    the store's root, a handle or a URL: a file or a directory. Without one that is all that
    AzureML uploaded and marked as complete, and every file right below the root. It may be
    stopped at any time; the next run reads only what it has not read, or what changed.

    A single argument that is no store's name is the PREFIX. Where standard output is no
    terminal, the columns are separated by tabs: state, ref, digest, files, size, path.
    """
    from blobfs.adoption import adopt as adopt_now
    from blobfs.adoption import plan_adopt
    from blobfs.resolve import place_of

    store, prefix = _place(first, second, common.store)
    opened, key = place_of(prefix, store)
    how: dict[str, Any] = {"store": opened, "name": name, "version": version}
    how["jobs"] = common.jobs
    place = opened.location.handle(key)
    if dry_run:
        found = plan_adopt(place, **how)
    else:
        with progress(wanted=common.talks) as callback:
            found = adopt_now(place, **how, callback=callback)
    if common.json:
        document(
            {
                "dry_run": dry_run,
                "store": opened.name,
                "artifacts": [_fields(one) for one in found],
            }
        )
    elif not common.quiet:
        _tell(found, dry_run=dry_run)
    return _complain(common, found, place)


def _place(
    first: str | None, second: str | None, store: str | None
) -> tuple[str | None, str | None]:
    """Return the store and the prefix that the arguments mean."""
    if second is None and first is not None and (store is not None or not _is_store(first)):
        return store, first
    if first and store and first != store:
        raise click.UsageError(f"{first} and --store {store} name two stores")
    return first or store, second


def _is_store(text: str) -> bool:
    from blobfs.config import all_stores
    from blobfs.config.stores import LOCAL, PROJECT

    return text in {PROJECT, LOCAL, *(config.name for config in all_stores())}


def _fields(one: "Adopted") -> dict[str, Any]:
    return {name: value for name, value in one.to_dict().items() if name != "store"}


def _tell(found: Sequence["Adopted"], *, dry_run: bool) -> None:
    columns = ("state", "ref", "digest", "files", "size", "path")
    table(columns, map(_row, found), right=("files", "size"))
    if found and is_terminal():
        counts = Counter(one.state for one in found)
        amounts = ", ".join(f"{count:,} {state}" for state, count in counts.items())
        say(f"\n{amounts}{'; this was a dry run' if dry_run else ''}")


def _row(one: "Adopted") -> tuple[str, ...]:
    from blobfs.digest import short

    digest = one.digest or ""
    return (
        one.state,
        f"{one.name}:{one.version or '?'}" if one.name else "",
        short(digest) if is_terminal() else digest,
        str(one.files),
        size_text(one.size),
        one.path,
    )


def _complain(common: Common, found: Sequence["Adopted"], place: str) -> int:
    """Say what is wrong with each, and return the exit status."""
    from blobfs.cli.failure import complain, tell

    if common.talks and not found:
        complain(f"there is nothing to adopt at {place}")
    if common.talks:
        for one in found:
            if one.state == "unfinished":
                complain(f"{one.path}: {one.problem}")
    return worst(tell(one.error) for one in found if one.error)
