"""A scan finds what an upload would send, or says all that is in its way."""

import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import blobfs
from blobfs import AccessError, ConfigError, SourceError, SourceNotFoundError, UnsafeNameError
from blobfs.scan import Links, scan
from tests.places import Place, as_nobody, content, local_place, write_tree


def paths(root: Path, **options: Any) -> list[str]:  # noqa: ANN401 - scan's own
    found = scan(root, **options)
    return [*(file.path for file in found.files), *found.empty]


def refusals(root: Path, **options: Any) -> str:  # noqa: ANN401
    with pytest.raises(SourceError) as caught:
        scan(root, **options)
    return str(caught.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "root", {"a": "1", "d/b": "22"})


# ---- sources ---------------------------------------------------------------------------------


def test_files_are_found_sorted_with_sizes_and_modes(root: Path) -> None:
    (root / "d" / "b").chmod(0o744)
    write_tree(root, {"d.x": "", "empty/": "", "z/y/": ""})
    found = scan(root)
    assert [(f.path, f.size, f.executable) for f in found.files] == [
        ("a", 1, False),
        ("d.x", 0, False),
        ("d/b", 2, True),
    ]
    assert found.empty == ["empty/", "z/y/"]
    assert (found.root, found.name, found.is_directory) == (str(root), "root", True)


def test_a_single_file_is_a_source_ignored_or_not(root: Path) -> None:
    write_tree(root, {".gitignore": "a\n"})
    found = scan(root / "a")
    assert (found.name, found.is_directory) == ("a", False)
    assert [(f.path, f.size) for f in found.files] == [("a", 1)]


def test_only_the_owners_bit_makes_a_file_executable(root: Path) -> None:
    (root / "a").chmod(0o655)
    assert not scan(root / "a").files[0].executable


def test_a_source_that_is_a_link_has_its_own_name(root: Path, tmp_path: Path) -> None:
    for name, target in (("to-tree", root), ("to-file", root / "a")):
        (tmp_path / name).symlink_to(target)
        assert scan(tmp_path / name).name == name
    assert paths(tmp_path / "to-tree") == ["a", "d/b"]
    assert paths(tmp_path / "to-file") == ["to-file"]


def test_a_source_may_be_spelled_in_any_way(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / "d")
    for spelling in (".", "../d", f"{root}/d/", "../../root/d", Path()):
        assert scan(spelling).name == "d"
    monkeypatch.chdir(tmp_path)
    assert scan("root/../root").name == "root"


@pytest.mark.parametrize("name", ["nothing", "a/below-a-file", "nothing/at/all", ""])
def test_a_source_that_is_not_there_is_told(root: Path, name: str) -> None:
    missing = root / name if name else root.with_name("no-such-root")
    with pytest.raises(SourceNotFoundError, match="no file or directory"):
        scan(missing)
    with pytest.raises(FileNotFoundError):
        blobfs.upload(missing, store=None)


def test_a_source_without_files_is_an_error_and_nothing_is_made(
    store_place: Place, tmp_path: Path
) -> None:
    write_tree(tmp_path / "empty", {})
    write_tree(tmp_path / "hollow", {"d/e/": ""})
    write_tree(tmp_path / "ignored", {".gitignore": "*\n", "a": "x"})
    write_tree(tmp_path / "git", {".git/config": "x"})
    for name in ("empty", "hollow", "ignored", "git"):
        with pytest.raises(SourceError, match=rf"{name} holds no file"):
            blobfs.upload(tmp_path / name, store=store_place.open())
    assert store_place.keys() == set()


# ---- what is left out ------------------------------------------------------------------------


def test_git_is_left_out_at_any_depth_and_as_a_file(root: Path) -> None:
    write_tree(root, {".git/config": "x", "d/.git": "gitdir: x", "d/e/.git/HEAD": "x"})
    write_tree(root, {".gitx/y": "x", ".gitmodules": "x"})
    assert paths(root) == [".gitmodules", ".gitx/y", "a", "d/b", "d/e/"]
    assert paths(root, ignore=False) == paths(root)


def test_ignored_files_stay_and_ignored_directories_are_not_empty(root: Path) -> None:
    write_tree(root, {".gitignore": "*.tmp\nout/\n", "x.tmp": "", "out/y": "", "e/z.tmp": ""})
    assert paths(root) == [".gitignore", "a", "d/b", "e/"]
    assert paths(root, ignore=False) == [".gitignore", "a", "d/b", "e/z.tmp", "out/y", "x.tmp"]
    write_tree(root, {".amlignore": "a\n"})
    assert "a" not in paths(root)
    assert "x.tmp" in paths(root)


@pytest.fixture
def scanned() -> Iterator[list[str]]:
    """Directories that are listed, as the interpreter itself tells."""
    seen: list[str] = []
    listening = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if listening and event == "os.scandir":
            seen.append(str(arguments[0]))

    sys.addaudithook(hook)
    yield seen
    listening = False


def test_an_ignored_directory_is_not_entered(root: Path, scanned: list[str]) -> None:
    write_tree(root, {f"cache/{n}/f": "" for n in range(50)})
    write_tree(root, {f"d/cache/{n}/f": "" for n in range(50)})
    write_tree(root, {".git/objects/00/x": "", ".gitignore": "cache/\n"})
    assert paths(root) == [".gitignore", "a", "d/b"]
    assert sorted(scanned) == [str(root), str(root / "d")]


def test_each_directory_is_listed_once(root: Path, scanned: list[str]) -> None:
    write_tree(root, {f"many/{n}/f": "" for n in range(30)})
    scan(root)
    assert len(scanned) == len(set(scanned)) == 33


# ---- links -----------------------------------------------------------------------------------


@pytest.fixture
def linked(root: Path, tmp_path: Path) -> Path:
    """A source with a link of every harmless kind."""
    write_tree(tmp_path / "outside", {"f": "out", "sub/g": "side"})
    (root / "to-a").symlink_to("a")
    (root / "d" / "up-to-a").symlink_to("../a")
    (root / "to-d").symlink_to("d")
    (root / "to-to-d").symlink_to("to-d")
    (root / "absolute").symlink_to(root / "a")
    return root


INSIDE = ["a", "absolute", "d/b", "d/up-to-a", "to-a", "to-d/b", "to-d/up-to-a"]


def test_links_inside_are_followed(linked: Path) -> None:
    assert paths(linked) == sorted([*INSIDE, "to-to-d/b", "to-to-d/up-to-a"])


def test_links_that_leave_are_refused_all_of_them(linked: Path, tmp_path: Path) -> None:
    (linked / "out-file").symlink_to(tmp_path / "outside" / "f")
    (linked / "d" / "out-tree").symlink_to("../../outside")
    (linked / "evil").symlink_to(tmp_path / "root_evil")
    write_tree(tmp_path, {"root_evil": "x"})
    (linked / "passwd").symlink_to("/etc/passwd")
    told = refusals(linked)
    for name in ("out-file", "d/out-tree", "evil", "passwd"):
        assert f"  {name} is a link out of the source" in told
    assert "--links=follow" in told
    assert "to-a" not in told


def test_a_link_that_leaves_through_a_linked_directory_is_refused(
    root: Path, tmp_path: Path
) -> None:
    write_tree(tmp_path / "outside", {"sub/g": "x"})
    (root / "d" / "far").symlink_to(tmp_path / "outside" / "sub")
    (root / "via").symlink_to("d/far/g")
    told = refusals(root)
    assert "via is a link out" in told
    assert "d/far is a link out" in told


def test_all_links_are_followed_if_asked(linked: Path, tmp_path: Path) -> None:
    (linked / "out").symlink_to(tmp_path / "outside")
    found = paths(linked, links="follow")
    assert found == sorted([*INSIDE, "out/f", "out/sub/g", "to-to-d/b", "to-to-d/up-to-a"])


def test_links_are_left_out_if_asked(linked: Path, tmp_path: Path) -> None:
    (linked / "out").symlink_to(tmp_path / "outside")
    (linked / "broken").symlink_to("nothing")
    assert paths(linked, links="skip") == ["a", "d/b"]


def test_links_are_refused_if_asked(linked: Path) -> None:
    told = refusals(linked, links="error")
    for name in ("to-a", "d/up-to-a", "to-d", "to-to-d", "absolute"):
        assert f"  {name} is a link" in told


def test_an_unknown_word_for_links_is_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match="inside, follow, skip, error"):
        scan(root, links="all")  # type: ignore[arg-type] # the point


@pytest.mark.parametrize("links", ["inside", "follow"])
def test_broken_links_are_refused(root: Path, links: Links) -> None:
    (root / "broken").symlink_to("nothing")
    (root / "d" / "self").symlink_to("self")
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    told = refusals(root, links=links)
    for name in ("broken", "d/self", "one", "two"):
        assert f"  {name} is a broken link" in told


CYCLES: dict[str, Callable[[Path], dict[str, object]]] = {
    "to itself": lambda root: {"d/again": root / "d"},
    "to the root": lambda root: {"d/again": root},
    "to the root, relative": lambda _: {"d/again": ".."},
    "to each other": lambda _: {"d/e": "../f", "f/g": "../d"},
    "through a link": lambda _: {"x": "d", "d/again": "../x"},
}


@pytest.mark.parametrize("links", ["inside", "follow"])
@pytest.mark.parametrize("kind", CYCLES)
def test_a_cycle_is_refused(root: Path, kind: str, links: Links) -> None:
    for path, target in CYCLES[kind](root).items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).symlink_to(str(target))
    assert "is a link to a directory that holds it" in refusals(root, links=links)


def test_a_cycle_outside_is_refused(root: Path, tmp_path: Path) -> None:
    write_tree(tmp_path / "outside", {"f": "x"})
    (tmp_path / "outside" / "back").symlink_to(root)
    (root / "out").symlink_to(tmp_path / "outside")
    assert "out/back is a link to a directory" in refusals(root, links="follow")


def test_a_cycle_above_the_source_is_refused(root: Path, tmp_path: Path) -> None:
    (root / "up").symlink_to(tmp_path)
    assert "is a link to a directory that holds it" in refusals(root, links="follow")


def test_a_cycle_under_a_linked_source_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other").symlink_to(root)
    (root / "d" / "again").symlink_to(tmp_path / "other")
    assert "d/again" in refusals(tmp_path / "other")


def test_an_ignored_link_is_nobodys_problem(root: Path) -> None:
    write_tree(root, {".gitignore": "broken\nloop\n"})
    (root / "broken").symlink_to("nothing")
    (root / "loop").symlink_to(".")
    assert paths(root) == [".gitignore", "a", "d/b"]


def test_an_upload_takes_what_links_point_at(
    store_place: Place, linked: Path, tmp_path: Path
) -> None:
    artifact = blobfs.upload(linked, store=store_place.open())
    where = blobfs.download(artifact.digest, tmp_path / "out", store=store_place.open())
    assert content(where)["to-d/up-to-a"] == (b"1", False)
    assert not any(path.is_symlink() for path in where.rglob("*"))


def test_a_store_says_how_links_are_taken(store_place: Place, root: Path) -> None:
    (root / "link").symlink_to("a")
    skipping = store_place.with_options(links="skip").open()
    assert blobfs.upload(root, store=skipping).files == 2
    assert blobfs.upload(root, store=skipping, links="inside").files == 3


# ---- what cannot be stored -------------------------------------------------------------------


def test_what_is_no_file_is_refused_all_of_it_and_never_opened(
    root: Path, store_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(root / "fifo")
    os.mkfifo(root / "d" / "fifo2")
    monkeypatch.chdir(root)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        told = refusals(root)
    assert "  fifo is a FIFO" in told
    assert "  d/fifo2 is a FIFO" in told
    assert "  socket is a socket" in told
    with pytest.raises(SourceError):
        blobfs.upload(root, store=store_place.open())
    assert store_place.keys() == set()


def test_a_source_that_is_a_fifo_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "is a FIFO" in refusals(tmp_path / "fifo")


def test_a_device_is_refused(root: Path) -> None:
    if os.geteuid() == 0:
        os.mknod(root / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        assert "  null is a device" in refusals(root)
    (root / "link").symlink_to(os.devnull)
    assert "  link is a device" in refusals(root, links="follow")
    assert "is a device" in refusals(Path(os.devnull))


def test_names_that_are_not_utf8_are_refused_all_of_them(
    root: Path, store_place: Place
) -> None:
    for raw in (b"caf\xe9", b"d/\xff\xfe", b"\xed\xa0\x80"):
        with open(os.path.join(os.fsencode(root), raw), "wb"):
            pass
    os.mkdir(os.path.join(os.fsencode(root), b"dir\xe9"))
    with pytest.raises(UnsafeNameError) as caught:
        blobfs.upload(root, store=store_place.open())
    told = str(caught.value)
    told.encode()
    for name in (r"caf\udce9", r"d/\udcff\udcfe", r"\udced\udca0\udc80", r"dir\udce9"):
        assert f"  {name} is a name that is not UTF-8" in told
    assert store_place.keys() == set()


def test_a_root_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    write_tree(tmp_path / name, {"a": "x"})
    with pytest.raises(UnsafeNameError):
        scan(tmp_path / name)


def test_ignored_names_may_be_any_bytes(root: Path) -> None:
    write_tree(root, {".gitignore": "*.x\n"})
    with open(os.path.join(os.fsencode(root), b"\xe9.x"), "wb"):
        pass
    assert paths(root) == [".gitignore", "a", "d/b"]


def test_what_may_not_be_read_is_told_all_of_it(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, place = shared / "root", local_place(shared)
    write_tree(root, {"secret": "x", "d/secret2": "y", "shut/f": "z", "also/g": ""})
    for name in ("secret", "d/secret2", "shut", "also"):
        (root / name).chmod(0)
    with as_nobody(monkeypatch, shared), pytest.raises(AccessError) as caught:
        blobfs.upload(root, store=place.open())
    for name in ("shut/", "also/"):
        assert f"  {name} cannot be listed: Permission denied" in str(caught.value)
    for name in ("shut", "also"):
        (root / name).chmod(0o755)
    with as_nobody(monkeypatch, shared), pytest.raises(AccessError) as caught:
        blobfs.upload(root, store=place.open())
    assert "  secret: " in str(caught.value)
    assert "  d/secret2: " in str(caught.value)
    assert not place.keys("LocalUpload/")


def test_a_source_that_may_not_be_looked_at_is_told(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shared / "root" / "d").chmod(0)
    with (
        as_nobody(monkeypatch, shared),
        pytest.raises(AccessError, match="root/d/b: Permission denied"),
    ):
        blobfs.upload(shared / "root" / "d" / "b", store=local_place(shared).open())


# ---- the store in its source -----------------------------------------------------------------


def test_a_store_in_its_source_is_refused_unless_it_is_ignored(root: Path) -> None:
    config = {"blob_manager_class": "local", "blob_manager_config": {}}
    for name in ("store", "d/store"):
        config["blob_manager_config"] = {"root_directory": str(root / name)}
        (root / name).mkdir()
        with pytest.raises(SourceError, match=rf"{name} is the store itself"):
            blobfs.upload(root, store=config)
        (root / name).rmdir()
    write_tree(root, {".gitignore": "/d/store/\n"})
    first = blobfs.upload(root, store=config)
    assert blobfs.upload(root, store=config).digest == first.digest


def test_a_store_that_is_its_source_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    for where in (root, tmp_path / "link"):
        config = {"root_directory": str(where)}
        with pytest.raises(SourceError, match="store"):
            blobfs.upload(
                root, store={"blob_manager_class": "local", "blob_manager_config": config}
            )


def test_a_source_in_its_store_is_taken(store_place: Place, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "store" / "mine", {"a": "x"})
    assert blobfs.upload(source, store=store_place.open()).files == 1


def test_an_access_error_says_nothing_of_existence() -> None:
    assert not issubclass(AccessError, FileNotFoundError)
