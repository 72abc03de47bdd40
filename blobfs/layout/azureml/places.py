"""What lies where under `layout: azureml`.

LocalUpload/<hash>/<name>/<path…>              a tree, as AzureML writes it
LocalUpload/<hash>/<file>                      a single file
.blobfs/azureml/<hash>/<name>.claim            for which content that place is taken
.blobfs/azureml/<hash>/<name>.jsonl            the manifest of what blobfs knows to be there
.blobfs/azureml/<hash>/<name>.json             AzureML's marks, where objects cannot carry them
.blobfs/digests/<digest>                       where the manifest of an artifact lies

`<hash>` is AzureML's, which two artifacts may share, so an artifact is found by its digest
through a pointer. It is written when every byte is there, and so makes the artifact visible.
"""

import json

from blobfs.digest import hex_of
from blobfs.errors import IntegrityError
from blobfs.layout.hashed import ARTIFACTS, PRIVATE, HashedLayout, known_to_azureml
from blobfs.manifest import Header
from blobfs.names import path_fault

DIGESTS = f"{PRIVATE}/digests"


class AzureMLLayout(HashedLayout):
    """AzureML's hashes and names to keys."""

    index = DIGESTS

    def manifest_of(self, header: Header) -> str:
        """Return the key of a manifest."""
        place = known_to_azureml(header.at) if header.at else None
        if place and not place[1]:  # an upload of its own, not a part of one
            return place[0]
        return f"{PRIVATE}/azureml/{hex_of(header.digest)}/{header.name}.jsonl"

    def pointer(self, digest: str) -> str:
        """Return the key of what says where an artifact's manifest lies."""
        return f"{DIGESTS}/{hex_of(digest)}"


def root_key(digest: str, name: str) -> str:
    """Return the key of the root of an upload that has AzureML's hash `digest`."""
    return f"{ARTIFACTS}/{digest}/{name}"


def marks_key(root: str) -> str:
    """Return the key of the marks of what lies at `root`, where objects cannot carry them.

    >>> marks_key("LocalUpload/5f0e/resnet")
    '.blobfs/azureml/5f0e/resnet.json'
    """
    return f"{PRIVATE}/azureml/{root.removeprefix(ARTIFACTS + '/')}.json"


def claim_key(header: Header) -> str:
    """Return the key of what says for which content the place of an upload is taken."""
    return f"{AzureMLLayout().manifest_of(header).removesuffix('.jsonl')}.claim"


def encode_pointer(manifest: str) -> bytes:
    """Return what is written at a pointer's key."""
    return json.dumps({"schema": 1, "manifest": manifest}, ensure_ascii=False).encode() + b"\n"


def decode_pointer(data: bytes, where: str) -> str:
    """Return the key of the manifest that a pointer names.

    Raises:
        IntegrityError: if it is no pointer, or names what cannot be a manifest.
    """
    try:
        fields = json.loads(data)
        key = fields["manifest"]
        usable = fields["schema"] == 1 and type(key) is str
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(f"{where} does not say where a manifest is: {error!r}") from error
    if not usable or not key.startswith(f"{PRIVATE}/azureml/") or path_fault(key):
        raise IntegrityError(f"{where} does not say where a manifest is")
    return str(key)
