"""A file on its way, to a store or from one: it appears whole or not at all."""

import io
import os
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from blobfs.errors import DestinationError, typed
from blobfs.filesystem.own import OwnPath
from blobfs.tree import TreeUpload

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from blobfs.manifest import Entry

IN_MEMORY = 8 << 20
"""Bytes up to which it is kept in memory."""


class WriteFile(io.BufferedIOBase):
    """A file that is written: sent when it is closed, and not at all if its block raises."""

    def __init__(
        self, filesystem: "AbstractFileSystem", located: OwnPath, mode: str, *, commits: bool
    ) -> None:
        """Begin to write what `located` stands for.

        Args:
            filesystem: that it belongs to.
            located: where it goes.
            mode: `wb`, `xb` (nothing may be there) or `ab` (after what is there).
            commits: whether closing sends it; else `commit` does, at a transaction's end.
        """
        located.check_writable()
        self.fs = filesystem
        self.path = located.name
        self.mode = mode
        self._located = located
        self._commits = commits
        self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed when it is sent
        if mode == "xb" and filesystem.exists(located.name):
            raise FileExistsError(f"{located.name} is there already")
        if mode == "ab":
            with suppress(FileNotFoundError):
                self._file.write(located.read())

    def writable(self) -> bool:
        """Return whether it can be written."""
        return not self.closed

    def seekable(self) -> bool:
        """Return whether it can be sought: nothing is sent yet."""
        return not self.closed

    def tell(self) -> int:
        """Return where it stands."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to another place."""
        return self._file.seek(offset, whence)

    def truncate(self, size: int | None = None, /) -> int:
        """Cut it off."""
        self._file.truncate(size)
        return self._file.tell() if size is None else size

    def write(self, data: Any, /) -> int:
        """Write bytes."""
        return self._file.write(memoryview(data).cast("B"))

    def close(self) -> None:
        """Send it, unless a transaction does."""
        if self.closed:
            return
        try:
            if self._commits:
                self.commit()
        finally:
            super().close()

    def commit(self) -> None:
        """Send it now."""
        with self._file as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            exclusive = self.mode == "xb"
            self._located.write(cast("BinaryIO", file), size, exclusive=exclusive)

    def discard(self) -> None:
        """Forget it."""
        self._commits = False
        self._file.close()
        self.close()

    def __exit__(self, kind: object, *_: object) -> None:
        """Close it; what an error interrupted is not sent."""
        if kind is not None:
            self.discard()
        self.close()

    def __del__(self) -> None:
        """Forget it if nobody closed it."""
        if not self.closed and hasattr(self, "_file"):
            self.discard()


class FileSink:
    """Writes the one file of a download so that it appears whole."""

    def __init__(self, path: str) -> None:
        self._path = path

    def put(self, entry: "Entry", data: bytes) -> None:
        """Write a small file."""
        upload = self.upload(entry)
        try:
            upload.write(0, data)
            upload.complete()
        except BaseException:
            upload.abort()
            raise

    def upload(self, entry: "Entry") -> "FileUpload":
        """Begin to write a large file."""
        from uuid import uuid4

        directory, name = os.path.split(self._path)
        temporary = os.path.join(directory, f".{name[:100]}.{uuid4()}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            file = os.open(temporary, flags, 0o777 if entry.executable else 0o666)
        except OSError as error:
            raise typed(error, f"writing {self._path}", DestinationError) from error
        return FileUpload(temporary, file, self._path)


class FileUpload(TreeUpload):
    """A file on its way under a temporary name."""

    def __init__(self, temporary: str, file: int, path: str) -> None:
        super().__init__(temporary, file)
        self._temporary = temporary
        self._path = path

    def complete(self) -> None:
        """Give it its name."""
        super().complete()
        try:
            os.replace(self._temporary, self._path)
        except OSError as error:
            raise typed(error, f"writing {self._path}", DestinationError) from error

    def abort(self) -> None:
        """Remove it."""
        super().abort()
        with suppress(OSError):  # the error that led here is the one to tell
            os.unlink(self._temporary)
