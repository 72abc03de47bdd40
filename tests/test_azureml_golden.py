"""What azure-ai-ml hashes, lists, leaves behind and spells, we do; its errors are ours.

`azureml-golden.json` says what its real code gave for trees and ignore files, and so do the
tables here.
"""

import hashlib
import json
import os
import stat
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobfs.compat.azureml import (
    AzureMLUri,
    Place,
    Workspace,
    content_hash,
    is_excluded,
    locate,
    long_uri,
    object_hash,
    parse_uri,
    remote_path,
    short_uri,
    upload_list,
)
from blobfs.errors import (
    AccessError,
    BlobfsError,
    ConfigError,
    IgnoreSyntaxError,
    SourceError,
    SourceNotFoundError,
    UnsafeNameError,
)

GOLDEN: dict[str, Any] = json.loads(
    Path(__file__).with_name("azureml-golden.json").read_text(encoding="utf-8")
)
MATRIX = GOLDEN["ignore_matrix"]

EMPTY = "f12a27872dfd6a7418cb140e7d778064d598b650f9ce3d1f5bcd32e6fda72f19"
"""The object hash of nothing."""

FUNCTIONS = pytest.mark.parametrize("function", [object_hash, content_hash, upload_list])

Function = Callable[[Path], object]


# --- the golden cases -------------------------------------------------------------------------


def build(root: Path, entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        named = entry.get("path")
        path = os.fsencode(named) if named else b64decode(entry["path_b64"])
        path = os.path.join(os.fsencode(root), path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if entry["type"] == "dir":
            os.makedirs(path, exist_ok=True)
        elif entry["type"] == "symlink":
            os.symlink(entry["target"], path)
        else:
            with open(path, "wb") as file:
                file.write(content(entry))


def content(entry: dict[str, Any]) -> bytes:
    if "generator" not in entry:
        return bytes(b64decode(entry["content_b64"]))
    size: int = entry["generator"]["size"]
    pattern: bytes = b64decode(entry["generator"]["pattern_b64"])
    return (pattern * (size // len(pattern) + 1))[:size]


@pytest.fixture(params=GOLDEN["cases"])
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A source, and what azure-ai-ml makes of it."""
    case = GOLDEN["cases"][request.param]
    build(tmp_path, case["entries"])
    return tmp_path / case["source"], case["expected"]


def check(expected: str | None, function: Callable[[], str]) -> None:
    if expected is None:
        with pytest.raises(BlobfsError):
            function()
    else:
        assert function() == expected


def test_the_object_hash_is_azuremls(golden: tuple[Path, dict[str, Any]]) -> None:
    source, expected = golden
    check(expected["object_hash"], lambda: object_hash(source))
    if "object_hash_component" in expected:
        assert object_hash(source, component=True) == expected["object_hash_component"]


def test_the_content_hash_is_azuremls(golden: tuple[Path, dict[str, Any]]) -> None:
    source, expected = golden
    check(expected["content_hash"], lambda: content_hash(source))
    if "content_hash_component" in expected:
        assert content_hash(source, component=True) == expected["content_hash_component"]


def test_the_upload_list_is_azuremls(
    golden: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    source, expected = golden
    if "upload" not in expected:
        with pytest.raises(BlobfsError):
            upload_list(source)
        return
    found = upload_list(str(source))
    assert [
        [name, os.path.relpath(local, tmp_path), os.path.getsize(local)]
        for name, local in found
    ] == expected["upload"]
    assert remote_path(source, expected["object_hash"]) == expected["remote_path"]
    indicator = f"LocalUpload/{expected['object_hash']}/{found[0][0]}"
    assert indicator == expected["indicator_file"]


@pytest.mark.parametrize("row", MATRIX["rows"], ids=lambda row: "|".join(row["lines"]))
def test_the_rules_exclude_what_azureml_excludes(row: dict[str, list[str]]) -> None:
    excluded = [path for path in MATRIX["paths"] if is_excluded(row["lines"], path)]
    assert excluded == row["excluded"]


# --- rules ------------------------------------------------------------------------------------


SURPRISES: list[tuple[str, list[str], dict[str, bool]]] = [
    ("a ^ alone is a class", ["[^]a"], {"^a": True, "xa": False, "^": False}),
    ("nothing is taken back by a slash", ["*", "!/"], {"a": True}),
    ("double stars before a slash are one", ["**/**/"], {"a": False, "a/b": True}),
    ("but not behind one", ["/**/"], {"a": False, "a/b": False, "a/b/c": False}),
    ("** is everything", ["**"], {"a": True, "a/b": True}),
    ("so is /**", ["/**"], {"a": True, "a/b": True}),
    ("a negated class matches a slash", ["a[!b]c"], {"a/c": True, "abc": False, "axc": True}),
    ("] first is a literal", ["[]-a]"], {"]": True, "^": True, "a": True, "b": False}),
    ("a backslash in a class is one", ["[\\]"], {"\\": True, "a": False}),
    ("a class knows no operators", ["[&&a]"], {"&": True, "a": True, "[": False}),
    ("the last line wins", ["*", "!*"], {"a": False}),
    ("a line feed may end a name", ["foo"], {"foo\n": True, "foo\n/x": False}),
    ("a line feed stops **", ["foo"], {"a\nb/foo": False}),
    ("and not *", ["*.o"], {"a\n.o": True, "a.o\n": True}),
    ("a blank stays behind !", ["foo", "! foo"], {"foo": True, " foo": False}),
    ("any white space is no end", ["foo \t\u2028"], {"foo": True}),
    ("a BOM is passed over", ["\ufefffoo"], {"foo": True}),
    ("but in the first line only", ["a", "\ufefffoo"], {"foo": False, "\ufefffoo": True}),
    ("CR ends a line", ["a\rb"], {"a": True, "b": True, "a\rb": False}),
    ("CR LF does", ["a\r\n", "b\r\n"], {"a": True, "b": True, "c": False}),
    ("a vertical tab does not", ["a\vb"], {"a": False, "b": False, "a\vb": True}),
    ("!# is no comment", ["*", "!#a"], {"#a": False, "a": True}),
    ("/**/ is no part too", ["a/**/b"], {"a/b": True, "a/x/b": True, "a/x/y/b/z": True}),
    ("? is a character", ["a?c"], {"abc": True, "a/c": False, "aéc": True, "ae\u0301c": False}),
    ("/* is below only", ["foo/*"], {"foo/a": True, "foo/a/b": True, "foo": False}),
    ("what is escaped is plain", ["\\a\\*"], {"a*": True, "ab": False}),
    ("a way out is a path", ["..", "!../a"], {"..": True, "../a": False, "../b": True}),
    ("case counts", ["Foo"], {"foo": False, "Foo": True}),
    ("a slash at the end is below only", ["d/"], {"d": False, "d/a": True, "x/d/a": True}),
    (
        "paths are normal",
        ["a/b"],
        {"./a/b": True, "a//b": True, "x/../a/b/": True, "/a/b": True},
    ),
]


@pytest.mark.parametrize(
    ("lines", "expected"), [row[1:] for row in SURPRISES], ids=[row[0] for row in SURPRISES]
)
def test_surprise(lines: list[str], expected: dict[str, bool]) -> None:
    assert {path: is_excluded(lines, path) for path in expected} == expected


@pytest.mark.parametrize("line", ["!", "a\\", "foo\\ ", "a\\/b", "[z-a]"])
def test_a_line_that_azureml_fails_on_is_an_error_that_shows_it(line: str) -> None:
    with pytest.raises(IgnoreSyntaxError) as caught:
        is_excluded(["*", line], "a")
    assert repr(line) in str(caught.value)


LINES = st.lists(st.text("ab/*?[]!^-#. é{(", max_size=8), max_size=3)
PATHS = st.lists(st.text("ab.é*[]!(", min_size=1, max_size=4), min_size=1).map("/".join)


@given(LINES, PATHS)
def test_a_last_line_decides_on_all(lines: list[str], path: str) -> None:
    try:
        is_excluded(lines, path)
    except IgnoreSyntaxError:
        return
    assert is_excluded([*lines, "*"], path)
    assert not is_excluded([*lines, "*", "!*"], path)
    assert is_excluded([*lines, "!*"], path) is False
    assert is_excluded([f"{line} \r\n" for line in lines], path) == is_excluded(lines, path)


@given(st.text(st.characters(exclude_characters="/\0\r\n", exclude_categories=["Cs"])), PATHS)
def test_an_escaped_name_is_that_name(name: str, above: str) -> None:
    line = "".join("\\" + character for character in name)
    if name != name.strip() or name in ("", ".", ".."):
        return
    assert is_excluded([line], name)
    assert is_excluded([line], f"{above}/{name}/x")
    assert not is_excluded([line], f"{name}x")


def test_many_stars_take_no_time() -> None:
    start = process_time()
    assert not is_excluded(["*a*a*a*a*a*a*a*a*a*b"], "a" * 255)
    assert process_time() - start < 1


# --- trees ------------------------------------------------------------------------------------


Tree = dict[str, "bytes | Tree"]

names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=8)
contents = st.binary(max_size=40) | st.integers(1020, 1030).map(lambda size: b"x" * size)
trees: st.SearchStrategy[Tree] = st.recursive(
    st.just({}),
    lambda below: st.dictionaries(
        (
            names
            | st.sampled_from(["a-b", "a.txt", "a", "A b", "Σ", "aΣ", "İ", "e\u0301", "é"])
        ).filter(lambda name: name not in ("", ".", "..", ".amlignore", ".gitignore")),
        contents | below,
        max_size=4,
    ).filter(lambda tree: len({name.lower() for name in tree}) == len(tree)),
    max_leaves=6,
)


def write(directory: str, tree: Tree, *, linked: str | None = None) -> None:
    """Write a tree; with `linked` what it holds lies there, and links lead to it."""
    for number, (name, value) in enumerate(tree.items()):
        path = os.path.join(directory, name)
        if linked is not None:
            beside = os.path.join(linked, f"{len(os.listdir(linked))}-{number}")
            os.symlink(beside, path)
            path = beside
        if isinstance(value, bytes):
            Path(path).write_bytes(value)
        else:
            os.mkdir(path)
            write(path, value, linked=linked)


def fed(tree: Tree) -> bytes:
    """What the object hash is fed of a directory."""
    return b"".join(
        name.encode() + (value if isinstance(value, bytes) else fed(value))
        for name, value in sorted(tree.items(), key=lambda item: item[0].lower())
    )


def flat(tree: Tree, above: str = "") -> dict[str, bytes]:
    found = {}
    for name, value in tree.items():
        if isinstance(value, bytes):
            found[above + name] = value
        else:
            found |= flat(value, f"{above}{name}/")
    return found


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@settings(max_examples=60)
@given(trees, st.booleans())
def test_any_tree_is_hashed_and_listed_as_is_written(tree: Tree, linked: bool) -> None:
    files = flat(tree)
    in_order = sorted(files, key=str.lower)
    content = str(len(files)) + "".join(f"#{path}#{len(files[path])}" for path in in_order)
    with TemporaryDirectory() as directory:
        root = os.path.join(os.path.realpath(directory), "tree")
        beside = os.path.join(directory, "beside")
        os.mkdir(root)
        os.mkdir(beside)
        write(root, tree, linked=beside if linked else None)

        assert object_hash(root) == sha256(
            b"Initialize for october 2021 AML CLI version" + fed(tree)
        )
        assert content_hash(root) == sha256(
            content.encode() + b"".join(files[path] for path in in_order)
        )
        if files:
            found = upload_list(root)
            assert {name: Path(local).read_bytes() for name, local in found} == {
                f"tree/{path}": data for path, data in files.items()
            }
            assert [local for _, local in found] == sorted(local for _, local in found)


def test_a_directory_is_hashed_by_its_target_wherever_the_root_is_named_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree/d").mkdir(parents=True)
    (tmp_path / "tree/d/f").write_text("x")
    (tmp_path / "tree/.amlignore").write_text("/none\n")
    (tmp_path / "link").symlink_to("tree")
    monkeypatch.chdir(tmp_path / "tree")
    assert (
        len({object_hash(path) for path in (".", "../tree", "../link", tmp_path / "tree")}) == 1
    )
    assert upload_list(".") == upload_list(tmp_path / "link") == upload_list(tmp_path / "tree")
    assert upload_list("d/f") == [("f", str(tmp_path / "tree/d/f"))]


def test_a_link_to_the_root_takes_the_targets_name_for_a_tree(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/f").touch()
    (tmp_path / "link").symlink_to("tree")
    (tmp_path / "file").symlink_to("tree/f")
    assert upload_list(tmp_path / "link") == [("tree/f", str(tmp_path / "tree/f"))]
    assert upload_list(tmp_path / "file") == [("file", str(tmp_path / "file"))]
    assert remote_path(tmp_path / "link", "0") == "LocalUpload/0/link"


def test_names_that_differ_in_case_alone_stay_as_the_system_lists_them(tmp_path: Path) -> None:
    for name in ("a", "A", "b", "B"):
        (tmp_path / name).write_text(name)
    listed = sorted(os.listdir(tmp_path), key=str.lower)
    data = "".join(name * 2 for name in listed).encode()
    assert object_hash(tmp_path) == sha256(
        b"Initialize for october 2021 AML CLI version" + data
    )


def test_what_is_reached_by_another_path_is_asked_about_there(tmp_path: Path) -> None:
    # The link is ignored, what it leads to is not; the directory is, a file in it is not.
    build(
        tmp_path,
        [
            {"type": "file", "path": "out/f", "content_b64": "eA=="},
            {"type": "file", "path": "tree/.amlignore", "content_b64": ""},
            {"type": "file", "path": "tree/build/keep", "content_b64": "eA=="},
            {"type": "file", "path": "tree/build/drop", "content_b64": "eA=="},
            {"type": "symlink", "path": "tree/link", "target": "../out"},
        ],
    )
    root = tmp_path / "tree"
    (root / ".amlignore").write_text(".amlignore\nlink\nbuild\n!build/keep\n")
    assert object_hash(root) == EMPTY
    assert [name for name, _ in upload_list(root)] == ["tree/link/f", "tree/build/keep"]
    (root / ".amlignore").write_text(".amlignore\nbuild\n../out/f\n")
    assert object_hash(root) == sha256(b"Initialize for october 2021 AML CLI versionlink")
    with pytest.raises(SourceError, match="nothing to upload"):
        upload_list(root)


def test_an_ignored_way_into_itself_is_uploaded_until_the_system_gives_up(
    tmp_path: Path,
) -> None:
    (tmp_path / "f").touch()
    (tmp_path / ".amlignore").write_text(".amlignore\nloop\n")
    (tmp_path / "loop").symlink_to(".")
    assert len(upload_list(tmp_path)) > 30
    (tmp_path / "loop").unlink()
    assert object_hash(tmp_path) == sha256(b"Initialize for october 2021 AML CLI versionf")


# --- errors -----------------------------------------------------------------------------------


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


@FUNCTIONS
def test_no_source_is_an_error(function: Function, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="none"):
        function(tmp_path / "none")
    (tmp_path / "link").symlink_to("none")
    with pytest.raises(SourceNotFoundError, match="link"):
        function(tmp_path / "link")
    with pytest.raises(SourceError):
        function(tmp_path / "a\0b")


@FUNCTIONS
def test_a_fifo_is_no_source(function: Function, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SourceError, match="fifo"):
        function(tmp_path / "fifo")


def test_a_fifo_and_a_broken_link_are_names_in_the_hash_and_nothing_to_upload(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").symlink_to("none")
    os.mkfifo(tmp_path / "b")
    assert object_hash(tmp_path) == sha256(b"Initialize for october 2021 AML CLI versionab")
    for function in (content_hash, upload_list):
        with pytest.raises(SourceError, match="a is a broken link\n  b is no regular file"):
            function(tmp_path)
    (tmp_path / "b").unlink()
    for function in (content_hash, upload_list):
        with pytest.raises(SourceNotFoundError, match="a is a broken link"):
            function(tmp_path)


@FUNCTIONS
@pytest.mark.parametrize("target", [".", "../d", "l", "m"])
def test_a_way_into_itself_is_an_error(function: Function, tmp_path: Path, target: str) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").touch()
    (tmp_path / "d/l").symlink_to(target)
    (tmp_path / "d/m").symlink_to("l")
    with pytest.raises(SourceError, match="l"):
        function(tmp_path)


def test_ignored_ways_without_an_end_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    (tmp_path / ".amlignore").write_text("l?\n")
    for name in ("l1", "l2", "l3"):
        (tmp_path / name).symlink_to(".")
    object_hash(tmp_path)
    with pytest.raises(SourceError, match="does not end"):
        upload_list(tmp_path)


@FUNCTIONS
def test_a_name_that_is_not_utf8_is_an_error(function: Function, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")).touch()
    (tmp_path / "a").touch()
    with pytest.raises(UnsafeNameError, match=r"udcff\.txt"):
        function(tmp_path)
    (tmp_path / ".amlignore").write_text("?.txt\n")
    function(tmp_path)


@FUNCTIONS
@pytest.mark.parametrize("kind", ["directory", "fifo", "loop", "latin-1", "line"])
def test_an_ignore_file_that_cannot_be_read_is_an_error(
    function: Function, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / ".amlignore"
    (tmp_path / "f").touch()
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(".amlignore")
        case "latin-1":
            path.write_bytes(b"\xe9\n")
        case _:
            path.write_text("*\n!\n")
    with pytest.raises(IgnoreSyntaxError):
        function(tmp_path)


def test_an_ignore_file_is_not_read_where_there_is_nothing_to_ask_about(tmp_path: Path) -> None:
    (tmp_path / ".amlignore").mkdir()
    assert content_hash(tmp_path) == sha256(b"0")
    for function in (object_hash, upload_list):
        with pytest.raises(BlobfsError):
            function(tmp_path)


def test_a_broken_link_is_no_ignore_file(tmp_path: Path) -> None:
    (tmp_path / ".amlignore").symlink_to("none")
    (tmp_path / ".gitignore").write_text(".*ignore\n")
    (tmp_path / "f").touch()
    assert [name for name, _ in upload_list(tmp_path)] == [f"{tmp_path.name}/f"]


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that every user can enter, unlike pytest's own."""
    with TemporaryDirectory() as directory:
        root = Path(directory)
        root.chmod(0o755)
        (root / "d/e").mkdir(parents=True)
        (root / "f").touch()
        yield root
        (root / "d/e").chmod(stat.S_IRWXU)


@FUNCTIONS
def test_what_may_not_be_listed_is_an_error_unless_it_is_ignored(
    function: Function, shared: Path
) -> None:
    (shared / "d/e").chmod(0)
    with as_nobody(), pytest.raises(AccessError, match="d/e"):
        function(shared)
    (shared / ".gitignore").write_text("d\n")
    with as_nobody():
        function(shared)


@FUNCTIONS
def test_an_ignore_file_that_may_not_be_read_is_an_error(
    function: Function, shared: Path
) -> None:
    (shared / ".gitignore").touch(0)
    with as_nobody(), pytest.raises(AccessError, match="gitignore"):
        function(shared)


@pytest.mark.parametrize("function", [object_hash, content_hash])
def test_a_file_that_may_not_be_read_is_an_error(function: Function, shared: Path) -> None:
    (shared / "f").chmod(0)
    with as_nobody(), pytest.raises(AccessError, match=r"reading .*/f'"):
        function(shared)


# --- URIs -------------------------------------------------------------------------------------


LONG = "azureml://subscriptions/s/resource{}roups/g/workspaces/w/datastores/d/paths/a/b"
WORKSPACE = Workspace("s", "g", "w")

URIS: dict[str, AzureMLUri] = {
    "azureml://datastores/d/paths/a": AzureMLUri("datastore", "a", "d"),
    "azureml://datastores/d/paths/a b#?%41/": AzureMLUri("datastore", "a b#?%41/", "d"),
    "azureml://datastores/d/paths//paths/": AzureMLUri("datastore", "/paths/", "d"),
    "azureml://datastores/d/ExperimentRun/dcid.1/x": AzureMLUri(
        "experiment", "ExperimentRun/dcid.1/x", "d"
    ),
    LONG.format("g"): AzureMLUri("datastore", "a/b", "d", WORKSPACE),
    LONG.format("G"): AzureMLUri("datastore", "a/b", "d", WORKSPACE),
    "azureml://jobs/j/outputs/o/paths/a/b": AzureMLUri("job", "a/b", job="j", output="o"),
    "runs:/r/a/b": AzureMLUri("run", "a/b", run="r"),
}


@pytest.mark.parametrize("prefix", ["", "file:", "folder:"])
@pytest.mark.parametrize("uri", URIS)
def test_a_uri_is_taken_apart(prefix: str, uri: str) -> None:
    assert parse_uri(prefix + uri) == URIS[uri]


@pytest.mark.parametrize(
    "uri",
    [
        *("", "a/b", "azureml://", "azureml:data:1", "azureml://datastores/d/paths/"),
        *("azureml://datastores//paths/a", "azureml://datastores/d/a", "runs:/r?/a", "runs:/r"),
        *("azureml://jobs/j/outputs/o", "azureml://jobs/j/outputs/o/paths/"),
        *("file:file:azureml://datastores/d/paths/a", "Azureml://datastores/d/paths/a"),
        *("https://a.blob.core.windows.net/c/p", "wasbs://c@a.blob.core.windows.net/p"),
        LONG.format("k"),
    ],
)
def test_what_is_no_uri_of_azureml_is_an_error_that_shows_it(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_uri(uri)
    assert repr(uri) in str(caught.value)


parts = st.text(st.characters(exclude_characters="/"), min_size=1)


@given(parts, st.text(min_size=1), st.builds(Workspace, parts, parts, parts))
def test_a_uri_that_is_written_is_read_back(
    datastore: str, path: str, workspace: Workspace
) -> None:
    short, long = short_uri(datastore, path), long_uri(datastore, path, workspace)
    assert parse_uri(short) == AzureMLUri("datastore", path, datastore)
    assert parse_uri(long) == AzureMLUri("datastore", path, datastore, workspace)


def test_what_cannot_be_read_back_is_not_written() -> None:
    for datastore, path in (("", "a"), ("a/b", "c"), ("a", "")):
        with pytest.raises(ConfigError):
            short_uri(datastore, path)
    with pytest.raises(ConfigError, match="resource_group"):
        long_uri("d", "a", Workspace("s", "", "w"))


REMOTE = [
    *(
        "azureml://datastores/d/paths/a",
        "https://a.b/c",
        "s3://bucket/key",
        "runs:/r/a",
        "runs:",
    ),
    "wasbs://c@a.blob.core.windows.net/p",
]


@pytest.mark.parametrize("prefix", ["", "file:", "folder:"])
@pytest.mark.parametrize("uri", REMOTE)
def test_a_uri_is_remote(prefix: str, uri: str) -> None:
    assert locate(prefix + uri, "/base") == Place(is_local=False, path=uri)


LOCAL = {
    "a": "/base/real/a",
    "./a/../b": "/base/real/b",
    "../a": "/base/a",
    "/a/../b": "/a/../b",
    "/link/a": "/link/a",
    "azureml:data:1": "/base/real/azureml:data:1",
    "C:/a": "/base/real/C:/a",
    "http://[": "/base/real/http:/[",
    "": "/base/real",
}


@pytest.mark.parametrize("prefix", ["", "file:", "folder:"])
@pytest.mark.parametrize("path", LOCAL)
def test_all_else_is_local(tmp_path: Path, prefix: str, path: str) -> None:
    (tmp_path / "base/real").mkdir(parents=True)
    (tmp_path / "link").symlink_to("base/real")
    # Links of a relative path are resolved, an absolute path stays as it is.
    place = locate(prefix + path, tmp_path / "link")
    expected = LOCAL[path] if path.startswith("/") else f"{tmp_path}{LOCAL[path]}"
    assert place == Place(is_local=True, path=expected)


def test_a_path_is_relative_to_the_working_directory_unless_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate(Path("a")).path == locate("file:./a").path == str(tmp_path / "a")
    assert locate("a", "b").path == str(tmp_path / "b/a")
    assert locate("file:///data/a").path == "/data/a"
    with pytest.raises(ConfigError, match="NUL"):
        locate("a\0b")
