"""The manifest of an artifact, and the listing whose digest names it.

Both are written and read as streams of lines, so that a million entries take seconds and a few
hundred megabytes. A manifest that is read whole checks itself: entries → listing → digest.
Strings are sorted by code points, which is the order of their UTF-8 bytes.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from json.encoder import encode_basestring as quoted
from typing import Any, Literal, NamedTuple

from blobfs.digest import PREFIX, Digest, hex_of, is_digest
from blobfs.errors import IntegrityError, UnsafeNameError
from blobfs.names import path_fault

Kind = Literal["file", "tree", "reference"]

SCHEMA = 1

HEADER_BYTES = 4096
"""How much a probe reads: a header is a few hundred bytes, unless its name or URL is long."""

MAX_LINE = 64 << 10
"""Bytes of one line: a path of 1,024 bytes escapes to at most 6 KiB, a URL may be long."""

MAX_MANIFEST = 1 << 30
"""Bytes of a whole manifest: about five million entries."""

DIRECTORY = "-"
"""Stands in a digest's place for a kept directory without kept entries."""

_BATCH = 4096
"""Lines joined at a time: measured, more does not help."""


class Entry(NamedTuple):
    """One file of an artifact, or a directory that is empty.

    A named tuple, since there may be a million: it is made in a third of the time.
    """

    path: str
    """Relative to the artifact's root, `/` between parts; a directory's ends in `/`."""

    size: int
    """In bytes."""

    digest: str
    """Of the bytes; `-` for a directory; `etag:…` or `mtime:…` in a reference."""

    executable: bool = False
    """Whether the owner may execute it."""

    key: str | None = None
    """Where the bytes lie below the artifact's root, if that is not `path`. For an entry whose
    bytes lie `within` another artifact: where, below that artifact's directory."""

    within: Digest | None = None
    """The artifact that holds the bytes, if it is another one (`in` in the manifest)."""

    @property
    def is_directory(self) -> bool:
        """Whether this is a kept directory without kept entries."""
        return self.digest == DIRECTORY


class Header(NamedTuple):
    """The first line of a manifest: what a probe needs to know."""

    digest: Digest
    kind: Kind
    name: str
    """Of the root: the directory's or the file's."""

    files: int
    size: int
    """Sum of the files' sizes in bytes."""

    created: str
    """RFC 3339, UTC; for people, nothing depends on it."""

    commit: str
    """A UUID of its own for every commit, so that a writer recognises its manifest."""

    key: str | None = None
    """Under what the root lies in the artifact's directory, if that is not `name`."""

    url: str | None = None
    """What a reference refers to."""

    at: str | None = None
    """The key of the root below the store's, if it does not lie in the artifact's directory."""


class Manifest(NamedTuple):
    """An artifact as it is published."""

    header: Header
    entries: Sequence[Entry]
    """Sorted by path."""


def listing(kind: Kind, entries: Iterable[Entry]) -> Iterator[bytes]:
    r"""Yield the listing of sorted `entries`, in pieces; the digest of all is the artifact's.

    >>> entry = Entry("a/é", 3, "sha256:" + "0" * 64, executable=True)
    >>> b"".join(listing("tree", [entry])).decode().splitlines()[1][60:]
    '0000 3 "a/é" x'
    """
    yield f"blobfs listing 1 {kind}\n".encode()
    lines = (
        f"{hex_of(e.digest)} {e.size} {quoted(e.path)}{' x' if e.executable else ''}\n"
        for e in entries
    )
    while batch := "".join(islice(lines, _BATCH)):
        yield batch.encode()


def listing_digest(kind: Kind, entries: Iterable[Entry]) -> Digest:
    """Return the digest that names an artifact of these sorted `entries`."""
    hasher = hashlib.sha256()
    for piece in listing(kind, entries):
        hasher.update(piece)
    return Digest(PREFIX + hasher.hexdigest())


def encode(manifest: Manifest) -> Iterator[bytes]:
    """Yield the manifest's bytes, in pieces of whole lines."""
    yield _header_line(manifest.header).encode()
    lines = map(_entry_line, manifest.entries)
    while batch := "".join(islice(lines, _BATCH)):
        yield batch.encode()


def _header_line(header: Header) -> str:
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "digest": header.digest,
        "kind": header.kind,
        "name": header.name,
        "files": header.files,
        "size": header.size,
        "created": header.created,
        "commit": header.commit,
    }
    optional = {"key": header.key, "url": header.url, "at": header.at}
    fields |= {name: value for name, value in optional.items() if value is not None}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


def _entry_line(entry: Entry) -> str:
    line = f'{{"path":{quoted(entry.path)},"size":{entry.size},"digest":{quoted(entry.digest)}'
    if entry.executable:
        line += ',"executable":true'
    if entry.key is not None:
        line += f',"key":{quoted(entry.key)}'
    if entry.within is not None:
        line += f',"in":"{entry.within}"'
    return line + "}\n"


def decode_header(data: bytes, *, whole: bool = True) -> Header:
    """Return the header at the beginning of `data`.

    Args:
        data: the manifest, or its first bytes.
        whole: False if `data` may have been cut before the header's end.

    Raises:
        IntegrityError: if that is no header that this version can read.
        EOFError: if the header is longer than `data`, and more may follow.
    """
    line, newline, _ = data.partition(b"\n")
    if not newline:
        if not whole and len(line) < MAX_LINE:
            raise EOFError
        raise IntegrityError("the manifest has no header line")
    return _header(_loads(line, 1))


def decode(chunks: Iterable[bytes]) -> Manifest:
    """Read a whole manifest and check it: names, order, count, sizes, digest.

    Raises:
        IntegrityError: if it is no manifest, is damaged, or is of a newer schema.
        UnsafeNameError: if a path or key in it would leave the place it is to be kept in.
    """
    lines = _lines(chunks)
    first = next(lines, b"")
    header = _header(_loads(first, 1))
    entries = [_entry(_loads(line, number), number) for number, line in enumerate(lines, 2)]
    manifest = Manifest(header, entries)
    _check(manifest)
    return manifest


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest, total = b"", 0
    for chunk in chunks:
        if (total := total + len(chunk)) > MAX_MANIFEST:
            raise IntegrityError(f"the manifest has more than {MAX_MANIFEST} bytes")
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE:
            raise IntegrityError(f"the manifest has a line of more than {MAX_LINE} bytes")
    if rest:
        raise IntegrityError("the manifest's last line is not complete")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key stands there twice")
    return fields


_decoder = json.JSONDecoder(object_pairs_hook=_no_duplicates)


def _loads(line: bytes, number: int) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise IntegrityError(f"line {number} of the manifest has more than {MAX_LINE} bytes")
    try:
        text = line.decode()
        fields, end = _decoder.raw_decode(text)
        if end != len(text):
            raise ValueError("something follows the object")  # noqa: TRY301 - one message for all
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"line {number} of the manifest is not JSON: {error}") from error
    if type(fields) is not dict:
        raise IntegrityError(f"line {number} of the manifest is no JSON object")
    return fields


def _header(fields: dict[str, Any]) -> Header:
    schema = fields.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise IntegrityError(
            f"the manifest has schema {schema}; this version of blobfs reads {SCHEMA}:"
            " a newer one is needed"
        )
    header = Header(
        **{name: fields.get(name) for name in Header._fields}  # type: ignore[arg-type] # checked next
    )
    text = (header.name, header.created, header.commit)
    optional = (header.key, header.url, header.at)
    if (
        type(schema) is not int
        or schema != SCHEMA
        or not is_digest(header.digest)
        or header.kind not in ("file", "tree", "reference")
        or not all(type(value) is str for value in text)
        or not all(value is None or type(value) is str for value in optional)
        or not _is_count(header.files)
        or not _is_count(header.size)
        or (header.kind == "reference") != (header.url is not None)
        or (header.at is not None and header.kind == "reference")
    ):
        raise IntegrityError("the manifest's header lacks a field or has one of a wrong type")
    for part in (header.name, header.key or header.name):
        if "/" in part or (fault := path_fault(part)):
            fault = "holds a /" if "/" in part else fault
            raise UnsafeNameError(f"the manifest's root {part!r} {fault}")
    if header.at is not None and (fault := path_fault(header.at)):
        raise UnsafeNameError(f"the manifest's root {header.at!r} {fault}")
    return header


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _entry(fields: dict[str, Any], number: int) -> Entry:
    path, size, digest = fields.get("path"), fields.get("size"), fields.get("digest")
    executable, key, within = (
        fields.get("executable", False),
        fields.get("key"),
        fields.get("in"),
    )
    if (
        type(path) is not str
        or type(size) is not int
        or size < 0
        or type(digest) is not str
        or type(executable) is not bool
        or (key is not None and type(key) is not str)
        or (within is not None and not (is_digest(within) and key))
        or (digest == DIRECTORY) != path.endswith("/")
        or (digest == DIRECTORY and size)
    ):
        raise IntegrityError(
            f"line {number} of the manifest lacks a field or has one of a wrong type"
        )
    for text in (path.removesuffix("/"), key):
        if text is not None and (fault := path_fault(text)):
            raise UnsafeNameError(f"line {number} of the manifest: {text!r} {fault}")
    return Entry(path, size, digest, executable, key, within)


def _check(manifest: Manifest) -> None:
    """Hold the entries against the header, and against each other."""
    header, entries = manifest.header, manifest.entries
    files = [entry for entry in entries if not entry.is_directory]
    if header.kind == "reference":
        known = ("etag:", "mtime:", PREFIX)
        wrong = [e for e in files if not e.digest.startswith(known)]
    else:
        wrong = [e for e in files if not is_digest(e.digest)]
    if wrong:
        raise IntegrityError(f"the manifest's entry {wrong[0].path!r} has no usable digest")
    if header.kind == "file" and [e.path for e in entries] != [header.name]:
        raise IntegrityError("the manifest of a single file must have one entry, by its name")
    _check_order(entries)
    if len(files) != header.files or sum(entry.size for entry in files) != header.size:
        raise IntegrityError(
            f"the manifest says {header.files} files of {header.size} bytes; its entries are"
            f" {len(files)} of {sum(entry.size for entry in files)}"
        )
    if (actual := listing_digest(header.kind, entries)) != header.digest:
        raise IntegrityError(
            f"the manifest's entries have the digest {actual}, its header says {header.digest}"
        )


def _check_order(entries: Sequence[Entry]) -> None:
    """Refuse entries out of order or repeated, and a file that would also be a directory."""
    paths = {entry.path for entry in entries}
    above, previous = "", ""
    for entry in entries:
        if entry.path <= previous:
            raise IntegrityError(
                f"the manifest's entries are not in order: {entry.path!r} after {previous!r}"
            )
        previous = entry.path
        itself = entry.path.removesuffix("/")
        parent = itself.rpartition("/")[0]
        if entry.is_directory and itself in paths:
            raise IntegrityError(f"the manifest holds {itself!r} as a file and as a directory")
        if parent != above:
            above = parent
            while parent:
                if parent in paths or f"{parent}/" in paths:
                    raise IntegrityError(
                        f"the manifest holds {parent!r} as a directory and as something else"
                    )
                parent = parent.rpartition("/")[0]
