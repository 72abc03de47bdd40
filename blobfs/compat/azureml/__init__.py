"""AzureML's ways, so that both programs find each other's uploads.

What an upload is named by, what it consists of, what stays behind, and how it is referred to:
all without a store, and exactly as azure-ai-ml 1.35 does it, its errors made ours.

    digest = object_hash("model")
    for name, local in upload_list("model"):
        …  # goes to f"LocalUpload/{digest}/{name}"; the first is the one to mark
"""

from blobfs.compat.azureml.uri import (
    AzureMLUri,
    Place,
    Workspace,
    locate,
    long_uri,
    parse_uri,
    short_uri,
)
from blobfs.layout.azureml.hashing import CONTENT_HASH_VERSION, content_hash, object_hash
from blobfs.layout.azureml.ignore import is_excluded
from blobfs.layout.azureml.uploads import remote_path, upload_list

__all__ = [
    "CONTENT_HASH_VERSION",
    "AzureMLUri",
    "Place",
    "Workspace",
    "content_hash",
    "is_excluded",
    "locate",
    "long_uri",
    "object_hash",
    "parse_uri",
    "remote_path",
    "short_uri",
    "upload_list",
]
