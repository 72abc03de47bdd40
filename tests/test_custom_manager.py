"""Blob managers of one's own: some give a filesystem, some move bytes themselves."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

import blobfs
from blobfs import BlobManager, BlobManagerFactory, ConfigError
from tests.places import content, write_tree


class Forgetful(BlobManager):
    """Gives a filesystem, and forgets what its base wants to know."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.directory = config["directory"]

    def filesystem(self) -> LocalFileSystem:
        return LocalFileSystem(auto_mkdir=True)

    @property
    def root(self) -> str:
        return str(self.directory)


class Relative(BlobManager):
    """Uses a filesystem that is itself below a directory, so that the root is short."""

    def filesystem(self) -> DirFileSystem:
        return DirFileSystem(self.config["directory"], LocalFileSystem(auto_mkdir=True))

    @property
    def root(self) -> str:
        return "team"


class Copying(BlobManager):
    """Moves bytes itself, as AIFlow's users wrote it."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.target = config["directory"]

    def upload(self, local_file_path: str | os.PathLike[str]) -> str:
        os.makedirs(self.target, exist_ok=True)
        return str(shutil.copy(local_file_path, self.target))

    def download(
        self,
        remote_file_path: str | os.PathLike[str],
        local_dir: str | os.PathLike[str] | None = None,
    ) -> str:
        return str(shutil.copy(remote_file_path, os.fspath(local_dir or ".")))


class ForgetfulCopying(Copying):
    """The same, without its base's constructor."""

    def __init__(self, config: dict[str, Any]) -> None:  # pylint: disable=super-init-not-called
        self.config = config
        self.target = self.config["directory"]


class Renaming(Copying):
    """Keeps what AIFlow's base leaves free under names that ours uses."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.root_dir = self.target
        for name in ("root", "options", "location", "filesystem", "backend"):
            setattr(self, name, self.target)


class Duck:
    """No subclass of anything."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def upload(self, local_file_path: str) -> str:
        return f"duck:{local_file_path}"

    def download(self, remote_file_path: str, local_dir: str | None = None) -> str:
        return f"{local_dir}/{remote_file_path}"


class Unfinished(BlobManager):
    """Gives nothing."""


def made(kind: type, **options: Any) -> Any:  # noqa: ANN401 - any manager
    path = f"{kind.__module__}.{kind.__qualname__}"
    return BlobManagerFactory.create_blob_manager(path, options)


@pytest.mark.parametrize("kind", [Forgetful, Relative])
def test_a_filesystem_and_a_root_are_all_it_takes(
    kind: type, tree: Path, tmp_path: Path
) -> None:
    handle = made(kind, directory=str(tmp_path / "d")).upload(str(tree))
    assert os.path.basename(handle) == "tree"
    where = made(kind, directory=str(tmp_path / "d")).download(handle, str(tmp_path / "out"))
    assert content(Path(where)) == content(tree)
    assert content(tmp_path / "out" / "tree") == content(tree)


@pytest.mark.parametrize("kind", [Forgetful, Relative])
def test_artifacts_work_on_it(kind: type, tree: Path, tmp_path: Path) -> None:
    store = {
        "blob_manager_class": f"{kind.__module__}.{kind.__qualname__}",
        "blob_manager_config": {"directory": str(tmp_path / "d")},
    }
    first = blobfs.upload(tree, store=store, name="n")
    assert blobfs.upload(tree, store=store, name="n").reused
    assert content(blobfs.download("n:1", tmp_path / "out", store=store)) == content(tree)
    assert blobfs.verify(first.digest, store=store, deep=True).ok
    assert list((tmp_path / "d").rglob("LocalUpload/*/tree/a.txt"))


@pytest.mark.parametrize("kind", [Copying, ForgetfulCopying, Renaming])
def test_one_that_moves_bytes_itself_does_just_that(
    kind: type, tree: Path, tmp_path: Path
) -> None:
    manager = made(kind, directory=str(tmp_path / "d"))
    handle = manager.upload(str(tree / "a.txt"))
    assert os.listdir(tmp_path / "d") == ["a.txt"]
    os.makedirs(tmp_path / "out")
    assert Path(manager.download(handle, str(tmp_path / "out"))).read_text() == "same"


def test_anything_with_the_two_methods_is_taken(tree: Path) -> None:
    manager = made(Duck, some="thing")
    assert manager.config == {"some": "thing"}
    assert manager.upload("x") == "duck:x"
    store = {"blob_manager_class": f"{__name__}.Duck", "blob_manager_config": {}}
    with pytest.raises(ConfigError, match="upload and download only"):
        blobfs.upload(tree, store=store)


def test_one_that_gives_nothing_says_what_is_missing(tree: Path) -> None:
    with pytest.raises(NotImplementedError, match=r"Unfinished must define (filesystem|root)"):
        made(Unfinished).upload(str(tree))


def test_it_may_take_any_option_and_ours_are_checked(tmp_path: Path) -> None:
    manager = made(Relative, directory=str(tmp_path), colour="red", delta="reference")
    assert manager.open().delta == "reference"
    with pytest.raises(ConfigError, match="delta"):
        made(Relative, directory=str(tmp_path), delta="sometimes")


class Counted(MemoryFileSystem):  # type: ignore[misc] # fsspec ships no types
    """Counts what a storage would be asked; a call that makes others is one."""

    protocol = "counted"
    cachable = False
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    requests: ClassVar[list[str]] = []
    inside: ClassVar[bool] = False


def counting(name: str) -> Callable[..., Any]:
    def call(self: Counted, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        if Counted.inside:
            return getattr(MemoryFileSystem, name)(self, *arguments, **options)
        Counted.inside = True
        try:
            self.requests.append(name)
            return getattr(MemoryFileSystem, name)(self, *arguments, **options)
        finally:
            Counted.inside = False

    return call


for _name in ("cat_file", "info", "find", "ls", "pipe_file", "cp_file", "rm_file", "open"):
    setattr(Counted, _name, counting(_name))


class Counting(BlobManager):
    """On a storage that counts."""

    def filesystem(self) -> Counted:
        return Counted()

    @property
    def root(self) -> str:
        return str(self.config["directory"])


@pytest.mark.parametrize("files", [1, 300])
def test_a_hit_takes_few_requests_whatever_the_number_of_files(
    files: int, tmp_path: Path
) -> None:
    """At most 3 to repeat a call, at most 6 to register what is held under a new name."""
    source = write_tree(tmp_path / "m", {f"f{n}": str(n) for n in range(files)})
    store = {
        "blob_manager_class": f"{__name__}.Counting",
        "blob_manager_config": {"directory": str(tmp_path / "d")},
    }
    calls: list[dict[str, Any]] = [{}, {"name": "n"}, {"name": "n", "version": "7"}]
    for options in calls:
        blobfs.upload(source, store=store, **options)
    for options in calls:
        Counted.requests.clear()
        assert blobfs.upload(source, store=store, **options).reused
        assert len(Counted.requests) <= 3, (options, Counted.requests)
    new: list[dict[str, Any]] = [{"name": "new"}, {"name": "new", "version": "7"}]
    for options in new:
        Counted.requests.clear()
        assert blobfs.upload(source, store=store, **options).reused
        assert len(Counted.requests) <= 6, (options, Counted.requests)


PROJECT = """\
blob:
  blob_manager_class: {kind}
  blob_manager_config:
    {key}: {directory}
"""


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (f"{__name__}.Relative", "directory"),
        (f"{__name__}.Copying", "directory"),
        ("blobfs.LocalBlobManager", "root_directory"),
        (
            "ai_flow_plugins.blob_manager_plugins.local_blob_manager.LocalBlobManager",
            "repo_name",
        ),
    ],
)
def test_a_project_names_its_manager(
    kind: str, key: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_tree(
        tmp_path / "project",
        {"project.yaml": PROJECT.format(kind=kind, key=key, directory=tmp_path / "d")},
    )
    blobfs.init_project_context(project)
    section = blobfs.current_project_config().get(blobfs.WorkflowPropertyKeys.BLOB)
    config = blobfs.BlobConfig(section)
    manager = BlobManagerFactory.create_blob_manager(
        config.blob_manager_class(), config.blob_manager_config()
    )
    (tmp_path / "out").mkdir()
    handle = manager.upload(local_file_path=str(tree / "a.txt"))
    where = manager.download(remote_file_path=handle, local_dir=str(tmp_path / "out"))
    assert where == str(tmp_path / "out" / "a.txt")
    assert Path(where).read_text() == "same"
    monkeypatch.chdir(tmp_path)
    if not kind.endswith("Copying"):
        assert blobfs.upload(tree, name="n").uri == "blobfs://project/n:1"
        assert blobfs.find("blobfs://project/n:1").header


def test_a_manager_in_the_projects_own_directory_is_not_imported_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tree: Path
) -> None:
    """Classes are imported as Python finds them: nothing is added to its path."""
    text = PROJECT.format(kind="my_own_module.Manager", key="x", directory="y")
    write_tree(tmp_path, {"project.yaml": text, "my_own_module.py": "raise SystemExit(3)"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    with pytest.raises(ConfigError, match="my_own_module"):
        blobfs.upload(tree)
