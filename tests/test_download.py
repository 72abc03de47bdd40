"""Downloads: absent or complete, nothing lost, nothing outside, taken up where they ended."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import blobfs
from blobfs import (
    AccessError,
    Artifact,
    ArtifactConflictError,
    BlobfsError,
    IntegrityError,
    StorageFullError,
)
from tests.hostile_manifests import digest as digest_of
from tests.hostile_manifests import file, manifest
from tests.places import Place, content, hex_of, local_place, write_tree
from tests.test_upload import Watch


@pytest.fixture
def store(store_place: Place) -> blobfs.Store:
    return store_place.open()


@pytest.fixture
def artifact(store: blobfs.Store, tree: Path) -> Artifact:
    return blobfs.upload(tree, store=store, name="n")


@pytest.fixture
def one_file(store: blobfs.Store, tree: Path) -> Artifact:
    return blobfs.upload(tree / "a.txt", store=store, name="f")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A place for downloads whose surroundings are watched."""
    (tmp_path / "around").mkdir()
    return tmp_path / "around" / "out"


def inodes(root: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(root)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
    }


# ---- an absent target ------------------------------------------------------------------------


@pytest.mark.usefixtures("artifact")
def test_directories_above_the_target_are_made(
    store: blobfs.Store, tree: Path, out: Path
) -> None:
    where = blobfs.download("n:1", out / "x" / "y", store=store)
    assert content(where) == content(tree)
    assert os.listdir(out / "x") == ["y"], "nothing is left beside it"


@pytest.mark.usefixtures("artifact")
def test_the_target_may_be_spelled_in_any_way(
    store: blobfs.Store, tree: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out.parent)
    for spelling in ("a", "./b/", "x/../c", str(out)):
        where = blobfs.download("n:1", spelling, store=store)
        assert where.is_absolute()
        assert content(where) == content(tree)


@pytest.mark.usefixtures("artifact")
def test_downloaded_files_are_the_users_to_change(store: blobfs.Store, out: Path) -> None:
    where = blobfs.download("n:1", out, store=store)
    umask = os.umask(0)
    os.umask(umask)
    assert (where / "a.txt").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (where / "run.sh").stat().st_mode & 0o777 == 0o777 & ~umask


@pytest.mark.usefixtures("artifact")
def test_an_absent_target_stays_absent_when_a_file_cannot_be_had(
    store: blobfs.Store, artifact: Artifact, out: Path
) -> None:
    (Path(artifact.path) / "sub" / "b.txt").unlink()
    with pytest.raises(IntegrityError):
        blobfs.download("n:1", out, store=store)
    assert not out.exists()


@pytest.mark.usefixtures("artifact")
@pytest.mark.parametrize("jobs", [1, 8])
def test_bytes_are_counted(store: blobfs.Store, out: Path, jobs: int) -> None:
    watch = Watch()
    blobfs.download("n:1", out, store=store, callback=watch, jobs=jobs)
    assert (watch.stages, watch.sizes, watch.value) == (["fetching"], [4114], 4114)


def test_a_long_target_name_leaves_room_for_what_is_built(
    store: blobfs.Store, artifact: Artifact, out: Path
) -> None:
    for name in ("x" * 255, "é" * 127):
        assert blobfs.download(artifact.digest, out / name, store=store).is_dir()


# ---- an existing directory -------------------------------------------------------------------


@pytest.mark.usefixtures("artifact")
def test_equal_files_stay_and_others_are_left_alone(
    store: blobfs.Store, tree: Path, out: Path
) -> None:
    blobfs.download("n:1", out, store=store)
    (out / "sub" / "b.txt").unlink()
    (out / "hollow").rmdir()
    write_tree(out, {"mine": "mine", "sub/mine": "too"})
    before, watch = inodes(out), Watch()
    blobfs.download("n:1", out, store=store, callback=watch)
    after = inodes(out)
    assert {name: after[name] for name in before} == before
    assert watch.value == 4, "only what was missing is fetched"
    assert content(out) == {
        **content(tree),
        "mine": (b"mine", False),
        "sub/mine": (b"too", False),
    }


@pytest.mark.usefixtures("artifact")
def test_an_empty_directory_is_filled(store: blobfs.Store, tree: Path, out: Path) -> None:
    out.mkdir()
    before = out.stat().st_ino
    blobfs.download("n:1", out, store=store)
    assert content(out) == content(tree)
    assert out.stat().st_ino == before


@pytest.mark.usefixtures("artifact")
def test_conflicts_are_listed_and_nothing_is_written(store: blobfs.Store, out: Path) -> None:
    mine = {"a.txt": "other", "sub/b.txt/x": "a directory", "hollow": "a file", "run.sh": "!"}
    write_tree(out, mine)
    before, files = content(out), inodes(out)
    with pytest.raises(ArtifactConflictError) as caught:
        blobfs.download("n:1", out, store=store)
    for name in ("a.txt has other content", "sub/b.txt is a directory", "run.sh has other"):
        assert f"  {name}" in str(caught.value)
    assert "  hollow/ is no directory" in str(caught.value)
    assert "--overwrite" in str(caught.value)
    assert (content(out), inodes(out)) == (before, files)
    assert os.listdir(out.parent) == ["out"]
    assert not [name for name in os.listdir(out) if name.startswith(".blobfs-")]


@pytest.mark.usefixtures("artifact")
def test_other_files_give_way_if_asked(store: blobfs.Store, tree: Path, out: Path) -> None:
    write_tree(out, {"a.txt": "other", "sub/b.txt": "same", "extra": "mine"})
    held = inodes(out)["sub/b.txt"]
    blobfs.download("n:1", out, store=store, overwrite=True)
    assert content(out) == {**content(tree), "extra": (b"mine", False)}
    assert inodes(out)["sub/b.txt"] == held


@pytest.mark.usefixtures("artifact")
def test_a_directory_never_gives_way(store: blobfs.Store, out: Path) -> None:
    write_tree(out, {"a.txt/mine": "x"})
    with pytest.raises(ArtifactConflictError, match=r"a\.txt is a directory"):
        blobfs.download("n:1", out, store=store, overwrite=True)
    assert content(out) == {"a.txt/mine": (b"x", False)}


@pytest.mark.usefixtures("artifact")
def test_a_mode_that_differs_is_put_right_or_told(
    store: blobfs.Store, tree: Path, out: Path
) -> None:
    """An executable bit is content: `diff` tells it, so a download may not pass over it."""
    blobfs.download("n:1", out, store=store)
    (out / "run.sh").chmod(0o644)
    blobfs.download("n:1", out, store=store, overwrite=True)
    assert content(out) == content(tree)


# ---- a file ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("one_file")
def test_a_file_replaces_another_only_if_asked(store: blobfs.Store, out: Path) -> None:
    out.write_text("mine")
    with pytest.raises(ArtifactConflictError, match="is another file"):
        blobfs.download("f:1", out, store=store)
    assert out.read_text() == "mine"
    assert blobfs.download("f:1", out, store=store, overwrite=True) == out
    assert out.read_text() == "same"
    held = out.stat().st_ino
    blobfs.download("f:1", out, store=store)
    assert out.stat().st_ino == held, "an equal file stays"
    assert os.listdir(out.parent) == ["out"]


@pytest.mark.usefixtures("one_file", "artifact")
def test_where_files_and_trees_land(store: blobfs.Store, out: Path) -> None:
    out.mkdir()
    assert blobfs.download("f:1", out, store=store) == out / "a.txt"
    assert blobfs.download("n:1/sub/b.txt", out, store=store) == out / "b.txt"
    assert blobfs.download("f:1", f"{out}/new/", store=store) == out / "new" / "a.txt"
    assert blobfs.download("f:1", out / "file", store=store) == out / "file"
    with pytest.raises(ArtifactConflictError, match="is no directory"):
        blobfs.download("n:1", out / "file", store=store)
    with pytest.raises(ArtifactConflictError, match="is no directory"):
        blobfs.download("n:1", out / "file", store=store, overwrite=True)
    (out / "d" / "a.txt").mkdir(parents=True)
    with pytest.raises(ArtifactConflictError, match="is a directory"):
        blobfs.download("f:1", out / "d", store=store, overwrite=True)


# ---- links -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("artifact")
@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_is_written_through_a_link(
    store: blobfs.Store, out: Path, tmp_path: Path, overwrite: bool
) -> None:
    outside = write_tree(tmp_path / "outside", {"b.txt": "mine", "deep/x": "x"})
    out.mkdir()
    (out / "sub").symlink_to(outside)
    before = content(outside)
    with pytest.raises(ArtifactConflictError, match="link"):
        blobfs.download("n:1", out, store=store, overwrite=overwrite)
    assert content(outside) == before
    assert os.listdir(out) == ["sub"]


@pytest.mark.usefixtures("artifact", "one_file")
def test_a_link_at_a_files_place_is_replaced_and_never_followed(
    store: blobfs.Store, out: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("mine")
    out.mkdir()
    for place, ref in ((out / "a.txt", "n:1"), (out / "single", "f:1")):
        place.symlink_to(tmp_path / "mine")
        target = out if ref == "n:1" else place
        with pytest.raises(ArtifactConflictError):
            blobfs.download(ref, target, store=store)
        assert place.is_symlink()
        blobfs.download(ref, target, store=store, overwrite=True)
        assert not place.is_symlink()
        assert place.read_text() == "same"
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.usefixtures("artifact")
def test_a_target_that_is_a_link_to_a_directory_is_the_users_choice(
    store: blobfs.Store, tree: Path, out: Path, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    out.symlink_to(tmp_path / "real")
    blobfs.download("n:1", out, store=store)
    assert content(tmp_path / "real") == content(tree)
    assert out.is_symlink()


@pytest.mark.usefixtures("artifact")
def test_a_target_that_is_a_broken_link_is_refused(
    store: blobfs.Store, out: Path, tmp_path: Path
) -> None:
    out.symlink_to(tmp_path / "nothing")
    with pytest.raises(BlobfsError):
        blobfs.download("n:1", out, store=store)
    assert out.is_symlink()
    assert not (tmp_path / "nothing").exists()


def test_directories_that_become_links_in_between_let_nothing_out(
    store: blobfs.Store, tmp_path: Path, out: Path
) -> None:
    """Swapped when the bytes are fetched, after everything was checked (T11's first step)."""
    source = write_tree(tmp_path / "many", {f"d/{n}": str(n) for n in range(20)})
    blobfs.upload(source, store=store, name="m")
    outside = write_tree(tmp_path / "outside", {})
    write_tree(out, {"d/mine": ""})

    def swap() -> None:
        os.rename(out / "d", out / "was-d")
        (out / "d").symlink_to(outside)

    with pytest.raises(BlobfsError):
        blobfs.download("m:1", out, store=store, callback=Watch(fetching=swap))
    assert os.listdir(outside) == []


# ---- taken up again --------------------------------------------------------------------------


def partial(out: Path, artifact: Artifact) -> Path:
    return out.parent / f".{out.name}.blobfs-{hex_of(artifact.digest)}"


def test_a_download_is_resumed(
    store: blobfs.Store, tree: Path, out: Path, artifact: Artifact
) -> None:
    hidden = Path(artifact.path) / "sub" / "b.txt"
    hidden.rename(tree.parent / "hidden")
    with pytest.raises(IntegrityError):
        blobfs.download("n:1", out, store=store)
    assert (partial(out, artifact) / "a.txt").read_text() == "same"
    (tree.parent / "hidden").rename(hidden)
    watch = Watch()
    blobfs.download("n:1", out, store=store, callback=watch)
    assert watch.value == 4
    assert content(out) == content(tree)
    assert os.listdir(out.parent) == ["out"]


def test_what_was_half_written_is_fetched_again(
    store: blobfs.Store, tree: Path, out: Path, artifact: Artifact
) -> None:
    """A dead process leaves anything: short files, other bytes, links, what is not ours."""
    left = write_tree(partial(out, artifact), {"a.txt": "sa", "run.sh": "#!/bin/zz\n"})
    (left / "sub").mkdir()
    (left / "sub" / "b.txt").write_text("same")
    blobfs.download("n:1", out, store=store)
    assert content(out) == content(tree)


def test_what_was_left_may_not_bring_anything_in(
    store: blobfs.Store, tree: Path, out: Path, artifact: Artifact
) -> None:
    """Files and links that no download of ours makes do not become part of the tree."""
    write_tree(partial(out, artifact), {"evil": "x", "sub/evil": "x"})
    blobfs.download("n:1", out, store=store)
    assert content(out) == content(tree)


@pytest.mark.usefixtures("artifact")
def test_what_was_left_never_replaces_what_is_right(
    store: blobfs.Store, out: Path, artifact: Artifact, one_file: Artifact
) -> None:
    """Half of a file, left behind, and the whole one brought there by other means."""
    write_tree(out, {"a.txt": "same", f".blobfs-{hex_of(artifact.digest)}/a.txt": "sa"})
    blobfs.download("n:1", out, store=store, overwrite=True)
    assert (out / "a.txt").read_text() == "same"
    single = out / "single"
    single.write_text("same")
    write_tree(partial(single, one_file), {"a.txt": "sa"})
    blobfs.download("f:1", single, store=store, overwrite=True)
    assert single.read_text() == "same"
    assert not partial(single, one_file).exists()


def test_a_name_elsewhere_of_what_was_left_is_not_written_to(
    store: blobfs.Store, out: Path, artifact: Artifact, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("mine")
    left = write_tree(partial(out, artifact), {})
    os.link(tmp_path / "mine", left / "a.txt")
    blobfs.download("n:1", out, store=store)
    assert (tmp_path / "mine").read_text() == "mine"
    assert (out / "a.txt").read_text() == "same"


def test_links_in_what_was_left_are_not_followed(
    store: blobfs.Store, out: Path, artifact: Artifact, tmp_path: Path
) -> None:
    outside = write_tree(tmp_path / "outside", {"b.txt": "mine"})
    left = write_tree(partial(out, artifact), {})
    (left / "sub").symlink_to(outside)
    (left / "a.txt").symlink_to(outside / "b.txt")
    with pytest.raises(BlobfsError):
        blobfs.download("n:1", out, store=store)
    assert content(outside) == {"b.txt": (b"mine", False)}


def test_a_link_in_place_of_what_was_left_is_not_followed(
    store: blobfs.Store, out: Path, artifact: Artifact, tmp_path: Path
) -> None:
    outside = write_tree(tmp_path / "outside", {"mine": "mine"})
    partial(out, artifact).symlink_to(outside)
    with pytest.raises(BlobfsError):
        blobfs.download("n:1", out, store=store)
    assert content(outside) == {"mine": (b"mine", False)}
    assert not out.exists()


@pytest.mark.usefixtures("artifact")
def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(
    store: blobfs.Store, out: Path
) -> None:
    names = [f".out.blobfs-{digit * 64}" for digit in "012"]
    others = [".out.blobfs-x", f".other.blobfs-{'0' * 64}", f".out.blobfs-{'0' * 63}g"]
    for name in (*names, *others):
        write_tree(out.parent / name, {"a": "x"})
    holder = os.open(out.parent / names[1], os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        blobfs.download("n:1", out, store=store)
    finally:
        os.close(holder)
    assert sorted(os.listdir(out.parent)) == sorted(["out", names[1], *others])


@pytest.mark.usefixtures("artifact")
def test_leftovers_in_an_existing_directory_go(
    store: blobfs.Store, tree: Path, out: Path
) -> None:
    write_tree(out, {f".blobfs-{'1' * 64}/a": "x"})
    blobfs.download("n:1", out, store=store)
    assert content(out) == content(tree)


DOWNLOAD = """
import sys, blobfs
root, ref, target = sys.argv[1:]
config = {"blob_manager_class": "local", "blob_manager_config": {"root_directory": root}}
print(blobfs.download(ref, target, store=config))
"""


@pytest.mark.parametrize("existing", [False, True])
def test_processes_that_download_the_same_all_succeed(
    store: blobfs.Store, tmp_path: Path, out: Path, existing: bool
) -> None:
    source = write_tree(tmp_path / "many", {f"{n % 7}/{n}": str(n) * 500 for n in range(200)})
    blobfs.upload(source, store=store, name="m")
    if existing:
        write_tree(out, {"mine": "x"})
    root = store.location.url
    command = [sys.executable, "-c", DOWNLOAD, root, "m:1", str(out)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    expected = content(source) | ({"mine": (b"x", False)} if existing else {})
    assert content(out) == expected
    assert os.listdir(out.parent) == ["out"]


# ---- where nothing can be written ------------------------------------------------------------


@pytest.mark.usefixtures("artifact", "one_file")
def test_a_parent_that_is_a_file_is_told(store: blobfs.Store, out: Path) -> None:
    out.write_text("mine")
    for ref in ("n:1", "f:1"):
        for target in (out / "x", out / "x" / "y"):
            with pytest.raises(BlobfsError, match="out"):
                blobfs.download(ref, target, store=store)
    assert out.read_text() == "mine"


@pytest.fixture
def shut() -> Iterator[Path]:
    """A directory in which nobody but root can write, reachable for all."""
    directory = Path(tempfile.mkdtemp())
    write_tree(directory / "d", {"mine": "x"})
    directory.chmod(0o755)
    (directory / "d").chmod(0o555)
    yield directory / "d"
    (directory / "d").chmod(0o755)
    shutil.rmtree(directory)


@pytest.mark.usefixtures("artifact")
def test_a_directory_that_may_not_be_written_is_told(store: blobfs.Store, shut: Path) -> None:
    blobfs.download("n:1", shut.parent / "warm", store=store)  # imports what is needed
    shutil.rmtree(shut.parent / "warm")
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        for target in (shut / "x", shut, shut.parent / "d" / "x" / "y"):
            with pytest.raises(AccessError, match="d"):
                blobfs.download("n:1", target, store=store)
    finally:
        if root:
            os.seteuid(0)
    assert content(shut) == {"mine": (b"x", False)}


def test_too_little_space_is_told_before_anything_is_fetched(
    store_place: Place, out: Path
) -> None:
    size = shutil.disk_usage(out.parent).free + (100 << 30)
    rows = [file("a.txt", size=size)]
    digest, data = digest_of(rows), manifest(rows)
    store_place.around.write(f"LocalUpload/{hex_of(digest)}/_manifest.jsonl", data)
    watch = Watch()
    with pytest.raises(StorageFullError, match=f"needs {size} bytes"):
        blobfs.download(digest, out, store=store_place.open(), callback=watch)
    assert watch.stages == []
    assert not out.exists()


# ---- many kinds of trees ---------------------------------------------------------------------


TREES: dict[str, Callable[[], dict[str, str]]] = {
    "deep": lambda: {"/".join("d" * 40) + "/f": "x"},
    "wide": lambda: {f"f{n:04}": str(n) for n in range(1500)},
    "prefixes": lambda: {"a": "1", "a.b": "2", "a0": "3", "ab/c": "4", "a-/d": "5"},
    "hollow": lambda: {"f": "x", "a/": "", "b/c/d/": "", "b/e": "y"},
}


@pytest.mark.parametrize("kind", TREES)
@pytest.mark.parametrize("jobs", [1, 8])
def test_trees_of_many_shapes_come_back(
    tmp_path: Path, out: Path, kind: str, jobs: int
) -> None:
    source = write_tree(tmp_path / "shape", TREES[kind]())
    store = local_place(tmp_path).open()
    artifact = blobfs.upload(source, store=store, jobs=jobs)
    where = blobfs.download(artifact.digest, out, store=store, jobs=jobs)
    assert content(where) == content(source)
    done = subprocess.run(["diff", "-r", source, where], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
