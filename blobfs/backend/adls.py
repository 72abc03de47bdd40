"""Data Lake Storage Gen2: the Blob API for bytes, that of directories for AzureML's marks.

An account with a hierarchical namespace has real directories, and AzureML marks that of an
upload. Their metadata is read and written by the Data Lake client, which knows that a directory
stays one whatever is written there.
"""

from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from blobfs.backend.azure import AzureBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_OF_THE_SERVICE = "hdi_isfolder"
"""What a directory has of itself; nobody writes it."""


class AdlsBackend(AzureBackend):
    """What lies below `root`, with marks on directories."""

    marks_directories = True

    def metadata(self, key: str) -> dict[str, str]:
        with self.telling("looking at", key):
            return dict(self._sync(self._metadata, key))

    def add_metadata(self, key: str, metadata: Mapping[str, str]) -> None:
        with self.telling("marking", key):
            self._sync(self._add_metadata, key, metadata)

    async def _metadata(self, key: str) -> dict[str, str]:
        async with self._directory(key) as directory:
            found = (await directory.get_directory_properties()).metadata
        return {name: value for name, value in found.items() if name != _OF_THE_SERVICE}

    async def _add_metadata(self, key: str, metadata: Mapping[str, str]) -> None:
        there = await self._metadata(key)
        async with self._directory(key) as directory:
            await directory.set_metadata(there | dict(metadata))

    @asynccontextmanager
    async def _directory(self, key: str) -> "AsyncIterator[Any]":
        container = self._root.partition("/")[0]
        async with self._fs.directory_client(container, self._key(key)) as client:
            yield client
