"""Every system call of an operation, counted, so that something can be made to happen at each.

The calls of `os` and `fcntl`, and those that go to the C library directly, pass through one
function, in the order in which they are made; what it does is the test's business. That is as
exact as a tracer and needs none. What happens inside SQLite and of `DirEntry` is not seen here.
"""

import ctypes
import errno
import fcntl
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from blobfs.backend import system

NAMES = (
    *("open", "close", "read", "pread", "write", "pwrite", "fsync", "dup", "truncate"),
    *("preadv", "copy_file_range", "fdatasync"),
    *("stat", "lstat", "fstat", "scandir", "listdir", "readlink", "mkdir", "rmdir"),
    *("rename", "replace", "link", "unlink", "remove", "chmod", "fchmod"),
)
"""Of `os`."""

CHANGING = frozenset(
    {
        *("write", "pwrite", "fsync", "mkdir", "rmdir", "rename", "replace", "link", "unlink"),
        *("truncate", "fchmod", "open", "syncfs", "renameat2", "close", "flock"),
        *("copy_file_range", "fdatasync"),
    }
)
"""Those before and after which a process is worth killing; an `open` may create."""

NEEDING_SPACE = frozenset(
    {"write", "pwrite", "copy_file_range", "mkdir", "syncfs", "fsync", "fdatasync"}
)
"""Those that a full disk refuses (beside an `open` that creates)."""

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EMFILE)

Call = Callable[[], Any]
Act = Callable[[int, str, tuple[Any, ...], Call], Any]
"""Gets the number of a call, from 1, its name, its arguments, and what carries it out."""


@contextmanager
def passing(act: Act) -> Iterator[None]:
    """Let `act` decide on every call."""
    numbers = itertools.count(1)

    def through(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:  # noqa: ANN401
            return act(next(numbers), name, args, lambda: real(*args, **options))

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.setattr(os, name, through(name, getattr(os, name)))
        for name in ("flock", "ioctl"):
            patch.setattr(fcntl, name, through(name, getattr(fcntl, name)))
        library = _Library(system._libc(), through)  # noqa: SLF001 - below Python's own calls
        patch.setattr(system, "_libc", lambda: library)
        yield


@contextmanager
def unsynced() -> Iterator[None]:
    """Write nothing out, which takes longest: where no power is lost, nobody can tell."""

    def through(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        return (lambda *_: 0) if name == "syncfs" else real

    with pytest.MonkeyPatch.context() as patch:
        library = _Library(system._libc(), through)  # noqa: SLF001 - below Python's own calls
        patch.setattr(system, "_libc", lambda: library)
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, lambda _: None)
        yield


class _Library:
    """The C library, whose calls answer with a number and leave the reason in errno."""

    def __init__(
        self,
        real: Any,  # noqa: ANN401 - what `ctypes.CDLL` gives
        through: Callable[[str, Callable[..., Any]], Callable[..., Any]],
    ) -> None:
        self._real = real
        self._through = through

    def __getattr__(self, name: str) -> Callable[..., int]:
        call = self._through(name, getattr(self._real, name))

        def answering(*args: object) -> int:
            try:
                return int(call(*args))
            except OSError as error:
                ctypes.set_errno(error.errno or errno.EIO)
                return -1

        return answering


def names_of(operation: Callable[[], object]) -> list[str]:
    """Carry an operation out, and return the names of its calls."""
    names: list[str] = []

    def note(_: int, name: str, __: tuple[Any, ...], call: Call) -> Any:  # noqa: ANN401
        names.append(name)
        return call()

    with passing(note):
        operation()
    return names


def failing(at: int, code: int) -> Act:
    """Call number `at` fails with the error `code`."""

    def act(number: int, name: str, _: tuple[Any, ...], call: Call) -> Any:  # noqa: ANN401
        if number == at:
            if name == "close":  # as on Linux, where the descriptor is gone in any case
                call()
            raise OSError(code, os.strerror(code))
        return call()

    return act


def filling(at: int) -> Act:
    """From call number `at` on no space is left."""

    def act(number: int, name: str, args: tuple[Any, ...], call: Call) -> Any:  # noqa: ANN401
        creates = name == "open" and len(args) > 1 and args[1] & os.O_CREAT
        if number >= at and (name in NEEDING_SPACE or creates):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return call()

    return act


def killing(at: int, *, before: bool) -> Act:
    """The process is killed at call number `at`."""

    def act(number: int, _: str, __: tuple[Any, ...], call: Call) -> Any:  # noqa: ANN401
        if number == at and before:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return call()
        finally:
            if number == at:
                os.kill(os.getpid(), signal.SIGKILL)

    return act


class Dead(BaseException):
    """The process has ended."""


def dying(at: int, *, before: bool) -> Act:
    """The process ends at call number `at`: it makes no further one, not even to clear up.

    What a kill does to a disk, without the price of a process; `buried` closes what it held.
    """

    def act(number: int, _: str, __: tuple[Any, ...], call: Call) -> Any:  # noqa: ANN401
        if number > at or (number == at and before):
            raise Dead
        try:
            return call()
        finally:
            if number == at:
                raise Dead

    return act


@contextmanager
def buried() -> Iterator[None]:
    """Close every descriptor that is left open here, as the end of a process does."""
    before = descriptors()
    try:
        yield
    finally:
        for file in descriptors() - before:
            os.close(file)


def descriptors() -> set[int]:
    """The open descriptors, without the one that the list is read through."""
    found = set()
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            os.fstat(int(name))
            found.add(int(name))
    return found


def in_child(operation: Callable[[], object], *, seconds: int = 60) -> int:
    """Carry an operation out in a forked process; return how it ended, as `waitpid` says.

    The alarm ends one that hangs.
    """
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    status = 70
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        operation()
        status = 0
    finally:
        os._exit(status)
