"""Commands: blobfs's own, and what it is held against."""

import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec

PYTHON = sys.executable

HAS_CLI = find_spec("blobfs.__main__") is not None
"""Else the same calls are made by a script."""

PACKAGES = {"restic": "restic", "rsync": "rsync", "cp": "coreutils", "sync": "coreutils"}
"""What Debian calls the package that holds a peer."""

_UPLOAD = "import blobfs, sys; blobfs.upload(sys.argv[1], hash_cache=len(sys.argv) < 3)"
_DOWNLOAD = "import blobfs, sys; blobfs.download(sys.argv[1], sys.argv[2])"
_COPYTREE = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2])"
_WALK = """
import os, sys
todo = [sys.argv[1]]
while todo:
    with os.scandir(todo.pop()) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                todo.append(entry.path)
            else:
                entry.stat(follow_symlinks=False)
"""
_HASH = """
import hashlib, os, sys
def hash_file(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
top = sys.argv[1]
if os.path.isfile(top):
    hash_file(top)
for directory, _, names in os.walk(top):
    for name in names:
        hash_file(f"{directory}/{name}")
"""


def absent(tool: str) -> str | None:
    """Say what to install, if a tool is not there."""
    if shutil.which(tool):
        return None
    return f"{tool} is not installed: apt-get install {PACKAGES[tool]}"


def blobfs(*arguments: str) -> list[str]:
    """Return a command of blobfs's own."""
    return [PYTHON, "-m", "blobfs", *arguments]


def upload(source: str, *, hash_cache: bool = True) -> list[str]:
    """Return the command that uploads to the embedded store."""
    if not HAS_CLI:
        return [PYTHON, "-c", _UPLOAD, source, *([] if hash_cache else ["without"])]
    return blobfs("upload", source, *([] if hash_cache else ["--no-hash-cache"]))


def download(ref: str, target: str) -> list[str]:
    """Return the command that downloads from there."""
    return blobfs("download", ref, target) if HAS_CLI else script(_DOWNLOAD, ref, target)


def script(text: str, *arguments: str) -> list[str]:
    """Return the command of a Python process."""
    return [PYTHON, "-c", text, *arguments]


def walk(source: str) -> list[str]:
    """Return the command of a Python process that lists and stats, and nothing else."""
    return script(_WALK, source)


def sha256(source: str) -> list[str]:
    """Return the command of a Python process that hashes, and nothing else."""
    return script(_HASH, source)


def restic(*arguments: str) -> list[str]:
    """Return a restic command; the repository and the password are in the environment."""
    return ["restic", "--quiet", *arguments]


def copytree_and_sync(source: str, target: str) -> list[str]:
    """Return the command that copies with shutil, and waits for the disk."""
    return then(script(_COPYTREE, source, target), ["sync", "-f", target])


def cp_and_sync(source: str, target: str) -> list[str]:
    """Return the command that copies with cp, and waits for the disk."""
    return then(["cp", "-r", source, target], ["sync", "-f", target])


def cp_and_hash(source: str, target: str) -> list[str]:
    """Return the command that copies with cp, and hashes the copy."""
    return then(["cp", "-r", source, target], sha256(target))


def then(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return the command that does one after the other."""
    count = len(first)
    text = f'"${{@:1:{count}}}" && "${{@:{count + 1}}}"'
    return ["bash", "-c", text, "bash", *first, *second]
