"""HDFS by libhdfs, which is Hadoop's own client in a JVM in this process, through pyarrow.

What must be known to change it, each of it measured:

- pyarrow's `get_file_info` of a path says "not there" whatever went wrong, and its `move`
  removes a file that is in the way: both are asked of libhdfs itself.
- libhdfs prints a stack trace for nearly every exception, so what may well be absent is looked
  for before it is opened.
- pyarrow's errors have a number only; Java's own words are fetched from libhdfs, in the thread
  that made the call and before the next one.
- Java's strings are UTF-16: characters beyond U+FFFF go and come as two surrogates.
- A first call that fails for want of classes leaves a JVM in which the next one crashes.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

from blobfs.backend import libhdfs
from blobfs.backend.base import Data, Object, Piece
from blobfs.backend.failure import Advice, passing
from blobfs.backend.hadoop import (
    Found,
    HadoopBackend,
    meaning,
    object_of,
    parent,
    stage_key,
)
from blobfs.backend.rename import rename_by_looking
from blobfs.errors import (
    AccessError,
    BlobfsError,
    ConfigError,
    StorageFullError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

PART_SIZE = 2 << 20
"""Bytes written at a time: the JVM holds them a second time, and tidies up late."""

TRIES = 10
"""How often a file is replaced that others put in place again and again."""

_CONNECTING = Lock()
"""One JVM starts at a time."""


class HdfsBackend(HadoopBackend):
    """What lies below `root` on a `fsspec.implementations.arrow.HadoopFileSystem`.

    A file that is put in place of another one is not there for a moment: libhdfs knows no
    rename that replaces. What is created, and directories, are not there or whole.
    """

    range_size = 4 << 20

    used_in: ClassVar[int | None] = None
    """The process that has the JVM; its threads are gone in a child."""

    def __init__(
        self,
        opening: Callable[[], "AbstractFileSystem"],
        root: str,
        advice: Advice,
        address: tuple[str, int] | None = None,
    ) -> None:
        """Connect with `opening` when first used; `address`, if known, is tried before."""
        super().__init__(root, advice)
        self._opening = opening
        self._address = address
        self._opened: Any = None
        self._client: libhdfs.Client

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        with self.telling("reading", key) as path:
            size = self._file(path).size
            wanted = (size if end is None else min(end, size)) - start
            if wanted <= 0:
                return b""
            with closing(self._fs.open_input_file(libhdfs.encode(path))) as file:
                return bytes(file.read_at(wanted, start))

    def piece(self, key: str, start: int, end: int) -> Piece:
        with self.telling("reading", key) as path:
            found = object_of(key, _found(self._file(path)))
            with closing(self._fs.open_input_file(libhdfs.encode(path))) as file:
                return Piece(file.read_at(end - start, start), found.size, found.token)

    def head(self, key: str) -> Object:
        with self.telling("looking at", key) as path:
            return object_of(key, _found(self._file(path)))

    def children(self, key: str) -> list[Found]:
        with self.telling("listing", key) as path:
            try:
                return [_found(info) for info in self._listed(path)]
            except FileExistsError:
                return []

    def write(self, key: str, data: bytes) -> None:
        file = self.open(key)
        try:
            with self.telling("writing", key):
                file.write(data)
                file.close()
        except BaseException:
            self.abandon(file, key)
            raise

    def open(self, key: str) -> Any:  # noqa: ANN401 - a pyarrow.NativeFile
        """Open a file to be written, in place of one that may be there."""
        with self.telling("writing", key) as path:
            return self._fs.open_output_stream(libhdfs.encode(path), compression=None)

    def abandon(self, file: Any, key: str) -> None:  # noqa: ANN401 - as above
        """Close and remove what was half written: closing alone would complete it."""
        with suppress(Exception):  # the error that led here is the one to tell
            file.close()
        self.discard(key)

    def upload(
        self, key: str, size: int, *, fresh: bool = False, executable: bool = False
    ) -> "HdfsUpload":
        return HdfsUpload(self, key, fresh=fresh)

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError), self.telling("deleting", key) as path:
            try:
                self._fs.delete_file(libhdfs.encode(path))
            except OSError as error:
                # EIO: Java said no more than "false".
                if error.errno != errno.EIO or self.is_there(key):
                    raise

    def rename(self, source: str, key: str) -> None:
        rename_by_looking(self, source, key)

    def replace(self, temporary: str, key: str) -> None:
        for _ in range(TRIES):
            with suppress(FileExistsError):
                self.move_once(temporary, key)
                return
            with suppress(StoreUnavailableError):  # somebody else was quicker; else told next
                self.delete(key)
        raise passing(f"writing {self._path(key)}: others keep writing it")

    def move_once(self, temporary: str, key: str) -> None:
        if self.move(temporary, key):
            return
        if self.is_there(key):
            raise FileExistsError(f"{self._path(key)} is there already")
        raise StoreUnavailableError(f"writing {self._path(key)}: nothing is at {temporary}")

    def make_directory(self, key: str) -> None:
        with self.telling("writing", key) as path:
            self._fs.create_dir(libhdfs.encode(path))

    def remove_tree(self, prefix: str) -> None:
        with suppress(FileNotFoundError), self.telling("removing", prefix) as path:
            self._fs.delete_dir(libhdfs.encode(path))

    def remove_empty(self, key: str) -> None:
        with self.telling("removing", key) as path:
            self._connected().remove_directory(path)

    def is_there(self, key: str) -> bool:
        """Whether anything lies at `key`."""
        try:
            with self.telling("looking at", key) as path:
                return self._connected().is_there(path)
        except FileNotFoundError:  # a file is above it
            return False

    def move(self, source: str, key: str) -> bool:
        """Rename; False if Hadoop says no more than that."""
        self.make_directory(parent(key))
        with self.telling("renaming", source) as path:
            return self._connected().rename(path, self._path(key))

    def _file(self, path: str) -> Any:  # noqa: ANN401 - a pyarrow.fs.FileInfo
        """Return what is known of a file, or say truly why nothing is."""
        for _ in range(2):
            (info,) = self._fs.get_file_info([libhdfs.encode(path)])
            if info.is_file:
                return info
            if info.type.name != "NotFound" or not self._client.is_there(path):
                raise FileNotFoundError(f"{path} is no file")
        raise passing(f"looking at {path}: it comes and goes")

    def _listed(self, path: str) -> Any:  # noqa: ANN401 - a list of FileInfo
        """List a directory.

        Raises:
            FileExistsError: if it is a file.
        """
        from pyarrow.fs import FileSelector

        try:
            return self._fs.get_file_info(FileSelector(libhdfs.encode(path)))
        except OSError as error:
            if error.errno is None:  # pyarrow's own, the only one
                raise FileExistsError(f"{path} is a file") from None
            raise

    # ---- the connection --------------------------------------------------------------------

    @property
    def _fs(self) -> Any:  # noqa: ANN401 - a pyarrow.fs.HadoopFileSystem
        if self._opened is None:
            with _CONNECTING:
                if self._opened is None:
                    self._opened = self._connect()
        return self._opened

    def _connected(self) -> libhdfs.Client:
        return self._fs and self._client

    def _connect(self) -> Any:  # noqa: ANN401 - as above
        if HdfsBackend.used_in not in (None, os.getpid()):
            raise StoreUnavailableError(
                "HDFS was used before this process was forked, and a JVM does not survive"
                " that: start children by spawn, or use WebHDFS"
            )
        if self._address:
            libhdfs.check_port(*self._address, self._advice)
        HdfsBackend.used_in = os.getpid()
        libhdfs.start()
        try:
            filesystem: Any = self._opening()
            self._client = libhdfs.Client(filesystem.storage_options)
        except OSError as error:
            raise self._unconnected(error) from None
        return filesystem.fs

    def _unconnected(self, error: OSError) -> BlobfsError:
        """Return what an error means before there was a connection: nothing about a file."""
        name, text = libhdfs.exception(error) or ("IOException", str(error))
        found = meaning(name, text, "connecting", self._advice)
        if isinstance(found, AccessError | StoreUnavailableError):
            return found
        return ConfigError(str(found) + self._advice.see(self._advice.endpoint))

    def _classified(self, error: Exception, what: str) -> Exception:
        number = error.errno if isinstance(error, OSError) else None
        said = self._advice.redact(f"{what}: {error}")
        if not isinstance(error, OSError) or number is None:  # pyarrow's, or our own
            ours = isinstance(error, FileNotFoundError | FileExistsError)
            return error if ours else StoreUnavailableError(said)
        if java := libhdfs.exception(error):
            return meaning(*java, what, self._advice)
        return self._by_number(number, said)

    def _by_number(self, number: int, said: str) -> Exception:
        """Return what an error means without Java's words; garbage may speak between."""
        if number in _BUILTIN:
            return _BUILTIN[number](said)
        if number == errno.EACCES:
            return AccessError(said + self._advice.see(self._advice.credentials))
        if number == errno.EROFS:
            return StoreUnavailableError(f"{said}: HDFS is in safe mode")
        return passing(said) if number == _UNKNOWN else StoreUnavailableError(said)


_BUILTIN: dict[int, type[Exception]] = {
    errno.ENOENT: FileNotFoundError,
    errno.EEXIST: FileExistsError,
    errno.ENOTDIR: NotADirectoryError,
    errno.EDQUOT: StorageFullError,
}

_UNKNOWN = 255
"""libhdfs's number for every exception that it does not know."""


class HdfsUpload:
    """A large object, written as one stream."""

    part_size = PART_SIZE
    parallel = 1

    def __init__(self, backend: HdfsBackend, key: str, *, fresh: bool) -> None:
        self._backend = backend
        self._key = key
        self._at = key if fresh else stage_key()
        self._closed = False
        self._file = backend.open(self._at)

    def write(self, number: int, data: Data) -> None:
        """Write the next part; they come in order, one at a time, and once."""
        with self._once():
            self._file.write(data)

    def adopt(self, file: int, advance: Callable[[int], object]) -> None:
        """Do nothing: what is local goes there by parts."""

    def complete(self) -> None:
        """Close it, and move it to its key."""
        if not self._closed:
            with self._once():
                self._file.close()
            self._closed = True
        if self._at != self._key:
            self._backend.replace(self._at, self._key)

    def abort(self) -> None:
        """Close and remove it."""
        self._backend.abandon(self._file, self._at)

    @contextmanager
    def _once(self) -> Iterator[None]:
        try:
            with self._backend.telling("writing", self._at):
                yield
        except StoreUnavailableError as error:
            error.passing = False  # Hadoop tried again already, and a stream does not go back
            raise


def _found(info: Any) -> Found:  # noqa: ANN401 - a pyarrow.fs.FileInfo
    name = libhdfs.decoded_path(info).rpartition("/")[2]
    return Found(name, info.size or 0, info.mtime_ns or 0, not info.is_file)
