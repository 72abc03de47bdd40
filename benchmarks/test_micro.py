"""Each operation beside the plain tool in the same run.

Here they only run, once and small. `pytest benchmarks --benchmark-enable` measures them, with
10,000 files and one of 1 GiB, too, and shows those that do the same thing as one group.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from pytest_benchmark.fixture import BenchmarkFixture

import blobfs
from benchmarks.peers import cp_and_hash
from benchmarks.workbench import write_tree
from blobfs.scan import scan

SIZE = 4096
LARGE = 1 << 30
SMALL_LARGE = 1 << 20
ROUNDS = 5

Operation = Callable[[], object]

RSYNC = ["rsync -a"] if shutil.which("rsync") else []
"""A peer that is not on every machine."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "files" in metafunc.fixturenames:
        measuring = metafunc.config.getoption("benchmark_enable")
        counts = [1, 1000, *([10_000] if measuring else [])]
        sizes = [(count, SIZE) for count in counts]
        sizes.append((1, LARGE if measuring else SMALL_LARGE))
        labels = [f"{count}x{size}" for count, size in sizes]
        metafunc.parametrize("files", sizes, ids=labels, scope="module")


@pytest.fixture(scope="module")
def tree(files: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory of 4 KiB files, or of one large file."""
    count, size = files
    top = str(tmp_path_factory.mktemp("tree") / "tree")
    write_tree(top, count, size)
    return top


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], blobfs.Store]:
    """Makes a store that is empty."""
    monkeypatch.setenv("BLOBFS_CACHE_DIR", str(tmp_path / "cache"))
    made: list[blobfs.Store] = []

    def make() -> blobfs.Store:
        root = str(tmp_path / f"store-{len(made)}")
        options = {"root_directory": root}
        config = {"blob_manager_class": "local", "blob_manager_config": options}
        made.append(blobfs.open_store(config))
        return made[-1]

    return make


@pytest.fixture
def new(tmp_path: Path) -> Callable[[], str]:
    """Gives a path that is not there yet."""
    numbers = iter(range(1 << 30))
    return lambda: str(tmp_path / f"new-{next(numbers)}")


def measure(
    benchmark: BenchmarkFixture,
    what: str,
    files: tuple[int, int],
    prepare: Callable[[], Operation],
) -> None:
    """Run what `prepare` makes ready; its name is the group, so peers stand together."""
    benchmark.group = f"{what}, {files[0]} x {files[1]} B"
    benchmark.pedantic(  # type: ignore[no-untyped-call] # types only what it returns
        lambda operation: operation(), setup=lambda: ((prepare(),), {}), rounds=ROUNDS
    )


@pytest.mark.parametrize("who", ["blobfs", "os.walk + stat"])
def test_scan(who: str, benchmark: BenchmarkFixture, files: tuple[int, int], tree: str) -> None:
    def plain() -> int:
        found = [f"{at}/{name}" for at, _, names in os.walk(tree) for name in names]
        return len([os.stat(path) for path in found])

    ours = {"blobfs": lambda: len(scan(tree).files), "os.walk + stat": plain}[who]
    assert ours() == files[0]
    measure(benchmark, "scan", files, lambda: ours)


@pytest.mark.parametrize("who", ["blobfs", "sha256sum"])
def test_hash(
    who: str,
    benchmark: BenchmarkFixture,
    files: tuple[int, int],
    tree: str,
    store: Callable[[], blobfs.Store],
) -> None:
    empty = store()
    operations = {
        "blobfs": lambda: blobfs.plan_upload(tree, store=empty, hash_cache=False),
        "sha256sum": lambda: _run(["bash", "-c", 'sha256sum "$1"/*/*', "bash", tree]),
    }
    measure(benchmark, "hash", files, lambda: operations[who])


@pytest.mark.parametrize("who", ["blobfs", "cp -r", *RSYNC, "fsspec put"])
def test_first_upload(  # noqa: PLR0913, PLR0917 - fixtures
    who: str,
    benchmark: BenchmarkFixture,
    files: tuple[int, int],
    tree: str,
    store: Callable[[], blobfs.Store],
    new: Callable[[], str],
) -> None:
    def prepare() -> Operation:
        if who == "blobfs":
            empty = store()
            return lambda: blobfs.upload(tree, store=empty, hash_cache=False)
        return _copy(who, tree, new())

    measure(benchmark, "first upload", files, prepare)


@pytest.mark.parametrize("who", ["blobfs", *RSYNC])
def test_unchanged_upload(  # noqa: PLR0913, PLR0917 - fixtures
    who: str,
    benchmark: BenchmarkFixture,
    files: tuple[int, int],
    tree: str,
    store: Callable[[], blobfs.Store],
    new: Callable[[], str],
) -> None:
    if who == "blobfs":
        filled = store()
        blobfs.upload(tree, store=filled)
        again: Operation = lambda: blobfs.upload(tree, store=filled)  # noqa: E731
        assert blobfs.upload(tree, store=filled).reused
    else:
        again = _copy(who, tree, new())
        again()
    measure(benchmark, "unchanged upload", files, lambda: again)


@pytest.mark.parametrize("who", ["blobfs", "cp -r", "cp -r, then hashed", "fsspec put"])
def test_download(  # noqa: PLR0913, PLR0917 - fixtures
    who: str,
    benchmark: BenchmarkFixture,
    files: tuple[int, int],
    tree: str,
    store: Callable[[], blobfs.Store],
    new: Callable[[], str],
) -> None:
    filled = store()
    artifact = blobfs.upload(tree, store=filled, hash_cache=False)

    def prepare() -> Operation:
        target = new()
        if who == "blobfs":
            return lambda: blobfs.download(artifact.digest, target, store=filled)
        return _copy(who, artifact.path, target)

    measure(benchmark, "download", files, prepare)


def _copy(who: str, source: str, target: str) -> Operation:
    """Return the copy that a plain tool makes."""
    if who == "fsspec put":
        return lambda: LocalFileSystem().put(source, target, recursive=True)
    commands = {
        "cp -r": ["cp", "-r", source, target],
        "cp -r, then hashed": cp_and_hash(source, target),
        "rsync -a": ["rsync", "-a", f"{source}/", target],
    }
    return lambda: _run(commands[who])


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
