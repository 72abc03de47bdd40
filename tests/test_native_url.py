"""Other programs read what was published: by fsspec alone, and with nothing of blobfs."""

from pathlib import Path

import fsspec
import pytest

import blobfs
from blobfs import ConfigError
from tests.remote import REMOTE, remotes

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
