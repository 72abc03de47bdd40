"""AzureML's marks on an upload: that it is complete, and what it was registered as.

They are metadata of its first file, on Gen2 of the directory of its hash, and a file of their
own where a storage keeps no metadata.

Source: azure-ai-ml 1.35, `_blob_storage_helper` and `_gen2_storage_helper` in
`azure.ai.ml._artifacts`.
"""

import json
from collections.abc import Mapping
from hashlib import sha256

from blobfs.artifact.value import Asked
from blobfs.digest import hex_of
from blobfs.errors import IntegrityError
from blobfs.layout.azureml.places import marks_key
from blobfs.store import Store

STATUS, COMPLETED = "upload_status", "completed"

NAME, VERSION = "name", "version"

DIGEST = "blobfs_digest"
"""Of the artifact, hexadecimal: blobfs put it there, and its manifest holds."""


class Marks:
    """Those of what lies at one root."""

    def __init__(self, store: Store, root: str, indicator: str) -> None:
        """Know where they are.

        Args:
            store: where.
            root: its key.
            indicator: the key of the file that AzureML writes first.
        """
        self._backend = store.backend
        self._sidecar = None if store.backend.keeps_metadata else marks_key(root)
        self._shared = store.backend.marks_directories
        self._key = root.rpartition("/")[0] if self._shared else indicator
        self.digest_name = f"{DIGEST}_{_word(root)}" if self._shared else DIGEST
        """Under what the digest stands: a directory of Gen2 may hold several roots."""

    def read(self, told: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """Return what is there, none of it if nothing is.

        Args:
            told: the metadata of the first file, where a listing told it.
        """
        if told is not None and not self._shared:
            return _spelled(told)
        try:
            if self._sidecar is None:
                return _spelled(self._backend.metadata(self._key))
            return _decode(self._backend.read(self._sidecar), self._sidecar)
        except FileNotFoundError:
            return {}

    def write(self, asked: Asked, digest: str) -> None:
        """Say that the upload is complete, and what it is registered as."""
        # As AzureML does, which wants both, for what has no name.
        marks = {
            STATUS: COMPLETED,
            NAME: asked.name or _unnamed(),
            VERSION: asked.version or _unnamed(),
            self.digest_name: hex_of(digest),
        }
        if self._shared and is_complete(self.read()):
            marks = {self.digest_name: marks[self.digest_name]}
        self.restore(marks)

    def restore(self, marks: Mapping[str, str]) -> None:
        """Write marks, beside what is there."""
        if self._sidecar is None:
            self._backend.add_metadata(self._key, marks)
        else:
            self._backend.put(self._sidecar, json.dumps(dict(marks)).encode() + b"\n")


def is_complete(marks: Mapping[str, str]) -> bool:
    """Whether the upload that has them is complete."""
    return marks.get(STATUS) == COMPLETED


def asked_of(marks: Mapping[str, str]) -> Asked:
    """Return what an upload was registered as, if it has a name."""
    name, version = marks.get(NAME), marks.get(VERSION)
    return Asked(None, None) if name is None or is_uuid(name) else Asked(name, version)


def _spelled(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return metadata as it was written: some servers make a `-` of a `_` in its names."""
    return {name.replace("-", "_"): value for name, value in metadata.items()}


def _word(root: str) -> str:
    """Return what stands for a root in the name of a mark, which must be an identifier."""
    return sha256(root.encode()).hexdigest()[:16]


def _unnamed() -> str:
    from uuid import uuid4

    return str(uuid4())


def is_uuid(text: str) -> bool:
    """Whether a name or version is AzureML's for what has none."""
    from uuid import UUID

    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _decode(data: bytes, where: str) -> dict[str, str]:
    try:
        fields = json.loads(data)
        usable = all(type(value) is str for value in fields.values())
    except (ValueError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"{where} holds no marks of an upload: {error!r}") from error
    if not usable:
        raise IntegrityError(f"{where} holds no marks of an upload")
    return dict(fields)
