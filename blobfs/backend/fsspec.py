"""Any storage that has an fsspec filesystem, by those of its calls that take a name as it is.

The bulk verbs are not used: they expand patterns. Nor is `open(…, "wb")` where anyone looks: it
commits what was half written when something goes wrong.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from blobfs.backend.base import Backend, Data, Object, Upload
from blobfs.backend.failure import Advice, fitting, passing
from blobfs.errors import BlobfsError, StoreUnavailableError, typed
from blobfs.names import STAGES

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

PART_SIZE = 8 << 20
"""Bytes that are sent or asked for at a time."""

EXCLUSIVE = frozenset({"s3", "s3a", "abfs", "az", "abfss", "gs", "gcs"})
"""Protocols whose `pipe_file(mode="create")` leaves the decision to the storage; the others
look first and write then, which decides no race."""


IN_PASSING = (TimeoutError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""Errors of a connection that was there, and may be there again in a moment."""


class FsspecBackend(Backend):
    """What lies below `root` on an fsspec filesystem."""

    def __init__(
        self,
        filesystem: "AbstractFileSystem",
        root: str,
        advice: Advice = Advice(),  # noqa: B008 - it is immutable
    ) -> None:
        """Use `filesystem`; `advice` is for messages."""
        self._fs: Any = filesystem
        self._root = root.rstrip("/")
        self._advice = advice
        self._made: set[str] = set()
        protocols = filesystem.protocol
        first = protocols if isinstance(protocols, str) else protocols[0]
        self.creates_exclusively = first in EXCLUSIVE
        # What has a rename of its own has files, of which half can be seen while they are
        # written: they are written elsewhere, and renamed. Others have objects.
        self._renames = type(filesystem).mv is not _inherited_mv()
        self.survives_forks = not filesystem.async_impl
        self.keeps_directories = self._renames

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        with self.telling("reading", key) as path:
            return bytes(self._fs.cat_file(path, start=start or None, end=end))

    def stream(
        self, key: str, part_size: int, start: int = 0, size: int | None = None
    ) -> Iterator[bytes]:
        size = self.head(key).size if size is None else size
        while start < size:
            part = self.read(key, start, min(start + part_size, size))
            if not part:
                return
            start += len(part)
            yield part

    def head(self, key: str) -> Object:
        with self.telling("looking at", key) as path:
            self._fs.invalidate_cache()
            info = self._fs.info(path)
        if info["type"] != "file":
            raise FileNotFoundError(f"{path} is no object")
        return _object(key, info)

    def objects(self, prefix: str, after: str = "") -> Iterator[Object]:
        with self.telling("listing", prefix) as path:
            self._fs.invalidate_cache()
            found = self._fs.find(path, detail=True)
        skip = len(self._root) + 1 if self._root else 0
        for name, info in found.items():
            key = name[skip:].lstrip("/")
            if not prefix or key.startswith(prefix + "/"):
                yield _object(key, info)

    def level(self, prefix: str) -> list[Object]:
        try:
            with self.telling("listing", prefix) as path:
                self._fs.invalidate_cache()
                found = self._fs.ls(path, detail=True)
        except FileNotFoundError:
            return []
        below = f"{prefix}/" if prefix else ""
        names = [info["name"].rstrip("/").rpartition("/")[2] for info in found]
        return [
            Object(f"{below}{name}/", 0, "")
            if info["type"] == "directory"
            else _object(below + name, info)
            for name, info in zip(names, found, strict=True)
        ]

    def sign(self, key: str, seconds: int) -> str:
        with self.telling("signing", key) as path, suppress(NotImplementedError):
            return str(self._fs.sign(path, expiration=seconds))
        raise NotImplementedError(f"{path}: this storage signs no URLs")

    def put(
        self, key: str, data: bytes, *, fresh: bool = False, executable: bool = False
    ) -> None:
        with self.telling("writing", key) as path:
            self._write(key, path, data)

    def upload(
        self, key: str, size: int, *, fresh: bool = False, executable: bool = False
    ) -> Upload:
        with self.telling("writing", key):
            temporary = self._temporary()
            return FsspecUpload(self, key, temporary, self._fs.open(temporary, "wb"))

    def create(self, key: str, data: bytes) -> None:
        with self.telling("creating", key) as path:
            if self.creates_exclusively:
                self._make_directories(path)
                self._fs.pipe_file(path, data, mode="create")
            else:  # the last writer wins, and what was committed is read back
                self._write(key, path, data)

    def copy(
        self, source: str, key: str, size: int, digest: str, *, executable: bool = False
    ) -> bool:
        return False

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError), self.telling("deleting", key) as path:
            self._fs.rm_file(path)

    def make_directory(self, key: str) -> None:
        if self.keeps_directories:
            with self.telling("writing", key) as path:
                self._fs.makedirs(path, exist_ok=True)

    def remove_directory(self, key: str) -> None:
        if self.level(key):
            raise FileExistsError(f"{self._path(key)} is not empty")
        if self.keeps_directories:
            with self.telling("removing", key) as path:
                self._fs.rmdir(path)

    def is_directory(self, key: str) -> bool:
        if not self.keeps_directories:
            return super().is_directory(key)
        with suppress(FileNotFoundError), self.telling("looking at", key) as path:
            self._fs.invalidate_cache()
            return bool(self._fs.info(path)["type"] == "directory")
        return False

    def move(self, temporary: str, key: str) -> None:
        """Move a complete object from the stage to its key."""
        with self.telling("writing", key) as path:
            self._make_directories(path)
            if self._renames:
                self._fs.mv(temporary, path)
            else:
                self._fs.cp_file(temporary, path)
                self._fs.rm_file(temporary)

    def _write(self, key: str, path: str, data: bytes) -> None:
        """Write an object so that nobody sees half of it."""
        if not self._renames:  # one request, which is carried out wholly or not at all
            self._make_directories(path)
            self._fs.pipe_file(path, data)
            return
        temporary = self._temporary()
        try:
            self._fs.pipe_file(temporary, data)
            self.move(temporary, key)
        except BaseException:
            self.discard(temporary)
            raise

    def _temporary(self) -> str:
        """Return the path of something new in the stage."""
        from uuid import uuid4

        temporary = self._path(f"{STAGES}/{uuid4()}")
        self._make_directories(temporary)
        return temporary

    def discard(self, temporary: str) -> None:
        """Remove an object that was not completed."""
        with suppress(Exception):  # the error that led here is the one to tell
            self._fs.rm_file(temporary)

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root or "/"

    def _make_directories(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent and parent not in self._made:
            self._fs.makedirs(parent, exist_ok=True)
            self._made.add(parent)

    @contextmanager
    def telling(self, operation: str, key: str) -> Iterator[str]:
        """Yield the path of `key`, and give what goes wrong with it one of our types."""
        path = self._path(key)
        what = f"{operation} {path}"
        try:
            yield path
        except BlobfsError:
            raise
        except Exception as error:  # noqa: BLE001 - a driver may raise anything
            raise fitting(self._classified(error, what), operation) from None

    def _classified(self, error: Exception, what: str) -> Exception:
        """Return what a driver's error means; one for each store knows its driver's."""
        redact = self._advice.redact
        if isinstance(error, FileExistsError):
            return error
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return FileNotFoundError(f"{what}: {redact(str(error))}")
        if isinstance(error, IN_PASSING):
            return passing(f"{what}: {redact(str(error) or type(error).__name__)}")
        if isinstance(error, OSError):
            return typed(OSError(error.errno, redact(error.strerror or str(error))), what)
        text = redact(f"{type(error).__name__}: {error}")
        return StoreUnavailableError(f"{what}: {text}")


class FsspecUpload:
    """A large object on its way: written where nobody looks, then moved to its key."""

    part_size = PART_SIZE
    parallel = 1

    def __init__(self, backend: FsspecBackend, key: str, temporary: str, file: Any) -> None:  # noqa: ANN401 - whatever fsspec opened
        self._backend = backend
        self._key = key
        self._temporary = temporary
        self._file = file

    def write(self, number: int, data: Data) -> None:
        """Write the next part; they come in order, one at a time, and once."""
        with self._backend.telling("writing", self._temporary):
            self._file.write(bytes(data))

    def adopt(self, file: int, advance: Callable[[int], object]) -> None:
        """Do nothing: what is local goes there by parts."""

    def complete(self) -> None:
        """Move it to its key."""
        self._file.close()
        self._backend.move(self._temporary, self._key)

    def abort(self) -> None:
        """Remove it."""
        with suppress(Exception):  # the error that led here is the one to tell
            self._file.close()
        self._backend.discard(self._temporary)


def _inherited_mv() -> object:
    from fsspec import AbstractFileSystem

    return AbstractFileSystem.mv


def _object(key: str, info: dict[str, Any]) -> Object:
    """Return what an fsspec filesystem told; every one spells it in its own way."""
    names = ("mtime", "LastModified", "last_modified", "modified", "updated", "created")
    modified = next((info[name] for name in names if info.get(name)), 0.0)
    if isinstance(modified, datetime):
        modified = modified.timestamp()
    if not isinstance(modified, int | float):
        modified = 0.0
    etag = next((info[name] for name in ("ETag", "etag") if info.get(name)), None)
    token = f"etag:{etag}" if etag else f"mtime:{round(modified * 1e6) * 1000}"
    return Object(key, int(info["size"] or 0), token, float(modified))
