"""The layout that is used unless another is asked for: each content under its digest.

LocalUpload/<hash>/<name>/<path…>              a tree, as plain files under its own name
LocalUpload/<hash>/<file>                      a single file
LocalUpload/<hash>/_manifest.jsonl             with it the artifact exists
.blobfs/assets/<name>/<version>/asset.json     points at an artifact; removed.json beside it
.blobfs/registered/<hash>/<name>@<version>     what points at it, for display
.blobfs/adopted/<sha256 of a key>              what became an artifact where it lay
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
ADOPTED = f"{PRIVATE}/adopted"
FORMAT = f"{PRIVATE}/format.json"


class HashedLayout:
    """Digests and names to keys."""

    index = ARTIFACTS
    """The directory in which the digest of every artifact is the name of something."""

    def directory(self, digest: str) -> str:
        """Return the directory of an artifact."""
        return f"{ARTIFACTS}/{hex_of(digest)}"

    def manifest(self, digest: str) -> str:
        """Return the key of an artifact's manifest."""
        return f"{self.directory(digest)}/{MANIFEST_NAME}"

    def manifest_of(self, header: Header) -> str:
        """Return the key of the manifest that begins with `header`."""
        return self.manifest(header.digest)

    def pointer(self, digest: str) -> str | None:  # noqa: ARG002 - of use in another layout
        """Return the key of what says where a manifest lies, None where `manifest` knows."""
        return None

    def root(self, header: Header) -> str:
        """Return the key of an artifact's root: its file, or the directory of its tree."""
        return header.at or f"{self.directory(header.digest)}/{header.key or header.name}"

    def content(self, header: Header, entry: Entry) -> str:
        """Return the key at which the bytes of an entry lie."""
        if entry.within is not None:
            return f"{self.directory(entry.within)}/{entry.key}"
        root = self.root(header)
        return root if header.kind == "file" else f"{root}/{entry.key or entry.path}"

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


def known_to_azureml(key: str) -> tuple[str, str] | None:
    """Return where the manifest of an upload of AzureML lies that holds `key`, and the rest.

    None if `key` does not lie in one. Such manifests are there under `layout: azureml`, and
    where uploads were adopted.

    >>> known_to_azureml("LocalUpload/" + 64 * "0" + "/resnet/a/b")[1]
    'a/b'
    """
    top, _, rest = key.partition("/")
    digest, _, rest = rest.partition("/")
    name, _, rest = rest.partition("/")
    if top != ARTIFACTS or not is_digest(PREFIX + digest) or not name:
        return None
    return f"{PRIVATE}/azureml/{digest}/{name}.jsonl", rest


def inner_key(header: Header, entry: Entry) -> str:
    """Return the key of an entry's bytes below the artifact's own directory."""
    if header.kind == "file":
        return header.key or header.name
    return f"{header.key or header.name}/{entry.key or entry.path}"
