"""Stores on real servers, and the ways around blobfs to what they hold."""

import filecmp
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import pytest
import requests
import yaml

from tests.places import Around, Place

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_numbers = count(1)

BUCKET = "blobfs-tests"


class S3Objects(Around):
    """What lies below a prefix of a bucket, by boto3."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:  # noqa: ANN401 - boto3 has no types
        self.client = client
        self.bucket = bucket
        self.prefix = prefix

    def all_keys(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix + "/"
        )
        below = len(self.prefix) + 1
        return [found["Key"][below:] for page in pages for found in page.get("Contents", ())]

    def read(self, key: str) -> bytes:
        answer = self.client.get_object(Bucket=self.bucket, Key=f"{self.prefix}/{key}")
        data = answer["Body"].read()
        assert isinstance(data, bytes)
        return data

    def metadata(self, key: str) -> Mapping[str, str]:
        answer = self.client.head_object(Bucket=self.bucket, Key=f"{self.prefix}/{key}")
        return dict(answer["Metadata"])

    def write(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{key}", Body=data)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"{self.prefix}/{key}")

    def unfinished(self) -> list[str]:
        """Return the keys of multipart uploads that were neither completed nor aborted."""
        found = self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())
        return [upload["Key"] for upload in found if upload["Key"].startswith(self.prefix)]


def s3_place(server: Any, *, url: str | None = None, **options: object) -> Place:  # noqa: ANN401 - any S3 server
    """A store of its own on an S3 server; `url`: of a proxy before it."""
    if not getattr(server, "tests_bucket", None):
        server.tests_bucket = server.bucket(BUCKET)
        server.tests_client = server.client()
    prefix = f"team/{next(_numbers)}"
    config = {
        "bucket": BUCKET,
        "root_directory": prefix,
        "endpoint_url": url or server.url,
        "region_name": server.region,
        "access_key_id": server.key,
        "access_key_secret": server.secret,
        **options,
    }
    around = S3Objects(server.tests_client, BUCKET, prefix)
    return Place({"blob_manager_class": "s3", "blob_manager_config": config}, around)


HDFS_USER = "blobfs"

CONTAINER = "blobfs-tests"


class AzureBlobs(Around):
    """What lies below a prefix of a container, by Azure's own client."""

    def __init__(self, container: "ContainerClient", prefix: str) -> None:
        self.container = container
        self.prefix = prefix
        self._marked: set[str] = set()

    def all_keys(self) -> list[str]:
        listing = self.container.list_blobs(f"{self.prefix}/", include=["metadata"])
        names = [blob.name for blob in listing if not (blob.metadata or {}).get("hdi_isfolder")]
        skip = len(self.prefix) + 1
        return [name[skip:] for name in names]

    def read(self, key: str) -> bytes:
        return self.container.download_blob(f"{self.prefix}/{key}").readall()

    def metadata(self, key: str) -> Mapping[str, str]:
        blob = self.container.get_blob_client(f"{self.prefix}/{key}")
        return blob.get_blob_properties().metadata

    def write(self, key: str, data: bytes) -> None:
        self.container.upload_blob(f"{self.prefix}/{key}", data, overwrite=True)

    def delete(self, key: str) -> None:
        self.container.delete_blob(f"{self.prefix}/{key}")

    def mark_directories(self, key: str) -> None:
        """Make the directories above a key, as a hierarchical namespace would."""
        parts = f"{self.prefix}/{key}".split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            directory = "/".join(parts[:depth])
            if directory not in self._marked:
                self.container.upload_blob(
                    directory, b"", overwrite=True, metadata={"hdi_isfolder": "true"}
                )
                self._marked.add(directory)


def azure_place(
    server: Any,  # noqa: ANN401 - any Azure server
    *,
    url: str | None = None,
    manager: str = "azure_blob",
    **options: object,
) -> Place:
    """A store of its own on an Azure server; `url`: of a proxy before it."""
    if not getattr(server, "tests_container", None):
        server.tests_client = server.client()
        name = server.container(CONTAINER)
        server.tests_container = server.tests_client.get_container_client(name)
    prefix = f"team/{next(_numbers)}"
    config = {
        "account_name": server.account,
        "container": CONTAINER,
        "root_directory": prefix,
        "endpoint": f"{url}/{server.account}" if url else server.url,
        "account_key": server.key,
        **options,
    }
    around = AzureBlobs(server.tests_container, prefix)
    return Place({"blob_manager_class": manager, "blob_manager_config": config}, around)


def gen2_account_place() -> Iterator[Place | None]:
    """A store of its own in the account that the environment names, removed in the end.

    Only a real account has a hierarchical namespace. It must have the container.
    """
    named = "BLOBFS_TEST_ADLS_GEN2_"
    wanted = ("ACCOUNT_NAME", "CONTAINER", "ACCOUNT_KEY")
    options = {name.lower(): os.environ.get(named + name, "") for name in wanted}
    if not all(options.values()):
        yield None
        return
    from azure.storage.blob import ContainerClient

    prefix = f"blobfs-tests-{uuid4()}"
    url = f"https://{options['account_name']}.blob.core.windows.net"
    config = {**options, "root_directory": prefix}
    with ContainerClient(url, options["container"], options["account_key"]) as container:
        around = AzureBlobs(container, prefix)
        yield Place({"blob_manager_class": "adls_gen2", "blob_manager_config": config}, around)
        for name in sorted(container.list_blob_names(name_starts_with=prefix), reverse=True):
            container.delete_blob(name)  # a directory after what is in it


class OssObjects(Around):
    """What lies below a prefix of a bucket, by oss2."""

    def __init__(self, client: Any, prefix: str) -> None:  # noqa: ANN401 - oss2 has no types
        self.client = client
        self.prefix = prefix

    def all_keys(self) -> list[str]:
        import oss2

        found = oss2.ObjectIteratorV2(self.client, prefix=self.prefix + "/")
        return [one.key.removeprefix(self.prefix + "/") for one in found]

    def read(self, key: str) -> bytes:
        data = self.client.get_object(f"{self.prefix}/{key}").read()
        assert isinstance(data, bytes)
        return data

    def metadata(self, key: str) -> Mapping[str, str]:
        headers = self.client.head_object(f"{self.prefix}/{key}").headers
        start = "x-oss-meta-"
        names = ((name.lower(), value) for name, value in headers.items())
        return {n.removeprefix(start): v for n, v in names if n.startswith(start)}

    def write(self, key: str, data: bytes) -> None:
        self.client.put_object(f"{self.prefix}/{key}", data)

    def delete(self, key: str) -> None:
        self.client.delete_object(f"{self.prefix}/{key}")

    def unfinished(self) -> list[str]:
        """Return the keys of multipart uploads that were neither completed nor aborted."""
        import oss2

        found = oss2.MultipartUploadIterator(self.client, prefix=self.prefix + "/")
        return [upload.key for upload in found]


def oss_place(server: Any, *, url: str | None = None, **options: object) -> Place:  # noqa: ANN401 - any OSS server
    """A store of its own on an OSS server; `url`: of a proxy before it."""
    client = server.client(BUCKET)
    client.create_bucket()
    prefix = f"team/{next(_numbers)}"
    config = {
        "bucket": BUCKET,
        "root_directory": prefix,
        "endpoint": url or server.url,
        "access_key_id": server.key,
        "access_key_secret": server.secret,
        **options,
    }
    objects = OssObjects(client, prefix)
    return Place({"blob_manager_class": "oss", "blob_manager_config": config}, objects)


class HdfsFiles(Around):
    """What lies below a directory of HDFS, by plain WebHDFS requests."""

    def __init__(self, server: Any, root: str) -> None:  # noqa: ANN401 - an HDFS
        self.base = f"http://{server.host}:{server.http_port}/webhdfs/v1"
        self.root = root
        self.session = requests.Session()
        self.session.trust_env = False

    def all_keys(self) -> list[str]:
        return list(self._keys(""))

    def read(self, key: str) -> bytes:
        return self.ask("GET", "OPEN", key).content

    def write(self, key: str, data: bytes) -> None:
        self.ask("PUT", "CREATE", key, data, overwrite="true")

    def delete(self, key: str) -> None:
        assert self.ask("DELETE", "DELETE", key).json()["boolean"]

    def ask(
        self,
        method: str,
        operation: str,
        key: str = "",
        data: bytes | None = None,
        *,
        user: str = HDFS_USER,
        **options: Any,  # noqa: ANN401 - parameters of WebHDFS
    ) -> requests.Response:
        """Make a request, redirected with the path as it is: the NameNode normalises it."""
        path = quote(f"/{self.root}/{key}".rstrip("/"))
        query = {"op": operation, "user.name": user, **options}
        answer = self.session.request(
            method, self.base + path, params=query, allow_redirects=False
        )
        if answer.is_redirect:
            url = urlsplit(answer.headers["Location"])._replace(path="/webhdfs/v1" + path)
            answer = self.session.request(method, urlunsplit(url), data=data)
        if answer.status_code == 404:
            raise FileNotFoundError(answer.text)
        answer.raise_for_status()
        return answer

    def _keys(self, directory: str) -> Iterator[str]:
        try:
            found = self.ask("GET", "LISTSTATUS", directory).json()
        except FileNotFoundError:
            return
        for status in found["FileStatuses"]["FileStatus"]:
            key = f"{directory}/{status['pathSuffix']}".lstrip("/")
            if status["type"] == "FILE":
                yield key
            else:
                yield from self._keys(key)


def hdfs_place(server: Any, *, url: str | None = None, **options: object) -> Place:  # noqa: ANN401 - an HDFS
    """A store of its own by WebHDFS; `url`: of a proxy before it."""
    root = f"tmp/{HDFS_USER}/{next(_numbers)}"
    config: dict[str, object] = {
        "hdfs_url": url or f"http://{server.host}:{server.http_port}",
        "hdfs_user": HDFS_USER,
        "hdfs_conf": {"dfs.replication": 1},
        "root_directory": f"/{root}",
        **options,
    }
    return Place(
        {"blob_manager_class": "hdfs", "blob_manager_config": config}, HdfsFiles(server, root)
    )


def libhdfs_place(server: Any, *, url: str | None = None, **options: object) -> Place:  # noqa: ANN401 - an HDFS
    """A store of its own by libhdfs, for which this process gets its environment."""
    assert url is None, "no proxy speaks its protocol"
    os.environ.update(server.environment)
    options = {"hdfs_url": server.url, **options}
    return hdfs_place(server, url=None, **options)


class Remote(NamedTuple):
    """One way to a store on a server."""

    store: str
    """Its type, as the `store` marker and `BLOBFS_TEST_REQUIRE` name it."""

    server: str
    """The fixture that runs its server."""

    place: Callable[..., Place]
    """Makes a place of its own: from the server, `url` of a proxy before it, and options."""

    http: bool = True
    """Whether a proxy can stand before it."""

    copies: bool = True
    """Whether the storage copies by itself; where it does not, the proxy sees no bytes."""


REMOTE: dict[str, Remote] = {
    "s3": Remote("s3", "versitygw", s3_place),
    "s3-fsspec": Remote("s3", "versitygw", partial(s3_place, transport="fsspec")),
    "azure": Remote("azure_blob", "azurite", azure_place),
    "azure-fsspec": Remote("azure_blob", "azurite", partial(azure_place, transport="fsspec")),
    "gen2": Remote("adls_gen2", "azurite", partial(azure_place, manager="adls_gen2")),
    "oss": Remote("oss", "oss_server", oss_place),
    "hdfs": Remote("hdfs", "hdfs", libhdfs_place, http=False),
    "webhdfs": Remote("hdfs", "hdfs", hdfs_place, copies=False),
}
"""By what a test calls it."""


def remotes(*, http: bool = False) -> list[Any]:
    """The kinds above as parameters of a test, each marked with its type of store."""
    return [
        pytest.param(kind, marks=pytest.mark.store(remote.store))
        for kind, remote in REMOTE.items()
        if remote.http or not http
    ]


def large_round_trip(place: Place, directory: Path) -> None:
    """Bring a file of 1.2 GiB into a store and back, by two processes of 300 MB at most."""
    config = directory / "config.yaml"
    config.write_text(yaml.safe_dump({"stores": {"s": dict(place.config)}}))
    source = directory / "large"
    with source.open("wb") as file:
        for number in range(1200):
            file.write(random.Random(number).randbytes(1 << 20))
    environment = {**os.environ, "BLOBFS_CONFIG": str(config)}
    for arguments in (
        ["upload", str(source), "--name", "large"],
        ["download", "large:1", str(directory / "out")],
    ):
        command = [sys.executable, "-m", "blobfs", *arguments, "--store", "s", "-q"]
        process = subprocess.Popen(command, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)  # or it seems to be running
        assert process.returncode == 0, arguments
        assert used.ru_maxrss * 1024 < 300_000_000, arguments
    assert filecmp.cmp(source, directory / "out", shallow=False)
