"""The objects that are measured with: they lie in a directory of their own, and are removed.

Whatever may have come to be there is noted before it is written, so it is removed even if
nobody knows whether it was.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple
from uuid import uuid4

from blobfs.backend.base import Upload
from blobfs.backend.local import LocalBackend
from blobfs.errors import BlobfsError
from blobfs.layout.hashed import PRIVATE
from blobfs.names import STAGES
from blobfs.store import Store

AT_ONCE = 8
"""Objects that are removed at a time."""

ABORTING = 0.3
"""Seconds for giving up an upload that was interrupted."""


class ClosedError(Exception):
    """Nobody waits any more for what was about to be written."""


class Left(NamedTuple):
    """What is still there after all was removed that could be."""

    keys: list[str]
    """Of objects."""

    uploads: list[str]
    """Keys of uploads that may not be given up: their parts may stay, though no object does."""

    directories: list[str]
    """Empty ones, on a filesystem without a call to remove them by."""

    def __bool__(self) -> bool:
        return bool(self.keys or self.uploads)


class Bench:
    """A directory of one's own in a store."""

    def __init__(self, store: Store) -> None:
        """Make nothing yet, but note which local directories are not there."""
        self.store = store
        self.backend = store.backend
        self.directory = f"{PRIVATE}/doctor-{uuid4()}"
        self.is_settled = True
        """Whether every request was answered, so that nothing can come to be there later."""
        self._keys: set[str] = set()
        self._uploads: list[tuple[str, Upload]] = []
        self._closed = False
        self._lock = threading.Lock()
        self._absent = _absent_paths(store)
        self._absent_keys: list[str] = []

    def key(self, name: str) -> str:
        """Return the key of an object that is about to be written, and is removed in the end.

        Raises:
            ClosedError: if that has begun.
        """
        key = f"{self.directory}/{name}"
        with self._lock:
            if self._closed:
                raise ClosedError
            self._keys.add(key)
        return key

    def forget(self, key: str) -> None:
        """Take back that something may lie there: the storage refused to write it."""
        with self._lock:
            self._keys.discard(key)

    @contextmanager
    def upload(self, name: str, size: int) -> Iterator[Upload]:
        """Begin an upload, and abort it unless it was completed."""
        key = self.key(name)
        begun = key, self.backend.upload(key, size)
        self._uploads.append(begun)
        try:
            yield begun[1]
        except BaseException:
            if begun in self._uploads:
                begun[1].abort()
            raise
        finally:
            with suppress(ValueError):
                self._uploads.remove(begun)

    def look_around(self) -> None:
        """Note which directories of the store are not there, where it has some.

        The root's is not told from an empty one, except on this machine.
        """
        if self.backend.renames_directories and not isinstance(self.backend, LocalBackend):
            inner = self.backend.names(PRIVATE)
            if STAGES.removeprefix(f"{PRIVATE}/") + "/" not in inner:
                self._absent_keys.append(STAGES)
            if not inner and f"{PRIVATE}/" not in self.backend.names(""):
                self._absent_keys.append(PRIVATE)

    def close(self) -> None:
        """Let nothing more be written."""
        with self._lock:
            self._closed = True

    def remove(self) -> Left:
        """Remove everything that can be removed."""
        uploads = self._abort()
        if not self._keys:
            return Left([], uploads, [])
        whole = self.backend.renames_directories
        left = self._remove_tree() if whole else self._remove_objects()
        for path in self._absent:
            with suppress(OSError):  # somebody uses it meanwhile
                os.rmdir(path)
        return Left(sorted(left), uploads, [] if left else self._remove_directories())

    def noted(self) -> list[str]:
        """Return every key that may have been written."""
        return sorted(self._keys)

    def _abort(self) -> list[str]:
        """Give up the uploads that somebody is still in the middle of; return what may stay.

        Not on this machine: there an open file is its writer's, and the next upload to the
        store removes what is left of it.
        """
        begun = [] if isinstance(self.backend, LocalBackend) else list(self._uploads)
        threads = [threading.Thread(target=one.abort, daemon=True) for _, one in begun]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(ABORTING)  # a library may wait for a request that is on its way
        return [
            key for (key, _), thread in zip(begun, threads, strict=True) if thread.is_alive()
        ]

    def _remove_directories(self) -> list[str]:
        """Remove empty directories, as far as deleting an object does it; return the others.

        Deleting is asked for one thing, never for what lies in it.
        """
        own = {self.directory} if self._shows(self.directory) else set()
        for key in self._keys if own else ():
            while (key := key.rpartition("/")[0]) != self.directory:
                own.add(key)
        deepest_first = sorted(own, key=lambda key: -key.count("/"))
        for key in (*deepest_first, *self._absent_keys):
            with suppress(BlobfsError, OSError):
                self.backend.delete(key)
        top = [key for key in own if key == self.directory]
        return [key for key in (*top, *self._absent_keys) if self._shows(key)]

    def _shows(self, directory: str) -> bool:
        above, _, name = directory.rpartition("/")
        try:
            return f"{name}/" in self.backend.names(above)
        except (BlobfsError, OSError):
            return False

    def _remove_tree(self) -> set[str]:
        try:
            self.backend.remove_tree(self.directory)
        except BlobfsError:
            listed = self._listed()
            return self._keys if listed is None else listed
        return set()

    def _remove_objects(self) -> set[str]:
        from concurrent.futures import ThreadPoolExecutor

        # A store that does not keep names as they are has some that were never noted.
        listed = self._listed()
        keys = sorted(self._keys | (listed or set()))
        with ThreadPoolExecutor(AT_ONCE, "blobfs-doctor") as pool:
            removed = pool.map(self._remove, keys)
            kept = {key for key, gone in zip(keys, removed, strict=True) if not gone}
        return kept if listed is None else kept & listed

    def _remove(self, key: str) -> bool:
        try:
            self.backend.delete(key)
        except (BlobfsError, OSError):
            return False
        return True

    def _listed(self) -> set[str] | None:
        try:
            return {found.key for found in self.backend.objects(self.directory)}
        except (BlobfsError, OSError):
            return None


def _absent_paths(store: Store) -> list[str]:
    """Return the local directories that a first object will bring about, the deepest first."""
    backend = store.backend
    if not isinstance(backend, LocalBackend):
        return []
    absent = [
        path for path in map(backend.path, (STAGES, PRIVATE)) if not os.path.lexists(path)
    ]
    path = backend.root
    while path and not os.path.lexists(path):
        absent.append(path)
        path = os.path.dirname(path)
    return absent
