"""What AzureML leaves behind: the rules of one ignore file in the root of a source.

`.amlignore` if there is one, else `.gitignore`; never both, and none further down or up. The
path that is asked about is relative to the directory in which the file really lies, be it
behind a link.

Source: azure-ai-ml 1.35, `get_ignore_file` and `IgnoreFile` in
`azure.ai.ml._utils._asset_utils`, `ComponentIgnoreFile` in
`azure.ai.ml.entities._component.code`.
"""

import errno
import io
import os
import posixpath
import stat
from collections.abc import Sequence
from functools import lru_cache

from blobfs.compat.azureml.pattern import Pattern, read_line
from blobfs.errors import IgnoreSyntaxError, SourceError, typed

NAMES = (".amlignore", ".gitignore")
"""The first that is there counts, even if it is empty."""

COMPONENT = "__pycache__"
"""What a component's code has as the last line of its ignore file."""


class Ignored:
    """The rules for one source; false if there are none."""

    __slots__ = ("_base", "_patterns")

    def __init__(self, base: str, patterns: Sequence[Pattern]) -> None:
        """Take rules whose paths are relative to the directory `base`."""
        self._base = base
        self._patterns = tuple(reversed(patterns))

    @classmethod
    def of_root(cls, root: str, *, component: bool = False) -> "Ignored":
        """Return the rules for the source `root`; there are none for a single file.

        Args:
            root: the source, as its path was given.
            component: whether it is the code of a component, of which `__pycache__` stays
                behind as well; paths are then relative to `root` as it was given.

        Raises:
            IgnoreSyntaxError: if the file that counts is no regular one, is not UTF-8, or has a
                line that AzureML fails on.
            AccessError: if it may not be read.
        """
        found = _find(root)
        lines = _read(found) if found else []
        if component:
            return cls(root, _patterns((*lines, COMPONENT)))
        return cls(os.path.dirname(found or ""), _patterns(tuple(lines)))

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def excludes(self, directory: str, names: Sequence[str]) -> list[bool]:
        """Return for each of `names`, which lie in `directory`, whether it stays behind."""
        if not self._patterns:
            return [False] * len(names)
        way = os.path.relpath(directory, self._base)
        if way.startswith(".."):
            # Above the base, or beside it: there may be a shorter way to what is on it.
            paths = [
                os.path.relpath(os.path.join(directory, name), self._base) for name in names
            ]
        else:
            paths = [*names] if way == "." else [f"{way}/{name}" for name in names]
        return [self.excludes_path(path) for path in paths]

    def excludes_path(self, path: str) -> bool:
        """Whether the path, relative to the base, stays behind: the last line that matches."""
        for pattern in self._patterns:
            if pattern.regex.match(path):
                return pattern.excludes
        return False


def is_excluded(lines: Sequence[str], path: str | os.PathLike[str]) -> bool:
    """Whether `path` stays behind where an `.amlignore` in the root holds `lines`.

    Args:
        lines: as they stand in the file, with or without line ends.
        path: relative to the root; nothing tells whether it is a directory's, and it may lead
            out of the root.

    Raises:
        IgnoreSyntaxError: if AzureML fails on one of the lines, whatever the path.

    >>> is_excluded(["build", "!build/keep.txt"], "build/keep.txt"), is_excluded(["a/"], "a")
    (False, False)
    """
    text = "\n".join(line.removesuffix("\n") for line in lines)
    way = posixpath.normpath(os.fspath(path))
    return _of_text(text).excludes_path(way.removeprefix("/"))


@lru_cache(maxsize=16)
def _of_text(text: str) -> Ignored:
    return Ignored("", _patterns(tuple(_lines(text.removeprefix("\ufeff")))))


def _find(root: str) -> str | None:
    """Return where the ignore file that counts really lies, None if there is none."""
    for name in NAMES:
        location = os.path.realpath(os.path.join(root, name))
        try:
            mode = os.stat(location).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            kind = IgnoreSyntaxError if error.errno == errno.ELOOP else SourceError
            raise typed(error, f"looking for the ignore file {location!r}", kind) from error
        if not stat.S_ISREG(mode):
            raise IgnoreSyntaxError(f"{location!r} is no ignore file: not a regular file")
        return location
    return None


def _read(location: str) -> list[str]:
    try:
        with open(location, "rb") as file:
            content = file.read()
    except OSError as error:
        raise typed(error, f"reading the ignore file {location!r}", SourceError) from error
    try:
        return _lines(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise IgnoreSyntaxError(
            f"the ignore file {location!r} is not UTF-8: {error}"
        ) from error


def _lines(text: str) -> list[str]:
    """Return the lines of a text, which end as Python's text files take them to end."""
    return io.StringIO(text, newline=None).read().split("\n")


def _patterns(lines: tuple[str, ...]) -> list[Pattern]:
    return [pattern for pattern in map(read_line, lines) if pattern]
