"""Random trees with random ignore files, and what git says of them.

Two generators that have little in common: `grown` takes the paths of its tree and disturbs
them, so that most patterns nearly match something; `brewed` throws characters together that
mean something to git, names and patterns alike. Everything follows from a seed.
"""

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

from blobfs.ignore import IgnoreRules

Line = tuple[bytes, bytes, int]
"""The pattern, the ignore file and the number of the line that decide on a path."""

FILE = ".gitignore"


@dataclass(frozen=True, slots=True)
class Case:
    """A tree. Paths are bytes, relative to its root."""

    seed: str
    files: dict[bytes, bytes] = field(default_factory=dict)
    directories: tuple[bytes, ...] = ()
    links: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def ignore_files(self) -> list[bytes]:
        return [path for path in self.files if os.path.basename(path) == FILE.encode()]

    @property
    def asked(self) -> list[bytes]:
        """What there is, and a few paths that are not there."""
        there = [*self.files, *self.directories, *self.links]
        inside = [*(path + b"/no/such" for path in self.directories), b"none", b"a/none/b"]
        linked = tuple(link + b"/" for link in self.links)
        return there + [path for path in inside if not path.startswith(linked)]

    def write(self, root: bytes) -> None:
        """Write the tree below `root`."""
        os.makedirs(root, exist_ok=True)
        for path in self.directories:
            os.makedirs(os.path.join(root, path), exist_ok=True)
        for path, content in self.files.items():
            with open(os.path.join(root, path), "wb") as file:
                file.write(content)
        for path, target in self.links.items():
            os.symlink(target, os.path.join(root, path))


class Git:
    """The real git with an empty repository, on a work tree elsewhere; knows no settings."""

    def __init__(self, repository: Path) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_DIR": os.fspath(repository),
            "LC_ALL": "C",
        }
        self._run(["init", "-q", "--template=", "--bare"], repository.parent, b"")
        for setting in ("core.bare", "core.precomposeunicode", "core.ignorecase"):
            self._run(["config", setting, "false"], repository.parent, b"")
        self._run(["config", "core.excludesFile", ""], repository.parent, b"")

    def _run(self, arguments: list[str], tree: Path, stdin: bytes) -> bytes:
        environment = self._environment | {"GIT_WORK_TREE": os.fspath(tree)}
        if arguments[0] == "init":
            del environment["GIT_WORK_TREE"]
        done = subprocess.run(
            ["git", *arguments],
            cwd=tree,
            env=environment,
            input=stdin,
            capture_output=True,
            check=False,
        )
        # `check-ignore` ends with 1 if it ignored nothing.
        assert done.returncode in (0, 1), (arguments, done.stderr)
        return done.stdout

    def check_ignore(self, tree: Path, paths: Iterable[bytes]) -> dict[bytes, Line | None]:
        """Return the line that decides on each of `paths`."""
        # "./" hides a ":", which has a meaning of its own at the beginning of an argument.
        asked = b"".join(b"./" + path + b"\0" for path in paths)
        out = self._run(["check-ignore", "--no-index", "-vnz", "--stdin"], tree, asked)
        fields = iter(out.split(b"\0")[:-1])
        return {
            path[2:]: (pattern, source, int(number)) if source else None
            for source, number, pattern, path in zip(
                fields, fields, fields, fields, strict=True
            )
        }

    def ls_files(self, tree: Path, name: str = FILE) -> set[bytes]:
        """Return the files that are not ignored."""
        out = self._run(
            ["ls-files", "-z", "--others", f"--exclude-per-directory={name}"], tree, b""
        )
        return set(out.split(b"\0")[:-1])


def taken(root: str, ignore: bool | str = True) -> set[bytes]:
    """Return the files below `root` that are not ignored, as a scan goes about it."""
    found = set()
    waiting = [("", IgnoreRules.of_root(root, ignore))]
    while waiting:
        above, rules = waiting.pop()
        with os.scandir(os.path.join(root, above)) as listing:
            entries = list(listing)
        for entry in entries:
            is_directory = entry.is_dir(follow_symlinks=False)
            path = above + entry.name
            if entry.name == ".git" or rules.ignores(entry.name, is_directory=is_directory):
                continue
            if is_directory:
                waiting.append((path + "/", rules.enter(entry.path, entry.name)))
            else:
                found.add(os.fsencode(path))
    return found


def cases(generator: Callable[[str], Case], seed: object, ignore_files: int) -> Iterator[Case]:
    """Yield trees until they have that many ignore files between them."""
    made = 0
    for number in count():
        if made >= ignore_files:
            return
        case = generator(f"{seed}-{number}")
        made += len(case.ignore_files)
        yield case


# --- grown ------------------------------------------------------------------------------------

_WORDS = rb"""
a b ab abc foo bar foobar fooxbar keep build src a.py b.pyc x.txt A FOO Foo.TXT README.md
.env .hidden [ [a [a] ] a] a\ \ \a * ** ? a*b !a #a - a-b ^ ! x1y x-y x]y xay 0 9z a.b.c
..a ... ~ {a} $a (a|b) a+ :a a&b a--b node_modules
""".split()
_WORDS += [
    b"a\r",
    b"\r",
    b"a ",
    b" a",
    b"a  ",
    b" ",
    b"a\t",
    b"a\nb",
    b"\xc3\xa9",
    b"a\xc3\xa9",
    b"\xe6\x97\xa5\xe6\x9c\xac",
    b"\xff",
    b"a\xfe",
    b"\xc3",
    b"\x80b",
    b"\x01",
    b"x\x7fy",
    b"\xef\xbb\xbfa",
    b"a\x0bb",
]

_CLASSES = rb"""
[abc] [!a] [^a] [a-c] [!a-c] [z-a] [a-c-e] [-a] [a-] []] []a] [!]] [!]a] [\]] [\a-\c]
[a-\c] [\\] [[] [!-] [--0] [+--] [!--a] [*] [?] [!*] [/] [a/b] [!/] [.-0] [^^] [!!] [a [
[! [] [!] [a- [\ [a\ [a\] [^] [[:alpha:] [[:foo:]] [[:ALPHA:]] [[:alpha:] [[:alpha] [[:
[[:] [[::]] [[:]] [[:]a] [[:alpha:]-z] [a-[:digit:]] [[:digit:][:upper:]] [![:space:]]
[^[:punct:]x] [[:alpha:]*] [x[:digit:]] [[:alpha: [[:al]:] [a[] [[-a] [:alpha:] [[.a.]]
[[=a=]] [a\-c] [\--0]
""".split()
_CLASSES += [
    b"[ -~]",
    b"[\x80-\xff]",
    b"[\xff-\x80]",
    b"[!\x80-\xff]",
    b"[\xc3\xa9]",
    b"[\r]",
    b"[\t ]",
]
POSIX = b"alnum alpha blank cntrl digit graph lower print punct space upper xdigit".split()
_CLASSES += [b"[[:%b:]]" % name for name in POSIX] + [b"[^[:%b:]]" % name for name in POSIX]


def grown(seed: str) -> Case:
    """Return a tree whose patterns are its own paths, disturbed."""
    random = Random(seed)
    words = random.sample(_WORDS, random.randint(3, 12))
    directories = [b""]
    for _ in range(random.randint(1, 7)):
        directories.append(_join(random.choice(directories), random.choice(words)))
    below = dict.fromkeys(directories[1:])
    files: dict[bytes, bytes] = {}
    for _ in range(random.randint(3, 18)):
        name = random.choice(words) + random.choice(
            [b"", b"", b"", b".py", random.choice(words)]
        )
        files.setdefault(_join(random.choice(directories), name), b"")
    links = {}
    if random.random() < 0.2:
        at = _join(random.choice(directories), random.choice(words))
        links[at] = random.choice([b".", b"nowhere", *below])
    taken = set(below)
    links = {path: target for path, target in links.items() if path not in taken}
    files = {path: b"" for path in files if path not in taken and path not in links}
    paths = [*files, *below, *links]
    for directory in {
        b"",
        *random.sample(directories, min(len(directories), random.randint(0, 3))),
    }:
        inner = [p[len(directory) :].lstrip(b"/") for p in paths if p.startswith(directory)]
        content = _content(random, [path for path in inner if path] or [b"a"])
        files[_join(directory, FILE.encode())] = content
    return Case(seed, files, tuple(below), links)


def _join(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


def _content(random: Random, paths: list[bytes]) -> bytes:
    lines = [_line(random, paths) for _ in range(random.randint(1, 9))]
    end = random.choice([b"\n", b"\n", b"\n", b"\r\n", b"\r\r\n"])
    content = end.join(lines) + random.choice([end, b"", b"\r", b" ", b"\\", b"\0", b"\n\r"])
    if random.random() < 0.1:
        content = b"\xef\xbb\xbf" * random.choice([1, 1, 2]) + content
    return content


def _line(random: Random, paths: list[bytes]) -> bytes:
    path = random.choice(paths)
    parts = path.split(b"/")
    if random.random() < 0.6:
        parts = parts[random.randrange(len(parts)) :][: random.randint(1, 3)]
    parts = [_disturb(random, part) for part in parts]
    if random.random() < 0.25:
        parts.insert(
            random.randint(0, len(parts)), random.choice([b"**", b"**", b"*", b"", b"***"])
        )
    if random.random() < 0.1:
        at = random.randrange(len(parts))
        parts[at] = random.choice(
            [b"**" + parts[at], parts[at] + b"**", b"*", parts[at] + b"*"]
        )
    slash = random.choice([b"/"] * 9 + [b"\\/"])
    line = slash.join(parts)
    line = random.choice([b"", b"", b"", b"/", b"**/", b"//", b"\\", b" ", b"./"]) + line
    line += random.choice([b""] * 6 + [b"/", b"/", b"/**", b"/*", b"//", b"**", b"\\"])
    line = random.choice([b""] * 6 + [b"!", b"!", b"!", b"!!", b"\\!", b"#", b"\\#"]) + line
    line += random.choice(
        [b""] * 14 + [b" ", b"  ", b"\\ ", b"\\  ", b"\t", b"\t ", b"\r", b"\0x"]
    )
    return line + random.choice([b""] * 20 + [b" \\ ", b"\\\\ ", b"\\\\\\ ", b" \r", b"\r "])


def _disturb(random: Random, part: bytes) -> bytes:
    if not part or random.random() < 0.35:
        return part
    at = random.randrange(len(part))
    end = random.choice([at, at + 1, at + 1, len(part)])
    byte = part[at : at + 1]
    escaped = b"".join(b"\\%c" % b for b in part[at:end] or byte)
    put = random.choice(
        [
            *(b"*", b"*", b"*", b"**", b"?", b"??", b"?*", b"*?", escaped, escaped, b"\\"),
            *(b"[%b]" % byte, b"[!%b]" % byte, b"[^%b]" % byte, b"[%b-%b]" % (byte, byte)),
            *(b"[\\%b]" % byte, b"[!a]", b"[a-z]", b"[[:alpha:]]", b"***", byte.swapcase()),
            *random.choices(_CLASSES, k=8),
        ]
    )
    return part[:at] + put + part[end:]


# --- brewed -----------------------------------------------------------------------------------

_NAME_SOUP = rb"""
a a b b c A - ] [ \ * ? ! ^ : . # 1
""".split()
_NAME_SOUP += [b" ", b"\r", b"\xc3", b"\xa9"]
_SOUP = rb"""
a a a a a a b b b b b / / / / / / / * * * * * * * * ** ** ** ? ? ? c A [ ] [ ] [! [^ - \ \
! ^ [: :] . # 1 **/ /** /**/ [:alpha:] [ab] [a-c] \/ [:digit:]
""".split()
_SOUP += [b" ", b"\r", b"\xc3", b"\xa9", b"\t", b"\x00"]


def brewed(seed: str) -> Case:
    """Return a tree whose names and patterns are characters thrown together."""
    random = Random(seed)
    files: dict[bytes, bytes] = {}
    directories: dict[bytes, None] = {}
    # Chains of short names, so that "**" has something to match.
    alphabet = random.choices(_NAME_SOUP, k=random.randint(1, 5))
    for _ in range(random.randint(2, 12)):
        parts = [_name(random, alphabet) for _ in range(random.randint(1, 5))]
        above = [b"/".join(parts[:depth]) for depth in range(1, len(parts))]
        path = b"/".join(parts)
        if path in directories or any(directory in files for directory in above):
            continue
        directories.update(dict.fromkeys(above))
        files[path] = b""
    for directory in random.sample([b"", *directories], min(1 + len(directories), 3)):
        lines = [_soup(random, alphabet) for _ in range(random.randint(1, 12))]
        files[_join(directory, FILE.encode())] = random.choice([b"\n", b"\n", b"\r\n"]).join(
            lines
        )
    return Case(seed, files, tuple(directories))


def _name(random: Random, alphabet: list[bytes]) -> bytes:
    name = b"".join(random.choices(alphabet, k=random.randint(1, 4)))
    return b"a" + name if name in (b".", b"..") else name


def _soup(random: Random, alphabet: list[bytes]) -> bytes:
    length = random.choice([1, 2, 3, 4, 5, 6, 8, 12])
    line = b"".join(random.choices([*_SOUP, *alphabet * 4], k=length))
    return (b"!" if random.random() < 0.3 else b"") + line
