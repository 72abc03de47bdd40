r"""One line of an ignore file, matched as AzureML matches it, which is not git's way.

A pattern is matched with a whole path, of which nothing tells whether it is a directory's:

    foo     the name at any depth, and all below it
    foo/    all below it, at any depth; not the directory itself
    /foo    below the ignore file's directory only; so is a pattern with a "/" further inside
    **      as a part of its own any number of parts; within a part it is "*"

What it comes to is a regular expression, in which "." matches no line feed and "$" also stands
before a last one; names that hold one are decided by that, here as there.

Source: azure-ai-ml 1.35, `GitWildMatchPattern` in `azure.ai.ml._utils._pathspec`, by asking it
about random patterns and paths.
"""

import re
from typing import NamedTuple

from blobfs.errors import IgnoreSyntaxError

_ANY = "**"


class Pattern(NamedTuple):
    """A line that says something."""

    excludes: bool
    """False for a line that begins with "!"."""

    regex: re.Pattern[str]
    """To be matched from the beginning of a path."""


def read_line(line: str) -> Pattern | None:
    r"""Return what a line says, None for a blank one, a comment, and a single "/".

    Raises:
        IgnoreSyntaxError: where AzureML fails: "!" alone, a "\" at the end of a part, a range
            such as `[z-a]`.

    >>> pattern = read_line("build/")
    >>> [bool(pattern and pattern.regex.match(path)) for path in ("a/build/b", "a/build")]
    [True, False]
    """
    text = line.strip()
    if not text or text == "/" or text.startswith("#"):
        return None
    body = text.removeprefix("!")
    try:
        return Pattern(not text.startswith("!"), _compile(body))
    except (IgnoreSyntaxError, re.error) as error:
        raise IgnoreSyntaxError(f"AzureML cannot read the line {line!r}: {error}") from error


def _compile(body: str) -> re.Pattern[str]:
    """Read a pattern, its "!" taken off."""
    if not body:
        raise IgnoreSyntaxError("nothing follows the !")
    split = body.split("/")
    parts = [
        part for at, part in enumerate(split) if part != _ANY or split[at - 1 : at] != [_ANY]
    ]
    if parts == [_ANY, ""]:
        return re.compile("^.+/.*$")
    if not parts[0]:
        del parts[0]
    elif len(parts) == 1 or (len(parts) == 2 and not parts[1]):  # noqa: PLR2004 - `foo/`
        parts[:0] = [_ANY] if parts[0] != _ANY else []
    if len(parts) > 1 and not parts[-1]:
        parts[-1] = _ANY
    last = len(parts) - 1
    regex = "^"
    for at, part in enumerate(parts):
        before = "/" if at and (at > 1 or parts[0] != _ANY) else ""
        if part != _ANY:
            regex += before + ("[^/]+" if part == "*" else _part(part))
            regex += "(?:/.*)?" if at == last else ""
        elif at == last:
            regex += "/.*" if at else ".+"
        else:
            regex += "(?:/.+)?" if at else "(?:.+/)?"
    return re.compile(regex + "$")


def _part(glob: str) -> str:
    """Return the regular expression of what stands between two "/".

    Without a class nothing in it matches a "/", so what stands between two stars may take the
    first place where it fits: a later one leaves less to what follows. That is an atomic group,
    and matching takes time in proportion to the lengths, not to a power of them.
    """
    pieces = [""]
    at = 0
    while at < len(glob):
        character = glob[at]
        at += 1
        if character == "*":
            pieces.append("")
        elif character == "?":
            pieces[-1] += "[^/]"
        elif character == "[":
            regex, at = _bracket(glob, at)
            pieces[-1] += regex
        elif character == "\\":
            if at == len(glob):
                raise IgnoreSyntaxError("nothing follows the last \\ of a part")
            pieces[-1] += re.escape(glob[at])
            at += 1
        else:
            pieces[-1] += re.escape(character)
    if "[" in glob or len(pieces) < 3:  # noqa: PLR2004 - one star costs nothing
        return "[^/]*".join(pieces)
    first, *inner, end = pieces
    return first + "".join(f"(?>[^/]*?{piece})" for piece in inner) + "[^/]*" + end


def _bracket(glob: str, at: int) -> tuple[str, int]:
    """Return the regular expression of the class that begins before `at`, and where it ends."""
    negated = glob.startswith("!", at)
    start = at + negated
    end = glob.find("]", start + glob.startswith("]", start))
    if end < 0:
        return r"\[", at
    return f"[{'^' * negated}{_members(glob[start:end])}]", end + 1


def _members(text: str) -> str:
    """Return the inside of a class, everything escaped that Python could read otherwise."""
    regex = ""
    at = 0
    while at < len(text):
        is_range = text[at + 1 : at + 2] == "-" and at + 2 < len(text)
        regex += re.escape(text[at])
        if is_range:
            regex += "-" + re.escape(text[at + 2])
        at += 3 if is_range else 1
    return regex
