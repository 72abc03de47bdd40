"""What AzureML puts where below `LocalUpload/<hash>/`, and in which order.

The first of the list is the indicator: the blob that AzureML looks for, and marks when all are
there. `object_hash` gives the hash.

Source: azure-ai-ml 1.35, `upload_directory` in `azure.ai.ml._utils._asset_utils`,
`BlobStorageClient.upload` in `azure.ai.ml._artifacts._blob_storage_helper`.
"""

import os
from pathlib import Path

from blobfs.errors import SourceError, UnsafeNameError
from blobfs.layout.azureml.files import checked, files_below, shown
from blobfs.layout.azureml.ignore import Ignored

UPLOADS = "LocalUpload"


def upload_list(
    source: str | os.PathLike[str], *, component: bool = False
) -> list[tuple[str, str]]:
    """Return what AzureML uploads: the name below `LocalUpload/<hash>/`, and the local file.

    A tree's names begin with the name of its root, links resolved; a single file has its own
    name, links or not. They are in the order of the local files, links resolved, so that
    without links it is that of the names; it is never the order of the hash.

    Args:
        source: a file or directory, or a link to one.
        component: whether it is the code of a component; see `Ignored`.

    Raises:
        SourceNotFoundError: if there is no such file or directory.
        SourceError: if there is nothing to upload; and as UnsafeNameError, AccessError: see
            `files_below`.
        IgnoreSyntaxError: see `Ignored.excludes`.
    """
    path, is_directory = checked(source)
    if not is_directory:
        return [(_utf8(os.path.basename(path)), os.path.join(os.getcwd(), path))]
    rules = Ignored(path, component=component)
    root = os.path.realpath(path)
    name = os.path.basename(root)
    prefix = f"{_utf8(name)}/" if name else ""
    files = files_below(root, rules)
    if not files:
        raise SourceError(
            f"there is nothing to upload in {path!r}: no files, or all are ignored"
        )
    found = sorted((file.location, prefix + file.path) for file in files)
    return [(remote, local) for local, remote in found]


def remote_path(source: str | os.PathLike[str], digest: str) -> str:
    """Return the path that AzureML gives back for the upload of `source` with this hash.

    It ends in the name as given. Of a link to a directory nothing lies there, since the files
    are below the resolved name; AzureML has it wrong.

    >>> remote_path("models/resnet", "5f0e")
    'LocalUpload/5f0e/resnet'
    """
    return f"{UPLOADS}/{digest}/{Path(source).name}"


def _utf8(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise UnsafeNameError(f"{shown(name)} is a name that is not UTF-8") from error
    return name
