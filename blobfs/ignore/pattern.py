"""One line of an ignore file as a pathspec pattern that matches as git does.

pathspec's own pattern decodes bytes, reads classes and "**" otherwise, raises on some lines,
and lets a path match because of the directory above it. This one says what git 2.39 says of one
path; what an ignored directory means for the paths below it is for the caller to decide.
"""

import re

from pathspec.pattern import RegexMatchResult, RegexPattern

from blobfs.ignore.line import Line, clean
from blobfs.ignore.wildmatch import translate


class GitPattern(RegexPattern):
    """A line of an ignore file; `include` is pathspec's: False for a negated one.

    >>> pattern = GitPattern(b"build-*/")
    >>> [bool(pattern.match_file(path)) for path in (b"a/build-1/", b"a/build-1")]
    [True, False]
    """

    __slots__ = ("anchored", "directory_only")

    def __init__(self, pattern: bytes) -> None:
        """Read `pattern`, a line without its end; one that matches nothing has no `regex`."""
        line = Line.of(clean(pattern))
        self.anchored = line is not None and line.anchored
        """Whether it is matched with the whole path, not with the name at its end."""
        self.directory_only = line is not None and line.directory_only
        super().__init__(pattern)

    def match_file(self, file: bytes) -> RegexMatchResult | None:  # type: ignore[override] # bytes only
        """Match the path `file`, relative to the ignore file; a directory's ends in "/"."""
        path = file.removesuffix(b"/")
        if self.directory_only and path == file:
            return None
        if not self.anchored:
            path = path.rpartition(b"/")[2]
        found = self.regex.match(path) if self.regex else None
        return RegexMatchResult(found) if found else None

    @classmethod
    def pattern_to_regex(cls, pattern: bytes) -> tuple[bytes | None, bool | None]:  # type: ignore[override] # bytes only
        """Return the regular expression, and whether it includes; none if it never matches.

        It is for a path if the pattern is anchored, else for the name at the path's end.
        """
        line = Line.of(clean(pattern))
        if line is None:
            return None, None
        glob = translate(line.glob, parts=line.anchored)
        if glob is None:
            return None, None
        regex = rb"(?s:\A%b%b\Z)" % (re.escape(line.literal), glob)
        return regex, not line.negated
