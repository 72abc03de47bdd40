"""AIFlow's names behave as its users know them: aiflow's own words, objects and exceptions."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blobfs.compat.aiflow import (
    BlobConfig,
    BlobManagerConfig,
    BlobManagerFactory,
    WorkflowPropertyKeys,
    current_project_config,
    init_project_context,
)
from blobfs.config import find_store, set_project
from blobfs.errors import ConfigError
from blobfs.managers import MANAGERS, class_path, import_class, load_manager_class

create = BlobManagerFactory.create_blob_manager


class Manager:
    """A blob manager with no base class, as AIFlow allows."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def upload(self, local_file_path: str) -> str:
        return local_file_path

    def download(self, remote_file_path: str, local_dir: str | None = None) -> str:
        return f"{local_dir}/{remote_file_path}"


class Failing(Manager):
    def __init__(self, config: dict[str, Any]) -> None:
        raise LookupError(config)


class UploadsOnly:
    def upload(self, local_file_path: str) -> str:
        return local_file_path


def function(config: object) -> object:
    return config


PATH = f"{__name__}.Manager"


@pytest.fixture(autouse=True)
def no_project(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("BLOBFS_PROJECT", raising=False)
    yield
    set_project(None)


# --- BlobConfig


def test_a_missing_section_is_told_in_aiflows_words() -> None:
    with pytest.raises(
        Exception, match=r"The `blob` option is not configured in the project\.yaml"
    ):
        BlobConfig(None)
    with pytest.raises(ConfigError, match=r"option\. Please add it!"):
        BlobConfig(current_project_config().get(WorkflowPropertyKeys.BLOB))


@pytest.mark.parametrize(
    "section", [{}, {"blob_manager_class": None, "blob_manager_config": {}}]
)
def test_a_missing_class_is_told_in_aiflows_words(section: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        BlobConfig(section)
    assert str(caught.value) == (
        "The `blob_manager_class` option of blob config is not configured. Please add the"
        " `blob_manager_class` option under the `blob` option!"
    )


def test_a_section_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ConfigError, match="mapping"):
        BlobConfig("local")  # type: ignore[arg-type]


def test_the_options_are_the_very_same_object() -> None:
    options: dict[str, Any] = {"a": 1}
    config = BlobConfig({"blob_manager_class": "c", "blob_manager_config": options, "x": 1})
    assert config.blob_manager_config() is options
    assert config == {"blob_manager_class": "c", "blob_manager_config": options}
    assert config["blob_manager_class"] == config.blob_manager_class() == "c"
    assert isinstance(config, dict)
    assert json.loads(json.dumps(config)) == config


@pytest.mark.parametrize("section", [{}, {"blob_manager_config": None}, {"other": 1}])
def test_missing_options_are_empty(section: dict[str, object]) -> None:
    config = BlobConfig({"blob_manager_class": "c", **section})
    assert config == {"blob_manager_class": "c", "blob_manager_config": {}}


def test_a_flat_section_holds_its_options() -> None:
    section = {"blob_manager_class": "c", "remote_repository": "/r", "local_repository": "/l"}
    assert BlobConfig(section).blob_manager_config() == {
        "remote_repository": "/r",
        "local_repository": "/l",
    }


def test_both_parts_can_be_set() -> None:
    config = BlobConfig({"blob_manager_class": "c"})
    options = {"a": 1}
    config.set_blob_manager_class("d")
    config.set_blob_manager_config(options)
    assert config.blob_manager_class() == "d"
    assert config.blob_manager_config() is options


def test_the_nightlys_spelling_means_the_same() -> None:
    options = {"a": 1}
    config = BlobManagerConfig({"blob_manager_class": PATH, "blob_manager_config": options})
    assert config.get_class() == PATH
    assert config.get_customized_config() is options
    assert create(config).config is options
    assert create(BlobConfig(config)).config is options
    assert create(config=config).config is options
    with pytest.raises(ConfigError, match=r"^The blob manager option is not configured\."):
        BlobManagerConfig(None)
    with pytest.raises(
        ConfigError, match=r"^The `blob_manager_class` option of blob config is"
    ):
        BlobManagerConfig({})


# --- The factory


def test_no_class_is_no_manager() -> None:
    assert create(None, {}) is None


@pytest.mark.parametrize("spelling", [PATH, f" {PATH} ", f"{PATH},", f" {PATH} , "])
def test_any_class_is_made_with_the_same_object(spelling: str) -> None:
    options = {"a": 1}
    manager = create(spelling, options)
    assert type(manager).__name__ == "Manager"
    assert manager.config is options
    assert create(spelling, options) is not manager


def test_a_word_without_a_dot_is_no_module_path() -> None:
    with pytest.raises(ImportError, match="nothing doesn't look like a module path"):
        create("nothing", {})


@pytest.mark.parametrize("path", ["", ".", ".x", "a.", "a..b", "../x.Y", "a b.c", "a\0b.c"])
def test_what_is_no_path_imports_nothing(path: str) -> None:
    with pytest.raises(ImportError, match="doesn't look like a module path"):
        create(path, {})


def test_a_missing_module_is_a_module_not_found_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        create("no_such_module.Manager", {})


def test_a_missing_class_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="'Absent'") as caught:
        create(f"{__name__}.Absent", {})
    assert type(caught.value) is ImportError


def test_what_a_constructor_raises_passes_through() -> None:
    options = {"a": 1}
    with pytest.raises(LookupError) as caught:
        create(f"{__name__}.Failing", options)
    assert caught.value.args[0] is options


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("subprocess.Popen", "no upload and no download"),
        ("os.system", "no class"),
        (f"{__name__}.function", "no class"),
        (f"{__name__}.UploadsOnly", "no download"),
    ],
)
def test_what_is_no_blob_manager_is_never_called(path: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        create(path, {"args": ["false"]})


# --- Finding classes


AIFLOW = (
    "ai_flow_plugins.blob_manager_plugins.{}_blob_manager.{}BlobManager",
    "ai_flow.blob_manager.impl.{}_blob_manager.{}BlobManager",
)


@pytest.mark.parametrize(
    "spelling",
    [
        "local",
        " local, ",
        "blobfs.LocalBlobManager",
        *(path.format("local", "Local") for path in AIFLOW),
        f" {AIFLOW[0].format('local', 'Local')}, ",
        "ai_flow.project.blob_manager.LocalBlobManager",
    ],
)
def test_every_spelling_of_the_local_manager_means_ours(spelling: str) -> None:
    assert class_path(spelling) == "blobfs.managers.local.LocalBlobManager"


def test_a_misspelled_type_is_guessed() -> None:
    with pytest.raises(ConfigError, match="did you mean 'local'"):
        load_manager_class("locl")


@pytest.mark.parametrize("path", ["no_such_module.X", f"{__name__}.Absent"])
def test_a_class_that_cannot_be_imported_is_a_config_error(path: str) -> None:
    with pytest.raises(ConfigError, match=path) as caught:
        load_manager_class(path)
    assert isinstance(caught.value.__cause__, ImportError)


def test_a_class_of_ones_own_is_found_as_python_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_manager.py").write_text(
        "class Mine:\n def upload(self): ...\n def download(self): ...\n"
    )
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    with pytest.raises(ConfigError, match="my_manager"):
        load_manager_class("my_manager.Mine")
    assert sys.path == before
    monkeypatch.syspath_prepend(tmp_path)
    assert load_manager_class("my_manager.Mine").__name__ == "Mine"


def test_every_manager_of_the_registry_can_be_imported() -> None:
    for path in MANAGERS.values():
        assert import_class(path).__name__ == path.rpartition(".")[2]


# --- The project


def test_the_projects_configuration_is_empty_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project.yaml").write_text("blob: {blob_manager_class: c.C}")
    monkeypatch.chdir(tmp_path)
    assert current_project_config() == {}


@pytest.mark.parametrize("as_text", [True, False])
def test_a_workflow_runs_as_it_did(tmp_path: Path, *, as_text: bool) -> None:
    (tmp_path / "project.yaml").write_text(
        f"project_name: p\nblob:\n  blob_manager_class: {PATH}\n"
        "  blob_manager_config:\n    root_directory: /r\n"
    )
    init_project_context(str(tmp_path) if as_text else tmp_path)
    assert current_project_config() is current_project_config()
    assert current_project_config()["project_name"] == "p"
    blob_config = BlobConfig(current_project_config().get(WorkflowPropertyKeys.BLOB))
    manager = create(blob_config.blob_manager_class(), blob_config.blob_manager_config())
    assert manager.config == {"root_directory": "/r"}
    assert manager.upload(local_file_path="/tmp/file") == "/tmp/file"  # noqa: S108
    assert find_store().origin == str(tmp_path / "project.yaml")


def test_a_project_without_its_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text("a: 1")
    init_project_context(tmp_path)
    with pytest.raises(ConfigError, match="none, which does not exist"):
        init_project_context(tmp_path / "none")
    assert current_project_config() == {"a": 1}
