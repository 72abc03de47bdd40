r"""Translate git's globs to regular expressions that cannot hang.

What git 2.39 matches: https://github.com/git/git/blob/v2.39.5/wildmatch.c. All is bytes, and a
"/" is matched by nothing but a "/" and "**".

Every item of a glob but its stars takes one byte, so what stands between two stars may take the
first place where it fits: a later one leaves less to what follows. Each such piece is an atomic
group, and trying again costs at most the path's length times the glob's, never a power of it.
"""

import re
from collections.abc import Iterator
from enum import Enum
from itertools import pairwise

LONGEST = 4096
"""Bytes of a path that a system takes (PATH_MAX of Linux; others take less)."""


class _Star(Enum):
    IN_PART = b"[^/]*"
    PARTS = b"(?:[^/]*+/)*"
    """`**/`: any number of whole parts."""
    SOME_PARTS = b"(?:[^/]*+/)+"
    r"""`**\/`: the same, but at least one, since git looks for a plain "/" there."""
    REST = b".*"
    """`**` at the end: everything that is left."""


_Item = bytes | _Star
"""What takes one byte, as a regular expression, or a star."""

_BYTES = [bytes([byte]) for byte in range(256)]

_POSIX = {
    name: {byte for byte in _BYTES if re.match(rb"[%b]\Z" % members, byte)}
    for name, members in {
        b"alnum": rb"0-9A-Za-z",
        b"alpha": rb"A-Za-z",
        b"blank": rb" \t",
        b"cntrl": rb"\x00-\x1f\x7f",
        b"digit": rb"0-9",
        b"graph": rb"!-~",
        b"lower": rb"a-z",
        b"print": rb" -~",
        b"punct": rb"!-/:-@\[-`{-~",
        b"space": rb" \t\n\r",
        b"upper": rb"A-Z",
        b"xdigit": rb"0-9A-Fa-f",
    }.items()
}
"""By git's own tables, so not the locale's: `space` has neither \\v nor \\f.
https://github.com/git/git/blob/v2.39.5/ctype.c"""


def translate(glob: bytes, *, parts: bool) -> bytes | None:
    r"""Return the regular expression of `glob` (flag `re.DOTALL`), None if it never matches.

    Args:
        glob: without NUL, as all of a line of an ignore file is.
        parts: whether what it is matched with may hold "/", and "**" means more than "*".

    >>> translate(b"*.py[co]", parts=False), translate(b"a[", parts=True)
    (b'[^/]*\\.py[co]', None)
    """
    items: list[_Item] = []
    fixed = 0
    for item in _items(glob, parts=parts):
        if item is None:
            return None
        if item is _Star.PARTS and items[-1:] == [item]:
            continue
        items.append(item)
        fixed += isinstance(item, bytes) or item is _Star.SOME_PARTS
        if fixed > LONGEST:
            return None
    return _assemble(items)


def _items(glob: bytes, *, parts: bool) -> Iterator[_Item | None]:
    """Yield what `glob` consists of; None where git gives up."""
    at = 0
    while at < len(glob):
        character = glob[at : at + 1]
        item: _Item | None
        if character == b"*":
            item, at = _star(glob, at, parts=parts)
        elif character == b"[":
            item, at = _bracket(glob, at)
        elif character == b"?":
            item, at = b"[^/]", at + 1
        elif character == b"\\":
            item, at = re.escape(glob[at + 1 : at + 2]) or None, at + 2
        else:
            item, at = re.escape(character), at + 1
        yield item


def _star(glob: bytes, at: int, *, parts: bool) -> tuple[_Star, int]:
    end = at
    while glob[end : end + 1] == b"*":
        end += 1
    if parts and end - at > 1 and (at == 0 or glob[at - 1 : at] == b"/"):
        if end == len(glob):
            return _Star.REST, end
        if glob.startswith(b"/", end):
            return _Star.PARTS, end + 1
        if glob.startswith(b"\\/", end):
            return _Star.SOME_PARTS, end + 2
    return _Star.IN_PART, end


def _bracket(glob: bytes, at: int) -> tuple[bytes | None, int]:
    """Return the regular expression of the class that begins at `at`, and where it ends."""
    at += 1
    negated = glob[at : at + 1] in (b"!", b"^")
    at += negated
    members: set[bytes] = set()
    before = b""  # where a range would begin
    while at < len(glob):
        found, before, at = _member(glob, at, before)
        if found is None:
            break
        members |= found
        if glob.startswith(b"]", at):
            return _class(members, negated=negated), at + 1
    return None, len(glob)


def _member(glob: bytes, at: int, before: bytes) -> tuple[set[bytes] | None, bytes, int]:
    """Return the bytes of one member of a class, what a range may begin with, and its end.

    No set of bytes where the class has no end, or a name that git does not know.
    """
    character = glob[at : at + 1]
    if character == b"-" and before and glob[at + 1 : at + 2] not in (b"", b"]"):
        at += 1 + glob.startswith(b"\\", at + 1)
        last = glob[at : at + 1]
        return (set(_BYTES[before[0] : last[0] + 1]) if last else None), b"", at + 1
    if glob.startswith(b"[:", at):
        end = glob.find(b"]", at + 2)
        if end < 0:
            return None, b"", at
        if end > at + 2 and glob[end - 1 : end] == b":":
            return _POSIX.get(glob[at + 2 : end - 1]), b"", end + 1
    if character == b"\\":
        at += 1
        character = glob[at : at + 1]
    return ({character} if character else None), character, at + 1


def _class(members: set[bytes], *, negated: bool) -> bytes | None:
    matched = sorted((set(_BYTES) - members if negated else members) - {b"/"})
    if not matched:
        return None
    ranges: list[list[int]] = []
    for byte in matched:
        if ranges and ranges[-1][1] == byte[0] - 1:
            ranges[-1][1] = byte[0]
        else:
            ranges.append([byte[0], byte[0]])
    return b"[%b]" % b"".join(_range(*ends) for ends in ranges)


def _range(first: int, last: int) -> bytes:
    if last - first > 1:
        return re.escape(_BYTES[first]) + b"-" + re.escape(_BYTES[last])
    return b"".join(re.escape(_BYTES[byte]) for byte in range(first, last + 1))


def _assemble(items: list[_Item]) -> bytes:
    """Join `items`, every piece that a later star can make up for in an atomic group."""
    stars = [at for at, item in enumerate(items) if isinstance(item, _Star)]
    runs = [at for at in stars if items[at] in (_Star.PARTS, _Star.SOME_PARTS)]
    regex = _pieces(items[: runs[0]] if runs else items, last=not runs)
    for run, end in pairwise([*runs, len(items)]):
        lead = items[run]
        assert isinstance(lead, _Star)  # noqa: S101 - for the type checker
        last = end == len(items)
        body = lead.value + b"?" + _pieces(items[run + 1 : end], last=last)
        regex += body if last else b"(?>%b)" % body
    return regex


def _pieces(items: list[_Item], *, last: bool) -> bytes:
    """Join `items`, which hold no star over several parts; the `last` ones end the path."""
    pieces: list[tuple[bytes, list[bytes]]] = [(b"", [])]
    for item in items:
        if isinstance(item, _Star):
            pieces.append((item.value, []))
        else:
            pieces[-1][1].append(item)
    regex = b"".join(pieces[0][1])
    for number, (star, fixed) in enumerate(pieces[1:], 2):
        body = b"".join(fixed)
        # The end of the path is no star: the last piece must fit there and nowhere else.
        ends = last and number == len(pieces)
        regex += star + body if ends else b"(?>%b?%b)" % (star, body)
    return regex
