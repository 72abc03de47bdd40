"""Renames of directories where a rename onto a directory moves into it.

So Hadoop's plain rename does: of two that publish one key, the second lands inside the first.
Nobody sees another tree than the winner's, and the loser takes out exactly what it put there.
"""

import posixpath
from typing import Protocol

from blobfs.errors import StoreUnavailableError


class Looking(Protocol):
    """The calls of a storage that a look takes. Keys are those of its backend."""

    def is_there(self, key: str) -> bool:
        """Whether anything lies at `key`; an error if that cannot be told."""

    def remove_tree(self, prefix: str) -> None:
        """Remove a directory."""


class Renaming(Looking, Protocol):
    """The calls that all of it takes."""

    def move(self, source: str, key: str) -> bool:
        """Rename as the storage does, its parent made; whether it says that it did."""


def rename_by_looking(storage: Renaming, source: str, key: str) -> None:
    """Rename the directory `source` to `key`, which exactly one of many does.

    Raises:
        FileExistsError: if something is there.
        FileNotFoundError: if `source` is not.
    """
    moved = not storage.is_there(key) and storage.move(source, key)
    settle(storage, source, key, moved=moved)


def settle(storage: Looking, source: str, key: str, *, moved: bool) -> None:
    """Find out what became of a rename; `moved` is what it answered. Raises as above."""
    inside = f"{key}/{posixpath.basename(source)}"
    if storage.is_there(inside):  # of this try, or of one whose answer was lost
        storage.remove_tree(inside)
        raise FileExistsError(f"{key} is there already")
    if moved:
        return
    if storage.is_there(key):
        raise FileExistsError(f"{key} is there already")
    if not storage.is_there(source):
        raise FileNotFoundError(f"{source} is not there")
    raise StoreUnavailableError(f"{source} was not renamed to {key}, and no reason was given")
