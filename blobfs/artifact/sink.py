"""Where the bytes of an upload go: into a stage, or where they stay."""

from typing import Protocol

from blobfs.backend.base import Upload
from blobfs.layout.hashed import inner_key
from blobfs.manifest import Entry, Header, Manifest
from blobfs.stage import Stage
from blobfs.store import Store


class Putting(Protocol):
    """What is needed of where files are written to."""

    def put(self, key: str, data: bytes, *, executable: bool) -> None:
        """Write a small object."""

    def upload(self, key: str, size: int, *, executable: bool) -> Upload:
        """Begin to write a large object."""


class KeySink:
    """Writes the files of entries under their keys below the artifact's directory."""

    def __init__(self, stage: Putting, header: Header) -> None:
        self._putting = stage
        self._header = header

    def key(self, entry: Entry) -> str:
        """Return where an entry goes, below the artifact's directory."""
        return inner_key(self._header, entry)

    def put(self, entry: Entry, data: bytes) -> None:
        """Write a small file."""
        self._putting.put(self.key(entry), data, executable=entry.executable)

    def upload(self, entry: Entry) -> Upload:
        """Begin to write a large file."""
        return self._putting.upload(self.key(entry), entry.size, executable=entry.executable)


class StageSink(KeySink):
    """Writes the files of entries into a stage."""

    def __init__(self, stage: Stage, header: Header) -> None:
        super().__init__(stage, header)
        self._stage = stage

    def copy(self, source: str, entry: Entry) -> bool:
        """Copy an object of the store to where the entry goes."""
        return self._stage.copy(
            source, self.key(entry), entry.size, entry.digest, executable=entry.executable
        )


class FinalSink:
    """Writes the files of entries where they stay."""

    def __init__(self, store: Store, manifest: Manifest) -> None:
        self._store = store
        self._header = manifest.header

    def put(self, entry: Entry, data: bytes) -> None:
        """Write a small file."""
        key = self._store.layout.content(self._header, entry)
        self._store.backend.put(key, data, executable=entry.executable)

    def upload(self, entry: Entry) -> Upload:
        """Begin to write a large file."""
        key = self._store.layout.content(self._header, entry)
        return self._store.backend.upload(key, entry.size, executable=entry.executable)
