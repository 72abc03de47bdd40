"""Blob manager for a directory of this machine, or one mounted on it."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from blobfs.artifact.reading import Found
from blobfs.backend.local import LocalBackend
from blobfs.config import COMMON_KEYS, Key
from blobfs.errors import ConfigError
from blobfs.location import Location
from blobfs.managers.base import BlobManager

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class LocalBlobManager(BlobManager):
    """The directory `root_directory`."""

    keys: ClassVar[Sequence[Key] | None] = (
        *COMMON_KEYS,
        Key("mode", choices=("private", "group")),
    )

    def filesystem(self) -> "AbstractFileSystem":
        from fsspec.implementations.local import LocalFileSystem

        return LocalFileSystem(auto_mkdir=True)

    @property
    def root(self) -> str:
        return os.path.abspath(os.path.expanduser(str(self.options["root_directory"])))

    def location(self) -> Location:
        # AIFlow's handles begin with the root as it is written, from the working directory on.
        written = str(self.options["root_directory"])
        relative = () if os.path.isabs(written) else (written,)
        return Location(self.root, (f"file://{self.root}", f"local://{self.root}", *relative))

    def backend(self) -> LocalBackend:
        return LocalBackend(self.root, self.options.get("mode"))

    def object_store_options(self) -> dict[str, str]:
        return {}

    def _in_place(self, found: Found) -> str:
        """Return where it lies: on this machine nothing need be brought."""
        header, store = found.header, found.store
        if header is None:
            return store.location.handle(found.path)
        if any(entry.within for entry in found.entries) or header.url:
            raise ConfigError(
                f"Cannot download {found.name} without a directory: some of its bytes lie in"
                " other artifacts; give a directory, or `blobfs materialize` it"
            )
        root = store.location.handle(store.layout.root(header))
        return f"{root}/{found.path}" if found.path else root
