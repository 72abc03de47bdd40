"""The one validator of names, versions, paths and keys.

A path is what an entry is called in its artifact; a key is where bytes lie in a store. Both are
`/`-separated. What is decided here is decided nowhere else.
"""

import os
import posixpath
import re
from collections.abc import Iterable

from blobfs.errors import ConfigError

MANIFEST_NAME = "_manifest.jsonl"

STAGES = ".blobfs/stage"
"""Where a store keeps what is not complete yet."""

MAX_PART = 255
"""Bytes of one part: NAME_MAX of every common file system."""

MAX_KEY = 1024
"""Bytes of a whole key: the limit of S3, Azure Blob and OSS.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9_-])?")
_CONTROL = "".join(map(chr, range(0x20))) + "\x7f\\"
_RUNS = re.compile(r"[0-9]+|[^0-9]+")

_WINDOWS_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{device}{digit}" for device in ("com", "lpt") for digit in "123456789¹²³"]
)
"""https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file"""


def check_name(kind: str, name: object) -> str:
    """Return `name` if it may name an asset, a version or a store, else say what may.

    Raises:
        ConfigError: naming the `kind` ("name", "version", "store") and the value.
    """
    reserved = {"name": "sha256", "version": "latest"}.get(kind)
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == reserved:
        raise ConfigError(
            f"{name!r} cannot be used as a {kind}: 1 to 255 letters, digits, `.`, `_` and `-`,"
            " beginning with a letter or digit, not ending in `.`"
            + (f", and not {reserved!r}" if reserved else "")
        )
    return name


def version_order(version: str) -> tuple[tuple[tuple[int, int | str], ...], str]:
    """Return the key that sorts versions: runs of digits as numbers, before text.

    >>> sorted(["10", "9", "1.0-rc1", "1.0", "v1", "01"], key=version_order)
    ['01', '1.0', '1.0-rc1', '9', '10', 'v1']
    """
    runs = _RUNS.findall(version)
    return tuple((0, int(run)) if run.isdigit() else (1, run) for run in runs), version


def next_version(versions: Iterable[str]) -> str:
    """Return 1 + the greatest version that is all digits.

    >>> next_version(["1", "9", "v10"]), next_version([])
    ('10', '1')
    """
    return str(1 + max((int(version) for version in versions if version.isdigit()), default=0))


def path_fault(path: str, *, windows: bool = os.name == "nt") -> str | None:
    """Say what makes `path` unusable as a relative path below a directory, None if nothing.

    >>> path_fault("a/b"), path_fault("a/../b"), path_fault("C:x")
    (None, "has the part '..'", None)
    >>> path_fault("C:x", windows=True)
    "has the part 'C:x', which Windows cannot hold"
    """
    if path.startswith("/"):
        return "is absolute"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "is not UTF-8"
    for part in path.split("/"):
        if fault := _part_fault(part, windows=windows):
            return fault
    return None


def _part_fault(part: str, *, windows: bool) -> str | None:
    if part in ("", ".", ".."):
        return f"has the part {part!r}"
    if "\0" in part:
        return f"has the part {part!r}, which holds a NUL"
    if windows and _windows_refuses(part):
        return f"has the part {part!r}, which Windows cannot hold"
    if len(part) > MAX_PART // 4 and len(part.encode()) > MAX_PART:
        return f"has a part of more than {MAX_PART} bytes"
    return None


def _windows_refuses(part: str) -> bool:
    return (
        any(character in '<>:"|?*\\' or character < " " for character in part)
        or part[-1] in ". "
        or part.partition(".")[0].rstrip().casefold() in _WINDOWS_RESERVED
    )


def encode_part(part: str, forbidden: str = "", *, top: bool = False) -> str:
    r"""Return the part of a key under which a part of a path is stored; nearly always the same.

    Args:
        part: one part of a path.
        forbidden: the characters that this store cannot hold beside those of every store.
        top: whether it lies beside the manifest, so must not have its name.

    >>> encode_part("w.bin"), encode_part("run?.sh", "?"), encode_part("50%"), encode_part("%a")
    ('w.bin', '%run%3F.sh', '50%', '%%25a')
    """
    bad = [c for c in part if c in _CONTROL or c in forbidden]
    tail = part[-1] if part[-1] in ". " else ""
    if (
        not bad
        and not tail
        and not part.startswith("%")
        and not (top and part == MANIFEST_NAME)
    ):
        return part
    escape = {c: _escape(c) for c in [*bad, "%"]}
    body = part[: len(part) - len(tail)]
    return "%" + "".join(escape.get(c, c) for c in body) + "".join(map(_escape, tail))


def _escape(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def decode_part(part: str) -> str:
    r"""Return what `encode_part` was given.

    >>> decode_part(encode_part("a?\n%", "?")) == "a?\n%"
    True
    """
    if not part.startswith("%"):
        return part
    from urllib.parse import unquote

    return unquote(part[1:], errors="strict")


def encode_path(path: str, forbidden: str = "", *, top: bool = False) -> str:
    """Return the key of `path`, part by part."""
    first, *rest = path.split("/")
    return "/".join(
        [
            encode_part(first, forbidden, top=top),
            *(encode_part(part, forbidden) for part in rest),
        ]
    )


def key_fault(key: str) -> str | None:
    """Say why no store would hold `key`, None if all would."""
    if len(encoded := key.encode()) > MAX_KEY:
        return f"needs a key of {len(encoded)} bytes; stores hold {MAX_KEY}"
    if longest := next((p for p in key.split("/") if len(p.encode()) > MAX_PART), None):
        return f"needs a key with the part {longest!r}, of more than {MAX_PART} bytes"
    return None


def under(path: str, root: str) -> str | None:
    """Return `path` relative to `root`, `""` if they are equal, None if it lies elsewhere.

    Both are normalised first, so `/store/../x` and `/store2` lie outside `/store`. If one is
    relative, so must be the other.

    >>> under("/store/a", "/store"), under("/store/../x", "/store"), under("/store2", "/store")
    ('a', None, None)
    >>> under("a", "."), under("../a", "."), under("/a", "."), under("../../a", "..")
    ('a', None, None, None)
    """
    path, root = _normal(path), _normal(root)
    if path == root:
        return ""
    prefix = "" if root == "." else root if root.endswith("/") else root + "/"
    rest = path.removeprefix(prefix)
    if rest == path and (prefix or path.startswith("/")):
        return None
    return None if rest.partition("/")[0] == ".." else rest


def _normal(path: str) -> str:
    """Normalise a path; POSIX would keep two slashes at its beginning."""
    path = posixpath.normpath(path)
    return path[1:] if path.startswith("//") else path


def folding_siblings(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of `paths`, or of directories above them, that fold to one name.

    For stores and destinations that were found to be case-insensitive.

    >>> folding_siblings(["A/x", "a/y", "b"])
    [('A', 'a')]
    """
    import unicodedata

    seen: dict[str, str] = {}
    pairs = []
    for path in paths:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            here = "/".join(parts[:depth])
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", here).casefold())
            if (first := seen.setdefault(folded, here)) != here:
                pairs.append((first, here))
                break
    return pairs
