"""What the real azure-ai-ml is told to do: a script that answers each step with a line of JSON.

It runs where azure-ai-ml can be imported, which tests cannot. It calls what the creation of a
data asset calls before the service is told of it.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

KILLED = 9
"""The status with which the process ends in the middle of an upload."""


def main() -> None:
    """Do the steps that come by the standard input; each has a client of its own."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        told = json.loads(line)
        step = told["step"]
        do = DO[step.pop("do")]
        try:
            answer = {"value": do(told["account"], **step)}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is handed back
            answer = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(answer), file=answers, flush=True)


def upload(  # noqa: PLR0913 - as many as a caller says
    account: dict[str, str],
    *,
    kind: str,
    container: str,
    path: str,
    name: str | None,
    version: str | None,
    killed_after: list[str] | None,
) -> dict[str, str]:
    from azure.ai.ml._utils._asset_utils import get_ignore_file, get_object_hash

    ignore = get_ignore_file(path)
    digest = get_object_hash(path, ignore)
    client = connect(account, kind, container)
    if killed_after is not None:
        end_after(set(killed_after), kind)
    # Without show_progress, which it has by default, it waits for ever when a file fails.
    told: dict[str, str] = client.upload(
        path, name, version, ignore_file=ignore, asset_hash=digest
    )
    if killed_after is not None:
        raise RuntimeError(f"it came to its end, as not all of {killed_after} were to upload")
    return told


def download(
    account: dict[str, str], *, kind: str, container: str, prefix: str, destination: str
) -> None:
    connect(account, kind, container).download(prefix, destination)


def object_hash(account: dict[str, str], *, path: str) -> str:  # noqa: ARG001 - as the others
    from azure.ai.ml._utils._asset_utils import get_ignore_file, get_object_hash

    return str(get_object_hash(path, get_ignore_file(path)))


def connect(account: dict[str, str], kind: str, container: str) -> Any:  # noqa: ANN401 - not here to be typed
    url, key = account["url"], account["key"]
    if kind == "blob":
        from azure.ai.ml._artifacts._blob_storage_helper import BlobStorageClient

        return BlobStorageClient(credential=key, account_url=url, container_name=container)
    from azure.ai.ml._artifacts._gen2_storage_helper import Gen2StorageClient
    from azure.ai.ml._utils import _asset_utils

    # One thread: several share the client's attributes, and may write into each other's files.
    _asset_utils.cpu_count = lambda: 1
    _asset_utils.PROCESSES_PER_CORE = 1
    return Gen2StorageClient(credential=key, file_system=container, account_url=url)


def end_after(wanted: set[str], kind: str) -> None:
    """Upload some files only, and end the process as soon as they are there.

    Which ones would come first is chance, for all are uploaded at once.
    """
    from azure.storage.blob import ContainerClient
    from azure.storage.filedatalake import DataLakeFileClient

    owner, method = {
        "blob": (ContainerClient, "upload_blob"),
        "gen2": (DataLakeFileClient, "upload_data"),
    }[kind]
    original = getattr(owner, method)
    turn = threading.Lock()

    def upload_some(self: Any, **options: Any) -> None:  # noqa: ANN401 - either client
        place = PurePosixPath(options["name"] if kind == "blob" else self.path_name)
        _, _, root, *below = place.parts  # after LocalUpload and the hash
        path = "/".join(below) or root
        if path in wanted:
            original(self, **options)
        with turn:
            wanted.discard(path)
            if not wanted:
                os._exit(KILLED)

    setattr(owner, method, upload_some)


DO: dict[str, Callable[..., Any]] = {
    "upload": upload,
    "download": download,
    "object_hash": object_hash,
}

if __name__ == "__main__":
    main()
