"""What a source is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from blobfs.backend.base import Data
from blobfs.errors import BlobfsError, SourceChangedError
from blobfs.hashcache import HashCache
from blobfs.manifest import Entry, Header
from blobfs.stage import Stage

READ_SIZE = 1 << 20
"""Bytes read at a time to hash them."""

Parts = Callable[[int], Iterable[Data]]
"""Yields a file's bytes in parts of the size given."""

Take = Callable[[str, int, bool, Parts], str]
"""Gets path, size, whether it is executable, and the bytes of a large file; keeps the bytes
somewhere, and returns their digest."""

Advance = Callable[[int], object]
"""Is told how many bytes were just done."""


class Source(Protocol):
    """Gives bytes. Both calls may come from several threads."""

    def read(self, entry: Entry) -> bytes:
        """Return all bytes of a small file."""

    def parts(self, entry: Entry, part_size: int, start: int = 0) -> Iterable[Data]:
        """Yield the bytes of a file, in parts of exactly `part_size` but for the last."""

    def mismatch(self, entry: Entry) -> BlobfsError:
        """Return what to raise when the bytes given did not have the entry's digest."""


class Sender(Protocol):
    """Has the files of a source written into a stage by other processes."""

    def __call__(
        self,
        entries: Sequence[Entry],
        stage: Stage,
        header: Header,
        *,
        jobs: int,
        advance: Advance,
    ) -> None:
        """Return when those of `entries` are there, each with its digest."""


class Uploadable(Source, Protocol):
    """A source that can say what it holds."""

    sender: Sender | None
    """None: who uploads moves the bytes."""

    name: str
    """Of the root."""

    is_directory: bool
    files: int
    """How many there are."""

    @property
    def paths(self) -> Sequence[str]:
        """Return the paths of files, and with a `/` at the end of empty directories."""

    @property
    def to_hash(self) -> int:
        """Return the bytes that must be read to know the digests, at most."""

    def known(self, cache: HashCache) -> str | None:
        """Return the digest of the artifact if it is known without a look at each file."""

    def remember(self, cache: HashCache, digest: str) -> None:
        """Let `known` know the digest of the artifact."""

    def entries(
        self,
        keys: Mapping[str, str],
        *,
        cache: HashCache | None,
        take: Take | None,
        advance: Advance,
    ) -> list[Entry]:
        """Return the entries, sorted by path."""


def changed(location: str) -> SourceChangedError:
    """Return the error of a file that is not what it was."""
    return SourceChangedError(f"{location} changed while it was uploaded")
