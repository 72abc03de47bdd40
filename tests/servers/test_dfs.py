"""The server of Azure Data Lake Storage Gen2 does what the tests of stores rely on."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.servers.dfs import DataLake
from tests.servers.fixtures import proxied

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient
    from azure.storage.filedatalake import FileSystemClient

pytestmark = pytest.mark.store("adls_gen2")

NAME = "dfs-tests"


def connect(
    server: DataLake, *, key: str | None = None, name: str = NAME
) -> "FileSystemClient":
    """Return the SDK's client of the DFS API."""
    from azure.storage.filedatalake import DataLakeServiceClient

    service = DataLakeServiceClient(server.url, credential=key or server.key, retry_total=0)
    return service.get_file_system_client(name)


@pytest.fixture
def files(data_lake: DataLake) -> Iterator["FileSystemClient"]:
    """A file system that is empty."""
    data_lake.container(NAME)
    with connect(data_lake) as client:
        yield client


@pytest.fixture
def blobs(data_lake: DataLake, files: "FileSystemClient") -> Iterator["ContainerClient"]:
    """The same one, by the Blob API."""
    with data_lake.client() as client:
        yield client.get_container_client(files.file_system_name)


def paths(
    files: "FileSystemClient", below: str | None = None, *, recursive: bool = True
) -> list[str]:
    """What is listed; a directory ends in `/`."""
    found = files.get_paths(below, recursive=recursive)
    return [f"{one.name}/" if one.is_directory else one.name for one in found]


def test_a_file_is_created_appended_to_flushed_and_read(files: "FileSystemClient") -> None:
    file = files.get_file_client("d/é ü+%")
    file.create_file(metadata={"a": "é"})
    file.append_data(b"abc", 0, validate_content=True)
    file.append_data(b"de", 3)
    assert file.get_file_properties().size == 0
    file.flush_data(5)
    file.append_data(b"f", 5)
    file.flush_data(6)
    assert file.download_file().readall() == b"abcdef"
    assert file.get_file_properties().metadata == {"a": "é"}


def test_an_upload_is_whole_and_replaces(files: "FileSystemClient") -> None:
    file = files.get_file_client("file")
    for data in (b"x" * (5 << 20), b"y"):
        file.upload_data(data, overwrite=True, chunk_size=2 << 20, max_concurrency=4)
        assert file.download_file().readall() == data


def test_parents_come_into_being(files: "FileSystemClient", blobs: "ContainerClient") -> None:
    files.create_directory("a/b")
    files.create_file("c/d/file")
    blobs.upload_blob("e/f/blob", b"1")
    assert paths(files) == ["a/", "a/b/", "c/", "c/d/", "c/d/file", "e/", "e/f/", "e/f/blob"]
    assert paths(files, recursive=False) == ["a/", "c/", "e/"]
    assert paths(files, "e", recursive=False) == ["e/f/"]
    assert paths(files, "e/f/blob") == ["e/f/blob"]
    assert blobs.get_blob_client("e/f").get_blob_properties().metadata == {
        "hdi_isfolder": "true"
    }


def test_a_directory_stays_one_whatever_its_metadata(
    files: "FileSystemClient", blobs: "ContainerClient"
) -> None:
    directory = files.create_directory("d", metadata={"first": "1"})
    directory.set_metadata({"name": "n", "upload_status": "completed", "version": "1"})
    found = directory.get_directory_properties()
    assert found.metadata == {
        "hdi_isfolder": "true",
        "name": "n",
        "upload_status": "completed",
        "version": "1",
    }
    blobs.get_blob_client("d").set_blob_metadata({})
    assert paths(files) == ["d/"]


def test_a_sas_sets_metadata_of_a_directory(
    data_lake: DataLake, files: "FileSystemClient"
) -> None:
    from azure.storage.blob import BlobClient, ContainerSasPermissions, generate_container_sas

    files.create_directory("d")
    sas = generate_container_sas(
        data_lake.account,
        NAME,
        account_key=data_lake.key,
        permission=ContainerSasPermissions(read=True, write=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    with BlobClient(data_lake.url, NAME, "d", credential=sas) as blob:
        blob.set_blob_metadata({"name": "n"})
        assert blob.get_blob_properties().metadata == {"hdi_isfolder": "true", "name": "n"}


def test_a_directory_created_again_keeps_what_is_in_it(files: "FileSystemClient") -> None:
    files.create_file("d/file")
    files.create_directory("d")
    assert paths(files) == ["d/", "d/file"]


def test_a_file_is_no_directory(files: "FileSystemClient", blobs: "ContainerClient") -> None:
    from azure.core.exceptions import ResourceExistsError

    files.create_file("d/file")
    for refused in (
        lambda: files.create_file("d"),
        lambda: files.create_directory("d/file"),
        lambda: files.create_file("d/file/below/it"),
        lambda: blobs.upload_blob("d/file/below/it", b""),
        lambda: files.get_file_client("d").append_data(b"", 0, length=0),
    ):
        with pytest.raises(ResourceExistsError, match="ResourceTypeMismatch"):
            refused()
    assert paths(files) == ["d/", "d/file"]


def test_what_is_there_may_be_asked_not_to_be_replaced(files: "FileSystemClient") -> None:
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceExistsError

    files.create_file("file")
    with pytest.raises(ResourceExistsError, match="PathAlreadyExists"):
        files.create_file("file", match_condition=MatchConditions.IfMissing)


def test_a_flush_must_meet_its_condition_and_its_position(files: "FileSystemClient") -> None:
    from azure.core import MatchConditions
    from azure.core.exceptions import HttpResponseError, ResourceModifiedError

    file = files.get_file_client("file")
    etag = str(file.create_file()["etag"])
    file.append_data(b"abc", 0)
    with pytest.raises(HttpResponseError, match="InvalidFlushPosition"):
        file.flush_data(4)
    file.create_file()
    file.append_data(b"abc", 0)
    with pytest.raises(ResourceModifiedError):
        file.flush_data(3, etag=etag, match_condition=MatchConditions.IfNotModified)


def test_a_directory_with_something_in_it_is_not_deleted(
    files: "FileSystemClient", blobs: "ContainerClient"
) -> None:
    from azure.core.exceptions import ResourceExistsError

    files.create_file("d/file")
    with pytest.raises(ResourceExistsError, match="DirectoryIsNotEmpty"):
        blobs.delete_blob("d")
    blobs.delete_blob("d/file")
    blobs.delete_blob("d")
    assert paths(files) == []


def test_what_is_not_there_is_not_found(data_lake: DataLake, files: "FileSystemClient") -> None:
    from azure.core.exceptions import ResourceNotFoundError

    assert not files.get_directory_client("none").exists()
    with pytest.raises(ResourceNotFoundError, match="PathNotFound"):
        paths(files, "none")
    with pytest.raises(ResourceNotFoundError, match="PathNotFound"):
        files.get_file_client("none").append_data(b"abc", 0)
    with (
        connect(data_lake, name="nowhere") as nowhere,
        pytest.raises(ResourceNotFoundError, match="FilesystemNotFound"),
    ):
        nowhere.create_file("a/b")


def test_a_wrong_key_is_refused(data_lake: DataLake, files: "FileSystemClient") -> None:
    from azure.core.exceptions import HttpResponseError

    directory = files.create_directory("d")
    with connect(data_lake, key="d3Jvbmc=") as wrong:
        for refused in (
            lambda: wrong.create_directory("other"),
            lambda: wrong.get_file_client("d").append_data(b"", 0, length=0),
            lambda: paths(wrong),
            lambda: wrong.get_directory_client("d").set_metadata({}),
            lambda: wrong.get_directory_client("d").get_directory_properties(),
        ):
            with pytest.raises(HttpResponseError) as refusal:
                refused()
            assert refusal.value.status_code == 403
    assert directory.get_directory_properties().metadata == {"hdi_isfolder": "true"}
    assert paths(files) == ["d/"]


def test_the_blob_api_says_what_a_path_is(
    files: "FileSystemClient", blobs: "ContainerClient"
) -> None:
    blob = blobs.upload_blob("d/file", b"abc", metadata={"a_b": "1"})
    copy = blobs.get_blob_client("copies/file")
    copy.start_copy_from_url(blob.url)
    assert copy.download_blob().readall() == b"abc"
    assert copy.get_blob_properties().metadata == {"a_b": "1"}
    told: list[str] = []
    for name in ("d", "d/file", "copies"):
        blobs.get_blob_client(name).get_blob_properties(
            raw_response_hook=lambda answer: told.append(
                answer.http_response.headers["x-ms-resource-type"]
            )
        )
    assert told == ["directory", "file", "directory"]
    assert paths(files) == ["copies/", "copies/file", "d/", "d/file"]


def test_a_proxy_may_be_before_it(data_lake: DataLake, files: "FileSystemClient") -> None:
    from azure.storage.filedatalake import DataLakeFileClient

    with (
        proxied(data_lake) as proxy,
        DataLakeFileClient(
            f"{proxy.url}/{data_lake.account}", NAME, "d/file", credential=data_lake.key
        ) as file,
    ):
        file.upload_data(b"abc", overwrite=True)
        assert file.download_file().readall() == b"abc"
    seen = [(one.method, one.sent, one.received) for one in proxy.requests]
    assert seen == [("PUT", 0, 0), ("PATCH", 3, 0), ("PATCH", 0, 0), ("GET", 0, 3)]
    assert paths(files) == ["d/", "d/file"]
