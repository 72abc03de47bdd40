"""The servers as fixtures: started on first use, shared by all tests of a session."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TypeVar

import pytest

from tests.servers.azure import Azurite
from tests.servers.cache import Unavailable
from tests.servers.dfs import DataLake
from tests.servers.hdfs import Hdfs
from tests.servers.oss import OssServer
from tests.servers.proxy import Proxy
from tests.servers.s3 import Moto, VersityGateway
from tests.servers.server import Server

AnyServer = TypeVar("AnyServer", bound=Server)


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    with parsed_once(), started(Moto()) as server:
        yield server


@pytest.fixture(scope="session")
def versitygw() -> Iterator[VersityGateway]:
    with parsed_once(), started(VersityGateway()) as server:
        yield server


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    with started(Azurite()) as server:
        yield server


@pytest.fixture(scope="session")
def data_lake() -> Iterator[DataLake]:
    with started(DataLake()) as server:
        yield server


@pytest.fixture(scope="session")
def oss_server() -> Iterator[OssServer]:
    with started(OssServer()) as server:
        yield server


@pytest.fixture(scope="session")
def hdfs() -> Iterator[Hdfs]:
    with started(Hdfs()) as server:
        yield server


@contextmanager
def parsed_once() -> Iterator[None]:
    """Let botocore read its descriptions of services once, not for each filesystem."""
    from botocore.loaders import JSONFileLoader

    @cache
    def load_file(path: str) -> object:
        return parse(JSONFileLoader(), path)

    parse = JSONFileLoader.load_file
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: load_file(path))
        yield


@contextmanager
def proxied(server: Server, *, seed: int = 0) -> Iterator[Proxy]:
    """Put a proxy in front of a server; of HDFS, in front of the NameNode's WebHDFS."""
    port = server.http_port if isinstance(server, Hdfs) else server.port
    with Proxy(server.host, port, seed=seed) as proxy:
        yield proxy


@contextmanager
def started(server: AnyServer) -> Iterator[AnyServer]:
    """Run a server, or skip the test that wants it on a machine that cannot."""
    with ExitStack() as stack:
        try:
            stack.enter_context(server)
        except Unavailable as missing:
            pytest.skip(str(missing))
        yield server
