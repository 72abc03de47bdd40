"""An ignore file, read so that deciding on a name costs little.

Most lines are a name, a path or `*.ext`: these are looked up, and only what is left, the globs,
is matched one by one, from the last line up to the last one that matched already.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from blobfs.errors import IgnoreSyntaxError
from blobfs.ignore.line import Line, clean, split_lines

MAX_SIZE = 10 << 20
"""Bytes of one ignore file: some 100,000 paths. git refuses none before 2.44, later 100 MiB."""

MAX_GLOBS = 10_000
"""Different globs of one ignore file. Each is matched with every name, and takes 0.1 ms to
compile; git has no such limit. Names, paths and `*.ext` do not count."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an ignore file."""

    pattern: str
    """The line, as `git check-ignore -v` prints it; what is not UTF-8 as surrogates."""
    source: str
    """The path of the ignore file relative to the source's root, with "/"."""
    line: int
    """From 1."""
    negated: bool


class _Glob(NamedTuple):
    number: int
    directory_only: bool
    anchored: bool
    match: Callable[[bytes], object]


class IgnoreFile:
    """The rules of one ignore file; false if it has none."""

    __slots__ = ("_always", "_globs", "_lines", "_names", "_paths", "_source", "_suffixes")

    def __init__(self, content: bytes, source: str) -> None:
        """Read `content`, the file that rules name as `source`.

        Raises:
            IgnoreSyntaxError: if it has more than 10 MiB, or more than 10,000 different globs.
        """
        if len(content) > MAX_SIZE:
            raise IgnoreSyntaxError(
                f"{source!r} is too large for an ignore file: more than {MAX_SIZE:,} bytes"
            )
        self._source = source
        self._lines = split_lines(content)
        # All give the number of the last such line; what holds for directories alone ends in
        # "/" here as it does in the file.
        self._names: dict[bytes, int] = {}
        self._paths: dict[bytes, int] = {}
        self._suffixes: dict[int, dict[bytes, int]] = {}
        self._always = 0
        self._globs = self._compile(self._sort())

    def __bool__(self) -> bool:
        return bool(self._names or self._paths or self._suffixes or self._always or self._globs)

    def decide(self, name: bytes, directory: bytes, *, is_directory: bool) -> int:
        """Return the number of the line that decides on a path, 0 if no line matches it.

        Args:
            name: the last part of the path.
            directory: what is before it, from the ignore file's directory on: b"" or b"a/b/".
            is_directory: whether it is a directory, and no link to one.
        """
        line = self._always
        for key in (name, name + b"/") if is_directory else (name,):
            line = max(line, self._names.get(key, 0), self._paths.get(directory + key, 0))
            for length, suffixes in self._suffixes.items():
                if (found := suffixes.get(key[-length:])) and found > line:
                    line = found
        for glob in self._globs:
            if glob.number < line:
                break
            if glob.directory_only and not is_directory:
                continue
            if glob.match(directory + name if glob.anchored else name):
                return glob.number
        return line

    def negates(self, line: int) -> bool:
        """Whether the line of this number takes back what others ignore."""
        return self._lines[line - 1].startswith(b"!")

    def rule(self, line: int) -> Rule:
        """Return the line of this number."""
        text = os.fsdecode(clean(self._lines[line - 1]))
        return Rule(text, self._source, line, negated=text.startswith("!"))

    def _sort(self) -> list[int]:
        """Put every line where it is looked up; return the numbers of the globs, last first."""
        globs: dict[bytes, int] = {}
        for number, raw in enumerate(self._lines, 1):
            text = clean(raw)
            if not text or (line := Line.of(text)) is None:
                continue
            end = b"/" if line.directory_only else b""
            if not line.glob:
                (self._paths if line.anchored else self._names)[line.literal + end] = number
            elif line.suffix is None:
                globs[text.removeprefix(b"!")] = number
            elif suffix := line.suffix + end:
                self._suffixes.setdefault(len(suffix), {})[suffix] = number
            else:
                self._always = number
        return sorted(globs.values(), reverse=True)

    def _compile(self, numbers: list[int]) -> list[_Glob]:
        """Return the globs that can match, the last one first."""
        if len(numbers) > MAX_GLOBS:
            raise IgnoreSyntaxError(
                f"{self._source!r} has {len(numbers):,} different patterns with wildcards,"
                f" at most {MAX_GLOBS:,} are read; names, paths and `*.ext` do not count"
            )
        if not numbers:
            return []
        from blobfs.ignore.pattern import GitPattern

        patterns = ((number, GitPattern(self._lines[number - 1])) for number in numbers)
        return [
            _Glob(number, pattern.directory_only, pattern.anchored, pattern.regex.match)
            for number, pattern in patterns
            if pattern.regex
        ]
