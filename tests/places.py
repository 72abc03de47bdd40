"""Where stores lie in tests, and a way to them around blobfs."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

import blobfs

Content = dict[str, tuple[bytes, bool] | None]
"""A tree: path → bytes and executable bit; None for an empty directory, which ends in `/`."""


class Around(Protocol):
    """The objects below a store's root, reached without blobfs."""

    def all_keys(self) -> list[str]:
        """Return the key of every object."""
        raise NotImplementedError

    def read(self, key: str) -> bytes:
        """Return one object."""
        raise NotImplementedError

    def snapshot(self) -> dict[str, bytes]:
        """Return every object."""
        return {key: self.read(key) for key in self.all_keys()}

    def write(self, key: str, data: bytes) -> None:
        """Put an object in place of one that may be there."""

    def delete(self, key: str) -> None:
        """Remove an object."""


@runtime_checkable
class Described(Protocol):
    """Objects with metadata."""

    def metadata(self, key: str) -> Mapping[str, str]:
        """Return what stands beside an object."""


@dataclass(frozen=True, slots=True)
class Place:
    """A store to be opened, and the way around it."""

    config: Mapping[str, Any]
    around: Around

    def with_options(self, **options: object) -> "Place":
        """The same place, with more options."""
        merged = {**self.config["blob_manager_config"], **options}
        return Place({**self.config, "blob_manager_config": merged}, self.around)

    def open(self) -> blobfs.Store:
        return blobfs.open_store(self.config)

    def manager(self) -> blobfs.BlobManager:
        """A fresh manager, which shares nothing with others of the same configuration."""
        manager = blobfs.BlobManagerFactory.create_blob_manager(
            self.config["blob_manager_class"], self.config["blob_manager_config"]
        )
        assert isinstance(manager, blobfs.BlobManager)
        return manager

    def keys(self, below: str = "") -> set[str]:
        return {key for key in self.around.all_keys() if key.startswith(below)}

    def read(self, key: str) -> bytes:
        return self.around.read(key)


class Directory(Around):
    """A directory of this machine, through os."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def all_keys(self) -> list[str]:
        files = (path for path in self.root.rglob("*") if path.is_file())
        return [path.relative_to(self.root).as_posix() for path in files]

    def read(self, key: str) -> bytes:
        return (self.root / key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def delete(self, key: str) -> None:
        (self.root / key).unlink()


class Memory(Around):
    """fsspec's memory, through its own calls."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.filesystem = fsspec.filesystem("memory")

    def all_keys(self) -> list[str]:
        found = self.filesystem.find(self.root)
        return [path.removeprefix(self.root + "/") for path in found]

    def read(self, key: str) -> bytes:
        data = self.filesystem.cat_file(f"{self.root}/{key}")
        assert isinstance(data, bytes)
        return data

    def write(self, key: str, data: bytes) -> None:
        self.filesystem.pipe_file(f"{self.root}/{key}", data)

    def delete(self, key: str) -> None:
        self.filesystem.rm_file(f"{self.root}/{key}")


class OwnBlobManager(blobfs.BlobManager):
    """What a user writes for a storage of their own: a filesystem and a root, nothing else."""

    def filesystem(self) -> LocalFileSystem:
        return LocalFileSystem(auto_mkdir=True)

    @property
    def root(self) -> str:
        return str(self.config["directory"])


def local_place(directory: Path, **options: object) -> Place:
    root = directory / "store"
    options = {"root_directory": str(root), **options}
    return Place(
        {"blob_manager_class": "local", "blob_manager_config": options}, Directory(root)
    )


def memory_place(directory: Path, **options: object) -> Place:
    filesystem = fsspec.filesystem("memory")
    root = f"/{directory.name}/store"
    if filesystem.exists(root):
        filesystem.rm(root, recursive=True)
    options = {"url": f"memory:/{root}", **options}
    return Place({"blob_manager_class": "fsspec", "blob_manager_config": options}, Memory(root))


def file_place(directory: Path, **options: object) -> Place:
    root = directory / "store"
    options = {"url": f"file://{directory}", "root_directory": "store", **options}
    return Place(
        {"blob_manager_class": "fsspec", "blob_manager_config": options}, Directory(root)
    )


def own_place(directory: Path, **options: object) -> Place:
    root = directory / "store"
    options = {"directory": str(root), **options}
    name = f"{OwnBlobManager.__module__}.{OwnBlobManager.__qualname__}"
    return Place({"blob_manager_class": name, "blob_manager_config": options}, Directory(root))


PLACES = {
    "local": local_place,
    "memory": memory_place,
    "file": file_place,
    "own": own_place,
}
"""Every kind of place that needs no server."""


def write_tree(root: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write files, each with the directories above it; a path that ends in / is a directory."""
    root.mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        there = root / path
        if path.endswith("/"):
            there.mkdir(parents=True, exist_ok=True)
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def content(root: Path) -> Content:
    """What a directory holds."""
    found: Content = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            found[name] = path.read_bytes(), bool(status.st_mode & stat.S_IXUSR)
        elif not stat.S_ISDIR(status.st_mode):
            raise AssertionError(f"{path} is neither a file nor a directory")
        elif not os.listdir(path):
            found[name + "/"] = None
    return found


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def hex_of(digest: str) -> str:
    return digest.partition(":")[2]


NOBODY = 65534


@contextmanager
def as_nobody(monkeypatch: pytest.MonkeyPatch, shared: Path) -> Iterator[None]:
    """Be a user whom permissions bind; who runs the tests may be root."""
    with monkeypatch.context() as patch:
        patch.setenv("BLOBFS_CACHE_DIR", str(shared / "store" / "cache"))
        patch.setenv("HOME", str(shared))
        patch.setenv("BLOBFS_DATA_DIR", str(shared / "store" / "data"))
        patch.chdir(shared)
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
