"""`blobfs ls` and `blobfs show`: what a store holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from blobfs.cli.completion import complete_ref
from blobfs.cli.exit_status import DONE, INTEGRITY
from blobfs.cli.options import Common, command
from blobfs.cli.output import document, is_terminal, say, shown, size_text, table

if TYPE_CHECKING:
    from blobfs.cli.catalog import Catalog
    from blobfs.manifest import Entry, Header
    from blobfs.ref import Ref
    from blobfs.store import Store


@command("ls", example="blobfs ls resnet:3/weights")
@click.argument("ref", metavar="[REF[/PATH]]", required=False, shell_complete=complete_ref)
def ls(common: Common, *, ref: str | None) -> int:
    """List what a store, an artifact or a directory holds.

    Of a store, assets come first, then the artifacts that no asset points at. Where standard
    output is no terminal, the columns are separated by tabs: ref, digest, files, size, created.
    """
    return _list_store(common) if ref is None else _list_entries(common, ref)


def _list_store(common: Common) -> int:
    from blobfs.api import open_store
    from blobfs.cli import catalog
    from blobfs.cli.failure import complain

    store = open_store(common.store)
    held = catalog.read(store)
    if common.json:
        document(_catalog_fields(store, held))
    else:
        columns = ("ref", "digest", "files", "size", "created")
        table(columns, _catalog_rows(held), right=("files", "size"))
        if common.talks and not (held.headers or held.assets or held.damaged):
            complain(f"{store} ({store.origin}) holds nothing yet")
    for what, problem in held.damaged.items():
        complain(f"{what}: {problem}")
    return INTEGRITY if held.damaged else DONE


def _catalog_rows(held: "Catalog") -> Iterable[tuple[str, ...]]:
    for asset in held.assets:
        header = held.headers.get(asset.digest)
        ref = f"{asset.name}:{asset.version}"
        yield (ref, _digest_text(asset.digest), *_amounts(header), asset.created)
    pointed = {asset.digest for asset in held.assets}
    for digest, header in held.headers.items():
        if digest not in pointed:
            short = _digest_text(digest)
            yield (
                header.name if is_terminal() else digest,
                short,
                *_amounts(header),
                header.created,
            )


def _digest_text(digest: str) -> str:
    from blobfs.digest import short

    return short(digest) if is_terminal() else digest


def _amounts(header: "Header | None") -> tuple[str, str]:
    return (f"{header.files}", size_text(header.size)) if header else ("?", "?")


def _catalog_fields(store: "Store", held: "Catalog") -> dict[str, Any]:
    return {
        "store": store.name,
        "assets": [
            {
                "name": asset.name,
                "version": asset.version,
                "digest": asset.digest,
                "created": asset.created,
                **_header_fields(held.headers.get(asset.digest)),
            }
            for asset in held.assets
        ],
        "artifacts": [
            {
                "digest": digest,
                "root": header.name,
                "created": header.created,
                **_header_fields(header),
                "assets": held.refs(digest),
            }
            for digest, header in held.headers.items()
        ],
        "damaged": [{"what": what, "problem": text} for what, text in held.damaged.items()],
    }


def _header_fields(header: "Header | None") -> dict[str, Any]:
    if header is None:
        return {"kind": None, "files": None, "size": None}
    return {"kind": header.kind, "files": header.files, "size": header.size}


@dataclass(slots=True)
class _Line:
    """A file, or a directory with all that lies below it."""

    name: str
    """A directory's ends in `/`."""

    size: int = 0
    files: int = 0
    entry: "Entry | None" = None
    """Of a file."""


def _list_entries(common: Common, ref: str) -> int:
    from blobfs.api import find

    found = find(ref, store=common.store)
    lines = _one_level(found.entries)
    if common.json:
        document(
            {
                "ref": ref,
                "store": found.store.name,
                "digest": found.header.digest if found.header else None,
                "entries": [_line_fields(line) for line in lines],
            }
        )
    elif is_terminal():
        rows = ((line.name, _line_size(line)) for line in lines)
        table(("name", "size"), rows, right=("size",))
    else:
        for line in lines:
            say(f"{shown(line.name)}\t{_line_size(line)}")
    return DONE


def _one_level(entries: Iterable["Entry"]) -> list[_Line]:
    """Return what lies directly there, sorted by name."""
    lines: dict[str, _Line] = {}
    for entry in entries:
        first, slash, _ = entry.path.partition("/")
        line = lines.setdefault(first + slash, _Line(first + slash))
        if not entry.is_directory:
            line.size += entry.size
            line.files += 1
        if not slash:
            line.entry = entry
    return sorted(lines.values(), key=lambda line: line.name)


def _line_size(line: _Line) -> str:
    return size_text(line.size)


def _line_fields(line: _Line) -> dict[str, Any]:
    if line.entry is None:
        return {"name": line.name, "kind": "directory", "size": line.size, "files": line.files}
    return {
        "name": line.name,
        "kind": "file",
        "size": line.size,
        "digest": line.entry.digest,
        "executable": line.entry.executable,
    }


@command("show", example="blobfs show resnet@latest")
@click.argument("ref", metavar="REF", shell_complete=complete_ref)
def show(common: Common, *, ref: str) -> int:
    """Print what is known of one artifact."""
    from blobfs.errors import ArtifactNotFoundError, ConfigError
    from blobfs.ref import parse
    from blobfs.resolve import digest_of, store_of

    parsed = parse(ref)
    if parsed.path:
        raise ConfigError(f"{ref!r} is a part of an artifact; `blobfs ls {ref}` lists it")
    store = store_of(parsed, common.store)
    digest = digest_of(store, parsed)
    header = store.probe(digest)
    if header is None:
        raise ArtifactNotFoundError(f"{store} has no artifact {digest}")
    fields = _artifact_fields(store, header, parsed)
    if common.json:
        document(fields)
        return DONE
    for name, value in fields.items():
        if value not in (None, []):
            say(f"{name:<10}  {_value_text(name, value)}")
    return DONE


def _artifact_fields(store: "Store", header: "Header", ref: "Ref") -> dict[str, Any]:
    from blobfs.artifact.value import artifact_of
    from blobfs.resolve import asset_of

    asset = asset_of(store, ref) if ref.name else None
    name, version = (asset.name, asset.version) if asset else (None, None)
    artifact = artifact_of(store, header, name, version, reused=True)
    return {
        "store": artifact.store,
        "digest": artifact.digest,
        "path": artifact.path,
        "uri": artifact.uri,
        "kind": artifact.kind,
        "size": artifact.size,
        "files": artifact.files,
        "name": name,
        "version": version,
        "root": header.name,
        "created": header.created,
        "url": header.url,
        "registered": [
            f"{name}:{version}" for name, version in store.registered(header.digest)
        ],
    }


def _value_text(name: str, value: object) -> str:
    if name == "size" and isinstance(value, int):
        return f"{size_text(value)} ({value:,} bytes)"
    if isinstance(value, list):
        return ", ".join(shown(str(item)) for item in value)
    return shown(str(value))
