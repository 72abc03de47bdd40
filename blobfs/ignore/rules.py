"""Which rules hold in a directory, and what they say of what lies in it."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress

from blobfs.errors import (
    AccessError,
    IgnoreSyntaxError,
    SourceError,
    SourceNotFoundError,
    UnsafeNameError,
)
from blobfs.ignore.file import MAX_SIZE, IgnoreFile, Rule
from blobfs.names import under

OWN_NAME = ".amlignore"
GIT_NAME = ".gitignore"

_Files = tuple[tuple[IgnoreFile, bytes], ...]
"""Ignore files, the nearest first, each with the way from it to here: b"" or b"a/b/"."""


def ignore_file_of(root: str, ignore: bool | str) -> str | None:
    """Return the name of the ignore file that counts for the source `root`, None for none.

    Args:
        root: a directory.
        ignore: False for none; True for `.amlignore` if the root has one, else `.gitignore`; a
            name, to be found in the root and looked up below it; or a path (with "/", absolute
            or relative to the root) of one file, whose rules hold from the root downwards.

    Raises:
        SourceNotFoundError: if the file that `ignore` names is not there.
        IgnoreSyntaxError: if it is no regular file. Nor may it be a link: git does not follow
            one, and then nothing would be ignored; the way around is to give a path.
    """
    if ignore is False:
        return None
    name = OWN_NAME if ignore is True else ignore
    kind = _kind(root, name)
    if ignore is True and kind in (None, stat.S_IFDIR):
        return GIT_NAME
    if kind is None:
        raise SourceNotFoundError(f"there is no ignore file {name!r} in {root!r}")
    if kind == stat.S_IFLNK:
        raise IgnoreSyntaxError(
            f"{name!r} in {root!r} is a link, which is not followed, as in git;"
            f" make it a file, or name it by path: {'./' + name!r}"
        )
    if kind != stat.S_IFREG:
        raise IgnoreSyntaxError(f"{name!r} in {root!r} is no ignore file: not a regular file")
    return name


def _kind(root: str, name: str) -> int | None:
    """Return the type of the file `name`, None if absent; only a path is followed."""
    location = os.path.join(root, name)
    try:
        mode = (os.stat if "/" in name else os.lstat)(location).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise AccessError(f"the ignore file {location!r} cannot be read: {error}") from error
    except (OSError, ValueError) as error:
        raise IgnoreSyntaxError(f"{name!r} cannot name an ignore file: {error}") from error
    return stat.S_IFMT(mode)


class IgnoreRules:
    """The rules that hold inside one directory: of its ignore file, and of those above it.

    False if there are none here; there may be some further down while `file_name` is not None.
    """

    __slots__ = ("_files", "_path", "file_name")

    file_name: str | None
    """The name of the ignore file to look for in listings; None if none counts from here on."""

    def __init__(
        self, files: _Files = (), path: str = "", *, file_name: str | None = None
    ) -> None:
        """Take the rules of `files` for the directory `path` ("" or "a/b/") of a source."""
        self._files = files
        self._path = path
        self.file_name = file_name

    @classmethod
    def of_root(cls, root: str, ignore: bool | str = True) -> "IgnoreRules":
        """Return the rules inside the source `root`; for `ignore` see `ignore_file_of`.

        Raises:
            SourceNotFoundError: if a file that `ignore` names is not there.
            AccessError: if the ignore file may not be read.
            IgnoreSyntaxError: if it cannot be read as one, for its kind or its size.
        """
        name = ignore_file_of(root, ignore)
        if name is None:
            return cls()
        location = os.path.join(root, name)
        if "/" not in name:
            return cls(_own_file(location, name), file_name=name)
        inside = under(os.path.abspath(location), os.path.abspath(root))
        return cls(_own_file(location, inside or name, follow=True))

    def enter(
        self, directory: str, name: str, *, has_file: bool | None = None
    ) -> "IgnoreRules":
        """Return the rules inside the subdirectory `name`.

        Args:
            directory: its location on disk.
            name: as a listing gives it.
            has_file: whether it has an entry called `file_name`; None if that is not known yet.

        Raises:
            AccessError: if its ignore file may not be read.
            IgnoreSyntaxError: if its ignore file is too large.
        """
        if not self._files and self.file_name is None:
            return self
        path = f"{self._path}{name}/"
        files = self._files
        if files:
            below = os.fsencode(name) + b"/"
            files = tuple((file, way + below) for file, way in files)
        if self.file_name is not None and has_file is not False:
            location = os.path.join(directory, self.file_name)
            files = _own_file(location, path + self.file_name) + files
        return IgnoreRules(files, path, file_name=self.file_name)

    def __bool__(self) -> bool:
        return bool(self._files)

    def decide(self, name: str, *, is_directory: bool) -> Rule | None:
        """Return the rule that decides on `name` in this directory, None if no rule matches.

        What lies below an ignored directory is ignored whatever the rules say of it.

        Args:
            name: as a listing gives it.
            is_directory: False for a link, wherever it leads.
        """
        found = self._find(name, is_directory=is_directory)
        return found[0].rule(found[1]) if found else None

    def ignores(self, name: str, *, is_directory: bool) -> bool:
        """Whether `name` in this directory stays behind; see `decide`."""
        found = self._find(name, is_directory=is_directory)
        return found is not None and not found[0].negates(found[1])

    def _find(self, name: str, *, is_directory: bool) -> tuple[IgnoreFile, int] | None:
        if not self._files:
            return None
        encoded = os.fsencode(name)
        for file, way in self._files:
            if line := file.decide(encoded, way, is_directory=is_directory):
                return file, line
        return None


def _own_file(location: str, source: str, *, follow: bool = False) -> _Files:
    """Return the ignore file at `location` if it is there and has rules.

    What git does not read has none: a directory or anything else but a regular file, a link.
    """
    content = _read(location, follow=follow)
    file = IgnoreFile(content, source) if content else None
    return ((file, b""),) if file else ()


def _read(location: str, *, follow: bool) -> bytes | None:
    # Without O_NONBLOCK, opening a FIFO would wait for somebody to write to it.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(location, flags)
    except PermissionError as error:
        raise AccessError(f"the ignore file {location!r} cannot be read: {error}") from error
    except OSError as error:
        # A link is ELOOP, a socket ENXIO (EOPNOTSUPP on macOS).
        absent = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EOPNOTSUPP)
        if error.errno in absent:
            return None
        raise SourceError(f"the ignore file {location!r} cannot be read: {error}") from error
    try:
        # Nor does open() take the descriptor of a directory: it would leave it open.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_SIZE + 1)
    except OSError as error:
        raise SourceError(f"the ignore file {location!r} cannot be read: {error}") from error
    finally:
        with suppress(OSError):
            os.close(descriptor)


def explain(
    root: str,
    paths: Iterable[str],
    ignore: bool | str = True,
) -> Iterator[tuple[str, Rule | None]]:
    """Yield each of `paths` with the rule that decides on it, as `git check-ignore -v -n`.

    An ignored directory decides for all that lies below it. Nothing need exist: a path is taken
    for a directory if it ends in "/" or is one on disk, and no link.

    Args:
        root: the source.
        paths: relative to `root`, or absolute and inside it.
        ignore: see `ignore_file_of`.

    Raises:
        UnsafeNameError: if a path lies outside `root`.
        SourceNotFoundError, AccessError, IgnoreSyntaxError: as `IgnoreRules.of_root`.
    """
    root = os.path.abspath(root)
    known: dict[str, IgnoreRules | Rule] = {"": IgnoreRules.of_root(root, ignore)}
    for path in paths:
        inside = under(os.path.join(root, path), root)
        if inside is None or "\0" in path:
            raise UnsafeNameError(f"{path!r} does not lie inside {root!r}")
        head, _, name = inside.rpartition("/")
        rules = _inside(root, head, known)
        if isinstance(rules, Rule) or not name:
            yield path, rules if isinstance(rules, Rule) else None
            continue
        is_directory = path.endswith("/") or _is_directory(os.path.join(root, inside))
        yield path, rules.decide(name, is_directory=is_directory)


def _inside(root: str, path: str, known: dict[str, IgnoreRules | Rule]) -> IgnoreRules | Rule:
    """Return the rules inside the directory `path`, or the one by which it stays behind."""
    above = 0
    rules = known[""]
    while above < len(path):
        end = path.find("/", above)
        end = end if end >= 0 else len(path)
        here = path[:end]
        if here not in known:
            known[here] = _enter(rules, os.path.join(root, here), path[above:end])
        rules = known[here]
        if isinstance(rules, Rule):
            return rules
        above = end + 1
    return rules


def _enter(rules: IgnoreRules | Rule, location: str, name: str) -> IgnoreRules | Rule:
    assert isinstance(rules, IgnoreRules)  # noqa: S101 - _inside stops at a rule
    rule = rules.decide(name, is_directory=not os.path.islink(location))
    return rules.enter(location, name) if rule is None or rule.negated else rule


def _is_directory(location: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(location).st_mode)
    except OSError:
        return False
