"""Every blob manager does what the conformance suite says; what only one does stands below."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import blobfs
from blobfs.managers import MANAGERS, load_manager_class
from tests import places
from tests.azureml_conformance import AzureMLTests
from tests.conformance import ManagerTests
from tests.names_to_keep import NASTY
from tests.places import Place, hex_of


class TestLocalBlobManager(ManagerTests, AzureMLTests):
    manager = "local"
    decides_races = True
    publishes_by_rename = True
    keeps_executable_bits = True
    large = 65 << 20

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return places.local_place(tmp_path)


class TestFsspecBlobManagerInMemory(ManagerTests, AzureMLTests):
    manager = "fsspec"

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return places.memory_place(tmp_path)


class TestFsspecBlobManagerOnFiles(ManagerTests):
    manager = "fsspec"
    decides_races = True
    publishes_by_rename = True
    keeps_executable_bits = True

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return places.file_place(tmp_path)


class TestOwnBlobManager(ManagerTests):
    """A user's own, with fsspec's local filesystem underneath."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return places.own_place(tmp_path)


def test_every_manager_has_conformance_tests() -> None:
    tested = {getattr(case, "manager", None) for case in ManagerTests.__subclasses__()}
    assert MANAGERS.keys() <= tested


def test_every_manager_is_public_and_found_by_its_short_name() -> None:
    for short, path in MANAGERS.items():
        public = getattr(blobfs, path.rpartition(".")[2])
        assert load_manager_class(short) is load_manager_class(path) is public
        with pytest.raises(blobfs.ConfigError, match="colour"):
            public({"root_directory": "/r", "url": "memory://x", "colour": "red"})


def test_there_are_two_hundred_nasty_names() -> None:
    assert len(NASTY) >= 200


@pytest.mark.parametrize(
    ("mode", "umask", "expected"),
    [
        (None, 0o022, (0o444, 0o555, 0o755)),
        (None, 0o077, (0o400, 0o500, 0o700)),
        ("private", 0, (0o400, 0o500, 0o700)),
        ("group", 0o077, (0o440, 0o550, 0o2770)),
    ],
)
def test_published_files_are_read_only_and_modes_say_for_whom(
    tmp_path: Path, tree: Path, mode: str | None, umask: int, expected: tuple[int, int, int]
) -> None:
    options = {"mode": mode} if mode else {}
    store = places.local_place(tmp_path, **options).open()
    old = os.umask(umask)
    try:
        artifact = blobfs.upload(tree, store=store, name="n")
    finally:
        os.umask(old)
    root, (file, script, directory) = Path(artifact.path), expected
    assert (root / "a.txt").stat().st_mode & 0o7777 == file
    assert (root / "run.sh").stat().st_mode & 0o7777 == script
    for path in (root, root / "sub", root / "hollow", root.parent):
        assert path.stat().st_mode & 0o7777 == directory, path
    asset = tmp_path / "store" / ".blobfs" / "assets" / "n" / "1" / "asset.json"
    assert asset.stat().st_mode & 0o7777 == file
    assert (root.parent / "_manifest.jsonl").stat().st_mode & 0o7777 == file


def test_a_published_tree_is_read_by_other_programs(store_place: Place, tree: Path) -> None:
    """Listed by a manifest that json reads, hashed by sha256sum, compared by diff (T19)."""
    artifact = blobfs.upload(tree, store=store_place.open())
    root = Path(artifact.path)
    rows = [json.loads(x) for x in (root.parent / "_manifest.jsonl").read_text().splitlines()]
    sums = "".join(
        f"{hex_of(row['digest'])}  {row['path']}\n" for row in rows[1:] if row["digest"] != "-"
    )
    check = (
        ["sha256sum", "--check", "--strict"]
        if shutil.which("sha256sum")
        else [*("shasum", "-a", "256", "--check")]
    )
    done = subprocess.run(check, cwd=root, input=sums, text=True, check=False, stdout=-1)
    assert done.returncode == 0, done.stdout
    assert subprocess.run(["diff", "-r", tree, root], check=False).returncode == 0


def test_a_local_handle_needs_no_directory(store_place: Place, tree: Path) -> None:
    manager = store_place.manager()
    handle = manager.upload(tree)
    assert manager.download(handle) == handle
    assert manager.download(f"{handle}/sub/b.txt") == f"{handle}/sub/b.txt"
    assert Path(handle).is_relative_to(tmp := store_place.open().location.url), tmp


def test_a_local_repository_is_where_downloads_go(tmp_path: Path, tree: Path) -> None:
    for make in (places.local_place, places.memory_place):
        manager = make(tmp_path, local_repository=str(tmp_path / "here")).manager()
        handle = manager.upload(tree / "a.txt")
        assert manager.download(handle) == str(tmp_path / "here" / "a.txt")


def test_elsewhere_a_handle_needs_a_directory(tmp_path: Path, tree: Path) -> None:
    manager = places.memory_place(tmp_path).manager()
    with pytest.raises(blobfs.ConfigError, match="local_repository"):
        manager.download(manager.upload(tree))


def test_a_url_of_a_local_store_is_a_handle_too(
    store_place: Place, tree: Path, tmp_path: Path
) -> None:
    handle = store_place.manager().upload(tree / "a.txt")
    for spelling in (f"file://{handle}", handle.replace("/store/", "/store/./x/..//")):
        where = store_place.manager().download(spelling, tmp_path / "out")
        assert Path(where).read_bytes() == b"same"


def test_a_read_only_source_is_published(store_place: Place, tree: Path) -> None:
    for path in (tree / "a.txt", tree / "sub"):
        path.chmod(0o555)
    artifact = blobfs.upload(tree, store=store_place.open())
    (tree / "sub").chmod(0o755)
    assert blobfs.verify(artifact.digest, store=store_place.open(), deep=True).ok


def test_a_root_that_is_a_file_is_a_typed_error(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "store").write_text("a file")
    for make in (places.local_place, places.own_place):
        store = make(tmp_path).open()
        with pytest.raises(blobfs.BlobfsError, match="store"):
            blobfs.upload(tree, store=store)
    assert (tmp_path / "store").read_text() == "a file"


def test_an_uploads_plan_needs_no_directory_for_the_store(
    store_place: Place, tree: Path, tmp_path: Path
) -> None:
    blobfs.plan_upload(tree, store=store_place.open(), name="n")
    assert not (tmp_path / "store").exists()
