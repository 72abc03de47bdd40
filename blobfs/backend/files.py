"""Writing local files so that each appears whole or not at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice

from blobfs.backend.base import Data
from blobfs.backend.system import rename_exclusively, start_writing_out, sync_file_system
from blobfs.errors import typed

PART_SIZE = 1 << 20
"""Bytes read and written at a time: larger parts only leave the processor's cache."""

PARTS_AT_ONCE = 8
"""Parts after which the system is told to write them out, so that little is left in the end."""

FEW = 64
"""Files and directories up to which each is written out for itself."""

Opener = Callable[[str], int]
"""Opens a file that must not be there yet, for writing."""


class LocalUpload:
    """A file on its way, part by part; it lies under a temporary name until it is complete."""

    part_size = PART_SIZE
    parallel = 1

    def __init__(self, path: str, opener: Opener, temporary: str | None) -> None:
        """Open it at `temporary`, locked while it is written; None: right at `path`."""
        self._path = path
        self._open_at = temporary or path
        self._file = opener(self._open_at)
        try:
            # Who clears up after the dead may have taken it for theirs before it was locked.
            while (
                temporary and lock(self._file, wait=True) and not _is_at(self._file, temporary)
            ):
                os.close(self._file)
                self._file = opener(self._open_at)
        except OSError:
            self.abort()
            raise

    def write(self, number: int, data: Data) -> None:
        """Write part `number`, from 0."""
        try:
            write_part(self._file, number, data)
        except OSError as error:
            raise typed(error, f"writing {self._path}") from error

    def adopt(self, file: int, advance: Callable[[int], object]) -> tuple[str, int] | None:
        """Copy a whole open file."""
        from blobfs.backend.between import copy_and_hash

        try:
            return copy_and_hash(file, self._file, advance)
        except OSError as error:
            raise typed(error, f"writing {self._path}") from error

    def complete(self, *, exclusive: bool = False) -> None:
        """Make the file visible under its name.

        Raises:
            FileExistsError: if it is to be `exclusive` and something is there.
        """
        try:
            if self._open_at != self._path:
                os.fsync(self._file)
                if exclusive:
                    rename_exclusively(self._open_at, self._path)
                else:
                    os.replace(self._open_at, self._path)
                sync_directory(os.path.dirname(self._path))
            file, self._file = self._file, -1  # whatever closing answers, it is closed then
            os.close(file)
        except FileExistsError:
            raise
        except OSError as error:
            raise typed(error, f"writing {self._path}") from error

    def abort(self) -> None:
        """Remove it. What went wrong before is what matters, so nothing is raised."""
        with suppress(OSError):
            os.close(self._file)
        with suppress(OSError):
            os.unlink(self._open_at)


@contextmanager
def completing(upload: LocalUpload, *, exclusive: bool = False) -> Iterator[LocalUpload]:
    """Complete `upload` at the end, or abort it on an error."""
    try:
        yield upload
        upload.complete(exclusive=exclusive)
    except BaseException:
        upload.abort()
        raise


def write_all(file: int, data: Data, offset: int | None = None) -> None:
    """Write all of `data`, at `offset` or where the file stands: one call may write less."""
    view = memoryview(data)
    while view:
        written = os.write(file, view) if offset is None else os.pwrite(file, view, offset)
        view = view[written:]
        if offset is not None:
            offset += written


def write_part(file: int, number: int, data: Data) -> None:
    """Write part `number` of a file; of a large one, what was written goes out meanwhile."""
    write_all(file, data, number * PART_SIZE)
    if not (number + 1) % PARTS_AT_ONCE:
        begun = number + 1 - PARTS_AT_ONCE
        start_writing_out(file, begun * PART_SIZE, PARTS_AT_ONCE * PART_SIZE)


def read_exactly(file: int, start: int, wanted: int) -> bytes:
    """Return up to `wanted` bytes from `start`; fewer only where the file ends."""
    data = os.pread(file, wanted, start)
    if len(data) == wanted or not data:
        return data
    pieces = [data]
    start, wanted = start + len(data), wanted - len(data)
    while wanted and (data := os.pread(file, wanted, start)):
        pieces.append(data)
        start, wanted = start + len(data), wanted - len(data)
    return b"".join(pieces)


def sync_data(file: int) -> None:
    """Return when the bytes of an open file would survive a power loss."""
    getattr(os, "fdatasync", os.fsync)(file)  # macOS has no call for the bytes alone


def sync_directory(path: str) -> None:
    """Return when the names in a directory would survive a power loss."""
    directory = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def sync_tree(path: str) -> None:
    """Return when everything below a directory would survive a power loss.

    A few files are written out one by one, so that nobody waits for what others are writing;
    many at once, where the system has a call for that.
    """
    paths = list(islice(_everything(path), FEW + 1))
    if len(paths) > FEW:
        directory = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if sync_file_system(directory):
                return
        finally:
            os.close(directory)
    for each in paths if len(paths) <= FEW else _everything(path):
        sync_directory(each)  # a file is opened and written out the same way


def _everything(path: str) -> Iterator[str]:
    for directory, _, names in os.walk(path):
        yield from (f"{directory}/{name}" for name in names)
        yield directory


def lock(directory: int, *, wait: bool = False) -> bool:
    """Lock an open directory for this process; False if that cannot be had."""
    import fcntl

    try:
        fcntl.flock(directory, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # held by another process, or a file system without such locks
        return False
    return True


def _is_at(file: int, path: str) -> bool:
    """Whether an open file is still what lies there: who takes it for a dead one renames it."""
    try:
        return os.path.samestat(os.fstat(file), os.lstat(path))
    except FileNotFoundError:
        return False


def close(file: int) -> None:
    """Close what was only read, or a directory: whatever that answers, nothing is lost."""
    try:  # noqa: SIM105 - called for every small file: `suppress` takes longer than closing
        os.close(file)
    except OSError:
        pass
