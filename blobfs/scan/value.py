"""What a walk finds."""

import os
from typing import NamedTuple

from blobfs.hashcache import COARSE_NS, Identity


class LocalFile(NamedTuple):
    """A file found on disk, not read yet; a named tuple, since there may be a million."""

    path: str
    """Relative to the root, `/` between parts."""

    identity: Identity
    """What `stat` told: another file, or changed content, has another one."""

    executable: bool
    """Whether its owner may execute it."""

    @property
    def size(self) -> int:
        """In bytes."""
        return self.identity[2]


class Scan(NamedTuple):
    """What a source holds."""

    root: str
    """Where it lies: an absolute path, in which links are not resolved."""

    name: str
    """The last part of that path."""

    is_directory: bool
    identity: Identity
    """Of the root itself."""

    files: list[LocalFile]
    """Sorted by path."""

    empty: list[str]
    """Kept directories without kept entries, each ending in `/`; sorted."""

    def tree_identity(self) -> Identity | None:
        """Return an identity of all files together, None if there can be none.

        It is the root's device and inode, a fingerprint of every path and identity in the
        size's place, and the newest times; it changes when any of them does.
        """
        from array import array
        from hashlib import sha256
        from itertools import chain

        numbers = list(chain.from_iterable([file.identity for file in self.files]))
        mtimes, ctimes = numbers[3::5], numbers[4::5]
        if not self.is_directory or not all([ctime % COARSE_NS for ctime in ctimes]):  # noqa: C419
            return None
        try:
            hasher = sha256(array("q", numbers))
        except OverflowError:  # an inode of more than 63 bits
            return None
        hasher.update(bytes([file.executable for file in self.files]))
        paths = [*(file.path for file in self.files), *self.empty]
        hasher.update("\0".join(paths).encode())
        fingerprint = int.from_bytes(hasher.digest()[:8], "big") >> 1
        device, inode = self.identity[:2]
        return device, inode, fingerprint, max(mtimes), max(ctimes)

    def location(self, path: str) -> str:
        """Return where the file called `path` lies on disk."""
        return f"{self.root}/{path}" if self.is_directory else self.root


def identity_of(status: os.stat_result) -> Identity:
    """Return the part of `status` that tells one state of one file from every other."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
