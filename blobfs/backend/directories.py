"""Making directories and files of a local store, with the modes that it was configured with."""

import os
from typing import Literal

Mode = Literal["private", "group"]
"""Who may read a store beside its owner: nobody, or the group, which may then also write."""

_FILE_MODES = {None: 0o444, "private": 0o400, "group": 0o440}
"""Published files are read-only; without a mode the umask has its say."""

_DIRECTORY_MODES = {None: 0o777, "private": 0o700, "group": 0o2770}

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class Directories:
    """Remembers which directories it made, so that none is made for every file in it."""

    def __init__(self, mode: Mode | None) -> None:
        self._mode = mode
        self._file_mode = _FILE_MODES[mode]
        self._directory_mode = _DIRECTORY_MODES[mode]
        self._made: set[str] = set()

    def make(self, path: str) -> list[str]:
        """Make a directory and those above it; return those that were not there."""
        if path in self._made:
            return []
        made = []
        try:
            self.make_one(path)
            made = [path]
        except FileExistsError:
            pass
        except FileNotFoundError:
            self._made.discard(os.path.dirname(path))  # somebody removed it
            made = self.make(os.path.dirname(path)) + self.make(path)
        self._made.add(path)
        return made

    def make_anew(self, path: str) -> list[str]:
        """The same, for one that somebody may have removed since it was made."""
        self._made.discard(path)
        return self.make(path)

    def make_one(self, path: str) -> None:
        """Make a directory that must not be there, in one that is."""
        os.mkdir(path, self._directory_mode)
        if self._mode == "group":  # whatever the umask says
            os.chmod(path, self._directory_mode)

    def create(self, path: str, *, executable: bool = False) -> int:
        """Open a file that must not be there for writing; it will be read-only to others."""
        mode = self._file_mode | (0o111 & self._file_mode >> 2 if executable else 0)
        try:
            file = os.open(path, _CREATE, mode)
        except FileNotFoundError:
            self.make_anew(os.path.dirname(path))
            file = os.open(path, _CREATE, mode)
        try:
            if self._mode == "group":
                os.fchmod(file, mode)
        except OSError:
            os.close(file)
            os.unlink(path)
            raise
        return file
