"""fsspec's own tests of a filesystem, over paths of the user's own in two kinds of stores."""

from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from fsspec import AbstractFileSystem
from fsspec.tests import abstract

from tests.places import Place, local_place
from tests.remote import s3_place
from tests.url_conformance import NAME, configured


class Fixtures(abstract.AbstractFixtures):  # type: ignore[misc] # fsspec has no types
    """What every kind shares."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        raise NotImplementedError

    @pytest.fixture
    def fs(
        self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> AbstractFileSystem:
        configured(place, tmp_path / "config.yaml", monkeypatch)
        return fsspec.filesystem("blobfs")

    @pytest.fixture
    def fs_path(self) -> str:
        return f"{NAME}/mine"

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(parts)


class LocalFixtures(Fixtures):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return local_place(tmp_path)


@pytest.mark.store("s3")
class S3Fixtures(Fixtures):
    @pytest.fixture
    def place(self, request: pytest.FixtureRequest) -> Place:
        return s3_place(request.getfixturevalue("versitygw"))

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestLocalCopy(abstract.AbstractCopyTests, LocalFixtures):  # type: ignore[misc] # fsspec has no types
    pass


class TestLocalGet(abstract.AbstractGetTests, LocalFixtures):  # type: ignore[misc] # fsspec has no types
    pass


class TestLocalPut(abstract.AbstractPutTests, LocalFixtures):  # type: ignore[misc] # fsspec has no types
    pass


class TestLocalOpen(abstract.AbstractOpenTests, LocalFixtures):  # type: ignore[misc] # fsspec has no types
    pass


class TestLocalPipe(abstract.AbstractPipeTests, LocalFixtures):  # type: ignore[misc] # fsspec has no types
    pass


class TestS3Copy(abstract.AbstractCopyTests, S3Fixtures):  # type: ignore[misc] # fsspec has no types
    pass


class TestS3Get(abstract.AbstractGetTests, S3Fixtures):  # type: ignore[misc] # fsspec has no types
    pass


class TestS3Put(abstract.AbstractPutTests, S3Fixtures):  # type: ignore[misc] # fsspec has no types
    pass


class TestS3Open(abstract.AbstractOpenTests, S3Fixtures):  # type: ignore[misc] # fsspec has no types
    pass


class TestS3Pipe(abstract.AbstractPipeTests, S3Fixtures):  # type: ignore[misc] # fsspec has no types
    pass
