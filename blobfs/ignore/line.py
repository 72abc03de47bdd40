"""Take an ignore file apart into lines, and a line into what it says.

What git 2.39 does: https://github.com/git/git/blob/v2.39.5/dir.c
"""

import re
from dataclasses import dataclass

BOM = b"\xef\xbb\xbf"

_WILD = re.compile(rb"[*?\[\\]")


def split_lines(content: bytes) -> list[bytes]:
    r"""Return the lines of an ignore file, the n-th at n - 1, each still to be read.

    >>> split_lines(BOM + b"a \r\nb\r")
    [b'a ', b'b']
    """
    return [line.removesuffix(b"\r") for line in content.removeprefix(BOM).split(b"\n")]


def clean(line: bytes) -> bytes:
    r"""Return what counts of a line, as `git check-ignore -v` prints it; nothing of a comment.

    >>> clean(b"a\\  "), clean(b"a\0b"), clean(b"#a"), clean(b" ")
    (b'a\\ ', b'a', b'', b'')
    """
    if line.startswith(b"#"):
        return b""
    line = line.partition(b"\0")[0]
    if not line.endswith(b" "):
        return line
    stripped = line.rstrip(b" ")
    escapes = len(stripped) - len(stripped.rstrip(b"\\"))
    return line[: len(stripped) + escapes % 2]


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says, its glob not yet read."""

    negated: bool
    directory_only: bool
    anchored: bool
    """It is matched with the path below the ignore file's directory, else with the name."""
    literal: bytes
    """What stands before the first wildcard; it is compared byte by byte."""
    glob: bytes
    """What follows; it is matched as if it began there."""

    @classmethod
    def of(cls, text: bytes) -> "Line | None":
        """Read what `clean` returned; None for what matches nothing."""
        negated = text.startswith(b"!")
        body = text[negated:]
        directory_only = body.endswith(b"/")
        body = body[: len(body) - directory_only]
        if not body:
            return None
        name = body[3:]
        if body.startswith(b"**/") and name and b"/" not in name:
            body = name  # at any depth, which is what a name without a "/" means
        anchored = b"/" in body
        # Only one: a second "/" stays, and no path begins with it.
        body = body.removeprefix(b"/")
        wild = _WILD.search(body)
        at = wild.start() if wild and anchored else 0 if wild else len(body)
        return cls(negated, directory_only, anchored, body[:at], body[at:])

    @property
    def suffix(self) -> bytes | None:
        """What a name must end with, where that is all that the line says."""
        is_suffix = (
            not self.anchored and self.glob[:1] == b"*" and not _WILD.search(self.glob, 1)
        )
        return self.glob[1:] if is_suffix else None
