"""Decide what must move. Nothing here touches a disk or a network."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from blobfs.digest import Digest
from blobfs.errors import UnsafeNameError, naming_all
from blobfs.manifest import Entry
from blobfs.names import MAX_PART, encode_part, encode_path, folding_siblings, key_fault

Blob = tuple[str, int]
"""Digest and size in bytes: what two entries must share to have the same bytes."""


class Held(NamedTuple):
    """Bytes that a store holds for another artifact."""

    within: Digest
    inner: str
    """Their key below that artifact's directory."""

    key: str
    """Their key below the root of the store."""


class Plan(NamedTuple):
    """What will move, and what need not."""

    entries: Sequence[Entry]
    """All entries, as the manifest is to hold them."""

    send: Sequence[Entry]
    """Those whose bytes are to be sent, the large ones first."""

    copy: Sequence[tuple[Entry, Held]]
    """Those whose bytes the store copies, and from where."""

    @property
    def send_size(self) -> int:
        """Bytes that will be sent."""
        return sum(entry.size for entry in self.send)

    @property
    def copy_size(self) -> int:
        """Bytes that the store will copy."""
        return sum(entry.size for entry, _ in self.copy)


def plan(
    entries: Sequence[Entry],
    *,
    staged: Mapping[str, int],
    base: Mapping[Blob, Held],
    inner: Callable[[Entry], str],
    refer: bool,
) -> Plan:
    """Plan to bring the bytes of every entry into the store.

    Args:
        entries: what the artifact is made of.
        staged: keys that are there already, with their sizes.
        base: what another artifact in the store holds.
        inner: the key of an entry below the artifact's directory.
        refer: whether bytes that `base` holds stay where they are, only named in the manifest.
    """
    result, send, copy = [], [], []
    for entry in entries:
        held = base.get((entry.digest, entry.size)) if entry.size else None
        if held is not None and refer:
            result.append(entry._replace(key=held.inner, within=held.within))
        elif entry.is_directory or staged.get(inner(entry)) == entry.size:
            result.append(entry)
        else:
            result.append(entry)
            if held is not None:
                copy.append((entry, held))
            else:
                send.append(entry)
    send.sort(key=lambda entry: -entry.size)
    return Plan(result, send, copy)


def base_of(
    entries: Iterable[Entry],
    digest: Digest,
    inner: Callable[[Entry], str],
    key: Callable[[Entry], str],
) -> dict[Blob, Held]:
    """Return what the artifact `digest` holds, by content; never through another one."""
    return {
        (entry.digest, entry.size): Held(entry.within, entry.key or "", key(entry))
        if entry.within
        else Held(digest, inner(entry), key(entry))
        for entry in entries
        if not entry.is_directory
    }


def keys_of(
    name: str,
    paths: Sequence[str],
    *,
    prefix: str,
    forbidden: str,
    case_insensitive: bool,
) -> dict[str, str]:
    """Return the keys of those `paths` whose key is not the path itself.

    Args:
        name: of the root; its own key stands under `""` if it is another one.
        paths: of files and, with a `/` at the end, of directories.
        prefix: what all keys begin with, for their length.
        forbidden: characters that the store cannot hold.
        case_insensitive: whether names that fold together cannot be siblings there.

    Raises:
        UnsafeNameError: listing all paths that the store cannot hold faithfully.
    """
    special = _special(forbidden)
    root = encode_part(name, forbidden, top=True)
    keys = {"": root} if root != name else {}
    problems = [f"{name} {fault}" for fault in [key_fault(f"{prefix}/{root}")] if fault]
    for path in paths:
        key = path
        if special.search(path):
            tail = "/" if path.endswith("/") else ""
            key = encode_path(path.removesuffix("/"), forbidden) + tail
            if key != path:
                keys[path] = key
        if len(key) > MAX_PART // 4 and (fault := key_fault(f"{prefix}/{root}/{key}")):
            problems.append(f"{path} {fault}")
    if case_insensitive:
        pairs = folding_siblings(path.removesuffix("/") for path in paths)
        problems += [
            f"{a} and {b} have one name in a store that ignores case" for a, b in pairs
        ]
    if problems:
        raise naming_all(UnsafeNameError, f"{name} cannot be stored under its names", problems)
    return keys


@cache
def _special(forbidden: str) -> re.Pattern[str]:
    """Match every path that may need another key, and few others."""
    return re.compile(rf"[\x00-\x1f\x7f\\{re.escape(forbidden)}]|(?:^|/)%|[. ](?:/|$)")
