"""S3: the conformance suite on two servers and by two libraries, and what only S3 does."""

import pytest

from tests.conformance import ManagerTests
from tests.places import Place
from tests.remote import s3_place
from tests.servers.s3 import Moto, VersityGateway

pytestmark = pytest.mark.store("s3")


class TestS3BlobManager(ManagerTests):
    """obstore against moto, which holds any key."""

    manager = "s3"
    decides_races = True
    tick = 1.1

    @pytest.fixture
    def place(self, moto: Moto) -> Place:
        return s3_place(moto)


class TestS3BlobManagerByFsspec(ManagerTests):
    manager = "s3"
    decides_races = True
    tick = 1.1

    @pytest.fixture
    def place(self, moto: Moto) -> Place:
        return s3_place(moto, transport="fsspec")


class TestS3BlobManagerOnRealServer(ManagerTests):
    """obstore against a server that checks signatures, checksums and conditions."""

    manager = "s3"
    decides_races = True
    tick = 1.1

    @pytest.fixture
    def place(self, versitygw: VersityGateway) -> Place:
        return s3_place(versitygw)


class TestS3BlobManagerOnRealServerByFsspec(ManagerTests):
    manager = "s3"
    decides_races = True
    tick = 1.1

    @pytest.fixture
    def place(self, versitygw: VersityGateway) -> Place:
        return s3_place(versitygw, transport="fsspec")
