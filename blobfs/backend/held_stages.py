"""The stages of a local store: locked while they are filled, so that dead ones are known."""

import os
from collections.abc import Callable

from blobfs.backend import files
from blobfs.backend.directories import Directories
from blobfs.errors import StoreUnavailableError, typed

BROKEN = "-broken"
"""Ends the name of what was moved out of the way into a stage; it is kept."""

_GONE = "-gone"
"""Ends the name of a stage that is being removed."""

_TRIES = 10
"""How often a directory is made that others take for a dead one's in its first moment."""

_OPEN = os.O_RDONLY | os.O_CLOEXEC


class HeldStages:
    """The stages that this process fills, by path: each open and locked."""

    def __init__(self, directories: Directories) -> None:
        self._directories = directories
        self._open: dict[str, int] = {}

    def hold(self, path: str) -> Callable[[], None]:
        """Make the directory `path`, locked from its first moment under that name."""
        parent, name = os.path.split(path)
        unborn = f"{parent}/.{name}"
        try:
            for made in self._directories.make_anew(parent):
                files.sync_directory(os.path.dirname(made))
            for left in reversed(range(_TRIES)):
                try:
                    return self._held(unborn, path)
                except FileNotFoundError:  # taken for a dead one, before it was locked
                    if not left:
                        raise
            raise AssertionError("not reached")
        except OSError as error:
            raise typed(error, f"making {path}") from error

    def check(self, path: str) -> None:
        """Refuse a stage that was removed under its writer, and made again by the next file."""
        held = self._open.get(path)
        if held is not None and not os.path.samestat(os.fstat(held), os.lstat(path)):
            raise StoreUnavailableError(f"{path} was removed while it was written")

    def _held(self, unborn: str, path: str) -> Callable[[], None]:
        self._directories.make_one(unborn)
        directory = os.open(unborn, _OPEN)
        try:
            files.lock(directory, wait=True)
            os.rename(unborn, path)
        except BaseException:
            files.close(directory)
            raise
        self._open[path] = directory
        return lambda: files.close(self._open.pop(path))


def abandoned(path: str) -> str | None:
    """Return where a stage lies now that nobody locks any more, None if that is not known.

    It is renamed first: a writer that lives after all can then no longer publish it.
    """
    if path.endswith(_GONE):
        return path
    if path.endswith(BROKEN):
        return None
    try:
        directory = os.open(path, _OPEN)
    except OSError:  # gone meanwhile, or another user's: not ours to judge
        return None
    try:
        if not files.lock(directory):
            return None
        os.rename(path, path + _GONE)
    except OSError:  # as above
        return None
    else:
        return path + _GONE
    finally:
        files.close(directory)
