"""AIFlow's names: a workflow that was written for its blob managers runs with blobfs's.

    blob_config = BlobConfig(current_project_config().get(WorkflowPropertyKeys.BLOB))
    blob_manager = BlobManagerFactory.create_blob_manager(
        blob_config.blob_manager_class(), blob_config.blob_manager_config()
    )
    blob_manager.upload(local_file_path="/tmp/file")

Source: https://github.com/flink-extended/ai-flow (0.3.1, and the nightly of 2023-12-31 for
`BlobManagerConfig`).
"""

import os
from collections.abc import Mapping
from typing import Any, Final

from blobfs.config import current_project, masked, set_project
from blobfs.config.stores import CLASS, NO_CLASS, OPTIONS
from blobfs.errors import ConfigError
from blobfs.managers import class_path, import_class

_FLAT = ("root_directory", "repo_name", "remote_repository", "local_repository")
"""One of these beside the class makes it a flat section, which holds its options itself."""

NO_SECTION = "The `blob` option is not configured in the project.yaml option. Please add it!"
"""AIFlow's words, which its users match on."""


class WorkflowPropertyKeys:
    """Names of the sections of `project.yaml`."""

    BLOB: Final = "blob"


class BlobConfig(dict[str, Any]):
    """The `blob` section of `project.yaml`: a class and its options, nothing else."""

    _no_section = NO_SECTION

    def __init__(self, config: Mapping[str, Any] | None) -> None:
        """Take the two over from `config`; the options stay the very same object.

        Raises:
            ConfigError: if there is no section, or no class in it; in AIFlow's words.
        """
        super().__init__()
        if config is None:
            raise ConfigError(self._no_section)
        if not isinstance(config, Mapping):
            raise ConfigError(
                f"The `blob` option must be a mapping, not {type(config).__name__}."
            )
        if config.get(CLASS) is None:
            raise ConfigError(NO_CLASS)
        self[CLASS] = config[CLASS]
        self[OPTIONS] = _options(config)

    def blob_manager_class(self) -> str:
        """Return the path, or the short name, of the blob manager's class."""
        return self[CLASS]  # type: ignore[no-any-return] # whatever the section says

    def set_blob_manager_class(self, value: str) -> None:
        """Put another class in."""
        self[CLASS] = value

    def blob_manager_config(self) -> dict[str, Any]:
        """Return the blob manager's options, the object that was given."""
        return self[OPTIONS]  # type: ignore[no-any-return] # whatever the section says

    def set_blob_manager_config(self, value: dict[str, Any]) -> None:
        """Put other options in."""
        self[OPTIONS] = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({masked(self)})"


class BlobManagerConfig(BlobConfig):
    """The same as AIFlow's last nightly spells it."""

    _no_section = f"The blob manager option is not configured. {NO_SECTION}"

    def get_class(self) -> str:
        """Return the path, or the short name, of the blob manager's class."""
        return self.blob_manager_class()

    def get_customized_config(self) -> dict[str, Any]:
        """Return the blob manager's options, the object that was given."""
        return self.blob_manager_config()


class BlobManagerFactory:
    """Makes blob managers from what a configuration says."""

    @classmethod
    def create_blob_manager(
        cls,
        class_name: str | BlobConfig | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - anything with upload and download is a blob manager
        """Return a new manager of the class, made with `config`; None for no class.

        Args:
            class_name: a class path, ours, AIFlow's or your own; a short name such as `local`;
                or a `BlobConfig`, alone.
            config: what the class is called with, the same object; alone it is a `BlobConfig`,
                as the nightly names its one argument.

        Raises:
            ImportError: if the module has no such class, or there is no dot in the path.
            ModuleNotFoundError: if there is no such module.
            ConfigError: if what is there is no class with upload and download.
        """
        section = config if class_name is None else class_name
        if isinstance(section, BlobConfig):
            return cls.create_blob_manager(section[CLASS], section[OPTIONS])
        if class_name is None or isinstance(class_name, BlobConfig):
            return None
        return import_class(class_path(class_name))(config)


def init_project_context(project_path: str | os.PathLike[str]) -> None:
    """Make the directory that holds `project.yaml` this process's project.

    Raises:
        ConfigError: if there is no such file, or it cannot be read.
    """
    set_project(project_path)


def current_project_config() -> dict[str, Any]:
    """Return what that `project.yaml` holds, the same object each time; empty before."""
    project = current_project()
    return project.document if project else {}


def _options(config: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever the section says
    options = config.get(OPTIONS)
    if options is not None:
        return options
    if any(config.get(key) is not None for key in _FLAT):
        return {key: value for key, value in config.items() if key not in (CLASS, OPTIONS)}
    return {}
