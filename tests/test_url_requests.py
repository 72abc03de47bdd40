"""How much a reader asks of a store by URL: counted, beside the storage's own driver."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import dask.dataframe
import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
import yaml

import blobfs
from blobfs.filesystem import BlobFileSystem, opened
from tests.places import write_tree
from tests.remote import s3_place
from tests.servers.proxy import Proxy
from tests.servers.s3 import VersityGateway

pytestmark = pytest.mark.store("s3")

ROWS = 800_000
"""Of four columns, in four groups: 26 MB."""


class Counted(NamedTuple):
    """A named store behind a proxy, with a large table in it as `big:1`."""

    name: str
    digest: str
    proxy: Proxy
    options: dict[str, Any]
    """Those with which fsspec opens the native URL."""

    native: str
    config: Path

    def taken(self, act: Callable[[], object]) -> list[str]:
        """Return the requests that something makes in a process that knows nothing yet."""
        BlobFileSystem.clear_instance_cache()
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        opened._stores.clear()  # noqa: SLF001 - a new process each time would take a minute
        opened._trees.clear()  # noqa: SLF001
        return self.more(act)

    def more(self, act: Callable[[], object]) -> list[str]:
        """Return the requests that something makes now."""
        self.proxy.requests = []
        act()
        return list(map(str, self.proxy.requests))

    def url(self, path: str = "big.parquet", of: str = "big:1") -> str:
        return f"blobfs://{self.name}/{of}/{path}".rstrip("/")


@pytest.fixture(scope="module", params=["auto"])
def place(
    request: pytest.FixtureRequest,
    versitygw: VersityGateway,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Counted]:
    directory = tmp_path_factory.mktemp("requests")
    source = write_tree(
        directory / "big", {f"many/{n // 10}/{n}.txt": f"{n}" for n in range(50)}
    )
    generator = np.random.default_rng(4)
    columns = {name: generator.integers(0, 1 << 62, ROWS) for name in "abcd"}
    pyarrow.parquet.write_table(
        pa.table(columns), source / "big.parquet", row_group_size=ROWS // 4, compression="none"
    )
    with Proxy(versitygw.host, versitygw.port) as proxy:
        config = s3_place(versitygw, url=proxy.url, transport=request.param).config
        (directory / "config.yaml").write_text(yaml.safe_dump({"stores": {"s": dict(config)}}))
        artifact = blobfs.upload(
            source, name="big", version="1", store=config, hash_cache=False
        )
        options = blobfs.storage_options("big:1", store=config)
        native = blobfs.native_url("big:1/big.parquet", store=config)
        yield Counted("s", artifact.digest, proxy, options, native, directory / "config.yaml")


@pytest.fixture
def counted(place: Counted, monkeypatch: pytest.MonkeyPatch) -> Counted:
    monkeypatch.setenv("BLOBFS_CONFIG", str(place.config))
    return place


Read = Callable[[str, dict[str, Any]], object]


def pandas_all(url: str, options: dict[str, Any]) -> object:
    return pd.read_parquet(url, storage_options=options or None)


def pandas_columns(url: str, options: dict[str, Any]) -> object:
    return pd.read_parquet(url, columns=["b"], storage_options=options or None)


def pyarrow_filter(url: str, options: dict[str, Any]) -> object:
    filesystem, path = fsspec.url_to_fs(url, **options)
    dataset = pyarrow.dataset.dataset(path, filesystem=filesystem)
    return dataset.to_table(columns=["a"], filter=pyarrow.dataset.field("c") < 1 << 50)


def pyarrow_metadata(url: str, options: dict[str, Any]) -> object:
    with fsspec.open(url, **options) as file:
        return pyarrow.parquet.read_metadata(file)


def pyarrow_file(url: str, options: dict[str, Any]) -> object:
    with fsspec.open(url, **options) as file:
        return pyarrow.parquet.read_table(file, pre_buffer=False)


def dask_sum(url: str, options: dict[str, Any]) -> object:
    frame = dask.dataframe.read_parquet(url, storage_options=options, split_row_groups=True)
    return frame["a"].sum().compute(scheduler="synchronous")


def whole(url: str, options: dict[str, Any]) -> object:
    with fsspec.open(url, **options) as file:
        return file.read()


def in_order(url: str, options: dict[str, Any]) -> object:
    with fsspec.open(url, **options) as file:
        return sum(len(part) for part in iter(lambda: file.read(1 << 20), b""))


READS: list[Read] = [
    pandas_all,
    pandas_columns,
    pyarrow_filter,
    pyarrow_metadata,
    pyarrow_file,
    dask_sum,
    whole,
    in_order,
]


CASES = [
    *(("auto", read) for read in READS),
    *(("fsspec", read) for read in (pandas_all, pyarrow_metadata, whole)),
]


@pytest.mark.parametrize(("place", "read"), CASES, indirect=["place"])
def test_a_read_sends_two_requests_more_than_by_the_native_url(
    counted: Counted, read: Read
) -> None:
    theirs = counted.taken(lambda: read(counted.native, counted.options))
    by_name = counted.taken(lambda: read(counted.url(), {}))
    by_digest = counted.taken(lambda: read(counted.url(of=counted.digest), {}))
    assert len(by_name) <= len(theirs) + 2, (by_name, theirs)
    assert len(by_digest) <= len(theirs) + 1, (by_digest, theirs)


def test_what_is_in_an_artifact_is_told_by_its_manifest(counted: Counted) -> None:
    def act() -> None:
        filesystem, root = fsspec.url_to_fs(counted.url(""))
        assert len(filesystem.find(root)) == 51
        assert len(list(filesystem.walk(root))) == 7
        assert len(filesystem.glob(f"{root}/many/*/*1.txt")) == 5
        assert filesystem.ls(f"{root}/many/3")
        assert filesystem.info(f"{root}/many/3/30.txt")["size"] == 2
        assert filesystem.exists(f"{root}/many/3/30.txt")
        assert not filesystem.exists(f"{root}/many/3/none")
        assert filesystem.isdir(f"{root}/many")
        assert filesystem.du(root) > 25_000_000
        assert filesystem.ukey(f"{root}/big.parquet").startswith("sha256:")

    asset = {"asset.json", "removed.json"}
    found = [request.rpartition("/")[2] for request in counted.taken(act)]
    assert sorted(set(found) - asset) == ["_manifest.jsonl"]
    assert len(found) == 3


def test_a_range_is_one_request_and_so_is_a_file(counted: Counted) -> None:
    filesystem, path = fsspec.url_to_fs(counted.url())
    filesystem.info(path)
    assert len(counted.more(lambda: filesystem.cat_file(path, 10, 20))) == 1
    assert len(counted.more(lambda: filesystem.cat_file(path))) == 1
    starts = [0, 1000, 2000]
    ranges = counted.more(
        lambda: filesystem.cat_ranges([path] * 3, starts, [start + 9 for start in starts])
    )
    assert len(ranges) == 3


def test_another_thread_reads_no_manifest_again(counted: Counted) -> None:
    read = partial(whole, counted.url("many/1/11.txt", of=counted.digest), {})
    assert len(counted.taken(read)) == 2
    with ThreadPoolExecutor(1) as pool:
        requests = counted.more(lambda: pool.submit(read).result())
    assert [request.rpartition("/")[2] for request in requests] == ["11.txt"]
