"""The dozen calls that the engine needs of a storage.

Keys are relative to the store's root, `/` between parts, and taken as they are: never a
pattern, never normalised. An implementation MUST

- answer FileNotFoundError only if the storage said that the object is not there; permission
  denied is AccessError, no space left StorageFullError, all else that the storage did wrong
  StoreUnavailableError;
- make an object visible only whole: `put` and `create` by one request or rename, an `upload` by
  its `complete`;
- be usable from several threads at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

UNLISTABLE = "\ufffe\uffff"
"""Characters that XML cannot hold, so that no listing of S3, Azure or OSS tells them; control
characters, which it cannot hold either, are in no key. https://www.w3.org/TR/xml/#charsets"""


Data = bytes | memoryview
"""Bytes that are passed on; a view of what a library gave saves a copy."""


class Object(NamedTuple):
    """What a storage tells of an object without its bytes."""

    key: str
    size: int
    """In bytes."""

    token: str
    """`etag:<value>` or `mtime:<ns>`: it changes when the object does."""

    modified: float = 0.0
    """POSIX seconds by the storage's clock; for display only."""

    metadata: Mapping[str, str] | None = None
    """What stands beside its bytes; None: not told."""


class Piece(NamedTuple):
    """Bytes of an object, and what the storage told of the object with them."""

    data: Data
    size: int
    """Of the whole object, in bytes."""

    token: str


class Upload(Protocol):
    """A large object on its way. Parts may be written from several threads, in any order."""

    part_size: int
    """Bytes of every part but the last."""

    parallel: int
    """How many parts are worth having in flight."""

    def write(self, number: int, data: Data) -> None:
        """Send part `number`, from 0."""

    def adopt(self, file: int, advance: Callable[[int], object]) -> tuple[str, int] | None:
        """Copy a whole open local file instead of parts; return digest and size of the copy.

        None, and nothing was written, if that cannot be done; `advance` is told bytes.
        """

    def complete(self) -> None:
        """Make the object visible; all its parts were written."""

    def abort(self) -> None:
        """Forget it: nothing becomes visible. Never raises."""


class Backend(ABC):
    """A storage, below one root."""

    renames_directories: bool = False
    """Whether a tree is published by renaming its directory (`rename`, `sync` and `remove_tree`
    are there), not by writing its manifest last."""

    loses_answers: bool = True
    """Whether a call may be carried out although an error, or nothing, is the answer."""

    forbidden: str = ""
    """Characters that a key cannot hold here, beside those that none may hold."""

    checks_copies: bool = True
    """Whether `copy` itself looks at its source's size; else the caller lists it before."""

    jobs: int = 16
    """Files in flight that serve it best."""

    range_size: int = 16 << 20
    """Bytes of a large object that are asked for at a time."""

    read_ahead: int = 5 << 20
    """Bytes that an open file asks for beyond what is read: as many as the fsspec driver of the
    storage does, so that nobody who reads a file needs more requests here."""

    creates_exclusively: bool = True
    """Whether `create` may be believed at all; learnt with the store's `format.json` if so."""

    continues_listings: bool = False
    """Whether `objects` come in the order of their keys, and may begin after one of them."""

    keeps_metadata: bool = False
    """Whether objects carry metadata: `metadata` and `add_metadata` are there."""

    marks_directories: bool = False
    """Whether directories do, too, and AzureML's marks stand there."""

    keeps_directories: bool = False
    """Whether a directory can be there with nothing in it."""

    survives_forks: bool = False
    """Whether it may be used in a child that was forked after it was used."""

    @abstractmethod
    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the bytes of an object from `start` up to `end`; fewer where it ends."""

    def view(self, key: str, start: int, end: int) -> Data:
        """Return what `read` does, of a large object."""
        return self.read(key, start, end)

    def piece(self, key: str, start: int, end: int) -> Piece:
        """Return what `view` does, and of which object it is; by one request if possible."""
        data, found = self.view(key, start, end), self.head(key)
        return Piece(data, found.size, found.token)

    @abstractmethod
    def stream(
        self, key: str, part_size: int, start: int = 0, size: int | None = None
    ) -> Iterable[Data]:
        """Yield an object's bytes from `start`, in order, in parts of about `part_size`.

        Args:
            key: where.
            part_size: in bytes.
            start: of the first byte.
            size: of the whole object in bytes, where that is known: it saves a look, and
                several parts are fetched at a time. Of an object that is longer, more comes.
        """

    @abstractmethod
    def head(self, key: str) -> Object:
        """Return what is known of an object without reading it."""

    @abstractmethod
    def objects(self, prefix: str, after: str = "") -> Iterator[Object]:
        """Yield every object below the directory `prefix`, in any order; none if absent.

        Args:
            prefix: of the keys, without a `/` at its end.
            after: a key; those up to it are left out, where listings can be continued.
        """

    def exactly(self, prefix: str) -> Iterable[Object]:
        """Return what `objects` does, with a `/` at the end of keys that have one.

        So consoles mark directories; where blobfs itself writes there are none.
        """
        return self.objects(prefix)

    def described(self, prefix: str) -> Iterator[Object]:
        """Yield what `objects` does, with metadata where a listing can tell it."""
        return self.objects(prefix)

    def metadata(self, key: str) -> dict[str, str]:
        """Return what stands beside the bytes of an object, or at a directory that has some."""
        raise NotImplementedError

    def add_metadata(self, key: str, metadata: Mapping[str, str]) -> None:
        """Write beside an object's bytes, or at a directory; what else stands there stays."""
        raise NotImplementedError

    @abstractmethod
    def level(self, prefix: str) -> list[Object]:
        """Return what lies directly below the directory `prefix`, nothing if it is absent.

        The key of a directory ends in `/`; it has no size.
        """

    def names(self, prefix: str) -> list[str]:
        """Return the names directly below the directory `prefix`; a directory's end in `/`."""
        skip = len(prefix) + 1 if prefix else 0
        return [found.key[skip:] for found in self.level(prefix)]

    def counts(self, prefix: str) -> dict[str, int] | None:
        """Return how much lies directly in each directory below `prefix`, by its name.

        None where that takes as many requests as there are directories, or listing all of them
        takes no more than one.
        """
        return None

    @abstractmethod
    def put(
        self, key: str, data: bytes, *, fresh: bool = False, executable: bool = False
    ) -> None:
        """Write a whole object, in place of one that may be there.

        Args:
            key: where.
            data: all its bytes.
            fresh: True if the key lies in a stage: nothing is there, and nobody looks yet.
            executable: whether it is marked so, where a storage can.
        """

    def note(self, key: str, data: bytes) -> None:
        """Write a small object of which only the key counts; it need not appear whole."""
        self.put(key, data)

    @abstractmethod
    def upload(
        self, key: str, size: int, *, fresh: bool = False, executable: bool = False
    ) -> Upload:
        """Begin to write a large object of `size` bytes; arguments as for `put`."""

    @abstractmethod
    def create(self, key: str, data: bytes) -> None:
        """Write a small object if none is there, in one step that exactly one of many wins.

        Raises:
            FileExistsError: if one is there (perhaps one's own, whose answer was lost).
        """

    @abstractmethod
    def copy(
        self, source: str, key: str, size: int, digest: str, *, executable: bool = False
    ) -> bool:
        """Copy an object inside the storage to a `fresh` key.

        Returns:
            False, and nothing of that size is there, if the source is gone, has not this
            `size`, or has not this `digest` where bytes pass through here, or if the storage
            cannot copy.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""

    def rename(self, source: str, key: str) -> None:
        """Publish the directory `source` as `key`, in one step that exactly one of many wins.

        Raises:
            FileExistsError: if something is there.
        """
        raise NotImplementedError

    def move_once(self, temporary: str, key: str) -> None:
        """Move a file of one's own stage to another key of it, in one step.

        Raises:
            FileExistsError: if something is there (perhaps one's own, whose answer was lost).
        """
        raise NotImplementedError

    def sync(self, prefix: str) -> None:
        """Return when all that was written below `prefix` would survive a power loss."""
        raise NotImplementedError

    def remove_tree(self, prefix: str) -> None:
        """Remove a directory of one's own stage; what is not there is no error."""
        raise NotImplementedError

    def make_directory(self, key: str) -> None:  # noqa: B027 - most storages keep none
        """Make a directory that holds nothing yet, and those above it, if it can be kept."""

    def remove_directory(self, key: str) -> None:  # noqa: B027 - likewise
        """Remove a directory with nothing in it, if such are kept.

        Raises:
            FileExistsError: if something is in it.
        """

    def is_directory(self, key: str) -> bool:
        """Whether a directory is there; where none is kept: whether anything lies below."""
        return next(iter(self.objects(key)), None) is not None

    def sign(self, key: str, seconds: int) -> str:
        """Return a URL with which anybody may read an object for so long.

        Raises:
            NotImplementedError: if the storage has none.
        """
        raise NotImplementedError("this storage signs no URLs")

    def hold(self, stage: str) -> Callable[[], None]:
        """Make the directory `stage`, marked as used; call the result to let go.

        Raises:
            FileExistsError: if it is there.
        """
        raise NotImplementedError

    def reclaim(self, stages: str) -> None:
        """Remove those of the directories in `stages` whose process is certainly gone."""
        raise NotImplementedError

    def is_case_insensitive(self) -> bool:
        """Whether two keys that differ only in case are one here."""
        return False
