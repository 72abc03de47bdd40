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
from collections.abc import Sequence
from functools import lru_cache

from blobfs.errors import IgnoreSyntaxError, SourceError, typed
from blobfs.layout.azureml.pattern import Pattern, read_line

NAMES = (".amlignore", ".gitignore")
"""The first that is there counts, even if it is empty."""

COMPONENT = "__pycache__"
"""What a component's code has as the last line of its ignore file."""


class Ignored:
    """The rules for one source, which are read when they are first asked about anything."""

    __slots__ = ("_base", "_file", "_more", "_patterns")

    def __init__(self, root: str, *, component: bool = False) -> None:
        """Look for the file that counts for the source `root`; a single file has none.

        Args:
            root: the source, as its path was given.
            component: whether it is the code of a component, of which `__pycache__` stays
                behind as well; paths are then relative to `root` as it was given.

        Raises:
            IgnoreSyntaxError: if it is a link that leads to itself.
            AccessError: if the system does not tell.
        """
        self._file = _find(root)
        self._base = root if component else os.path.dirname(self._file or "")
        self._more = [COMPONENT] if component else []
        self._patterns: list[Pattern] | None = None

    def excludes(self, directory: str, names: Sequence[str]) -> list[bool]:
        """Return for each of `names`, which lie in `directory`, whether it stays behind.

        Raises:
            IgnoreSyntaxError: if the ignore file is no regular file, is not UTF-8, or has a
                line that AzureML fails on; not if there are no `names`.
            AccessError: if it may not be read.
        """
        if not names:
            return []
        if self._patterns is None:
            lines = _read(self._file) if self._file else []
            self._patterns = _patterns([*lines, *self._more])
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
        return [_decide(self._patterns, path) for path in paths]


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
    return _decide(_of_text(text), way.removeprefix("/"))


@lru_cache(maxsize=16)
def _of_text(text: str) -> list[Pattern]:
    return _patterns(_lines(text.removeprefix("\ufeff")))


def _find(root: str) -> str | None:
    """Return where the ignore file that counts really lies, None if there is none."""
    for name in NAMES:
        location = os.path.realpath(os.path.join(root, name))
        try:
            os.stat(location)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            kind = IgnoreSyntaxError if error.errno == errno.ELOOP else SourceError
            raise typed(error, f"looking for the ignore file {location!r}", kind) from error
        return location
    return None


def _read(location: str) -> list[str]:
    try:
        if not os.path.isfile(location):
            raise IgnoreSyntaxError(f"{location!r} is no ignore file: not a regular file")
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


def _patterns(lines: Sequence[str]) -> list[Pattern]:
    """Return what the lines say, the last first."""
    return [pattern for pattern in map(read_line, lines) if pattern][::-1]


def _decide(patterns: list[Pattern], path: str) -> bool:
    """Whether a path stays behind: the last line that matches it says so."""
    for pattern in patterns:
        if pattern.regex.match(path):
            return pattern.excludes
    return False
