"""`blobfs verify` and `blobfs diff`: what is held against what."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from blobfs.cli.completion import complete_ref, complete_ref_or_path
from blobfs.cli.exit_status import DONE, FAILED, INTEGRITY, worst
from blobfs.cli.options import Common, command
from blobfs.cli.output import count_text, document, say, shown, size_text
from blobfs.cli.progress import Counter, progress

if TYPE_CHECKING:
    from blobfs.artifact.verify import Report


@command("verify", example="blobfs verify resnet:3 --deep")
@click.argument("refs", metavar="[REF]...", nargs=-1, shell_complete=complete_ref)
@click.option("--deep", is_flag=True, help="Read and hash every byte.")
def verify(common: Common, *, refs: tuple[str, ...], deep: bool) -> int:
    """Hold artifacts against their manifests.

    Every file must be there, with its size. Without a REF all that the store holds is
    verified. The exit status is 5 if something is wrong with it.
    """
    errors: list[Exception] = []
    with progress(wanted=common.talks) as callback:
        reports = list(
            _of_refs(common, refs, errors, deep=deep, callback=callback)
            if refs
            else _of_all(common, deep=deep, callback=callback)
        )
    if common.json and (reports or not errors):
        document(
            {
                "deep": deep,
                "ok": not errors and all(report.ok for _, report in reports),
                "artifacts": [_fields(ref, report) for ref, report in reports],
            }
        )
    elif not common.json:
        _tell(common, reports, deep=deep)
        if common.talks and not (reports or errors):
            say("the store holds nothing yet")
    from blobfs.cli.failure import tell

    found = (DONE if report.ok else INTEGRITY for _, report in reports)
    return worst([*found, *map(tell, errors)])


def _of_refs(
    common: Common,
    refs: tuple[str, ...],
    errors: list[Exception],
    *,
    deep: bool,
    callback: Counter,
) -> Iterator[tuple[str, "Report"]]:
    """Yield a report for each ref; one that cannot be verified does not hide the next."""
    from blobfs.artifact import verify as engine
    from blobfs.errors import BlobfsError
    from blobfs.ref import parse
    from blobfs.resolve import digest_of, store_of

    for ref in refs:
        try:
            parsed = parse(ref)
            store = store_of(parsed, common.store)
            digest = digest_of(store, parsed)
            yield ref, engine.verify(store, digest, deep=deep, callback=callback)
        except BlobfsError as error:
            errors.append(error)


def _of_all(common: Common, *, deep: bool, callback: Counter) -> Iterator[tuple[str, "Report"]]:
    """Yield a report for each artifact of a store, and for each asset that leads nowhere."""
    from blobfs.api import open_store
    from blobfs.artifact import verify as engine
    from blobfs.artifact.verify import Problem, Report
    from blobfs.cli import catalog
    from blobfs.digest import is_digest

    store = open_store(common.store)
    held = catalog.read(store)
    for digest in sorted({*held.headers, *filter(is_digest, held.damaged)}):
        ref = next(iter(held.refs(digest)), digest)
        yield ref, engine.verify(store, digest, deep=deep, callback=callback)
    for ref, what in held.damaged.items():
        if not is_digest(ref):
            yield ref, Report(store.name, "", deep, 0, 0, (Problem("", what),))


def _tell(common: Common, reports: list[tuple[str, "Report"]], *, deep: bool) -> None:
    """Print every problem, and a line for what is sound."""
    for ref, report in reports:
        for problem in report.problems:
            where = f"{shown(ref)}/{shown(problem.path)}" if problem.path else shown(ref)
            say(
                f"{where} {shown(problem.what)}"
                if problem.path
                else f"{where}: {shown(problem.what)}"
            )
        if report.ok and common.talks:
            amount = f"{count_text(report.files)}, {size_text(report.size)}"
            what = "every byte is" if deep else "files and sizes are"
            say(f"{shown(ref)}: {amount}: {what} as published")


def _fields(ref: str, report: "Report") -> dict[str, Any]:
    return {
        "ref": ref,
        "store": report.store,
        "digest": report.digest or None,
        "files": report.files,
        "size": report.size,
        "ok": report.ok,
        "problems": [{"path": p.path, "what": p.what} for p in report.problems],
    }


@command("diff", example="blobfs diff resnet:2 resnet:3")
@click.argument("first", metavar="REF|PATH", shell_complete=complete_ref_or_path)
@click.argument("second", metavar="REF|PATH", shell_complete=complete_ref_or_path)
def diff(common: Common, *, first: str, second: str) -> int:
    """Print the paths in which two artifacts differ.

    Said is what the second one has added, removed and changed. A PATH holds a slash or begins
    with a dot; what does not is a REF. The exit status is 1 if there are differences.
    """
    from blobfs import api

    found = api.diff(first, second, store=common.store)
    sides = {"added": found.added, "removed": found.removed, "changed": found.changed}
    if common.json:
        document({"equal": not found, **{verb: list(paths) for verb, paths in sides.items()}})
        return FAILED if found else DONE
    for path, verb in sorted((path, verb) for verb, paths in sides.items() for path in paths):
        say(f"{verb}\t{shown(path)}")
    return FAILED if found else DONE
