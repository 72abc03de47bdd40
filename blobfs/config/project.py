"""Find the project that the working directory belongs to, and its `blob:` section."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blobfs.config.places import named_path
from blobfs.errors import ConfigError

FILE_NAME = "project.yaml"

SECTIONS = ("blob", "blob_manager")
"""Where a file describes its store: `project.yaml`, and AIFlow's `aiflow_client.yaml`."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project file that was read."""

    path: Path
    document: dict[str, Any]

    def __repr__(self) -> str:
        return f"Project({str(self.path)!r})"

    def section(self) -> Mapping[str, Any] | None:
        """Return what describes the project's store, None if the file says nothing of it.

        Raises:
            ConfigError: if it is no mapping.
        """
        name = next((name for name in SECTIONS if self.document.get(name) is not None), None)
        if name is None:
            return None
        section = self.document[name]
        if not isinstance(section, Mapping):
            raise ConfigError(f"{self.path}: `{name}` must be a mapping")
        return section


_current: Project | None = None


def set_project(path: str | os.PathLike[str] | None) -> Project | None:
    """Make the file `path`, or `project.yaml` in the directory `path`, this process's project.

    None takes it back. Returns the project.

    Raises:
        ConfigError: if there is no such file, or it cannot be read; nothing changes then.
    """
    global _current  # noqa: PLW0603 - a process has one project, as in AIFlow
    _current = (
        None if path is None else _read(_file(Path(os.path.abspath(path)), "the project"))
    )
    return _current


def current_project() -> Project | None:
    """Return the project that `set_project` chose."""
    return _current


def find_project() -> Project | None:
    """Return the project that counts here, None if there is none.

    It is what `set_project` chose, else what `BLOBFS_PROJECT` names, else the nearest
    `project.yaml` with a store in it, from the working directory upwards.

    Raises:
        ConfigError: if it cannot be read; if it was chosen or named and describes no store; if
            another user left it in a directory that everybody can write to.
    """
    project = _current
    if project is None and (named := named_path("BLOBFS_PROJECT")):
        project = _read(_file(named, "BLOBFS_PROJECT"))
    if project is None:
        return _search()
    if project.section() is None:
        raise ConfigError(
            f"The `blob` option is not configured in {project.path}. Please add it!"
        )
    return project


def read_project(path: str) -> Project:
    """Return the project whose file lies at `path`, as another process found it.

    Raises:
        ConfigError: if it is not there, or cannot be read.
    """
    return _read(_file(Path(path), "the project that this was sent with"))


def project_file() -> Path | None:
    """Return the file of the project that counts here, as `find_project`."""
    project = find_project()
    return project.path if project else None


def _file(path: Path, what: str) -> Path:
    file = path / FILE_NAME if path.is_dir() else path
    if not file.exists():
        raise ConfigError(f"{what} is to be read from {file}, which does not exist")
    return file


def _read(path: Path) -> Project:
    from blobfs.config.yaml_file import read_yaml

    return Project(path, read_yaml(path))


def searched_directories() -> tuple[Path, ...]:
    """Return where a project file is looked for, nearest first; none if we are nowhere."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return ()
    return (here, *here.parents)


def _search() -> Project | None:
    for directory in searched_directories():
        if (file := directory / FILE_NAME).is_file():
            project = _read(file)
            if project.section() is not None:
                _refuse_planted(file)
                return project
    return None


def _refuse_planted(file: Path) -> None:
    """Refuse what somebody else put into /tmp, say: it chooses where data goes."""
    if os.name != "posix":
        return
    owner = file.stat().st_uid
    anyone = file.parent.stat().st_mode & stat.S_IWOTH
    if anyone and owner not in (os.getuid(), 0):
        raise ConfigError(
            f"{file} belongs to another user and lies where everybody can write;"
            f" to use it, name it: BLOBFS_PROJECT={file}"
        )
