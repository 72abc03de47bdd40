"""What the reliability tests share."""

from collections.abc import Iterator

import pytest

from blobfs import transfer
from blobfs.backend import between
from blobfs.source import local
from tests.reliability import calls


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes are a large file: it is staged while it is hashed, and goes by parts."""
    monkeypatch.setattr(local, "LARGE", 4096)
    monkeypatch.setattr(local, "MEDIUM", 2048)
    monkeypatch.setattr(transfer, "SMALL", 2048)
    monkeypatch.setattr(between, "CHUNK", 2048)
    monkeypatch.setattr(between, "WRITTEN_OUT", 4096)


@pytest.fixture
def unsynced() -> Iterator[None]:
    """Nothing is written out to the disk."""
    with calls.unsynced():
        yield
