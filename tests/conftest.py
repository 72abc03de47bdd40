"""What every test gets: directories of its own instead of the user's, and trees to upload."""

import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import blobfs
from blobfs.config import set_project
from tests.places import PLACES, Place, write_tree

pytest.register_assert_rewrite("tests.conformance", "tests.url_conformance")

pytest_plugins = ("tests.servers.fixtures", "tests.published")

# A deadline is a timed assertion, and machines differ.
settings.register_profile("blobfs", deadline=None)
settings.load_profile("blobfs")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what would be skipped, where `BLOBFS_TEST_REQUIRE` says that all must run.

    A test of one store type names it with the `store` marker, and only those listed fail;
    every other test fails whatever is listed.
    """
    report = yield
    required = os.environ.get("BLOBFS_TEST_REQUIRE", "")
    types = {str(mark.args[0]) for mark in item.iter_markers("store")}
    if report.skipped and required and (not types or types & set(required.split(","))):
        report.outcome = "failed"
        report.longrepr = f"skipped, but BLOBFS_TEST_REQUIRE={required}: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def hermetic(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Nothing of the user's is read or written."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("BLOBFS_", "XDG_")) and not name.startswith("BLOBFS_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("BLOBFS_DATA_DIR", str(home / "data"))
    monkeypatch.setenv("BLOBFS_CACHE_DIR", str(home / "cache"))
    monkeypatch.chdir(home)
    yield home
    set_project(None)


@pytest.fixture
def heard() -> Iterator[None]:
    """Children get Ctrl-C even where these tests run in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Equal files, an empty and an executable one, an empty directory, a name beyond ASCII."""
    root = write_tree(
        tmp_path / "tree",
        {
            "a.txt": "same",
            "sub/b.txt": "same",
            "sub/empty": "",
            "sub/deep/é ü.bin": bytes(range(256)) * 16,
            "run.sh": "#!/bin/sh\n",
            "hollow/": "",
        },
    )
    (root / "run.sh").chmod(0o755)
    return root


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A store of every kind that needs no server."""
    return PLACES[request.param](tmp_path)


@pytest.fixture
def store_place(tmp_path: Path) -> Place:
    """A local store."""
    return PLACES["local"](tmp_path)


@pytest.fixture
def shared(tree: Path) -> Iterator[Path]:
    """A directory that every user can enter, unlike pytest's own, with a source and a store."""
    blobfs.upload(tree)  # imports all that is needed while it may be read
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    write_tree(directory / "root", {"a": "1", "d/b": "22"})
    write_tree(directory / "store", {})
    (directory / "store").chmod(0o777)
    yield directory
    shutil.rmtree(directory)
