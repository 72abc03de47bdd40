"""The files of a scan; one that changed is noticed before and after it is read."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256

from blobfs.backend.between import FileParts
from blobfs.backend.files import close, read_exactly
from blobfs.digest import PREFIX, digest_bytes
from blobfs.errors import (
    AccessError,
    BlobfsError,
    SourceChangedError,
    SourceError,
    naming_all,
    typed,
)
from blobfs.hashcache import HashCache, Identity
from blobfs.manifest import DIRECTORY, Entry
from blobfs.scan import LocalFile, Scan, identity_of
from blobfs.source.base import READ_SIZE, Advance, Sender, Take, changed

LARGE = 64 << 20
"""Bytes from which a file is staged while it is hashed, where trees are built in a stage."""

MEDIUM = 1 << 20
"""Bytes from which hashing in threads pays: below it they wait for each other's bytecode."""

MAX_SIZE = 1 << 63
"""More bytes than a file can have."""


class LocalSource:
    """The files of a scan."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.name = scan.name
        self.is_directory = scan.is_directory
        self.files = len(scan.files)
        self.sender: Sender | None = None
        self._started = time.time_ns()
        self._whole: Identity | None = None

    @property
    def paths(self) -> Sequence[str]:
        """Return the paths of files, and with a `/` at the end of empty directories."""
        return [*(file.path for file in self.scan.files), *self.scan.empty]

    @property
    def to_hash(self) -> int:
        """Return the bytes that must be read to know the digests, at most."""
        return sum(file.identity[2] for file in self.scan.files)

    def known(self, cache: HashCache) -> str | None:
        """Return the digest of the artifact if no file changed since it was last known."""
        self._whole = self.scan.tree_identity()
        return cache.lookup([self._whole])[0] if self._whole else None

    def remember(self, cache: HashCache, digest: str) -> None:
        """Let `known` know the digest of the artifact, as long as no file changes."""
        if self._whole:
            cache.remember([(self._whole, digest)], hashed_at_ns=self._started)

    def read(self, entry: Entry) -> bytes:
        """Return all bytes of a file; the caller holds them against the entry's digest."""
        location = self.scan.location(entry.path)
        with Reading(location, None) as file:
            return _read_all(file, entry.size)

    def parts(self, entry: Entry, part_size: int, start: int = 0) -> FileParts:
        """Yield the bytes of a file."""
        return FileParts(
            partial(Reading, self.scan.location(entry.path), None), part_size, start
        )

    def mismatch(self, entry: Entry) -> BlobfsError:
        """Return that the file changed since it was hashed."""
        return changed(self.scan.location(entry.path))

    def entries(
        self,
        keys: Mapping[str, str],
        *,
        cache: HashCache | None,
        take: Take | None,
        advance: Advance,
    ) -> list[Entry]:
        """Return the entries of the scan, sorted; every file is hashed, or was before.

        Args:
            keys: those that are not the path itself.
            cache: digests known from before.
            take: gets the large files that the cache does not know.
            advance: is told the bytes hashed.

        Raises:
            AccessError, SourceError: listing all files that cannot be read.
            SourceChangedError: if a file is not what the scan saw.
        """
        digests = self._digests(cache, take, advance)
        scan = self.scan
        entries = [
            Entry(file.path, file.identity[2], digest, file.executable, keys.get(file.path))
            for file, digest in zip(scan.files, digests, strict=True)
        ]
        if not scan.is_directory:
            return [
                Entry(e.path, e.size, e.digest, e.executable, keys.get("")) for e in entries
            ]
        if scan.empty:
            entries += [Entry(path, 0, DIRECTORY, key=keys.get(path)) for path in scan.empty]
            entries.sort(key=lambda entry: entry.path)
        return entries

    def _digests(
        self, cache: HashCache | None, take: Take | None, advance: Advance
    ) -> list[str]:
        files = self.scan.files
        identities = [file.identity for file in files]
        digests = cache.lookup(identities) if cache else [None] * len(files)
        unknown = [number for number, digest in enumerate(digests) if digest is None]
        hashed = dict(self.hash_files(unknown, take, advance))
        if cache and hashed:
            rows = ((identities[number], digest) for number, digest in hashed.items())
            cache.remember(rows, hashed_at_ns=self._started)
        return [digest or hashed[number] for number, digest in enumerate(digests)]

    def hash_files(
        self, numbers: Sequence[int], take: Take | None, advance: Advance
    ) -> list[tuple[int, str]]:
        """Return the digests of the files with these numbers, all of them or an error."""
        files, problems = self.scan.files, Problems(self.scan.root)
        small = [n for n in numbers if files[n].size < MEDIUM]
        large = [n for n in numbers if take and files[n].size >= LARGE]
        most = LARGE if take else MAX_SIZE
        medium = [n for n in numbers if MEDIUM <= files[n].size < most]

        def of(number: int) -> str:
            file = files[number]
            return hash_file(self.scan.location(file.path), file.identity, advance)

        result = [(n, problems.gather(of, n, files[n].path)) for n in small]
        if take:
            staging = take
            result += [
                (n, problems.gather(lambda n: self._taken(files[n], staging), n, files[n].path))
                for n in large
            ]
        if medium:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(os.cpu_count()) as pool:
                digests = pool.map(lambda n: problems.gather(of, n, files[n].path), medium)
                result += zip(medium, digests, strict=True)
        problems.raise_all()
        return result

    def _taken(self, file: LocalFile, take: Take) -> str:
        """Give a file away that is still, before and after, what the scan saw."""
        opening = partial(Reading, self.scan.location(file.path), file.identity)
        return take(file.path, file.size, file.executable, partial(FileParts, opening))


def hash_file(location: str, identity: Identity, advance: Advance) -> str:
    """Return the digest of a file that is still, before and after, what a scan saw.

    Args:
        location: its path.
        identity: what the scan saw.
        advance: is told of every part, so that a large file shows progress, too.

    Raises:
        SourceChangedError: if it is another one, or changed.
        AccessError, SourceError: if it cannot be read.
    """
    size = identity[2]
    with Reading(location, identity) as file:
        if size < MEDIUM:
            digest = digest_bytes(_read_all(file, size))
            advance(size)
            return digest
        hasher = sha256()
        for part in _parts(file, READ_SIZE, 0):
            hasher.update(part)
            advance(len(part))
        return PREFIX + hasher.hexdigest()


class Problems:
    """Files that could not be read, collected so that all are told at once."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._found: list[tuple[type[BlobfsError], str]] = []

    def gather(self, act: Callable[[int], str], number: int, path: str) -> str:
        """Call, and return `""` if the file could not be read."""
        try:
            return act(number)
        except SourceChangedError:
            raise
        except (AccessError, SourceError) as error:
            self.add(error, path)
            return ""

    def add(self, error: BlobfsError, path: str) -> None:
        """Take one that is known."""
        self._found.append((type(error), f"{path}: {error}"))

    def raise_all(self) -> None:
        """Raise one error that lists all, if there is any."""
        if self._found:
            kinds = {kind for kind, _ in self._found}
            kind = kinds.pop() if len(kinds) == 1 else SourceError
            problems = [text for _, text in self._found]
            raise naming_all(kind, f"{self._root} cannot be read", problems)


class Reading:
    """An open regular file, which must be the same and unchanged if an identity was given."""

    def __init__(self, location: str, identity: Identity | None) -> None:
        self._location = location
        self._identity = identity

    def __enter__(self) -> int:
        # Not blocking: the file could have become a FIFO since it was looked at.
        flags = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)
        try:
            self._file = os.open(self._location, flags)
        except (FileNotFoundError, NotADirectoryError):
            raise changed(self._location) from None
        except OSError as error:
            raise typed(error, f"opening {self._location}", SourceError) from error
        try:
            self._check()
        except BaseException:
            close(self._file)
            raise
        return self._file

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None:
                self._check()
            elif isinstance(error, OSError) and not isinstance(error, BlobfsError):
                raise typed(error, f"reading {self._location}", SourceError) from error
        finally:
            close(self._file)

    def _check(self) -> None:
        try:
            status = os.fstat(self._file) if self._identity else None
        except OSError as error:
            raise typed(error, f"looking at {self._location}", SourceError) from error
        if status and identity_of(status) != self._identity:
            raise changed(self._location)


def _read_all(file: int, size: int) -> bytes:
    """Read `size` bytes of a file, fewer only where it ends."""
    data = os.read(file, size)
    while len(data) < size and (more := os.read(file, size - len(data))):
        data += more
    return data


def _parts(file: int, part_size: int, start: int) -> Iterator[bytes]:
    """Yield a file's bytes in parts of exactly `part_size`, the last one shorter."""
    while part := read_exactly(file, start, part_size):
        start += len(part)
        yield part
