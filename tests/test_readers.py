"""Everything that reads by fsspec reads `blobfs://` URLs, from every store alike."""

import json
from collections.abc import Iterator

import dask
import dask.bag
import dask.dataframe
import duckdb
import fsspec
import numpy as np
import pandas as pd
import pyarrow.dataset
import pyarrow.parquet
import pytest
import zarr
from upath import UPath

import blobfs
from blobfs import AccessError, ConfigError
from tests.published import AGES, NAMES, ODD, Published

TABLE = pd.DataFrame({"name": NAMES, "age": AGES})
ARRAY = np.arange(24.0).reshape(4, 6)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Dask works in this process, one thing after the other."""
    with dask.config.set(scheduler="synchronous"):
        yield


def equal(found: pd.DataFrame) -> bool:
    found = found.sort_values("age").reset_index(drop=True)
    columns = found["name"].tolist(), found["age"].tolist()
    return columns == (NAMES, AGES)


# ---- pandas --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["t.csv", "t.csv.gz", ODD])
def test_pandas_reads_csv(published: Published, path: str) -> None:
    assert equal(pd.read_csv(published.url(path)))


def test_pandas_reads_json_lines(published: Published) -> None:
    assert equal(pd.read_json(published.url("t.jsonl"), lines=True))


def test_pandas_reads_parquet_a_file_and_a_directory(published: Published) -> None:
    found = pd.read_parquet(published.url("parts/part-1.parquet"), columns=["age"])
    assert found["age"].tolist() == AGES[20:]
    assert equal(pd.read_parquet(published.url("parts")))


def test_pandas_reads_by_latest_and_by_digest(published: Published) -> None:
    assert equal(pd.read_csv(published.url("t.csv", of="data@latest")))
    assert equal(pd.read_csv(published.url("t.csv", of=published.digest)))


def test_pandas_writes_to_a_place_of_ones_own(published: Published) -> None:
    for write, read, ending in (
        ("to_parquet", pd.read_parquet, "parquet"),
        ("to_json", pd.read_json, "json"),
    ):
        url = published.own(f"mine/t.{ending}")
        getattr(TABLE, write)(url)
        assert equal(read(url))
    url = published.own("mine/t.csv")
    TABLE.to_csv(url, index=False)
    assert published.place.read("mine/t.csv") == (published.source / "t.csv").read_bytes()


def test_pandas_does_not_write_into_an_artifact(published: Published) -> None:
    with pytest.raises(AccessError, match="artifacts never change"):
        TABLE.to_csv(published.url("new.csv"))


# ---- Dask ----------------------------------------------------------------------------------


def test_dask_reads_dataframes(published: Published) -> None:
    assert equal(dask.dataframe.read_csv(published.url("t.csv"), blocksize=200).compute())
    assert equal(dask.dataframe.read_csv(published.url("*.csv")).compute())
    assert equal(dask.dataframe.read_parquet(published.url("parts")).compute())
    found = dask.dataframe.read_parquet(published.url("parts/*.parquet"))
    assert found["age"].sum().compute() == sum(AGES)


def test_dask_reads_and_writes_bags(published: Published) -> None:
    bag = dask.bag.read_text(published.url("t.jsonl"), blocksize=300).map(json.loads)
    assert bag.pluck("age").compute() == AGES
    bag.map(json.dumps).to_textfiles(published.own("bag/*.jsonl"))
    again = dask.bag.read_text(published.own("bag/*.jsonl")).map(json.loads)
    assert again.pluck("age").compute() == AGES


def test_dask_writes_a_dataframe(published: Published) -> None:
    frame = dask.dataframe.from_pandas(TABLE, npartitions=3)
    frame.to_parquet(published.own("frame.parquet"))
    assert equal(pd.read_parquet(published.own("frame.parquet")))


# ---- pyarrow, DuckDB, polars ---------------------------------------------------------------


def test_pyarrow_reads_tables_and_datasets(published: Published) -> None:
    filesystem, path = fsspec.url_to_fs(published.url("parts"))
    table = pyarrow.parquet.read_table(f"{path}/part-0.parquet", filesystem=filesystem)
    assert table["name"].to_pylist() == NAMES[:20]
    assert equal(pyarrow.parquet.read_table(path, filesystem=filesystem).to_pandas())
    dataset = pyarrow.dataset.dataset(path, filesystem=filesystem)
    assert len(dataset.files) == 2
    chosen = dataset.to_table(filter=pyarrow.dataset.field("age") >= 35)
    assert sorted(chosen["age"].to_pylist()) == AGES[35:]


def test_pyarrow_writes_a_dataset(published: Published) -> None:
    filesystem, path = fsspec.url_to_fs(published.own("dataset"))
    table = pyarrow.Table.from_pandas(TABLE)
    pyarrow.dataset.write_dataset(table, path, filesystem=filesystem, format="parquet")
    assert equal(pd.read_parquet(published.own("dataset")))


def test_duckdb_reads_files_and_patterns(published: Published) -> None:
    with duckdb.connect() as connection:
        connection.register_filesystem(fsspec.filesystem("blobfs"))
        for call, path in (
            ("read_csv", "t.csv"),
            ("read_json", "t.jsonl"),
            ("read_parquet", "parts/*.parquet"),
        ):
            query = f"SELECT sum(age) FROM {call}('{published.url(path)}')"  # noqa: S608
            assert connection.execute(query).fetchall() == [(sum(AGES),)]


def test_duckdb_writes_to_a_place_of_ones_own(published: Published) -> None:
    with duckdb.connect() as connection:
        connection.register_filesystem(fsspec.filesystem("blobfs"))
        url = published.own("duck.parquet")
        connection.execute(f"COPY (SELECT 7 AS age) TO '{url}' (FORMAT parquet)")
    assert pd.read_parquet(url)["age"].tolist() == [7]


# ---- paths and arrays ----------------------------------------------------------------------


def test_a_upath_is_a_path(published: Published) -> None:
    path = UPath(published.url())
    assert (path / "t.csv").read_text() == (published.source / "t.csv").read_text()
    assert (path / ODD).read_bytes() == (published.source / ODD).read_bytes()
    assert path.joinpath("parts").is_dir()
    assert not (path / "no").exists()
    assert sorted(found.name for found in path.iterdir()) == sorted(
        found.name for found in published.source.iterdir()
    )
    found = {each.relative_to(path).as_posix() for each in path.rglob("*.parquet")}
    assert found == {"parts/part-0.parquet", "parts/part-1.parquet"}
    assert str(path / "t.csv") == published.url("t.csv")
    mine = UPath(published.own("mine/upath.txt"))
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("é")
    assert mine.read_text() == "é"
    mine.unlink()
    assert not mine.exists()
    with pytest.raises(AccessError):
        (path / "t.csv").unlink()


def test_numpy_loads_arrays(published: Published) -> None:
    with fsspec.open(published.url("a.npy")) as file:
        assert np.array_equal(np.load(file), ARRAY)
    with fsspec.open(published.url("a.npz")) as file, np.load(file) as arrays:
        assert np.array_equal(arrays["two"], ARRAY * 2)


def test_zarr_opens_a_store_by_url(published: Published) -> None:
    array = zarr.open_array(published.url("grid.zarr"), mode="r")
    assert np.array_equal(array[:], ARRAY)
    assert np.array_equal(array[1:3, 2:4], ARRAY[1:3, 2:4])


def test_zarr_writes_to_a_place_of_ones_own(published: Published) -> None:
    url = published.own("mine.zarr")
    zarr.create_array(url, shape=(4, 6), chunks=(2, 3), dtype="f8")[:] = ARRAY
    assert np.array_equal(zarr.open_array(url, mode="r")[:], ARRAY)
    group = zarr.create_group(published.own("group.zarr"))
    group.create_array("x", shape=(3,), dtype="i4")[:] = [1, 2, 3]
    assert list(zarr.open_group(published.own("group.zarr"), mode="r").array_keys()) == ["x"]


# ---- fsspec itself -------------------------------------------------------------------------


def test_text_is_decoded_and_newlines_are_kept_as_asked(published: Published) -> None:
    with fsspec.open(published.url("t.csv"), "rt", encoding="utf-8", newline="") as file:
        assert file.readline() == "name,age\n"
        assert sum(1 for _ in file) == len(NAMES)
    url = published.own("text")
    with fsspec.open(url, "wt", encoding="utf-16", newline="\r\n") as file:
        file.write("é\nü\n")
    assert published.place.read("text").decode("utf-16") == "é\r\nü\r\n"


def test_compression_is_inferred_from_the_name(published: Published) -> None:
    with fsspec.open(published.url("t.csv.gz"), "rt", compression="infer") as file:
        assert file.read() == (published.source / "t.csv").read_text()
    with fsspec.open(published.own("t.gz"), "wb", compression="infer") as file:
        file.write(b"packed")
    with fsspec.open(published.own("t.gz"), "rb", compression="infer") as file:
        assert file.read() == b"packed"


def test_many_files_are_opened_by_one_pattern(published: Published) -> None:
    files = fsspec.open_files(published.url("parts/*.parquet"))
    assert len(files) == 2
    with files as opened:
        assert [file.read(4) for file in opened] == [b"PAR1", b"PAR1"]
    written = fsspec.open_files(published.own("many/*.txt"), "w", num=3)
    with written as opened:
        for number, file in enumerate(opened):
            file.write(str(number))
    assert published.place.read("many/2.txt") == b"2"


def test_a_file_artifact_is_its_ref(published: Published) -> None:
    blobfs.upload(published.source / "t.csv", name="one", store=published.name)
    assert equal(pd.read_csv(published.url(of="one:1")))
    assert equal(pd.read_csv(published.url(of="one@latest")))


def test_a_url_takes_no_options(published: Published) -> None:
    with pytest.raises(ConfigError, match="takes no options"):
        pd.read_csv(published.url("t.csv"), storage_options={"key": "x"})
