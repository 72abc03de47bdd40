"""`blobfs download` and `blobfs cat`: bytes come out of a store, verified."""

import os
from typing import TYPE_CHECKING, Any

import click

from blobfs.cli.cluster import cluster, dask_option
from blobfs.cli.completion import complete_path, complete_ref
from blobfs.cli.exit_status import DONE
from blobfs.cli.options import Common, command
from blobfs.cli.output import count_text, document, say, shown, size_text, write
from blobfs.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobfs.artifact.reading import Found
    from blobfs.backend.base import Data
    from blobfs.manifest import Entry

READ_SIZE = 1 << 20
"""Bytes of a file that are held at a time."""


@command("download", example="blobfs download resnet:3 out/")
@click.argument("ref", metavar="REF[/PATH]", shell_complete=complete_ref)
@click.argument("target", metavar="TARGET", shell_complete=complete_path)
@click.option("--overwrite", is_flag=True, help="Replace files that are in the way.")
@dask_option()
def download(
    common: Common, *, ref: str, target: str, overwrite: bool, dask: str | None
) -> int:
    """Bring an artifact, or a part of one, to TARGET.

    Every byte is verified. A tree's files lie directly in TARGET. A file becomes TARGET, or
    lies in it if TARGET ends in a slash or is a directory.
    """
    from blobfs.api import find, spread_over
    from blobfs.artifact import download as engine

    found = find(ref, store=common.store)
    with cluster(dask) as executor, progress(wanted=common.talks) as callback:
        place = engine.download(
            found,
            target,
            overwrite=overwrite,
            jobs=common.jobs,
            spread=spread_over(executor, found.store),
            callback=callback,
        )
    fetched = callback.sizes.get("fetching", 0)
    if common.json:
        document(
            {
                **_identity(found, ref),
                "path": os.fspath(place),
                "files": sum(not entry.is_directory for entry in found.entries),
                "size": sum(entry.size for entry in found.entries),
                "fetched_bytes": fetched,
            }
        )
    elif not common.quiet:
        files = count_text(sum(not entry.is_directory for entry in found.entries))
        say(
            f"{shown(ref)} is in {shown(os.fspath(place))}:"
            f" {files}, fetched {size_text(fetched)} from {shown(str(found.store))}"
        )
    return DONE


@command("cat", example="blobfs cat resnet:3/config.json")
@click.argument("ref", metavar="REF/PATH", shell_complete=complete_ref)
def cat(common: Common, *, ref: str) -> int:
    """Print one file.

    What was printed is verified at its end: if the bytes are not those that were published,
    that is said, and the exit status is 5.
    """
    from blobfs.api import find
    from blobfs.errors import ConfigError, IntegrityError

    found = find(ref, store=common.store)
    if found.is_tree:
        raise ConfigError(f"{ref!r} is a directory; `blobfs ls {ref}` shows what is in it")
    (entry,) = found.entries
    if common.json:
        _document_of(found, entry, ref)
        return DONE
    try:
        for part in _verified(found, entry):
            write(part)
    except IntegrityError as error:
        error.add_note("what was printed must not be used")
        raise
    return DONE


def _verified(found: "Found", entry: "Entry") -> "Iterator[Data]":
    """Yield a file's bytes; raise at their end if they are not its own."""
    from hashlib import sha256

    from blobfs.digest import PREFIX, is_digest

    hasher = sha256()
    for part in found.source.parts(entry, READ_SIZE):
        hasher.update(part)
        yield part
    if is_digest(entry.digest) and PREFIX + hasher.hexdigest() != entry.digest:
        raise found.source.mismatch(entry)


def _document_of(found: "Found", entry: "Entry", ref: str) -> None:
    from base64 import b64encode

    data = b"".join(_verified(found, entry))
    try:
        encoding, content = "utf-8", data.decode()
    except UnicodeDecodeError:
        encoding, content = "base64", b64encode(data).decode()
    document(
        {
            **_identity(found, ref),
            "path": entry.path if found.header is None else found.path or entry.path,
            "size": entry.size,
            "file_digest": entry.digest,
            "executable": entry.executable,
            "encoding": encoding,
            "content": content,
        }
    )


def _identity(found: "Found", ref: str) -> dict[str, Any]:
    """Return what was found: `digest` is null if it is in no artifact."""
    return {
        "ref": ref,
        "store": found.store.name,
        "digest": found.header.digest if found.header else None,
    }
