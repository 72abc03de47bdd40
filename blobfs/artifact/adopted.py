"""What became of something that was to be an artifact where it lies, and the note of it.

A note saves reading again what did not change. It decides nothing else: without it, or with one
that cannot be read, everything is read and the same comes out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from json.encoder import encode_basestring as quoted
from typing import Any, Literal, NamedTuple

from blobfs.digest import Digest, is_digest
from blobfs.errors import BlobfsError
from blobfs.layout.hashed import ADOPTED
from blobfs.manifest import Entry
from blobfs.store import Store

State = Literal["adopted", "known", "unfinished", "failed"]
"""It is an artifact now (in a plan: it would be); it was one, and did not change; AzureML never
said that it is complete, so it is left alone; it is none."""

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Adopted:
    """One file or directory of a store that was to become an artifact where it lies."""

    store: str | None
    """The name of the store; None if it was opened from a dict."""

    path: str
    """The handle of the file or directory."""

    state: State
    kind: Literal["file", "tree"]
    digest: Digest | None
    """None if it is no artifact, and in a plan if it is not known without reading."""

    files: int
    size: int
    """In bytes."""

    name: str | None
    version: str | None
    """Of the asset that points at it; in a plan: that it would get, None being the next one."""

    problem: str | None = None
    """What is wrong with it; of an artifact: why it has no name."""

    error: BlobfsError | None = field(default=None, repr=False, compare=False)
    """What `problem` tells, if something failed."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by their names, all but `error`."""
        names = (name for name in self.__dataclass_fields__ if name != "error")
        return {name: getattr(self, name) for name in names}


class Note(NamedTuple):
    """What is remembered of an artifact that was adopted."""

    at: str
    """The key of its root."""

    digest: Digest
    fingerprint: str
    """Of all that its listing told; see `fingerprint_of`."""

    name: str | None = None
    version: str | None = None
    """Of the asset that it was last registered as."""


def fingerprint_of(entries: Sequence[Entry]) -> str:
    """Return what changes when a file is added, removed or written, as hexadecimal digits.

    Args:
        entries: sorted, with tokens in the digests' place.
    """
    hasher = sha256()
    for entry in entries:
        hasher.update(f"{entry.size} {entry.digest} {quoted(entry.path)}\n".encode())
    return hasher.hexdigest()


def note_name(at: str) -> str:
    """Return what the note of the root at this key is called.

    >>> note_name("w.zip")[:16]
    '8359423a6f1b9725'
    """
    return sha256(at.encode()).hexdigest()


def read_note(store: Store, at: str) -> Note | None:
    """Return the note of the root at this key, None if there is none that can be used."""
    try:
        fields = json.loads(store.backend.read(f"{ADOPTED}/{note_name(at)}"))
        note = Note(*(fields.get(name) for name in Note._fields))
        usable = fields["schema"] == SCHEMA and note.at == at and is_digest(note.digest)
    except (FileNotFoundError, ValueError, KeyError, AttributeError, RecursionError):
        return None
    return note if usable else None


def write_note(store: Store, note: Note) -> None:
    """Remember what was adopted, in place of what was remembered of the same root."""
    fields = json.dumps({"schema": SCHEMA, **note._asdict()}, ensure_ascii=False)
    store.backend.put(f"{ADOPTED}/{note_name(note.at)}", fields.encode() + b"\n")
