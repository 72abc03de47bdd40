"""Ignore rules are git's: the real git is asked about the same trees."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, product
from pathlib import Path

import pytest

from blobfs.ignore import Rule, explain
from tests.ignore_cases import FILE, POSIX, Case, Git, Line, brewed, cases, grown, taken


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Git:
    return Git(tmp_path_factory.mktemp("git") / "repository")


def as_line(rule: Rule | None) -> Line | None:
    return (
        None
        if rule is None
        else (os.fsencode(rule.pattern), os.fsencode(rule.source), rule.line)
    )


def explained(root: str, paths: Iterable[bytes]) -> dict[bytes, Line | None]:
    return {
        os.fsencode(path): as_line(rule)
        for path, rule in explain(root, map(os.fsdecode, paths))
    }


def mismatches(git: Git, tree: Path, batch: list[Case]) -> Iterator[str]:
    """Write the trees of `batch` side by side; yield where git says something else of them."""
    homes = {b"" if len(batch) == 1 else b"c%d/" % n: case for n, case in enumerate(batch)}
    for home, case in homes.items():
        case.write(os.fsencode(tree) + b"/" + home)
    asked = [home + path for home, case in homes.items() for path in case.asked]
    told, listed = git.check_ignore(tree, asked), git.ls_files(tree)
    for home, case in homes.items():
        root = os.fsdecode(os.fsencode(tree) + b"/" + home)
        ours = explained(root, case.asked)
        for path in case.asked:
            theirs = told[home + path]
            theirs = theirs and (theirs[0], theirs[1].removeprefix(home), theirs[2])
            if ours[path] != theirs:
                yield f"{case.seed}: {path!r}: git says {theirs}, blobfs {ours[path]}"
        theirs_listed = {p.removeprefix(home) for p in listed if p.startswith(home)}
        if difference := taken(root) ^ theirs_listed:
            yield f"{case.seed}: listed by one alone: {difference}"


def compare(git: Git, tmp_path: Path, generated: Iterator[Case], *, together: int) -> None:
    """Assert that blobfs and git say the same of every path."""
    wrong: list[str] = []
    batches = iter(lambda: list(islice(generated, together)), [])
    for number, batch in enumerate(batches):
        tree = tmp_path / str(number)
        tree.mkdir()
        wrong += mismatches(git, tree, batch)
        shutil.rmtree(tree)
    assert not wrong, f"{len(wrong)} mismatches:\n" + "\n".join(wrong[:20])


@pytest.mark.parametrize("together", [1, 50])
@pytest.mark.parametrize("generator", [grown, brewed])
def test_random_ignore_files_say_what_git_says(
    git: Git, tmp_path: Path, generator: Callable[[str], Case], together: int
) -> None:
    files = 30 if together == 1 else 120
    compare(git, tmp_path, cases(generator, f"default-{together}", files), together=together)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("generator", [grown, brewed])
def test_5000_random_ignore_files_say_what_git_says(
    git: Git, tmp_path: Path, generator: Callable[[str], Case], seed: int
) -> None:
    compare(git, tmp_path, cases(generator, seed, 2500), together=100)


@pytest.mark.parametrize("generator", [grown, brewed])
def test_the_random_ignore_files_match_often_and_not_always(
    tmp_path: Path, generator: Callable[[str], Case]
) -> None:
    decided, negated, asked = 0, 0, 0
    for number, case in enumerate(cases(generator, "share", 100)):
        case.write(os.fsencode(tmp_path / str(number)))
        rules = explain(str(tmp_path / str(number)), map(os.fsdecode, case.asked))
        found = [rule for _, rule in rules]
        asked += len(found)
        decided += sum(rule is not None for rule in found)
        negated += sum(rule is not None and rule.negated for rule in found)
    assert 0.1 < decided / asked < 0.9
    assert negated / asked > 0.01


def every_pattern(git: Git, tree: Path, longest: int) -> None:
    """Assert that git agrees on each pattern of up to `longest` of these characters."""
    asked = [
        b"a",
        b"b",
        b"ab",
        b"-",
        b"*",
        b"[a",
        b"a]",
        b"\\",
        b"a\\b",
        b"a/b",
        b"a/a",
        b"aa/b/a",
    ]
    asked += [b"a/b/a/b", b"b/a/a", b"!", b"!a", b"ab/a"]
    patterns = [
        "".join(characters)
        for length in range(1, longest + 1)
        for characters in product("ab/*?[]\\!-", repeat=length)
    ]
    for start in range(0, len(patterns), 5000):
        homes = {b"%d" % n: pattern for n, pattern in enumerate(patterns[start : start + 5000])}
        here = tree / str(start)
        for home, pattern in homes.items():
            os.makedirs(os.fsencode(here) + b"/" + home)
            (here / home.decode() / FILE).write_text(pattern)
        told = git.check_ignore(here, (home + b"/" + path for home in homes for path in asked))
        wrong = []
        for home, pattern in homes.items():
            source = home + b"/" + FILE.encode()
            for path, line in explained(str(here / home.decode()), asked).items():
                theirs = told[home + b"/" + path]
                if theirs != (line and (line[0], source, line[2])):
                    wrong.append((pattern, path, theirs))
        assert not wrong, (len(wrong), wrong[:20])


def test_every_short_pattern_says_what_git_says(git: Git, tmp_path: Path) -> None:
    every_pattern(git, tmp_path, 3)


@pytest.mark.soak
def test_every_pattern_of_five_characters_says_what_git_says(git: Git, tmp_path: Path) -> None:
    every_pattern(git, tmp_path, 5)


def test_every_posix_class_has_the_bytes_that_git_gives_it(git: Git, tmp_path: Path) -> None:
    names = [bytes([byte]) + b"x" for byte in range(1, 256) if byte != ord("/")]
    for posix in POSIX:
        case = Case(posix.decode(), {FILE.encode(): b"[[:%b:]]x" % posix})
        tree = tmp_path / posix.decode()
        case.write(os.fsencode(tree))
        assert explained(str(tree), names) == git.check_ignore(tree, names)


SURPRISES = [
    ("? is one byte", b"?", {"a": True, "é": False}),
    ("é is two bytes", b"??", {"a": False, "é": True}),
    ("so is é in a class", "[é]".encode(), {"é": False}),
    ("a class holds single bytes", "[é][é]".encode(), {"é": True}),
    ("case counts", b"FOO", {"foo": False, "FOO": True}),
    ("one CR before LF is dropped", b"a\r\nb\r\r\n", {"a": True, "b": False, "b\r": True}),
    ("CR at the end is dropped", b"a\r", {"a": True, "a\r": False}),
    ("blanks before CR LF are dropped", b"a  \r\n", {"a": True, "a  ": False}),
    ("a CR before blanks stays", b"a\r  \n", {"a": False, "a\r": True}),
    ("a tab stays", b"a\t\n", {"a": False, "a\t": True}),
    ("a blank before a tab stays", b"a \t\n", {"a \t": True}),
    ("an escaped blank stays", b"a\\  \n", {"a": False, "a ": True, "a  ": False}),
    ("an escaped backslash saves no blank", b"a\\\\ \n", {"a\\": True, "a\\ ": False}),
    ("leading blanks stay", b" a\n", {"a": False, " a": True}),
    ("NUL ends a line", b"a\0b\nc\n", {"a": True, "ab": False, "c": True}),
    ("a line that begins with NUL is empty", b"\0a\n", {"a": False}),
    ("a BOM at the start is dropped", b"\xef\xbb\xbfa", {"a": True, "\ufeffa": False}),
    ("one alone", b"\xef\xbb\xbf\xef\xbb\xbfa", {"a": False, "\ufeffa": True}),
    ("a BOM elsewhere is text", b"b\n\xef\xbb\xbfa", {"a": False, "\ufeffa": True}),
    ("# comments", b"#a\n\\#b", {"#a": False, "a": False, "#b": True}),
    ("# after a blank does not", b" #a", {" #a": True}),
    ("\\ at the end never matches", b"a\\", {"a": False, "a\\": False}),
    ("\\\\ is a backslash", b"a\\\\", {"a\\": True}),
    ("an unclosed [ never matches", b"[\n[a\na[b", {"[": False, "[a": False, "a[b": False}),
    ("an unknown class never matches", b"[[:foo:]a]", {"a": False, "f": False}),
    ("a class without :] is one of characters", b"[[:a]", {"[": True, ":": True, "a": True}),
    ("z is a literal in [z-a]", b"[z-a]", {"z": True, "a": False, "-": False, "m": False}),
    ("the second - is a literal", b"[a-c-e]", {"b": True, "-": True, "e": True, "d": False}),
    ("] first is a literal", b"[]a]", {"]": True, "a": True}),
    ("also after !", b"x[!]a]", {"x]": False, "xb": True}),
    ("^ negates as ! does", b"x[^a]", {"xa": False, "xb": True}),
    ("x[!a]y", b"x[!a]y", {"xby": True, "xay": False, "x/y": False}),
    ("a class never matches /", b"x[/.]y\nz[!a]y", {"x/y": False, "z/y": False}),
    ("a class with / anchors", b"x[/.]y", {"x.y": True, "d/x.y": False}),
    ("a class ends where it does", b"[\\]]", {"]": True, "\\": False}),
    ("** inside a part is *", b"a**b", {"axb": True, "a/b": False}),
    ("** after a literal is *", b"foo/**bar", {"foo/xbar": True, "foo/y/bar": False}),
    ("** at the end of a literal", b"/foo**/bar", {"foobar": True, "fooz/y/bar": True}),
    ("**/ takes no part as well", b"**/a", {"a": True, "d/a": True, "d/e/a": True}),
    ("so does /**/", b"a/**/b", {"a/b": True, "a/x/b": True, "a/x/y/b": True, "ab": False}),
    ("/** is below only", b"foo/**", {"foo": False, "foo/x": True, "foo/x/y": True}),
    ("what is below is back", b"foo/**\n!foo/keep", {"foo/keep": False, "foo/x": True}),
    ("but not from an ignored directory", b"foo/\n!foo/keep", {"foo/keep": True}),
    ("nor from one by name", b"foo\n!foo/keep\n", {"foo/keep": True}),
    ("/ matches nothing", b"/\n//\n!/\n!", {"a": False, "d/a": False}),
    ("/ is taken off once", b"//a", {"a": False}),
    ("a slash in the middle anchors", b"d/a", {"d/a": True, "x/d/a": False}),
    ("a slash at the end does not", b"e/", {"d/e/x": True, "e/x": True, "d/e": True}),
    ("a directory's pattern leaves files", b"a/", {"a": False}),
    ("! takes back", b"*\n!a", {"a": False, "b": True}),
    ("!! does not", b"*\n!!a", {"a": True, "!a": False}),
    ("\\! is a name", b"\\!a", {"!a": True, "a": False}),
    ("a name after a suffix wins", b"*.o\n!a.o", {"a.o": False, "b.o": True}),
    ("a suffix after a name wins", b"!a.o\n*.o", {"a.o": True}),
    ("the last suffix wins", b"*.o\n!*.a.o\n", {"x.a.o": False, "x.o": True}),
    ("whatever its length", b"!*.a.o\n*.o\n", {"x.a.o": True}),
    ("a suffix after a glob wins", b"!a*.o\n*.o\n!b*", {"a.o": True, "b.o": False}),
    ("the last line wins", b"!a\na\n!a\na", {"a": True}),
    ("* is everything", b"*", {"a": True, ".a": True, "d/e/a": True}),
    ("escaped slashes are slashes", b"d\\/a", {"d/a": True}),
    ("**\\/ takes a part at least", b"**\\/a", {"a": False, "d/a": True}),
    ("not UTF-8", b"\xff", {os.fsdecode(b"\xff"): True, os.fsdecode(b"\xfe"): False}),
    ("a range of bytes", b"[\x80-\x8f]", {os.fsdecode(b"\x85"): True, "a": False}),
    ("LF in a name", b"a?b\n", {"a\nb": True}),
]


@pytest.mark.parametrize(
    ("content", "expected"),
    [surprise[1:] for surprise in SURPRISES],
    ids=[surprise[0] for surprise in SURPRISES],
)
def test_surprise(git: Git, tmp_path: Path, content: bytes, expected: dict[str, bool]) -> None:
    for path in expected:
        if not (tmp_path / path).exists():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            if any(other.startswith(path + "/") for other in expected) or path == "d/e":
                (tmp_path / path).mkdir()
            else:
                (tmp_path / path).touch()
    (tmp_path / FILE).write_bytes(content)

    rules = dict(explain(str(tmp_path), expected))

    assert {path: bool(rule and not rule.negated) for path, rule in rules.items()} == expected
    encoded = [os.fsencode(path) for path in expected]
    assert explained(str(tmp_path), encoded) == git.check_ignore(tmp_path, encoded)
    assert taken(str(tmp_path)) == git.ls_files(tmp_path)
