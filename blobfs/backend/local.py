"""A directory of this machine, written with the calls that make a publication safe.

fsspec's local filesystem is not used to write: it has no exclusive create, writes through links
and syncs nothing.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from blobfs.backend import files
from blobfs.backend.base import Backend, Object, Piece
from blobfs.backend.between import FileParts
from blobfs.backend.directories import Directories, Mode
from blobfs.backend.files import LocalUpload
from blobfs.backend.held_stages import HeldStages, abandoned
from blobfs.backend.system import clone, rename_exclusively
from blobfs.errors import BlobfsError, StoreUnavailableError, typed
from blobfs.hashcache import is_network_path
from blobfs.names import STAGES

_READ = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)


class LocalBackend(Backend):
    """The directory `root`; it is made with the first object."""

    renames_directories = True
    loses_answers = False
    keeps_directories = True
    survives_forks = True
    jobs = 1  # measured: threads only slow small files down, see benchmarks/README.md

    def __init__(self, root: str, mode: Mode | None = None) -> None:
        self.root = root
        self._directories = Directories(mode)
        self._stages = HeldStages(self._directories)

    def path(self, key: str) -> str:
        """Return where an object lies."""
        return f"{self.root}/{key}" if key else self.root

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        path = self.path(key)
        try:
            file, size = self._open(path)
            try:
                wanted = max((size if end is None else min(end, size)) - start, 0)
                return files.read_exactly(file, start, wanted)
            finally:
                files.close(file)
        except OSError as error:
            raise self._not_found_or(error, f"reading {path}") from error

    def piece(self, key: str, start: int, end: int) -> Piece:
        path = self.path(key)
        try:
            file, size = self._open(path)
            try:
                data = files.read_exactly(file, start, max(min(end, size) - start, 0))
                return Piece(data, size, _object(key, os.fstat(file)).token)
            finally:
                files.close(file)
        except OSError as error:
            raise self._not_found_or(error, f"reading {path}") from error

    def stream(
        self, key: str, part_size: int, start: int = 0, size: int | None = None
    ) -> FileParts:
        return FileParts(partial(self._reading, self.path(key)), part_size, start)

    def head(self, key: str) -> Object:
        path = self.path(key)
        try:
            status = os.stat(path)
        except OSError as error:
            raise self._not_found_or(error, f"looking at {path}") from error
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(f"{path} is no file")
        return _object(key, status)

    def objects(self, prefix: str, after: str = "") -> Iterator[Object]:
        todo = [prefix]
        while todo:
            directory = todo.pop()
            for entry in self._scan(directory):
                key = f"{directory}/{entry.name}" if directory else entry.name
                if entry.is_dir(follow_symlinks=False):
                    todo.append(key)
                elif entry.is_file():
                    yield _object(key, entry.stat())

    def level(self, prefix: str) -> list[Object]:
        below = f"{prefix}/" if prefix else ""
        found = []
        for entry in self._scan(prefix):
            with suppress(FileNotFoundError):  # it went away meanwhile
                status = entry.stat()
                if stat.S_ISDIR(status.st_mode):
                    found.append(Object(f"{below}{entry.name}/", 0, "", status.st_mtime))
                elif stat.S_ISREG(status.st_mode):
                    found.append(_object(below + entry.name, status))
        return found

    def names(self, prefix: str) -> list[str]:
        return [e.name + "/" if e.is_dir() else e.name for e in self._scan(prefix)]

    def put(
        self, key: str, data: bytes, *, fresh: bool = False, executable: bool = False
    ) -> None:
        if not fresh:
            with files.completing(self.upload(key, len(data), executable=executable)) as upload:
                upload.write(0, data)
            return
        path = self.path(key)
        try:
            file = self._directories.create(path, executable=executable)
            try:
                files.write_all(file, data)
            finally:
                files.close(file)
        except OSError as error:
            raise typed(error, f"writing {path}") from error

    def upload(
        self, key: str, size: int, *, fresh: bool = False, executable: bool = False
    ) -> LocalUpload:
        from uuid import uuid4

        path = self.path(key)
        try:
            if not fresh:
                self._directories.make_anew(os.path.dirname(path))
            return LocalUpload(
                path,
                lambda where: self._directories.create(where, executable=executable),
                # Where the leftovers of the dead are looked for.
                temporary=None if fresh else self.path(f"{STAGES}/{uuid4()}"),
            )
        except OSError as error:
            raise typed(error, f"writing {path}") from error

    def create(self, key: str, data: bytes) -> None:
        upload = self.upload(key, len(data))
        with files.completing(upload, exclusive=True):
            upload.write(0, data)

    def copy(
        self, source: str, key: str, size: int, digest: str, *, executable: bool = False
    ) -> bool:
        """Share the bytes where the file system can, else copy and hash them."""
        old, new = self.path(source), self.path(key)
        try:
            file, held = self._open(old)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise typed(error, f"copying {old}") from error
        try:
            if held != size:
                return False
            return self._copy(file, new, size, digest, executable=executable)
        except OSError as error:
            raise typed(error, f"copying {old} to {new}") from error
        finally:
            files.close(file)

    def delete(self, key: str) -> None:
        try:
            os.unlink(self.path(key))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise typed(error, f"deleting {self.path(key)}") from error

    def rename(self, source: str, key: str) -> None:
        path = self.path(key)
        try:
            made = self._directories.make_anew(os.path.dirname(path))
            self._stages.check(self.path(source))
            rename_exclusively(self.path(source), path)
            files.sync_directory(os.path.dirname(path))
            for directory in made:
                files.sync_directory(os.path.dirname(directory))
        except (FileExistsError, BlobfsError):
            raise
        except OSError as error:
            raise typed(error, f"publishing {path}") from error

    def move_once(self, temporary: str, key: str) -> None:
        path = self.path(key)
        try:
            self._directories.make(os.path.dirname(path))
            rename_exclusively(self.path(temporary), path)
        except FileExistsError:
            raise
        except OSError as error:
            raise typed(error, f"writing {path}") from error

    def sync(self, prefix: str) -> None:
        try:
            files.sync_tree(self.path(prefix))
        except OSError as error:
            raise typed(error, f"writing out {self.path(prefix)}") from error

    def remove_tree(self, prefix: str) -> None:
        import shutil

        try:
            shutil.rmtree(self.path(prefix))
        except FileNotFoundError:
            pass
        except NotADirectoryError:
            self.delete(prefix)
        except OSError as error:
            raise typed(error, f"removing {self.path(prefix)}") from error

    def hold(self, stage: str) -> Callable[[], None]:
        return self._stages.hold(self.path(stage))

    def reclaim(self, stages: str) -> None:
        """Remove stages that nobody locks.

        None on a network file system, where the locks of other machines may not be seen.
        """
        if is_network_path(self.root):
            return
        for entry in self._scan(stages):
            if left := abandoned(entry.path):
                self.remove_tree(f"{stages}/{os.path.basename(left)}")

    def make_directory(self, key: str) -> None:
        try:
            self._directories.make_anew(self.path(key))
        except OSError as error:
            raise typed(error, f"making {self.path(key)}") from error

    def remove_directory(self, key: str) -> None:
        try:
            os.rmdir(self.path(key))
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:
                raise FileExistsError(f"{self.path(key)} is not empty") from None
            raise self._not_found_or(error, f"removing {self.path(key)}") from error

    def is_directory(self, key: str) -> bool:
        try:
            return stat.S_ISDIR(os.stat(self.path(key)).st_mode)
        except OSError as error:
            found = self._not_found_or(error, f"looking at {self.path(key)}")
            if isinstance(found, BlobfsError):
                raise found from error
            return False

    def is_case_insensitive(self) -> bool:
        try:
            here = os.stat(self.path(".blobfs"))
            return os.path.samestat(here, os.stat(self.path(".BLOBFS")))
        except OSError:  # no such directory: case counts
            return False

    def _copy(self, file: int, path: str, size: int, digest: str, *, executable: bool) -> bool:
        """Copy an open file, and read what is there then: damage is not handed down."""
        from hashlib import sha256

        target = self._directories.create(path, executable=executable)
        try:
            shared, start = clone(file, target), 0
            hasher = sha256()
            while part := os.pread(file, files.PART_SIZE, start):
                hasher.update(part)
                if not shared:
                    files.write_all(target, part, start)
                start += len(part)
        finally:
            os.close(target)
        if (start, f"sha256:{hasher.hexdigest()}") == (size, digest):
            return True
        os.unlink(path)
        return False

    @contextmanager
    def _reading(self, path: str) -> Iterator[int]:
        try:
            file, _ = self._open(path)
            try:
                yield file
            finally:
                files.close(file)
        except BlobfsError:  # of who uses the bytes
            raise
        except OSError as error:
            raise self._not_found_or(error, f"reading {path}") from error

    def _open(self, path: str) -> tuple[int, int]:
        """Open a file for reading; return its size, too."""
        file = os.open(path, _READ)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError(f"{path} is no file")
        except OSError:
            files.close(file)
            raise
        return file, status.st_size

    def _scan(self, prefix: str) -> list[os.DirEntry[str]]:
        path = self.path(prefix)
        try:
            with os.scandir(path) as entries:
                return list(entries)
        except OSError as error:
            found = self._not_found_or(error, f"listing {path}")
            if isinstance(found, BlobfsError):
                raise found from error
            return []

    def _not_found_or(self, error: OSError, what: str) -> Exception:
        """Return a FileNotFoundError if `error` says that something is absent."""
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        if not absent:
            return typed(error, what)
        if isinstance(error, NotADirectoryError) and os.path.isfile(self.root):
            return StoreUnavailableError(
                f"{what}: the store's root {self.root} is a file; a directory is needed"
            )
        return FileNotFoundError(f"{what}: {error.strerror or error}")


def _object(key: str, status: os.stat_result) -> Object:
    return Object(key, status.st_size, f"mtime:{status.st_mtime_ns}", status.st_mtime)
