"""Diff: what differs between two lists of entries."""

from collections.abc import Iterable
from dataclasses import dataclass

from blobfs.manifest import Entry


@dataclass(frozen=True, slots=True)
class Diff:
    """Paths in which two artifacts, or an artifact and a local tree, differ; each sorted."""

    added: tuple[str, ...]
    """Only the second has them."""

    removed: tuple[str, ...]
    """Only the first has them."""

    changed: tuple[str, ...]
    """Both have them, with other bytes or another executable bit."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def diff(first: Iterable[Entry], second: Iterable[Entry]) -> Diff:
    """Return in which paths two lists of entries differ.

    >>> diff([Entry("a", 1, "x"), Entry("b", 1, "x")], [Entry("b", 1, "y"), Entry("c", 1, "z")])
    Diff(added=('c',), removed=('a',), changed=('b',))
    """
    old = {entry.path: (entry.digest, entry.executable) for entry in first}
    new = {entry.path: (entry.digest, entry.executable) for entry in second}
    return Diff(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(sorted(p for p in old.keys() & new.keys() if old[p] != new[p])),
    )
