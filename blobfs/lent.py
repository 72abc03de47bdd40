"""A stage that other processes write into, while the one that made it waits to publish it.

What must be known to change it: a file may be written twice, at the same time, and by a process
that nobody waits for any more, since its work was given to another one. So each is written
where nothing is published from and moved under its key when it is whole; whoever comes second
leaves what is there, which has the same bytes and may be written out already.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from blobfs.backend.base import Backend, Data, Upload
from blobfs.errors import ConfigError, StoreUnavailableError

_MARK = "lent"
"""A file beside the parts, there as long as others may write into the stage."""


class Lent(NamedTuple):
    """What another process needs to know to write into a stage; it can be sent there."""

    directory: str
    """What its keys are below."""

    parts: str | None
    """The directory of files that are not whole yet; None: the storage itself hides those."""

    @property
    def mark(self) -> str:
        """Return the key of the file that is there as long as it is lent."""
        return f"{self.parts}/{_MARK}"


class LentStage:
    """The stage, in a process that it was lent to."""

    def __init__(self, lent: Lent, backend: Backend) -> None:
        """Write below `lent.directory` of `backend`.

        Raises:
            ConfigError: if that is another directory than the one that was lent.
        """
        self._lent = lent
        self._backend = backend
        if not self._is_lent():
            raise ConfigError(
                f"a worker on {machine()} does not see {lent.directory}, where the store is"
                " being written: it must lie on a file system that all workers share, under the"
                " same path"
            )

    def put(self, key: str, data: bytes, *, executable: bool) -> None:
        """Write a small object."""
        if self._lent.parts is None:
            self._backend.put(self._at(key), data, executable=executable)
            return
        temporary = self._temporary()
        try:
            self._backend.put(temporary, data, fresh=True, executable=executable)
            self._move(temporary, key)
        except BaseException:
            self._forget(temporary)
            raise

    def upload(self, key: str, size: int, *, executable: bool) -> Upload:
        """Begin to write a large object."""
        if self._lent.parts is None:
            return self._backend.upload(self._at(key), size, executable=executable)
        temporary = self._temporary()
        inner = self._backend.upload(temporary, size, fresh=True, executable=executable)
        return _Moved(inner, lambda: self._move(temporary, key))

    def sync(self) -> None:
        """Return when all that was written would survive a power loss of this machine."""
        if self._lent.parts is not None:
            self._backend.sync(self._lent.directory)

    def _at(self, key: str) -> str:
        return f"{self._lent.directory}/{key}"

    def _temporary(self) -> str:
        from uuid import uuid4

        if not self._is_lent():
            raise StoreUnavailableError(f"{self._lent.directory} is not written any more")
        return f"{self._lent.parts}/{uuid4()}"

    def _is_lent(self) -> bool:
        if self._lent.parts is None:
            return True
        try:
            self._backend.head(self._lent.mark)
        except FileNotFoundError:
            return False
        return True

    def _move(self, temporary: str, key: str) -> None:
        try:
            self._backend.move_once(temporary, self._at(key))
        except FileExistsError:
            self._backend.delete(temporary)

    def _forget(self, temporary: str) -> None:
        with suppress(Exception):  # the error that led here is the one to tell
            self._backend.delete(temporary)


class _Moved:
    """A large object that is moved under its key when it is whole."""

    def __init__(self, inner: Upload, move: Callable[[], None]) -> None:
        self._inner = inner
        self._move = move
        self.part_size = inner.part_size
        self.parallel = inner.parallel

    def write(self, number: int, data: Data) -> None:
        """Write part `number`, from 0."""
        self._inner.write(number, data)

    def adopt(self, file: int, advance: Callable[[int], object]) -> tuple[str, int] | None:
        """Copy a whole local file, if that can be done."""
        return self._inner.adopt(file, advance)

    def complete(self) -> None:
        """Complete it and move it under its key."""
        self._inner.complete()
        self._move()

    def abort(self) -> None:
        """Remove it."""
        self._inner.abort()


def machine() -> str:
    """Return the name of the machine that this process runs on."""
    return os.uname().nodename
