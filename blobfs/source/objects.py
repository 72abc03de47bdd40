"""Objects of a store, or of any storage that a URL names."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256

from blobfs.backend.base import Backend, Data, Piece
from blobfs.backend.between import FileParts
from blobfs.digest import PREFIX, is_digest
from blobfs.errors import BlobfsError, IntegrityError
from blobfs.hashcache import HashCache
from blobfs.manifest import Entry
from blobfs.source.base import READ_SIZE, Advance, Sender, Source, Take, changed


class BackendSource:
    """Objects of a store, or of any storage that a URL names."""

    def __init__(self, backend: Backend, key_of: Callable[[Entry], str], what: str) -> None:
        """Read from `backend` where `key_of` says; `what` names it in messages."""
        self.backend = backend
        self.key = key_of
        self._what = what

    def read(self, entry: Entry) -> bytes:
        """Return all bytes of an object."""
        try:
            data = self.backend.read(self.key(entry))
        except FileNotFoundError as error:
            raise self._missing(entry) from error
        self._check(entry, len(data))
        return data

    def piece(self, entry: Entry, start: int, end: int, token: str = "") -> Piece:
        """Return the bytes from `start` to `end` of an object that is still what it was.

        Args:
            entry: of the object.
            start: of the first byte.
            end: of the last one, plus one.
            token: that the object must have; as it was told with an earlier piece.

        Raises:
            IntegrityError: if it is gone, has another size, or is another one by now.
        """
        try:
            piece = self.backend.piece(self.key(entry), start, end)
        except FileNotFoundError as error:
            raise self._missing(entry) from error
        self._check_size(entry, piece.size)
        wanted = token or ("" if is_digest(entry.digest) else entry.digest)
        if wanted and piece.token != wanted:
            raise self._changed(entry, piece.token, wanted)
        if len(piece.data) != end - start:
            raise IntegrityError(
                f"{entry.path} of {self._what}: {len(piece.data)} bytes came instead of"
                f" {end - start}"
            )
        return piece

    def parts(self, entry: Entry, part_size: int, start: int = 0) -> Iterable[Data]:
        """Yield the bytes of an object."""
        stream = self.backend.stream(self.key(entry), part_size, start, entry.size)
        if isinstance(stream, FileParts):
            return FileParts(partial(self._opened, entry, stream), part_size, start)
        return self._checked(entry, stream, start)

    def _checked(self, entry: Entry, stream: Iterable[Data], done: int) -> Iterator[Data]:
        try:
            for part in stream:
                done += len(part)
                yield part
        except FileNotFoundError as error:
            raise self._missing(entry) from error
        self._check(entry, done)

    @contextmanager
    def _opened(self, entry: Entry, stream: FileParts) -> Iterator[int]:
        try:
            with stream.opening() as file:
                yield file
                self._check(entry, os.fstat(file).st_size)
        except FileNotFoundError as error:
            raise self._missing(entry) from error

    def mismatch(self, entry: Entry) -> BlobfsError:
        """Return that the store is damaged."""
        return IntegrityError(
            f"{entry.path} of {self._what} does not have its digest {entry.digest}:"
            f" {self.key(entry)} is damaged"
        )

    def check(self, entry: Entry) -> None:
        """Hold an object against its entry without reading it.

        Raises:
            IntegrityError: if it is gone, or not what it was.
        """
        try:
            found = self.backend.head(self.key(entry))
        except FileNotFoundError as error:
            raise self._missing(entry) from error
        self._check_size(entry, found.size)
        if not is_digest(entry.digest) and found.token != entry.digest:
            raise self._changed(entry, found.token, entry.digest)

    def _check(self, entry: Entry, size: int) -> None:
        """Hold what was read against the entry, as far as that needs no hashing."""
        self._check_size(entry, size)
        if not entry.digest.startswith(PREFIX):
            self.check(entry)

    def _check_size(self, entry: Entry, size: int) -> None:
        if size != entry.size:
            raise IntegrityError(
                f"{entry.path} of {self._what} has {size} bytes instead of {entry.size}"
            )

    def _changed(self, entry: Entry, token: str, was: str) -> BlobfsError:
        return IntegrityError(
            f"{entry.path} of {self._what} changed: it is {token}, and was {was}"
        )

    def _missing(self, entry: Entry) -> BlobfsError:
        return IntegrityError(f"{entry.path} of {self._what} is gone")


class RemoteSource:
    """Objects that are to become an artifact: read once to be hashed, and once to be moved."""

    def __init__(
        self, source: Source, name: str, found: Sequence[Entry], what: str, *, is_file: bool
    ) -> None:
        """Take what `source` gives for the entries `found`.

        Args:
            source: of the bytes.
            name: of the root.
            found: digests that they have are trusted until the bytes are moved; then every byte
                is held against them, as always.
            what: for messages.
            is_file: whether it is a single file.
        """
        self.name = name
        self.is_directory = not is_file
        self.sender: Sender | None = None
        self.files = sum(not entry.is_directory for entry in found)
        self.paths: Sequence[str] = [entry.path for entry in found]
        self.to_hash = sum(entry.size for entry in found if not is_digest(entry.digest))
        self._source = source
        self._found = {entry.path: entry for entry in found}
        self._what = what

    def known(self, cache: HashCache) -> None:
        """Know nothing: the cache is of local files."""

    def remember(self, cache: HashCache, digest: str) -> None:
        """Remember nothing."""

    def read(self, entry: Entry) -> bytes:
        """Return all bytes of a small file."""
        return self._source.read(self._found[entry.path])

    def parts(self, entry: Entry, part_size: int, start: int = 0) -> Iterable[Data]:
        """Yield the bytes of a file."""
        return self._source.parts(self._found[entry.path], part_size, start)

    def entries(
        self,
        keys: Mapping[str, str],
        *,
        cache: HashCache | None,  # noqa: ARG002 - it knows local files only
        take: Take | None,  # noqa: ARG002 - what is read twice may as well be sent the second time
        advance: Advance,
    ) -> list[Entry]:
        """Return the entries with their digests, sorted by path."""
        return [
            Entry(
                entry.path,
                entry.size,
                self._digest(entry, advance),
                entry.executable,
                keys.get(entry.path if self.is_directory else ""),
            )
            for _, entry in sorted(self._found.items())
        ]

    def mismatch(self, entry: Entry) -> BlobfsError:
        """Return that the object changed since it was hashed."""
        return changed(f"{self._what}: {entry.path}")

    def _digest(self, entry: Entry, advance: Advance) -> str:
        if entry.is_directory or is_digest(entry.digest):
            return entry.digest
        hasher = sha256()
        for part in self.parts(entry, READ_SIZE):
            hasher.update(part)
            advance(len(part))
        return PREFIX + hasher.hexdigest()
