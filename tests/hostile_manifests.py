"""Manifests that somebody forged or that were damaged: a hundred by hand, more by dice.

Each is right in all but what its name says: counts and digests are computed with hashlib and
json, so that no other guard hides the one in question.
"""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

ZERO = "sha256:" + "0" * 64
FILE = {"path": "a", "size": 0, "digest": ZERO}

Fields = dict[str, Any]


def file(path: object, **fields: object) -> Fields:
    """An entry; `within` stands for `in`."""
    if "within" in fields:
        fields["in"] = fields.pop("within")
    return {"path": path, "size": 0, "digest": ZERO, **fields}


def hollow(path: str, **fields: object) -> Fields:
    return {"path": path, "size": 0, "digest": "-", **fields}


def manifest(entries: Iterable[Fields], **header: object) -> bytes:
    """The bytes of a manifest whose header fits its entries, but for the fields given."""
    entries = list(entries)
    files = [e for e in entries if e.get("digest") != "-"]
    sizes = [e["size"] for e in files if type(e.get("size")) is int]
    fields: Fields = {
        "schema": 1,
        "digest": digest(entries, str(header.get("kind", "tree"))),
        "kind": "tree",
        "name": "model",
        "files": len(files),
        "size": sum(sizes),
        "created": "2026-01-01T00:00:00Z",
        "commit": "00000000-0000-4000-8000-000000000000",
        **header,
    }
    return lines([{k: v for k, v in fields.items() if v is not ...}, *entries])


def digest(entries: Iterable[Fields], kind: str = "tree") -> str:
    """The digest that entries have by the documented rule, as far as they have one."""
    hasher = hashlib.sha256(_bytes(f"blobfs listing 1 {kind}\n"))
    for entry in entries:
        path = json.dumps(entry.get("path"), ensure_ascii=False)
        mark = " x" if entry.get("executable") is True else ""
        hex_ = str(entry.get("digest")).removeprefix("sha256:")
        hasher.update(_bytes(f"{hex_} {entry.get('size')} {path}{mark}\n"))
    return "sha256:" + hasher.hexdigest()


def lines(rows: Iterable[object]) -> bytes:
    return b"".join(_bytes(json.dumps(row, ensure_ascii=False) + "\n") for row in rows)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def swapped(old: bytes, new: bytes, entries: Iterable[Fields] = (FILE,)) -> bytes:
    """A good manifest in which some bytes are others."""
    good = manifest(entries)
    assert old in good
    return good.replace(old, new, 1)


_PATHS: dict[str, str] = {
    "up": "../a",
    "up in the middle": "a/../../b",
    "up at the end": "a/..",
    "only up": "..",
    "here": "./a",
    "only here": ".",
    "absolute": "/etc/passwd",
    "absolute twice": "//etc/passwd",
    "empty": "",
    "an empty part": "a//b",
    "a NUL": "a\0b",
    "a NUL alone": "\0",
    "a lone surrogate": "\ud800",
    "half of a pair": "a/\udfff/b",
    "a part too long": "x" * 256,
    "a part too long in bytes": "é" * 128,
    "up after a long way": "a/" * 300 + "../" * 301 + "b",
}

_KEYS: dict[str, object] = {
    "up": "../../other",
    "up in the middle": "a/../../../x",
    "absolute": "/etc/passwd",
    "empty": "",
    "an empty part": "a//b",
    "here": ".",
    "a NUL": "a\0",
    "a surrogate": "\ud83d",
    "a number": 1,
    "a list": ["a"],
    "false": False,
}

_VALUES: dict[str, object] = {
    "null": None,
    "a list": [],
    "an object": {},
    "true": True,
    "a fraction": 1.5,
    "minus one": -1,
    "text": "1",
}

_HEADER_TEXTS: dict[str, object] = {"null": None, "a number": 1, "a list": ["a"], "true": True}

_BY_HAND: dict[str, bytes] = {
    "nothing": b"",
    "a newline": b"\n",
    "a blank": b" \n",
    "no JSON": b"model\n",
    "a list": b"[1]\n",
    "a number": b"1\n",
    "null": b"null\n",
    "an empty object": b"{}\n",
    "zeros": b"\0" * 4096,
    "no newline at the end": manifest([FILE])[:-1],
    "no entries": manifest([FILE]).partition(b"\n")[0] + b"\n",
    "an entry too few": manifest([FILE], files=2),
    "an entry too many": manifest([FILE], files=0),
    "the wrong size": manifest([FILE], size=1),
    "the wrong digest": manifest([FILE], digest=ZERO),
    "half an entry": manifest([FILE, file("b")])[:-30],
    "a blank line": manifest([FILE]) + b"\n",
    "text after the end": manifest([FILE]) + b"x",
    "a byte order mark": b"\xef\xbb\xbf" + manifest([FILE]),
    "not UTF-8": swapped(b'"a"', b'"\xff"'),
    "overlong UTF-8": swapped(b'"a"', b'"\xc0\xae\xc0\xae/a"'),
    "UTF-16": manifest([FILE]).decode().encode("utf-16"),
    "carriage returns that split": manifest([FILE]).replace(b"\n", b"\r"),
    "schema 2": manifest([FILE], schema=2),
    "schema a million": manifest([FILE], schema=10**6),
    "schema 0": manifest([FILE], schema=0),
    "schema text": manifest([FILE], schema="1"),
    "schema true": manifest([FILE], schema=True),
    "no schema": manifest([FILE], schema=...),
    "an unknown kind": manifest([FILE], kind="pickle"),
    "kind a list": manifest([FILE], kind=["tree"]),
    "a digest in capitals": manifest([FILE], digest=digest([FILE]).upper()),
    "a digest of another kind": manifest([FILE], digest="md5:" + "0" * 32),
    "a duplicate key in the header": swapped(b'"schema": 1', b'"schema": 1, "schema": 1'),
    "a duplicate key in an entry": swapped(b'"path": "a"', b'"path": "a", "path": "../b"'),
    "a duplicate key deeper": swapped(b'"path": "a"', b'"path": "a", "y": {"x": 1, "x": 2}'),
    "a header too long": manifest([FILE], note="x" * (64 << 10)),
    "an entry too long": manifest([file("a", note="x" * (64 << 10))]),
    "a line of two megabytes": b"{" + b" " * (2 << 20),
    "deep lists": b"[" * 50_000 + b"\n",
    "deep objects": b'{"a":' * 12_000 + b"\n",
    "deep and closed": swapped(
        b'"path": "a"', b'"path": "a", "y": ' + b"[" * 9999 + b"]" * 9999
    ),
    "a number of 60,000 digits": swapped(b'"size": 0}', b'"size": ' + b"9" * 60_000 + b"}")
    if b'"size": 0}' in manifest([FILE])
    else swapped(b'"size": 0, "digest": "s', b'"size": ' + b"9" * 60_000 + b', "digest": "s'),
    "a number beyond floats": swapped(b'"path": "a", "size": 0', b'"path": "a", "size": 1e999'),
    "not a number": swapped(b'"path": "a", "size": 0', b'"path": "a", "size": NaN'),
    "infinity": swapped(b'"path": "a", "size": 0', b'"path": "a", "size": Infinity'),
    "the wrong order": manifest([file("b"), file("a")]),
    "an entry twice": manifest([FILE, FILE]),
    "a file that is a directory": manifest([file("a"), file("a/b")]),
    "a file that is a directory far up": manifest([file("a"), file("a/b/c"), file("b")]),
    "a file that is a directory, others between": manifest(
        [file("a"), file("a.b"), file("a/b")]
    ),
    "a file that is an empty directory": manifest([file("a"), hollow("a/")]),
    "an empty directory that is not": manifest([hollow("a/"), file("a/b")]),
    "a directory without a slash": manifest([hollow("a")]),
    "a file with a slash": manifest([file("a/")]),
    "a directory up": manifest([hollow("../")]),
    "a directory at the root": manifest([hollow("/")]),
    "a directory with two slashes": manifest([hollow("a//")]),
    "a directory with a size": manifest([{**hollow("a/"), "size": 5}]),
    "a file artifact of another name": manifest([FILE], kind="file", name="b"),
    "a file artifact of two": manifest([FILE, file("b")], kind="file", name="a"),
    "a file artifact of a directory": manifest([hollow("a/")], kind="file", name="a"),
    "a file artifact of none": manifest([], kind="file", name="a"),
    "a reference without a URL": manifest([file("a", digest="etag:1")], kind="reference"),
    "a tree with a URL": manifest([FILE], url="memory://x"),
    "a tree of tokens": manifest([file("a", digest="etag:1")]),
    "a URL that is a number": manifest([FILE], kind="reference", url=1),
    "in without key": manifest([file("a", within=ZERO)]),
    "in that is no digest": manifest([file("a", key="x", within="../..")]),
    "in that is a number": manifest([file("a", key="x", within=1)]),
    "executable that is text": manifest([file("a", executable="yes")]),
    "executable that is a number": manifest([file("a", executable=1)]),
    "executable that is null": manifest([file("a", executable=None)]),
    **{f"a path: {what}": manifest([file(path)]) for what, path in _PATHS.items()},
    **{f"a key: {what}": manifest([file("a", key=key)]) for what, key in _KEYS.items()},
    **{
        f"a key in another: {what}": manifest([file("a", key=key, within=ZERO)])
        for what, key in _KEYS.items()
    },
    **{f"a size: {w}": manifest([file("a", size=v)]) for w, v in _VALUES.items()},
    **{f"a path: {w}": manifest([file(v)]) for w, v in _VALUES.items() if v != "1"},
    **{
        f"a digest: {w}": manifest([file("a", digest=v)], digest=ZERO)
        for w, v in _VALUES.items()
    },
    **{f"files: {w}": manifest([FILE], files=v) for w, v in _VALUES.items()},
    **{f"size: {w}": manifest([FILE], size=v) for w, v in _VALUES.items()},
    **{
        f"{field}: {w}": manifest([FILE], **{field: v})
        for field in ("name", "created", "commit", "digest", "kind")
        for w, v in _HEADER_TEXTS.items()
    },
    **{
        f"a name: {what}": manifest([FILE], name=name)
        for what, name in {**_PATHS, "two parts": "a/b"}.items()
    },
    **{
        f"a root key: {what}": manifest([FILE], key=key)
        for what, key in {**_KEYS, "two parts": "a/b"}.items()
        if key != ""
    },
}

BY_HAND = _BY_HAND
"""What is wrong → the bytes."""


def by_dice(seed: int, count: int) -> Iterator[bytes]:
    """Yield manifests with one to three things wrong, the same ones for the same seed."""
    dice = random.Random(seed)
    for _ in range(count):
        if dice.random() < 0.3:
            yield _damaged(dice, dice.choice(list(BY_HAND.values())))
            continue
        entries = [_entry(dice) for _ in range(dice.randrange(1, 6))]
        if dice.random() < 0.7:
            entries.sort(key=lambda entry: str(entry.get("path")))
        data = manifest(entries, **_header(dice))
        yield _damaged(dice, data) if dice.random() < 0.3 else data


_PARTS = [
    "..",
    ".",
    "",
    "a",
    "b",
    "C:",
    "nul",
    "\\",
    "..\\x",
    "é",
    "\0",
    "\ud800",
    "~",
    "%2e%2e",
    "*",
]


def _path(dice: random.Random) -> str:
    return "/".join(dice.choice(_PARTS) for _ in range(dice.randrange(1, 5)))


def _entry(dice: random.Random) -> Fields:
    entry = file(_path(dice))
    while dice.random() < 0.4:
        field = dice.choice(["path", "size", "digest", "executable", "key", "in"])
        entry[field] = dice.choice([_path(dice), ZERO, "-", *_VALUES.values(), 1 << 70, 1e300])
    return entry


def _header(dice: random.Random) -> Fields:
    header: Fields = {}
    while dice.random() < 0.2:
        field = dice.choice(["name", "kind", "files", "size", "key", "url", "schema", "digest"])
        header[field] = dice.choice(
            [_path(dice), "tree", "file", "reference", 1, 2, ZERO, None]
        )
    return header


def _damaged(dice: random.Random, data: bytes) -> bytes:
    """Flip, cut, repeat or put in some bytes."""
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(changed) + 1)
        what = dice.randrange(4)
        if what == 0 and at < len(changed):
            changed[at] ^= 1 << dice.randrange(8)
        elif what == 1:
            del changed[at:]
        elif what == 2:
            changed[at:at] = changed[at : at + dice.randrange(200)]
        else:
            changed[at:at] = dice.randbytes(dice.randrange(5))
    return bytes(changed)
