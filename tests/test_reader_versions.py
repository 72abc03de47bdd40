"""Who reads a version reads it to the end, and no cache ever gives one for another."""

import pickle
import uuid
from collections.abc import Callable
from pathlib import Path

import dask.bag
import dask.dataframe
import fsspec
import pandas as pd
import pytest
from dask.base import compute
from fsspec.generic import GenericFileSystem, rsync
from fsspec.implementations.dirfs import DirFileSystem
from upath import UPath

from blobfs import AccessError
from blobfs.filesystem import BlobFileSystem
from tests.places import content
from tests.published import Published

FIRST = list(range(100))
SECOND = [age + 1000 for age in FIRST]


@pytest.fixture
def latest(published: Published) -> tuple[str, str]:
    """An asset of its own, and the URL of its latest version, which is the first."""
    name = f"v{uuid.uuid4()}"
    published.publish(name, FIRST)
    return name, published.url(of=f"{name}@latest")


Latest = tuple[str, str]


def ages(text: bytes) -> list[int]:
    return [int(line) for line in text.split()[1:]]


def _pickled(filesystem: BlobFileSystem) -> BlobFileSystem:
    again: BlobFileSystem = pickle.loads(pickle.dumps(filesystem))  # noqa: S301 - our own
    return again


def _by_json(filesystem: BlobFileSystem) -> BlobFileSystem:
    again: BlobFileSystem = fsspec.AbstractFileSystem.from_json(filesystem.to_json())
    return again


# ---- a new version while the old one is read -----------------------------------------------


def test_an_open_file_stays_what_it_is(published: Published, latest: Latest) -> None:
    name, url = latest
    filesystem = fsspec.filesystem("blobfs")
    with filesystem.open(f"{url}/t.csv", block_size=16) as file:
        begun = file.read(20)
        published.publish(name, SECOND)
        assert ages(begun + file.read()) == FIRST
        file.seek(0)
        assert ages(file.read()) == FIRST
    with filesystem.open(f"{url}/t.parquet", block_size=16) as file:
        assert pd.read_parquet(file)["age"].tolist() == FIRST


def test_latest_is_looked_up_once_for_a_filesystem(
    published: Published, latest: Latest
) -> None:
    name, url = latest
    filesystem = BlobFileSystem(skip_instance_cache=True)
    assert ages(filesystem.cat_file(f"{url}/t.csv")) == FIRST
    published.publish(name, SECOND)
    assert ages(filesystem.cat_file(f"{url}/t.csv")) == FIRST
    assert filesystem.ukey(f"{url}/t.csv") == filesystem.ukey(
        published.url("t.csv", of=f"{name}:1")
    )
    newer = BlobFileSystem(skip_instance_cache=True)
    assert ages(newer.cat_file(f"{url}/t.csv")) == SECOND
    assert ages(newer.cat_file(published.url("t.csv", of=f"{name}:1"))) == FIRST


@pytest.mark.parametrize("passed_on", [_pickled, _by_json])
def test_a_filesystem_that_is_passed_on_keeps_the_version(
    published: Published, latest: Latest, passed_on: Callable[[BlobFileSystem], BlobFileSystem]
) -> None:
    name, url = latest
    first = BlobFileSystem(skip_instance_cache=True)
    assert ages(first.cat_file(f"{url}/t.csv")) == FIRST
    published.publish(name, SECOND)
    second = BlobFileSystem(skip_instance_cache=True)
    assert ages(second.cat_file(f"{url}/t.csv")) == SECOND
    for filesystem, wanted in ((first, FIRST), (second, SECOND), (first, FIRST)):
        same = passed_on(filesystem)
        assert same == filesystem
        assert ages(same.cat_file(f"{url}/t.csv")) == wanted


def test_dask_computes_the_version_that_it_began_with(
    published: Published, latest: Latest
) -> None:
    name, url = latest
    lines = dask.bag.read_text(f"{url}/t.csv", blocksize=60)
    csv = dask.dataframe.read_csv(f"{url}/t.csv", blocksize=60)
    parquet = dask.dataframe.read_parquet(f"{url}/t.parquet", split_row_groups=True)
    assert csv.npartitions > 2
    assert parquet.npartitions > 1
    published.publish(name, SECOND)
    BlobFileSystem.clear_instance_cache()  # as in a process that has not looked yet
    assert [int(line) for line in lines.compute(scheduler="threads")[1:]] == FIRST
    assert csv["age"].compute(scheduler="threads").tolist() == FIRST
    assert parquet["age"].compute(scheduler="threads").tolist() == FIRST


def test_dask_computes_it_in_other_processes_too(published: Published, latest: Latest) -> None:
    name, url = latest
    csv = dask.dataframe.read_csv(f"{url}/t.csv", blocksize=200)["age"]
    parquet = dask.dataframe.read_parquet(f"{url}/t.parquet", split_row_groups=True)["age"]
    published.publish(name, SECOND)
    found = compute(csv, parquet, scheduler="processes", num_workers=1)
    assert [series.tolist() for series in found] == [FIRST, FIRST]


def test_a_directory_as_a_filesystem_stays_what_it_is(
    published: Published, latest: Latest
) -> None:
    name, url = latest
    filesystem, path = fsspec.url_to_fs(url)
    directory = DirFileSystem(path, filesystem)
    assert sorted(directory.ls("", detail=False)) == ["t.csv", "t.parquet"]
    published.publish(name, SECOND)
    assert ages(directory.cat_file("t.csv")) == FIRST
    assert directory.find("") == ["t.csv", "t.parquet"]
    assert directory.glob("*.csv") == ["t.csv"]
    with directory.open("t.csv") as file:
        assert ages(file.read()) == FIRST
    with pytest.raises(AccessError):
        directory.pipe_file("t.csv", b"")


def test_a_directory_of_ones_own_as_a_filesystem_is_written(published: Published) -> None:
    filesystem = fsspec.filesystem(
        "dir", path=published.own("rooted"), target_protocol="blobfs"
    )
    filesystem.pipe_file("a/b", b"1")
    assert filesystem.find("") == ["a/b"]
    assert published.place.read("rooted/a/b") == b"1"


def test_a_upath_shows_the_version_that_its_filesystem_found(
    published: Published, latest: Latest
) -> None:
    name, url = latest
    path = UPath(url)
    assert ages((path / "t.csv").read_bytes()) == FIRST
    published.publish(name, SECOND)
    assert ages((path / "t.csv").read_bytes()) == FIRST
    assert ages((UPath(url, skip_instance_cache=True) / "t.csv").read_bytes()) == SECOND


# ---- caches --------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", ["simplecache", "filecache"])
def test_a_cache_on_disk_is_never_stale(
    published: Published, latest: Latest, tmp_path: Path, cache: str
) -> None:
    name, url = latest

    def read(url: str, *, fresh: bool) -> list[int]:
        options = {
            cache: {"cache_storage": str(tmp_path / "cache"), "skip_instance_cache": fresh},
            "blobfs": {"skip_instance_cache": fresh},
        }
        with fsspec.open(f"{cache}::{url}/t.csv", **options) as file:
            return ages(file.read())

    assert read(url, fresh=False) == FIRST
    assert read(url, fresh=False) == FIRST
    published.publish(name, SECOND)
    assert read(url, fresh=False) == FIRST
    for _ in range(2):
        assert read(url, fresh=True) == SECOND
    assert read(published.url(of=f"{name}:1"), fresh=True) == FIRST
    assert read(published.url(of=f"{name}:2"), fresh=True) == SECOND


def test_a_cache_on_disk_serves_pandas_and_directories(
    published: Published, tmp_path: Path
) -> None:
    options = {"simplecache": {"cache_storage": str(tmp_path)}}
    for _ in range(2):
        found = pd.read_csv(f"simplecache::{published.url('t.csv')}", storage_options=options)
        assert len(found) == 40
    files = fsspec.open_files(f"simplecache::{published.url('parts/*.parquet')}", **options)
    for each in files:
        with each as file:
            assert file.read(4) == b"PAR1"
    assert len(list(tmp_path.iterdir())) == 3


# ---- copies to elsewhere -------------------------------------------------------------------


def test_rsync_brings_an_artifact_elsewhere(published: Published, tmp_path: Path) -> None:
    filesystem = GenericFileSystem(default_method="current", skip_instance_cache=True)
    rsync(published.url(), f"file://{tmp_path}/out", fs=filesystem)
    assert content(tmp_path / "out") == content(published.source)
    memory = fsspec.filesystem("memory")
    target = f"/{uuid.uuid4()}"
    rsync(published.url("parts"), f"memory:/{target}", fs=filesystem)
    assert sorted(memory.find(target)) == [f"{target}/part-{n}.parquet" for n in (0, 1)]
    memory.rm(target, recursive=True)


def test_a_generic_copy_goes_both_ways(published: Published, tmp_path: Path) -> None:
    filesystem = GenericFileSystem(default_method="current", skip_instance_cache=True)
    filesystem.cp(published.url("t.csv"), f"file://{tmp_path}/t.csv")
    wanted = (published.source / "t.csv").read_bytes()
    assert (tmp_path / "t.csv").read_bytes() == wanted
    filesystem.cp(f"file://{tmp_path}/t.csv", published.own("copied/t.csv"))
    assert published.place.read("copied/t.csv") == wanted
    assert filesystem.cat(published.url("t.csv")) == wanted
