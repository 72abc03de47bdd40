"""`blobfs doctor`: what a store can do, measured."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from blobfs.cli.completion import complete_store
from blobfs.cli.exit_status import DONE, FAILED, status_of
from blobfs.cli.options import Common, command
from blobfs.cli.output import document, is_terminal, say, shown, table

if TYPE_CHECKING:
    from blobfs.config import StoreConfig
    from blobfs.doctor import Diagnosis
    from blobfs.managers.base import BlobManager

_CLEAR = "\r\x1b[2K"
"""Back to the beginning of a terminal's line, which is empty then."""


@command("doctor", example="blobfs doctor")
@click.argument("name", metavar="[STORE]", required=False, shell_complete=complete_store)
def doctor(common: Common, *, name: str | None) -> int:
    """Measure what a store can do.

    It writes objects of its own, and removes them again. The exit status is 1 if something
    falls short; credentials that only read do not.
    """
    from blobfs.config import find_store

    if name and common.store and name != common.store:
        raise click.UsageError(f"{name} and --store {common.store} name two stores")
    config = find_store(name or common.store)
    with _saying(wanted=common.talks and not common.verbose) as telling:
        diagnosis = _examined(config, telling)
    if common.json:
        document(_fields(config, diagnosis))
    else:
        _tell(config, diagnosis, talks=common.talks)
    if diagnosis.error:
        return status_of(diagnosis.error)
    return DONE if diagnosis.ok else FAILED


def _examined(config: "StoreConfig", telling: Callable[[str], object]) -> "Diagnosis":
    from blobfs.doctor import examine, unopened
    from blobfs.errors import ConfigError, MissingDependencyError
    from blobfs.managers.base import BlobManager
    from blobfs.resolve import open_manager

    manager = open_manager(config)
    if not isinstance(manager, BlobManager):
        raise ConfigError(
            f"{config.blob_manager_class} ({config.origin}) offers upload and download only:"
            " there is nothing to measure by; that needs a subclass of blobfs.BlobManager"
        )
    try:
        store = manager.open(config.name, config.origin)
    except MissingDependencyError as error:
        return unopened(config.name, _path(manager), error)
    return examine(store, identity=_identity(manager), telling=telling)


def _path(manager: "BlobManager") -> str | None:
    from blobfs.errors import BlobfsError

    try:
        return manager.location().url
    except BlobfsError:
        return None


def _identity(manager: "BlobManager") -> str:
    """Return the options that are set and say who asks; never what they say."""
    import re

    options = manager.options
    names = set(re.findall(r"`(\w+)`", manager.blames.credentials))
    names |= {key.name for key in manager.keys or () if key.secret}
    if options.get("anonymous"):
        names.add("anonymous")
    return ", ".join(name for name in options if name in names)


def _fields(config: "StoreConfig", diagnosis: "Diagnosis") -> dict[str, Any]:
    from blobfs.cli.masking import mask

    return {
        "store": diagnosis.store,
        "path": mask(diagnosis.path) if diagnosis.path else None,
        "blob_manager_class": config.blob_manager_class,
        "ok": diagnosis.ok,
        "checks": [
            {
                "check": row.check,
                "result": row.result,
                "measured": mask(row.measured),
                "advice": mask(row.advice) if row.advice else None,
            }
            for row in diagnosis.checks
        ],
    }


def _tell(config: "StoreConfig", diagnosis: "Diagnosis", *, talks: bool) -> None:
    """Print the table, and under it what to do."""
    fields = _fields(config, diagnosis)
    if talks and is_terminal():
        say(shown(f"{fields['store']}: {fields['path'] or config.blob_manager_class}") + "\n")
    checks = fields["checks"]
    rows = ([row["check"], row["result"], row["measured"]] for row in checks)
    table(("check", "result", "measured"), rows, right=())
    advised = [f"{row['check']}: {row['advice']}" for row in checks if row["advice"]]
    if advised and is_terminal():
        say("")
    for advice in advised:
        say(_wrapped(shown(advice)))


def _wrapped(text: str) -> str:
    """Return a text in lines that a terminal need not break."""
    if not is_terminal():
        return text
    import shutil

    width = shutil.get_terminal_size().columns
    return click.wrap_text(text, width, subsequent_indent="  ")


@contextmanager
def _saying(*, wanted: bool) -> Iterator[Callable[[str], object]]:
    """Yield what shows the check that is being done, on a terminal only, and takes it off."""
    if not (wanted and sys.stderr.isatty()):
        yield str
        return
    try:
        yield lambda check: click.echo(f"{_CLEAR}{check} …", err=True, nl=False)
    finally:
        click.echo(_CLEAR, err=True, nl=False)
