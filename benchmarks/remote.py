"""Stores on real servers, and places in them.

A server runs on loopback while the benchmarks do, with its data on the disk of the workbench.
Each upload gets a place that is empty; those before it stay until the server ends, unless they
hold few files.
"""

import tempfile
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getuser
from itertools import count
from typing import Any, ClassVar, NamedTuple

from tests.servers.azure import Azurite
from tests.servers.hdfs import Hdfs
from tests.servers.oss import OssServer
from tests.servers.s3 import S3Server, VersityGateway
from tests.servers.server import Server

BUCKET = "blobfs-bench"


class Target(NamedTuple):
    """Where a process uploads to, or downloads from."""

    url: str
    """Of the server, or of a proxy before it."""

    place: str
    """A prefix, a container or a directory."""


class Service(ABC):
    """A kind of store on a server that runs."""

    name: ClassVar[str]
    manager: ClassVar[str]
    """blobfs's name of it."""

    def __init__(self, server: Any) -> None:  # noqa: ANN401 - each knows its own
        self.server = server
        self._numbers = count()

    @property
    def url(self) -> str:
        return str(self.server.url)

    @property
    def port(self) -> int:
        """Where it speaks HTTP."""
        return int(self.server.port)

    def fresh(self) -> str:
        """Return an empty place."""
        return f"bench/{next(self._numbers)}"

    def renew(self) -> None:  # noqa: B027 - most need nothing
        """Get rid of what makes the server slower with all that it was given before."""

    @abstractmethod
    def config(self, target: Target) -> dict[str, Any]:
        """Return what blobfs is told."""

    @abstractmethod
    def environment(self, target: Target) -> dict[str, str]:
        """Return what peers read, so that no secret is among their arguments."""

    @abstractmethod
    def remove(self, place: str) -> None:
        """Remove what is in a place, which must be few files."""


class S3(Service):
    name = "S3"
    manager = "s3"
    server: S3Server

    def __init__(self, server: S3Server) -> None:
        super().__init__(server)
        server.bucket(BUCKET)

    def config(self, target: Target) -> dict[str, Any]:
        return {
            "bucket": BUCKET,
            "root_directory": target.place,
            "endpoint_url": target.url,
            "region_name": self.server.region,
            "access_key_id": self.server.key,
            "access_key_secret": self.server.secret,
        }

    def environment(self, target: Target) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.server.key,
            "AWS_SECRET_ACCESS_KEY": self.server.secret,
            "AWS_DEFAULT_REGION": self.server.region,
            "AWS_REGION": self.server.region,
            "AWS_ENDPOINT_URL": target.url,
            "RCLONE_CONFIG": "",
            "RCLONE_S3_PROVIDER": "Other",
            "RCLONE_S3_ENV_AUTH": "true",
            "RCLONE_S3_ENDPOINT": target.url,
            "RESTIC_REPOSITORY": f"s3:{target.url}/{BUCKET}/{target.place}",
        }

    def remove(self, place: str) -> None:
        client = self.server.client()
        listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{place}/")
        for found in listed.get("Contents", ()):
            client.delete_object(Bucket=BUCKET, Key=found["Key"])
        client.close()


class Azure(Service):
    name = "Azure"
    manager = "azure_blob"
    server: Azurite

    def renew(self) -> None:
        """Start anew: Azurite needs three times the processor time for a 17th GiB."""
        self.server.__exit__(None, None, None)
        self.server.__enter__()

    def fresh(self) -> str:
        return self.server.container(f"bench-{next(self._numbers)}")

    @property
    def url(self) -> str:
        return self.server.url.removesuffix(f"/{self.server.account}")

    def config(self, target: Target) -> dict[str, Any]:
        return {
            "account_name": self.server.account,
            "container": target.place,
            "root_directory": "blobfs",
            "endpoint": f"{target.url}/{self.server.account}",
            "account_key": self.server.key,
        }

    def environment(self, target: Target) -> dict[str, str]:
        return {
            "AZURE_STORAGE_CONNECTION_STRING": self.server.connection_string_at(target.url),
            "BENCH_ACCOUNT_URL": f"{target.url}/{self.server.account}",
            "BENCH_ACCOUNT_KEY": self.server.key,
        }

    def remove(self, place: str) -> None:
        with self.server.client() as client:
            client.delete_container(place)


class Oss(Service):
    name = "OSS"
    manager = "oss"
    server: OssServer

    def __init__(self, server: OssServer) -> None:
        super().__init__(server)
        server.bucket(BUCKET)

    def config(self, target: Target) -> dict[str, Any]:
        return {
            "bucket": BUCKET,
            "root_directory": target.place,
            "endpoint": target.url,
            "access_key_id": self.server.key,
            "access_key_secret": self.server.secret,
        }

    def environment(self, target: Target) -> dict[str, str]:
        return {
            "BENCH_ENDPOINT": target.url,
            "BENCH_KEY": self.server.key,
            "BENCH_SECRET": self.server.secret,
        }

    def remove(self, place: str) -> None:
        import oss2

        client = self.server.client(BUCKET)
        for found in oss2.ObjectIteratorV2(client, prefix=f"{place}/"):
            client.delete_object(found.key)


class LibHdfs(Service):
    """HDFS through a JVM in the client; no proxy can stand before that."""

    name = "HDFS"
    manager = "hdfs"
    server: Hdfs

    def fresh(self) -> str:
        return f"/{self.name.lower()}/{super().fresh()}"

    def config(self, target: Target) -> dict[str, Any]:
        return {
            "hdfs_url": target.url,
            "root_directory": target.place,
            "hdfs_user": getuser(),
        }

    def environment(self, target: Target) -> dict[str, str]:
        return {**self.server.environment, "BENCH_HDFS": target.url, "BENCH_USER": getuser()}

    def remove(self, place: str) -> None:
        where = f"http://{self.server.host}:{self.server.http_port}/webhdfs/v1{place}"
        asked = f"{where}?op=DELETE&recursive=true&user.name={getuser()}"
        request = urllib.request.Request(asked, method="DELETE")  # noqa: S310 - of loopback
        with urllib.request.urlopen(request):  # noqa: S310 - likewise
            pass


class WebHdfs(LibHdfs):
    """The same by HTTP; what the NameNode redirects passes no proxy, and counts once."""

    name = "WebHDFS"

    @property
    def url(self) -> str:
        return f"http://{self.server.host}:{self.port}"

    @property
    def port(self) -> int:
        return int(self.server.http_port)


SERVERS: dict[type[Service], Callable[[], Server]] = {
    S3: VersityGateway,
    Azure: Azurite,
    Oss: OssServer,
    LibHdfs: Hdfs,
    WebHdfs: Hdfs,
}


class Services:
    """The services that were asked for so far; a server is started once."""

    def __init__(self) -> None:
        self._servers: dict[Callable[[], Server], Server] = {}
        self._services: dict[type[Service], Service] = {}

    def get(self, kind: type[Service]) -> Service:
        """Return a service.

        Raises:
            Unavailable: if its server cannot run on this machine.
        """
        if kind not in self._services:
            self._services[kind] = kind(self._server(SERVERS[kind]))
        return self._services[kind]

    def close(self) -> None:
        """Stop all servers."""
        for server in self._servers.values():
            server.__exit__(None, None, None)

    def _server(self, make: Callable[[], Server]) -> Server:
        if make not in self._servers:
            self._servers[make] = make().__enter__()
        return self._servers[make]


@contextmanager
def temporary_files_in(directory: str) -> Iterator[None]:
    """Let servers have their data there."""
    before, tempfile.tempdir = tempfile.tempdir, directory
    try:
        yield
    finally:
        tempfile.tempdir = before
