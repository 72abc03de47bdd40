"""The files that AzureML uploads, with its hash of the source, by one read of each.

Its hash and its list of files do not always agree: what is uploaded and not hashed is told as
`uncovered`. Neither counts an executable bit or an empty directory, so they are not kept.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from blobfs.digest import PREFIX
from blobfs.errors import SourceError, typed
from blobfs.hashcache import HashCache, Identity
from blobfs.layout.azureml.files import File, checked, files_below
from blobfs.layout.azureml.hashing import INITIAL, Fed, fed
from blobfs.layout.azureml.ignore import Ignored
from blobfs.manifest import Entry
from blobfs.scan import LocalFile, Scan, identity_of
from blobfs.source.base import READ_SIZE, Advance, Take, changed
from blobfs.source.local import MEDIUM, LocalSource, Reading

if TYPE_CHECKING:
    from hashlib import _Hash

_OBJECT, _LISTING = b"object hash", b"listing"
"""What is remembered of a whole source, each as a row of its own in the hash cache."""


class AzureMLSource(LocalSource):
    """A local file or directory, as AzureML sees it."""

    def __init__(self, source: str | os.PathLike[str]) -> None:
        """Look at it; nothing is read yet.

        Raises:
            SourceNotFoundError, SourceError, UnsafeNameError, AccessError, IgnoreSyntaxError:
                see `upload_list`.
        """
        path, is_directory = checked(source)
        self._path, self._rules = path, Ignored(path)
        root = os.path.realpath(path) if is_directory else os.path.abspath(path)
        name, identity = os.path.basename(root) or "root", _identity(root)
        single = [File(path, name, identity)]
        found = files_below(root, self._rules) if is_directory else single
        if not found:
            raise SourceError(
                f"there is nothing to upload in {path!r}: no files, or all are ignored"
            )
        files = [LocalFile(file.path, file.identity, executable=False) for file in found]
        files.sort(key=lambda file: file.path)
        super().__init__(Scan(root, name, is_directory, identity, files, []))
        self._found = found
        self._locations = {file.path: file.location for file in found}
        self.indicator = min((location, path) for path, location in self._locations.items())[1]
        """The path of the file that AzureML writes first, and marks last."""
        self._hash: str | None = None

    @property
    def object_hash(self) -> str:
        """AzureML's hash, once `known` or `entries` found it."""
        if self._hash is None:
            raise SourceError(f"{self._path} is not hashed yet")
        return self._hash

    @cached_property
    def _fed(self) -> list[Fed]:
        return list(fed(self._path, self._rules, is_directory=self.is_directory))

    @cached_property
    def uncovered(self) -> list[str]:
        """The paths of files that are uploaded although the hash does not cover them."""
        if not self.is_directory:
            return []
        return sorted(self._locations.keys() - {one.path for one in self._fed if one.location})

    def known(self, cache: HashCache) -> str | None:
        """Return the digest of the artifact if nothing changed since both hashes were known."""
        identities = self._identities
        if identities is None:
            return None
        object_hash, listing = cache.lookup(identities)
        if object_hash and listing:
            self._hash = object_hash.removeprefix(PREFIX)
            return listing
        return None

    def remember(self, cache: HashCache, digest: str) -> None:
        """Let `known` know both hashes, as long as nothing changes."""
        if self._identities is not None:
            digests = (PREFIX + self.object_hash, digest)
            rows = zip(self._identities, digests, strict=True)
            cache.remember(rows, hashed_at_ns=self._started)

    @cached_property
    def _identities(self) -> list[Identity] | None:
        """Return identities of the source as a whole, for its two hashes, if there can be any.

        Beside the files to upload they stand for every name that is hashed.
        """
        whole = self.scan.tree_identity() if self.is_directory else self.scan.identity
        unseen = {one.path for one in self._fed if one.location} - self._locations.keys()
        if whole is None or unseen:  # which are hashed, and not uploaded
            return None
        names = b"\0".join(one.name for one in self._fed)
        return [_salted(whole, what, names) for what in (_OBJECT, _LISTING)]

    def entries(
        self,
        keys: Mapping[str, str],  # noqa: ARG002 - AzureML's are the paths
        *,
        cache: HashCache | None,  # noqa: ARG002 - its hash takes a read of all files
        take: Take | None,  # noqa: ARG002 - likewise, before anything has a place
        advance: Advance,
    ) -> list[Entry]:
        """Return the entries, sorted; every file is read once for both hashes.

        Raises:
            AccessError, SourceError: if a file cannot be read.
            SourceChangedError: if a file is not what was seen at first.
        """
        identities = {file.path: file.identity for file in self.scan.files}
        digests: dict[str, str] = {}
        whole, other = sha256(INITIAL), sha256()
        uncovered = [Fed(b"", self._locations[path], path) for path in self.uncovered]
        with ThreadPoolExecutor(1, "blobfs-hash") as pool:
            for hasher, seen in ((whole, self._fed), (other, uncovered)):
                for one in seen:
                    hasher.update(one.name)
                    if one.location:
                        identity = identities.get(one.path)
                        digest = _feed(hasher, one.location, identity, pool, advance)
                        digests[one.path] = digest
        # What came or went meanwhile may be in the hash, and not in the list.
        if self.is_directory and files_below(self.scan.root, self._rules) != self._found:
            raise changed(self.scan.root)
        self._hash = whole.hexdigest()
        return [Entry(file.path, file.size, digests[file.path]) for file in self.scan.files]


def _identity(path: str) -> Identity:
    try:
        return identity_of(os.stat(path))
    except OSError as error:
        raise typed(error, f"looking at {path!r}", SourceError) from error


def _feed(
    whole: "_Hash",
    location: str,
    identity: Identity | None,
    pool: ThreadPoolExecutor,
    advance: Advance,
) -> str:
    """Feed a file to the hash of the whole source, and return its own digest."""
    hasher = sha256()
    with Reading(location, identity) as file:
        while data := os.read(file, READ_SIZE):
            if len(data) < MEDIUM:
                hasher.update(data)
                whole.update(data)
            else:  # both let go of the interpreter meanwhile
                other = pool.submit(hasher.update, data)
                whole.update(data)
                other.result()
            if identity is not None:
                advance(len(data))
    return PREFIX + hasher.hexdigest()


def _salted(whole: Identity, what: bytes, names: bytes) -> Identity:
    """Return an identity that no file has, and no other source."""
    device, inode, size, mtime, ctime = whole
    numbers = b"%d %d " % (inode, size)
    own = int.from_bytes(sha256(numbers + what).digest()[:8], "big") >> 1
    state = int.from_bytes(sha256(numbers + names).digest()[:8], "big") >> 1
    return device, own, state, mtime, ctime
