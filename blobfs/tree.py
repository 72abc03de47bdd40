"""A directory that is read and written through descriptors, so that no link is ever followed.

A directory below it that is swapped for a link in the middle of a download is an error, not an
escape.
"""

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256

from blobfs.backend.base import Data
from blobfs.backend.between import copy_and_hash
from blobfs.backend.files import (
    FEW,
    PART_SIZE,
    close,
    read_exactly,
    sync_tree,
    write_all,
    write_part,
)
from blobfs.backend.system import rename_exclusively, sync_file_system
from blobfs.digest import PREFIX
from blobfs.errors import ArtifactConflictError, DestinationError, typed
from blobfs.manifest import Entry

_DIRECTORY = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_DIRECTORY", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_READ = os.O_RDONLY | os.O_CLOEXEC | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0)
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | _NOFOLLOW


class Tree:
    """An open directory; `path`s are relative to it and were validated before."""

    def __init__(self, location: str, *, follow: bool = False) -> None:
        """Open it; `follow` if it may be a link itself, because its user named it."""
        self.location = location
        self.file = os.open(location, _DIRECTORY | (0 if follow else _NOFOLLOW))
        self._last = threading.local()
        self._opened: set[int] = set()

    def close(self) -> None:
        """Close everything."""
        for file in (self.file, *self._opened):
            close(file)
        self._opened.clear()

    def create(self, path: str, *, executable: bool) -> int:
        """Open a new file for writing, and make the directories above it.

        What an earlier try left there is removed: its mode may differ, and it may have a name
        elsewhere, too.
        """
        mode = 0o777 if executable else 0o666
        directory, name = self._parent(path, make=True)
        try:
            try:
                return os.open(name, _CREATE, mode, dir_fd=directory)
            except FileExistsError:
                os.unlink(name, dir_fd=directory)
                return os.open(name, _CREATE, mode, dir_fd=directory)
        except OSError as error:
            raise self._typed(error, path) from error

    def make_directory(self, path: str) -> None:
        """Make a directory, unless it is there."""
        self._directory(path, make=True)

    def status(self, path: str) -> os.stat_result | None:
        """Return what is at `path`, a link as itself; None if nothing is.

        Raises:
            ArtifactConflictError: if something above it is no directory.
        """
        try:
            directory, name = self._parent(path, make=False)
            return os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def holds(self, entry: Entry) -> bool:
        """Whether the file of `entry` is here, with the same bytes and executable bit."""
        status = self.status(entry.path)
        if status is None or not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
            return False
        if bool(status.st_mode & stat.S_IXUSR) != entry.executable:
            return False
        directory, name = self._parent(entry.path, make=False)
        file = os.open(name, _READ, dir_fd=directory)
        try:
            hasher, start = sha256(), 0
            while part := read_exactly(file, start, PART_SIZE):
                hasher.update(part)
                start += len(part)
        finally:
            close(file)
        return PREFIX + hasher.hexdigest() == entry.digest

    def keep_only(self, entries: Iterable[Entry]) -> None:
        """Remove everything here that is none of `entries`, nor a directory above one."""
        kept = {entry.path.removesuffix("/") for entry in entries}
        for path in list(kept):
            while (path := path.rpartition("/")[0]) and path not in kept:
                kept.add(path)
        walk = os.fwalk(".", topdown=False, dir_fd=self.file)
        for above, directories, names, directory in walk:
            for name in (*names, *directories):
                if f"{above}/{name}".removeprefix("./") in kept:
                    continue
                if name in directories and not _is_link(name, directory):
                    os.rmdir(name, dir_fd=directory)
                else:
                    os.unlink(name, dir_fd=directory)

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is no error."""
        with suppress(FileNotFoundError):
            directory, name = self._parent(path, make=False)
            os.unlink(name, dir_fd=directory)

    def settle(self, temporary: str, path: str) -> None:
        """Give a whole file in the same directory its name; what has it already stays."""
        directory, name = self._parent(path, make=False)
        old = temporary.rpartition("/")[2]
        try:
            rename_exclusively(old, name, directory, directory)
        except FileExistsError:
            os.unlink(old, dir_fd=directory)
        except OSError as error:
            raise self._typed(error, path) from error

    def move(self, path: str, target: "Tree", *, overwrite: bool) -> None:
        """Move a file to the same path in another tree of the same file system.

        Raises:
            ArtifactConflictError: if something is there, and is not to be overwritten.
        """
        old_directory, name = self._parent(path, make=False)
        directory, _ = target._parent(path, make=True)  # noqa: SLF001 - the same class
        try:
            if overwrite:
                os.rename(name, name, src_dir_fd=old_directory, dst_dir_fd=directory)
            else:
                rename_exclusively(name, name, old_directory, directory)
        except FileExistsError as error:
            raise ArtifactConflictError(
                f"{target.location}/{path} was made by someone else meanwhile"
            ) from error
        except OSError as error:
            raise target._typed(error, path) from error  # noqa: SLF001

    def sync(self) -> None:
        """Return when everything here would survive a power loss."""
        sync_tree(self.location)

    def sync_names(self, paths: Iterable[str]) -> None:
        """Return when the names of these files here would survive a power loss."""
        directories = {path.rpartition("/")[0] for path in paths}
        if len(directories) > FEW and sync_file_system(self.file):
            return
        for directory in directories:
            os.fsync(self._directory(directory, make=False))

    def _parent(self, path: str, *, make: bool) -> tuple[int, str]:
        above, _, name = path.rpartition("/")
        return self._directory(above, make=make), name

    def _directory(self, path: str, *, make: bool) -> int:
        """Return the open directory `path`; each thread keeps the last one it used."""
        path = path.removesuffix("/")
        if not path:
            return self.file
        last: tuple[str, int] | None = getattr(self._last, "used", None)
        if last and last[0] == path:
            return last[1]
        file = self._open(path, make=make)
        if last:
            self._opened.discard(last[1])
            close(last[1])
        self._opened.add(file)
        self._last.used = path, file
        return file

    def _open(self, path: str, *, make: bool) -> int:
        try:
            return self._descend(path, make=make)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not make:
                raise
            raise self._typed(error, path) from error

    def _descend(self, path: str, *, make: bool) -> int:
        file = os.dup(self.file)
        for part in path.split("/"):
            above = file
            try:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=above)
                file = os.open(part, _DIRECTORY | _NOFOLLOW, dir_fd=above)
            finally:
                close(above)
        return file

    def _typed(self, error: OSError, path: str) -> Exception:
        location = f"{self.location}/{path}"
        if (
            isinstance(error, NotADirectoryError | IsADirectoryError)
            or error.errno == errno.ELOOP
        ):
            return ArtifactConflictError(
                f"{location}: something that is no plain directory or file is in the way;"
                " nothing is written through a link"
            )
        return typed(error, f"writing {location}", DestinationError)


def _is_link(name: str, directory: int) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)


class TreeSink:
    """Writes the files of entries into a tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def put(self, entry: Entry, data: bytes) -> None:
        """Write a small file."""
        file = self._tree.create(entry.path, executable=entry.executable)
        try:
            try:
                write_all(file, data)
            except OSError:
                os.truncate(file, 0)  # what is there is not to be taken for something later
                raise
            finally:
                os.close(file)
        except OSError as error:
            location = f"{self._tree.location}/{entry.path}"
            raise typed(error, f"writing {location}", DestinationError) from error

    def upload(self, entry: Entry) -> "TreeUpload":
        """Begin to write a large file."""
        file = self._tree.create(entry.path, executable=entry.executable)
        return TreeUpload(f"{self._tree.location}/{entry.path}", file)


class TreeUpload:
    """A file on its way; in a tree that nobody looks at before all of it is complete."""

    part_size = PART_SIZE
    parallel = 1

    def __init__(self, location: str, file: int) -> None:
        self._location = location
        self._file = file

    def write(self, number: int, data: Data) -> None:
        """Write part `number`, from 0."""
        try:
            write_part(self._file, number, data)
        except OSError as error:
            raise typed(error, f"writing {self._location}", DestinationError) from error

    def adopt(self, file: int, advance: Callable[[int], object]) -> tuple[str, int] | None:
        """Copy a whole open file."""
        try:
            return copy_and_hash(file, self._file, advance)
        except OSError as error:
            raise typed(error, f"writing {self._location}", DestinationError) from error

    def complete(self) -> None:
        """Close it; what it holds was verified."""
        file, self._file = self._file, -1  # whatever closing answers, it is closed then
        try:
            os.close(file)
        except OSError as error:
            raise typed(error, f"writing {self._location}", DestinationError) from error

    def abort(self) -> None:
        """Empty it: what is there is not to be taken for something later."""
        with suppress(OSError):
            os.truncate(self._file, 0)
        with suppress(OSError):
            os.close(self._file)
