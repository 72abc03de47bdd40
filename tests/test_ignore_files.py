"""Which ignore files count, what is answered from them, and what that may cost."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blobfs.errors import AccessError, IgnoreSyntaxError, SourceNotFoundError, UnsafeNameError
from blobfs.ignore import IgnoreRules, Rule, explain, ignore_file_of
from blobfs.ignore.file import MAX_GLOBS, MAX_SIZE, IgnoreFile
from tests.ignore_cases import FILE, Git, taken


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Git:
    return Git(tmp_path_factory.mktemp("git") / "repository")


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def ignored(root: Path, path: str, ignore: bool | str = True) -> bool:
    ((_, rule),) = explain(str(root), [path], ignore)
    return rule is not None and not rule.negated


def test_amlignore_in_the_root_turns_gitignore_off_everywhere(git: Git, tmp_path: Path) -> None:
    for path in ("a", "b", "d/a", "d/b", "d/c"):
        write(tmp_path / path)
    write(tmp_path / ".gitignore", "a")
    write(tmp_path / ".amlignore", "b")
    write(tmp_path / "d/.gitignore", "a")
    write(tmp_path / "d/.amlignore", "c")

    assert ignore_file_of(str(tmp_path), ignore=True) == ".amlignore"
    assert taken(str(tmp_path)) == git.ls_files(tmp_path, ".amlignore")
    assert {b"a", b"d/a"} < taken(str(tmp_path))


def test_amlignore_below_the_root_does_not_count_beside_gitignore(tmp_path: Path) -> None:
    write(tmp_path / "d/.amlignore", "a")
    write(tmp_path / "d/.gitignore", "b")

    assert ignore_file_of(str(tmp_path), ignore=True) == ".gitignore"
    assert not ignored(tmp_path, "d/a")
    assert ignored(tmp_path, "d/b")


def test_an_empty_amlignore_ignores_nothing(tmp_path: Path) -> None:
    write(tmp_path / ".amlignore")
    write(tmp_path / ".gitignore", "*")
    assert not ignored(tmp_path, "a")


def test_a_directory_called_amlignore_is_no_ignore_file(tmp_path: Path) -> None:
    (tmp_path / ".amlignore").mkdir()
    write(tmp_path / ".gitignore", "a")
    assert ignored(tmp_path, "a")


def test_ignore_false_takes_everything(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "*")
    rules = IgnoreRules.of_root(str(tmp_path), ignore=False)
    assert ignore_file_of(str(tmp_path), ignore=False) is None
    assert rules.file_name is None
    assert not rules
    assert not rules.enter(str(tmp_path), "d")
    assert not rules.ignores("a", is_directory=False)


def test_a_named_file_counts_below_the_root_too(tmp_path: Path) -> None:
    write(tmp_path / "mine", "a")
    write(tmp_path / "d/mine", "b")
    write(tmp_path / ".gitignore", "c")
    assert [ignored(tmp_path, path, "mine") for path in ("a", "d/a", "d/b", "b", "c")] == [
        *(True, True, True, False, False)
    ]


def test_a_path_names_one_file_whose_rules_hold_from_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root / "conf/mine", "/a\nb")
    write(root / "d/mine", "c")
    outside = write(tmp_path / "mine", "x")
    asked = ("a", "d/b", "conf/a", "d/c")
    assert [ignored(root, path, "conf/mine") for path in asked] == [True, True, False, False]
    assert IgnoreRules.of_root(str(root), "conf/mine").file_name is None
    assert [*explain(str(root), ["b"], "./conf/mine")] == [
        ("b", Rule("b", "conf/mine", 2, negated=False))
    ]
    assert [*explain(str(root), ["x"], str(outside))] == [
        ("x", Rule("x", str(outside), 1, negated=False))
    ]


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "file")
    for name in ("mine", "no/mine", "file/mine"):
        with pytest.raises(SourceNotFoundError, match=name):
            IgnoreRules.of_root(str(tmp_path), name)


def test_a_named_file_of_another_kind_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "real", "*")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "fifo")
    for name in ("directory", "./directory", "link", "fifo", "", ".", "x\0y", "n" * 300):
        with pytest.raises(IgnoreSyntaxError):
            IgnoreRules.of_root(str(tmp_path), name)


def test_a_link_is_followed_if_it_is_named_by_path(tmp_path: Path) -> None:
    write(tmp_path / "real", "a")
    (tmp_path / "link").symlink_to("real")
    assert ignored(tmp_path, "a", "./link")


def test_amlignore_that_is_a_link_is_an_error_and_not_nothing(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "secret")
    (tmp_path / ".amlignore").symlink_to(".gitignore")
    with pytest.raises(IgnoreSyntaxError, match="link"):
        IgnoreRules.of_root(str(tmp_path))


def test_a_gitignore_that_is_no_regular_file_does_nothing_as_in_git(
    git: Git, tmp_path: Path
) -> None:
    write(tmp_path / "rules", "a\n")
    for directory in ("link", "directory", "dangling", "loop", "plain"):
        write(tmp_path / directory / "a")
    (tmp_path / "link/.gitignore").symlink_to("../rules")
    (tmp_path / "directory/.gitignore").mkdir()
    (tmp_path / "dangling/.gitignore").symlink_to("nowhere")
    (tmp_path / "loop/.gitignore").symlink_to(".gitignore")
    write(tmp_path / "plain/.gitignore", "a\n")

    assert taken(str(tmp_path)) == git.ls_files(tmp_path)
    assert b"link/a" in taken(str(tmp_path))
    assert b"plain/a" not in taken(str(tmp_path))
    for directory in ("link", "directory", "dangling", "loop"):
        assert not IgnoreRules.of_root(str(tmp_path / directory))


def test_a_gitignore_that_is_a_fifo_or_a_socket_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fifo").mkdir()
    (tmp_path / "socket").mkdir()
    os.mkfifo(tmp_path / "fifo/.gitignore")
    monkeypatch.chdir(tmp_path / "socket")  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(".gitignore")
        assert not IgnoreRules.of_root(str(tmp_path / "fifo"))
        assert not IgnoreRules.of_root(str(tmp_path / "socket"))


def test_a_gitignore_that_may_not_be_read_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "d/.gitignore", "a").chmod(0)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    with as_nobody():
        root = IgnoreRules.of_root(".")
        with pytest.raises(AccessError, match=re.escape("d/.gitignore")):
            root.enter("./d", "d")
        with pytest.raises(AccessError, match=re.escape("d/.gitignore")):
            IgnoreRules.of_root("d")


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be somebody whom permissions bind, if we are root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


# --- what is answered -------------------------------------------------------------------------


def test_a_rule_says_file_line_and_text(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "# first\n\n*.o  \n")
    write(tmp_path / "d/.gitignore", "!keep.o\nsub/\n")
    assert dict(explain(str(tmp_path), ["a.o", "d/a.o", "d/keep.o", "d/sub/x/y", "d/b"])) == {
        "a.o": Rule("*.o", ".gitignore", 3, negated=False),
        "d/a.o": Rule("*.o", ".gitignore", 3, negated=False),
        "d/keep.o": Rule("!keep.o", "d/.gitignore", 1, negated=True),
        "d/sub/x/y": Rule("sub/", "d/.gitignore", 2, negated=False),
        "d/b": None,
    }


def test_decide_gives_the_rule_and_ignores_the_answer(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "*\n!a\n")
    rules = IgnoreRules.of_root(str(tmp_path))
    assert rules.decide("a", is_directory=False) == Rule("!a", ".gitignore", 2, negated=True)
    assert rules.decide("b", is_directory=False) == Rule("*", ".gitignore", 1, negated=False)
    assert not rules.ignores("a", is_directory=False)
    assert rules.ignores("b", is_directory=False)


def test_ignore_files_of_an_ignored_directory_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "d/")
    write(tmp_path / "d/.gitignore", "!a")
    ((_, rule),) = explain(str(tmp_path), ["d/a"])
    assert rule == Rule("d/", ".gitignore", 1, negated=False)


def test_without_an_ignore_file_in_the_listing_none_is_looked_for(tmp_path: Path) -> None:
    write(tmp_path / "d/.gitignore", "a")
    rules = IgnoreRules.of_root(str(tmp_path))
    assert not rules
    assert rules.file_name == ".gitignore"
    assert not rules.enter(str(tmp_path / "d"), "d", has_file=False)
    for known in (True, None):
        assert rules.enter(str(tmp_path / "d"), "d", has_file=known)


def test_rules_are_anchored_at_their_own_file(tmp_path: Path) -> None:
    write(tmp_path / "d/e/.gitignore", "/a\nf/b\n")
    rules = IgnoreRules.of_root(str(tmp_path))
    for name, location in (("d", "d"), ("e", "d/e"), ("f", "d/e/f")):
        rules = rules.enter(str(tmp_path / location), name)
    assert rules.decide("b", is_directory=False) == Rule(
        "f/b", "d/e/.gitignore", 2, negated=False
    )
    assert rules.decide("a", is_directory=False) is None


def test_explain_takes_absolute_paths_and_refuses_those_outside(tmp_path: Path) -> None:
    write(tmp_path / "root/.gitignore", "a")
    root = tmp_path / "root"
    inside = str(root / "d/../a")
    assert [*explain(str(root), [inside, ".", ""])] == [
        (inside, Rule("a", ".gitignore", 1, negated=False)),
        (".", None),
        ("", None),
    ]
    for path in ("..", "../a", "d/../../a", "/", str(tmp_path), str(tmp_path / "root2"), "a\0"):
        with pytest.raises(UnsafeNameError):
            list(explain(str(root), [path]))


def test_explain_takes_a_path_for_a_directory_by_its_end_or_on_disk(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "d/\n")
    (tmp_path / "x/d").mkdir(parents=True)
    (tmp_path / "y").mkdir()
    (tmp_path / "y/d").symlink_to("../x")
    asked = ("d", "d/", "x/d", "y/d", "y/d/", "d/below", "y/d/z", "y/d/d/z")
    answers = [ignored(tmp_path, path) for path in asked]
    assert answers == [False, True, True, False, True, True, False, True]


# --- cost and bounds --------------------------------------------------------------------------


def test_pathspec_is_not_imported_without_wildcards(tmp_path: Path) -> None:
    write(tmp_path / "plain/.gitignore", "a\n*.o\n/b/c\n")
    write(tmp_path / "wild/.gitignore", "a*b\n")
    program = (
        "import sys; from blobfs.ignore import IgnoreRules;"
        "print(bool(IgnoreRules.of_root(sys.argv[1])), 'pathspec' in sys.modules)"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", program, tmp_path / directory],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        for directory in (".", "plain", "wild")
    ]
    assert answers == [["False", "False"], ["True", "False"], ["True", "True"]]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (b"a*" * 100 + b"b", b"a" * 255),
        (b"*a?" * 80 + b"b", b"a" * 255),
        (b"*[ab]*" * 100 + b"c", b"ab" * 127),
        (b"*" * 100_000 + b"b", b"a" * 255),
        (b"**/a/" * 500 + b"b", b"a/" * 2000 + b"a"),
        (b"**/*a*a*a/" * 300 + b"b", b"aaaaaaaa/" * 450 + b"a"),
        (b"/*" + b"a*" * 1000 + b"b", b"a" * 4000),
        (b"/*" + b"?" * 2000 + b"b", b"a" * 4000),
        (b"**/*a*a*a*a*a*a*a*a*/*/*/*/*b", b"aaaaaaaaaaaaaaaaaaaaaaaaa/" * 150 + b"a"),
        (b"**\\/" * 500 + b"**/a/b", b"a/" * 2000 + b"a"),
        (b"/a**/" + b"*a/" * 900 + b"b", b"aa/" * 1300 + b"a"),
    ],
)
def test_no_pattern_hangs(pattern: bytes, path: bytes) -> None:
    directory, slash, name = path.rpartition(b"/")
    file = IgnoreFile(pattern, FILE)
    # A regular expression that goes back over its stars would not come back in a lifetime.
    assert file.decide(name, directory + slash, is_directory=False) == 0


def test_a_glob_longer_than_any_path_never_matches() -> None:
    assert not IgnoreFile(b"?" * 5000, FILE)
    assert not IgnoreFile(b"*[a]" * 2_000_000, FILE)


def test_an_ignore_file_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "#" * MAX_SIZE)
    assert not IgnoreRules.of_root(str(tmp_path))
    write(tmp_path / ".gitignore", "#" * (MAX_SIZE + 1))
    with pytest.raises(IgnoreSyntaxError, match=r"\.gitignore.*too large"):
        IgnoreRules.of_root(str(tmp_path))


def test_an_ignore_file_with_too_many_globs_is_an_error() -> None:
    globs = b"".join(b"*a%d*\n!*a%d*\n" % (n, n) for n in range(MAX_GLOBS))
    assert IgnoreFile(globs + b"*.o\n" * MAX_GLOBS, FILE)
    with pytest.raises(IgnoreSyntaxError, match="wildcards"):
        IgnoreFile(globs + b"*b*", FILE)


def test_the_pattern_is_one_of_pathspec() -> None:
    from pathspec.pattern import Pattern

    from blobfs.ignore.pattern import GitPattern

    pattern, negated, nothing = (GitPattern(line) for line in (b"a?/", b"!d/b*", b"[a"))
    assert isinstance(pattern, Pattern)
    assert [pattern.include, negated.include, nothing.include] == [True, False, None]
    assert [bool(pattern.match_file(path)) for path in (b"ab/", b"d/ab/", b"ab", b"d/a/")] == [
        *(True, True, False, False)
    ]
    assert [bool(negated.match_file(path)) for path in (b"d/b", b"d/bc/", b"b")] == [
        *(True, True, False)
    ]
    assert nothing.match_file(b"[a") is None
