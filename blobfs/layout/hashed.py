"""The layout that is used unless another is asked for: each content under its digest.

LocalUpload/<hash>/<name>/<path…>              a tree, as plain files under its own name
LocalUpload/<hash>/<file>                      a single file
LocalUpload/<hash>/_manifest.jsonl             with it the artifact exists
.blobfs/assets/<name>/<version>/asset.json     points at an artifact; removed.json beside it
.blobfs/registered/<hash>/<name>@<version>     what points at it, for display
.blobfs/format.json                            the format's version
.blobfs/stage/<uuid>/                          where a tree is built before it is renamed
"""

from blobfs.digest import PREFIX, Digest, hex_of, is_digest
from blobfs.manifest import Entry, Header
from blobfs.names import MANIFEST_NAME

ARTIFACTS = "LocalUpload"
PRIVATE = ".blobfs"
ASSETS = f"{PRIVATE}/assets"
ASSET_NAME = "asset.json"
TOMBSTONE_NAME = "removed.json"
REGISTERED = f"{PRIVATE}/registered"
FORMAT = f"{PRIVATE}/format.json"


class HashedLayout:
    """Digests and names to keys."""

    def directory(self, digest: str) -> str:
        """Return the directory of an artifact."""
        return f"{ARTIFACTS}/{hex_of(digest)}"

    def manifest(self, digest: str) -> str:
        """Return the key of an artifact's manifest."""
        return f"{self.directory(digest)}/{MANIFEST_NAME}"

    def root(self, header: Header) -> str:
        """Return the key of an artifact's root: its file, or the directory of its tree."""
        return f"{self.directory(header.digest)}/{header.key or header.name}"

    def content(self, header: Header, entry: Entry) -> str:
        """Return the key at which the bytes of an entry lie."""
        if entry.within is not None:
            return f"{self.directory(entry.within)}/{entry.key}"
        return f"{self.directory(header.digest)}/{inner_key(header, entry)}"

    def asset_directory(self, name: str, version: str) -> str:
        """Return the directory of an asset."""
        return f"{ASSETS}/{name}/{version}"

    def registered(self, digest: str, name: str, version: str) -> str:
        """Return the key of a back reference."""
        return f"{REGISTERED}/{hex_of(digest)}/{name}@{version}"

    def artifact_at(self, key: str) -> tuple[Digest, str] | None:
        """Return the artifact that `key` lies in and the rest of the key, None if in none."""
        top, _, rest = key.partition("/")
        name, _, rest = rest.partition("/")
        if top != ARTIFACTS or not is_digest(PREFIX + name):
            return None
        return Digest(PREFIX + name), rest


def inner_key(header: Header, entry: Entry) -> str:
    """Return the key of an entry's bytes below the artifact's own directory."""
    if header.kind == "file":
        return header.key or header.name
    return f"{header.key or header.name}/{entry.key or entry.path}"
