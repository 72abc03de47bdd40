"""Other programs read what was published: by fsspec alone, and with nothing of blobfs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

import blobfs
from blobfs import ConfigError
from tests.places import Place, memory_place, write_tree
from tests.remote import REMOTE, azure_place, remotes, s3_place
from tests.servers.azure import Azurite
from tests.servers.s3 import VersityGateway

READABLE = ("s3", "azure", "gen2", "oss", "webhdfs")


@pytest.mark.parametrize("kind", [p for p in remotes() if p.values[0] in READABLE])
def test_fsspec_reads_what_was_published(
    kind: str, request: pytest.FixtureRequest, tree: Path
) -> None:
    remote = REMOTE[kind]
    place = remote.place(request.getfixturevalue(remote.server))
    blobfs.upload(tree, store=place.open(), name="n")
    url = blobfs.native_url("n:1/a.txt", store=place.config)
    options = blobfs.storage_options("n:1", store=place.config)
    with fsspec.open(url, "rb", **options) as file:
        assert file.read() == b"same"


ODD = "a%20b #é"

OF_RUST = ("s3", "azure", "gen2")


@pytest.mark.parametrize("kind", [p for p in remotes() if p.values[0] in OF_RUST])
def test_polars_reads_what_was_published(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    remote = REMOTE[kind]
    _read_by_polars(remote.place(request.getfixturevalue(remote.server)), tmp_path)


def test_polars_reads_the_local_store(store_place: Place, tmp_path: Path) -> None:
    _read_by_polars(store_place, tmp_path)


@pytest.mark.store("azure_blob")
def test_polars_reads_with_a_sas(azurite: Azurite, tmp_path: Path) -> None:
    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

    sas = generate_account_sas(
        azurite.account,
        azurite.key,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, list=True, create=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
        protocol="https,http",
    )
    _read_by_polars(azure_place(azurite, account_key=None, sas_token=sas), tmp_path)


@pytest.mark.store("s3")
def test_polars_reads_with_a_profile(
    versitygw: VersityGateway,
    hermetic: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = f"aws_access_key_id={versitygw.key}\naws_secret_access_key={versitygw.secret}\n"
    (hermetic / "credentials").write_text(f"[other]\n{keys}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(hermetic / "credentials"))
    options = {"access_key_id": None, "access_key_secret": None, "profile": "other"}
    _read_by_polars(s3_place(versitygw, **options), tmp_path)


def _read_by_polars(place: Place, directory: Path) -> None:
    """Publish two parquet files and read them with what is told of them."""
    source = write_tree(directory / "source", {})
    for number, name in enumerate(("0", "1", ODD, ODD.replace("%20", " "))):
        path = source / f"{name}.parquet"
        pyarrow.parquet.write_table(pa.table({"x": [number, 7]}), path)
    blobfs.upload(source, store=place.config, name="n")
    url = blobfs.native_url("n:1", store=place.config, library="object_store")
    odd = blobfs.native_url(f"n:1/{ODD}.parquet", store=place.config, library="object_store")
    options = blobfs.storage_options("n:1", store=place.config, library="object_store")
    assert all(isinstance(value, str) for value in options.values())
    found = pl.scan_parquet(f"{url}/1.parquet", storage_options=options).collect()
    assert found["x"].to_list() == [1, 7]
    found = pl.scan_parquet(odd, storage_options=options).collect()
    assert found["x"].to_list() == [2, 7]
    found = pl.scan_parquet(f"{url}/*.parquet", storage_options=options).collect()
    assert found["x"].sum() == 34


S3 = {"bucket": "b", "endpoint_url": "http://127.0.0.1:1", "region_name": "r"}
KEYS = {"access_key_id": "k", "access_key_secret": "s", "session_token": "t"}
AZURE = {"container": "c", "account_name": "a"}
CLIENT = {"client_id": "i", "client_secret": "s", "tenant_id": "t"}


@pytest.mark.parametrize(
    ("manager", "options", "count"),
    [
        ("s3", {**S3, "anonymous": True, "verify": False}, 5),
        ("s3", {**S3, **KEYS}, 6),
        ("s3", S3, 3),
        ("azure_blob", {**AZURE, **CLIENT}, 6),
        ("azure_blob", {**AZURE, "anonymous": True}, 3),
        ("azure_blob", AZURE, 2),
    ],
)
def test_object_store_knows_every_option(
    manager: str, options: dict[str, object], count: int
) -> None:
    obstore = pytest.importorskip("obstore.store")  # refuses names that it does not know
    made = blobfs.BlobManagerFactory.create_blob_manager(
        manager, {"root_directory": "team", **options}
    )
    assert isinstance(made, blobfs.BlobManager)
    told = made.object_store_options()
    assert len(told) == count
    client = {"allow_http", "allow_invalid_certificates"} & set(told)
    obstore.from_url(
        "s3://b" if manager == "s3" else "az://c",
        config={name: told[name] for name in told if name not in client},
        client_options={name: told[name] == "true" for name in client},
    )


def test_object_store_opens_nothing_else(tmp_path: Path, tree: Path) -> None:
    place = memory_place(tmp_path)
    blobfs.upload(tree, store=place.config, name="n")
    with pytest.raises(ConfigError, match=r"object_store.*opens no memory://.*blobfs://"):
        blobfs.storage_options("n:1", store=place.config, library="object_store")


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        pytest.param("s3", "endpoint_url", marks=pytest.mark.store("s3")),
        pytest.param("azure", "endpoint", marks=pytest.mark.store("azure_blob")),
        pytest.param("oss", "endpoint", marks=pytest.mark.store("oss")),
        pytest.param("webhdfs", "hdfs_url", marks=pytest.mark.store("hdfs")),
    ],
)
@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]"])
def test_a_link_local_address_is_no_store(
    kind: str, option: str, host: str, request: pytest.FixtureRequest
) -> None:
    remote = REMOTE[kind]
    place = remote.place(request.getfixturevalue(remote.server))
    with pytest.raises(ConfigError, match=rf"`{option}`.*link-local"):
        place.with_options(**{option: f"http://{host}:80"}).open()
