"""A disk that is full: a typed error, nothing half, and all is well once there is space."""

import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import blobfs
from tests.reliability import checker
from tests.reliability.calls import in_child
from tests.reliability.scenes import open_store

SPACE = 8 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of 8 MiB; None where nobody may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SPACE}", "tmpfs", str(disk)]
    try:
        mounted = not subprocess.run(command, check=False, capture_output=True).returncode
    except OSError:
        mounted = False
    yield disk if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("size", [SPACE + 1, SPACE - 4096])
@pytest.mark.parametrize("files", [1, 40])
def test_an_upload_to_a_full_disk_leaves_nothing_and_works_once_there_is_space(
    size: int, files: int, tmp_path: Path, small_disk: Path | None
) -> None:
    source, root = _source(tmp_path, size, files), (small_disk or tmp_path) / "store"
    first = _source(tmp_path / "first", 1000, 2)
    blobfs.upload(first, name="first", version="1", store=open_store(root))
    ballast = root.parent / "ballast"
    ballast.write_bytes(bytes(64 << 10))

    def upload() -> None:
        with pytest.raises(blobfs.StorageFullError, match=str(root)):
            blobfs.upload(source, name="big", version="1", store=open_store(root))

    _without_space(upload, small_disk, most=size // files // 2)
    assert checker.problems(root) == []
    assert checker.leftovers(root) == []
    assert set(checker.assets(root)) == {("first", "1")}
    ballast.unlink()
    less = _source(tmp_path / "less", SPACE // 4, files)
    assert blobfs.upload(less, name="big", version="1", store=open_store(root)).size
    assert checker.problems(root) == []


@pytest.mark.parametrize("files", [1, 40])
def test_a_download_to_a_full_disk_leaves_the_target_absent(
    files: int, tmp_path: Path, small_disk: Path | None
) -> None:
    root, target = tmp_path / "store", (small_disk or tmp_path / "there") / "out"
    size = SPACE + 1 if small_disk else SPACE // 2
    source = _source(tmp_path, size, files)
    blobfs.upload(source, name="big", version="1", store=open_store(root))

    def download() -> None:
        with pytest.raises(blobfs.BlobfsError, match=r"needs|space|too large"):
            blobfs.download("big:1", target, store=open_store(root))

    _without_space(download, small_disk, most=size // files // 2)
    assert not target.exists()


def test_a_full_disk_in_the_middle_of_a_download_is_told_and_resumed(
    tmp_path: Path, small_disk: Path | None
) -> None:
    """The space is there when it is asked for, and gone when it is needed."""
    root, disk = tmp_path / "store", small_disk or tmp_path / "there"
    source = _source(tmp_path, SPACE // 2, 40)
    blobfs.upload(source, name="big", version="1", store=open_store(root))

    class Filling(blobfs.transfer.Silent):
        def call(self, hook_name: str | None = None, **_: object) -> None:
            if hook_name == "fetching" and small_disk:
                (disk / "ballast").write_bytes(bytes(SPACE * 3 // 4))

    def download() -> None:
        with pytest.raises(blobfs.BlobfsError, match=r"space|large"):
            blobfs.download("big:1", disk / "out", store=open_store(root), callback=Filling())

    _without_space(download, small_disk, most=SPACE // 160)
    assert not (disk / "out").exists()
    (disk / "ballast").unlink(missing_ok=True)
    blobfs.download("big:1", disk / "out", store=open_store(root))
    assert sorted(os.listdir(disk)) == ["out"]
    for path in source.iterdir():
        assert (disk / "out" / path.name).read_bytes() == path.read_bytes()


def test_a_full_cache_directory_costs_time_only(
    tmp_path: Path, small_disk: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = small_disk or tmp_path / "cache"
    monkeypatch.setenv("BLOBFS_CACHE_DIR", str(cache))
    source = _source(tmp_path, 100_000, 40)
    if small_disk:
        with pytest.raises(OSError, match="space"):
            (small_disk / "ballast").write_bytes(bytes(SPACE + 1))
    _without_space(
        lambda: blobfs.upload(source, name="one", store=open_store(tmp_path / "store")),
        small_disk,
        most=50_000,
    )
    assert checker.problems(tmp_path / "store") == []


def _without_space(
    operation: Callable[[], object], small_disk: Path | None, *, most: int
) -> None:
    """Run it; without a small disk, in a process that may write `most` bytes to a file."""
    if small_disk:
        operation()
        return

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        operation()

    assert in_child(limited) == 0


def _source(directory: Path, size: int, files: int) -> Path:
    source = directory / "source"
    source.mkdir(parents=True)
    for number in range(files):
        (source / f"{number}").write_bytes(os.urandom(size // files + number))
    return source
