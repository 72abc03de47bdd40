"""Configuration: files, environment, options, and what each mistake is answered with."""

import json
import os
import pickle
import pwd
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NoReturn

import pytest

from blobfs.config import (
    COMMON_KEYS,
    ConfigDict,
    Key,
    Options,
    StoreConfig,
    all_stores,
    cache_directory,
    check_options,
    data_directory,
    find_store,
    plain_options,
    project_file,
    set_project,
    store_from_dict,
)
from blobfs.errors import ConfigError
from blobfs.names import check_name
from tests.places import as_nobody

KEYS = (
    *COMMON_KEYS,
    Key("bucket", aliases=("bucket_name",)),
    Key("use_ssl", bool),
    Key("verify", (bool, str)),
    Key("ratio", float),
    Key("config", dict),
)
ROOT = {"root_directory": "/r"}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test a home, a working directory and an environment of its own."""
    for name in os.environ:
        if name.startswith(("BLOBFS_", "XDG_")):
            monkeypatch.delenv(name)
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BLOBFS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path / "work")
    yield
    set_project(None)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "user.yaml"
    file.write_text(
        dedent("""
        stores:
          team: {blob_manager_class: local, blob_manager_config: {root_directory: /team}}
          team-b: {blob_manager_class: local, blob_manager_config: {repo_name: /b}}
        """)
    )
    monkeypatch.setenv("BLOBFS_CONFIG", str(file))
    return file


def project(directory: Path, root: str = "/p") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "project.yaml"
    file.write_text(
        f"blob: {{blob_manager_class: local, blob_manager_config: {{root_directory: {root}}}}}"
    )
    return file


def root_of(store: StoreConfig) -> str:
    root: str = check_options(store.blob_manager_config, KEYS)["root_directory"]
    return root


def fails(*words: str) -> "pytest.RaisesExc[ConfigError]":
    """Expect a ConfigError that says each of `words`."""
    return pytest.raises(
        ConfigError, match="(?s)" + "".join(f"(?=.*{re.escape(w)})" for w in words)
    )


# --- Which store


def test_without_any_configuration_it_is_the_local_store(tmp_path: Path) -> None:
    store = find_store()
    assert (store.name, store.blob_manager_class) == ("local", "local")
    assert root_of(store) == str(tmp_path / "data" / "store")
    assert store.origin == "the embedded default"
    assert find_store("local") == store


def test_without_any_configuration_yaml_is_not_imported() -> None:
    program = (
        "import sys, blobfs.config as c; c.find_store();"
        "sys.exit(any(m in sys.modules for m in ('yaml', 'fsspec', 'click', 'difflib')))"
    )
    assert subprocess.run([sys.executable, "-c", program], env=_environment()).returncode == 0  # noqa: PLW1510


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


def test_the_nearest_project_upwards_counts_and_one_without_a_section_does_not(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = project(work, "/outer")
    inner = work / "a" / "b"
    inner.mkdir(parents=True)
    (work / "a" / "project.yaml").write_text("name: another tool's\nblob:\n")
    (inner / "project.yaml").mkdir()
    monkeypatch.chdir(inner)
    assert root_of(find_store()) == "/outer"
    assert find_store().name == "project"
    assert find_store("project").origin == str(outer)
    assert project_file() == outer


def test_blobfs_project_beats_the_search_and_set_project_beats_both(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(work, "/searched")
    named = project(tmp_path / "named", "/named")
    project(tmp_path / "chosen", "/chosen")
    for spelling in (named, named.parent):
        monkeypatch.setenv("BLOBFS_PROJECT", str(spelling))
        assert root_of(find_store()) == "/named"
    set_project(tmp_path / "chosen")
    assert root_of(find_store()) == "/chosen"
    set_project(None)
    monkeypatch.setenv("BLOBFS_PROJECT", "")
    assert root_of(find_store()) == "/searched"


def test_a_project_that_was_named_must_be_there_and_describe_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOBFS_PROJECT", str(tmp_path / "none"))
    with fails("BLOBFS_PROJECT", str(tmp_path / "none"), "does not exist"):
        find_store()
    file = tmp_path / "project.yaml"
    file.write_text("name: x")
    monkeypatch.setenv("BLOBFS_PROJECT", str(tmp_path))
    with fails("The `blob` option is not configured", str(file)):
        find_store()
    with fails("does not exist", "absent"):
        set_project(tmp_path / "absent")


def test_the_order_is_project_default_store_local(user_file: Path, work: Path) -> None:
    assert find_store().name == "local"
    user_file.write_text(user_file.read_text() + "default_store: team\n")
    assert find_store().name == "team"
    file = project(work)
    assert find_store().name == "project"
    assert find_store("team").name == "team"
    assert [store.name for store in all_stores()] == ["project", "team", "team-b", "local"]
    file.unlink()
    assert [store.name for store in all_stores()] == ["team", "team-b", "local"]


def test_a_store_of_the_platforms_configuration_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "linux":
        pytest.skip("XDG is Linux's")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    (tmp_path / "xdg" / "blobfs").mkdir(parents=True)
    (tmp_path / "xdg" / "blobfs" / "config.yaml").write_text(
        "stores: {far: {blob_manager_class: local, repo_name: /far}}"
    )
    assert root_of(find_store("far")) == "/far"


def test_an_unknown_name_lists_the_names_and_the_files(user_file: Path, work: Path) -> None:
    file = project(work)
    with fails(
        "'taem'", "did you mean `team`?", "local, project, team", str(user_file), str(file)
    ):
        find_store("taem")
    file.unlink()
    with fails("unknown store 'project'", str(work)):
        find_store("project")


def test_a_working_directory_that_was_removed_has_no_project(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = work / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert find_store().name == "local"
    with fails("unknown store 'x'"):
        find_store("x")


def test_without_a_home_directory_the_places_must_be_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown_user(uid: int) -> NoReturn:
        raise KeyError(uid)

    # As in a container that runs under a number that no one has given a name.
    monkeypatch.setattr(pwd, "getpwuid", unknown_user)
    monkeypatch.delenv("HOME")
    assert find_store().name == "local"
    monkeypatch.delenv("BLOBFS_DATA_DIR")
    for use, kind in (
        (find_store, "DATA"),
        (data_directory, "DATA"),
        (cache_directory, "CACHE"),
    ):
        with fails("no home directory", f"BLOBFS_{kind}_DIR"):
            use()


def test_data_and_cache_directories_can_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data_directory() == tmp_path / "data"
    monkeypatch.setenv("BLOBFS_CACHE_DIR", "relative")
    assert cache_directory() == tmp_path / "work" / "relative"
    monkeypatch.delenv("BLOBFS_CACHE_DIR")
    monkeypatch.delenv("BLOBFS_DATA_DIR")
    if sys.platform == "linux":
        assert cache_directory() == tmp_path / "home" / ".cache" / "blobfs"
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
        assert data_directory() == tmp_path / "xdg" / "blobfs"


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root gives files away")
def test_a_project_that_another_user_left_in_a_shared_directory_is_refused(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project(work)
    os.chown(file, 12345, -1)
    assert find_store().name == "project"
    work.chmod(0o1777)
    with fails("another user", f"BLOBFS_PROJECT={file}"):
        find_store()
    monkeypatch.setenv("BLOBFS_PROJECT", str(file))
    assert find_store().name == "project"


# --- Forms of a section


@pytest.mark.parametrize(
    "text",
    [
        "blob: {blob_manager_class: c.C, blob_manager_config: {remote_repository: /r}}",
        "blob: {blob_manager_class: c.C, remote_repository: /r, local_repository: }",
        "blob: {blob_manager_class: c.C, blob_manager_config: , repo_name: /r}",
        "blob_manager: {blob_manager_class: c.C, blob_manager_config: {root_directory: /r}}",
    ],
)
def test_every_form_of_a_section_means_the_same(work: Path, text: str) -> None:
    (work / "project.yaml").write_text(text)
    store = find_store()
    assert (store.blob_manager_class, root_of(store)) == ("c.C", "/r")


def test_a_section_may_hold_the_class_only(work: Path) -> None:
    (work / "project.yaml").write_text("blob: {blob_manager_class: c.C}")
    assert find_store().blob_manager_config == {}


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("text", ["`blob` must be a mapping"]),
        ("{}", ["`blob_manager_class` option of blob config is not configured"]),
        ("{blob_manager_class: 3}", ["`blob_manager_class` must be text"]),
        (
            "{blob_manager_class: local, blob_manager_config: [1]}",
            ["`blob_manager_config` must be a mapping"],
        ),
        (
            "{blob_manager_class: local, blob_manager_config: {jobs: 1}, blob_manager_clas: 2}",
            ["unknown key 'blob_manager_clas'", "did you mean `blob_manager_class`?"],
        ),
    ],
)
def test_a_malformed_section_says_where_and_what(
    work: Path, section: str, words: list[str]
) -> None:
    (work / "project.yaml").write_text(f"blob: {section}")
    with fails(str(work / "project.yaml"), *words):
        find_store()


def test_a_dictionary_is_a_store_without_a_name() -> None:
    config = {"blob_manager_class": "local", "blob_manager_config": ROOT}
    store = store_from_dict(config)
    assert (store.name, root_of(store)) == (None, "/r")
    assert root_of(store_from_dict({"blob_manager_class": "local", **ROOT})) == "/r"
    assert json.loads(json.dumps(store.blob_manager_config)) == ROOT
    with fails("blob_manager_class"):
        store_from_dict({})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("store: {}", ["unknown key 'store'", "did you mean `stores`?"]),
        ("stores: []", ["`stores` must be a mapping"]),
        ("stores: {project: {}, local: {}}", ["'project'", "'local'", "has a meaning already"]),
        ("stores: {'a/b': {}}", ["'a/b'", "letters, digits"]),
        ("stores: {1: {}}", ["1 cannot be used"]),
        ("stores: {a-b: {}, a.b: {}}", ["'a-b'", "'a.b'", "BLOBFS_STORE_A_B_"]),
        ("stores: {x: {}}\ndefault_store: y", ["`default_store`", "'y'"]),
        ("stores: {x: {}}\ndefault_store: [x]", ["`default_store`"]),
        ("- list", ["must hold a mapping"]),
    ],
)
def test_a_wrong_user_file_says_everything_that_is_wrong(
    user_file: Path, text: str, words: list[str]
) -> None:
    user_file.write_text(text)
    with fails(str(user_file), *words):
        find_store()


def test_a_named_configuration_file_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOBFS_CONFIG", str(tmp_path / "none.yaml"))
    with fails("BLOBFS_CONFIG", "none.yaml", "does not exist"):
        find_store()
    assert find_store("local").name == "local"


def test_store_names_follow_the_one_rule_of_names() -> None:
    assert check_name("store", "team-b") == "team-b"


# --- The environment


def test_the_environment_beats_the_file_in_any_spelling(
    user_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOBFS_STORE_TEAM_REPO_NAME", "/alias")
    monkeypatch.setenv("BLOBFS_STORE_TEAM_B_ROOT_DIRECTORY", "/over ${HOME}")
    monkeypatch.setenv("BLOBFS_STORE_TEAM_B_JOBS", "7")
    monkeypatch.setenv("BLOBFS_STORE_TEAM_B_USE_SSL", "No")
    monkeypatch.setenv("BLOBFS_STORE_TEAM_B_VERIFY", "/ca.pem")
    monkeypatch.setenv("BLOBFS_STORE_TEAM_B_LAYOUT", "")
    monkeypatch.setenv("BLOBFS_STORE_TEAM_B_RATIO", "0.5")
    monkeypatch.setenv("BLOBFS_STORE_TEAM_B_CONFIG", '{"a": [1]}')
    assert root_of(find_store("team")) == "/alias", "and nothing of TEAM_B_… is team's"
    assert dict(check_options(find_store("team-b").blob_manager_config, KEYS)) == {
        "root_directory": "/over ${HOME}",  # a value is never looked up twice
        "jobs": 7,
        "use_ssl": False,
        "verify": "/ca.pem",
        "ratio": 0.5,
        "config": {"a": [1]},
    }
    assert user_file.exists()


def test_an_override_wins_wherever_it_stands() -> None:
    override = "${BLOBFS_STORE_X_REPO_NAME}"
    for config in ({"repo_name": override, **ROOT}, {**ROOT, "repo_name": override}):
        assert repr(check_options(config, KEYS)) == f"Options(root_directory={override!r})"


def test_the_local_store_can_be_moved_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLOBFS_STORE_LOCAL_ROOT_DIRECTORY", "/elsewhere")
    assert root_of(find_store()) == "/elsewhere"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("JOBS", "many", ["`jobs` must be a whole number", "'many'"]),
        ("JOBS", "0", ["`jobs` must be at least 1"]),
        ("LAYOUT", "hash", ["`layout` must be one of hashed"]),
        ("USE_SSL", "maybe", ["`use_ssl` must be true or false"]),
        ("CONFIG", "[1]", ["`config` must be a mapping"]),
        ("CONFIG", "[" * 100_000, ["`config` must be a mapping"]),
        ("BUKET", "x", ["unknown option 'buket'", "did you mean `bucket`?"]),
    ],
)
def test_a_wrong_variable_is_reported_with_the_rest(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: list[str]
) -> None:
    monkeypatch.setenv(f"BLOBFS_STORE_LOCAL_{variable}", value)
    with fails("the embedded default", *words):
        check_options(find_store().blob_manager_config, KEYS)


def test_a_variable_is_looked_up_when_the_option_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = {"root_directory": "${BLOBFS_ROOT}/x", "jobs": "${BLOBFS_N}", "bucket": "$${B}"}
    options = check_options(config, KEYS, where="f.yaml")
    assert "root_directory" in options
    with fails("f.yaml", "`root_directory`", "BLOBFS_ROOT", "not set"):
        options["root_directory"]
    monkeypatch.setenv("BLOBFS_ROOT", "/one")
    assert options["root_directory"] == "/one/x"
    monkeypatch.setenv("BLOBFS_ROOT", "/two")
    assert options["root_directory"] == "/two/x"
    monkeypatch.setenv("BLOBFS_ROOT", "")
    with fails("BLOBFS_ROOT", "empty"):
        options["root_directory"]
    monkeypatch.setenv("BLOBFS_N", "0")
    with fails("f.yaml", "`jobs` must be at least 1"):
        options["jobs"]
    monkeypatch.setenv("BLOBFS_N", "4")
    assert (options["jobs"], options["bucket"]) == (4, "${B}")


@pytest.mark.parametrize(
    "value", ["${HOME}/x", "${AWS_SECRET_ACCESS_KEY}", "${", "${A-B}", "${}"]
)
def test_other_variables_stay_out_of_what_is_no_secret(value: str) -> None:
    with fails("`root_directory`", "$${"):
        check_options({"root_directory": value}, KEYS)
    with fails("`root_directory`", "$${"):
        check_options({"root_directory": Path(value)}, KEYS)
    with fails("`config.a.0`", "$${"):
        check_options({**ROOT, "config": {"a": [value]}}, KEYS)


def test_a_manager_that_reads_its_own_configuration_gets_it_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINE", "s3cret")
    monkeypatch.setenv("BLOBFS_X", "x")
    config = {"password": "${MINE}", "a": {"b": "${BLOBFS_X}", "c": 1}, "plain": "t"}
    assert plain_options(config) == {
        "password": "s3cret",
        "a": {"b": "x", "c": 1},
        "plain": "t",
    }
    with fails("`bucket`", "MINE"):
        plain_options({"bucket": "${MINE}"})


# --- Options


def test_options_have_canonical_names_and_leave_out_what_is_unset() -> None:
    options = check_options(
        {
            "repo_name": Path("/r"),
            "bucket_name": "b",
            "layout": None,
            "delta": "",
            "verify": False,
        },
        KEYS,
    )
    assert dict(options) == {"root_directory": "/r", "bucket": "b", "verify": False}
    assert "layout" not in options
    assert options.get("layout", "hashed") == "hashed"
    assert options.reveal("layout", "hashed") == "hashed"
    with pytest.raises(KeyError):
        options["layout"]
    with pytest.raises(KeyError):
        options["nonsense"]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    config = {
        "buket": "x",
        7: "x",
        "jobs": "many",
        "use_ssl": "yes",
        "layout": "hash",
        "bucket": "a",
        "bucket_name": "b",
        "config": "text",
        "delta": "co\0py",
        "ratio": True,
    }
    with pytest.raises(ConfigError) as caught:
        check_options(ConfigDict(config, origin="/x/project.yaml"), KEYS)  # type: ignore[arg-type]
    first, *problems = str(caught.value).splitlines()
    assert first == "/x/project.yaml"
    assert [" ".join(problem.split()[:3]) for problem in problems] == [
        "unknown option 'buket';",
        "unknown option 7;",
        "`bucket` and `bucket_name`",
        "`jobs` must be",
        "`use_ssl` must be",
        "`layout` must be",
        "`config` must be",
        "`delta` holds a",
        "`ratio` must be",
        "`root_directory` option of",
    ]


def test_a_missing_root_is_told_in_aiflows_words() -> None:
    with fails("`root_directory` option of blob manager config is not configured."):
        check_options({}, COMMON_KEYS)


def test_a_managers_own_key_replaces_the_common_one() -> None:
    assert not check_options({}, (*COMMON_KEYS, Key("root_directory")))


def test_equal_values_under_two_spellings_are_no_conflict() -> None:
    assert check_options({"repo_name": "/r", **ROOT}, KEYS)["root_directory"] == "/r"


@pytest.mark.parametrize("value", [True, 1.5, "1", [1]])
def test_a_whole_number_is_nothing_else(value: object) -> None:
    with fails("`jobs` must be a whole number"):
        check_options({**ROOT, "jobs": value}, KEYS)


def test_options_are_values() -> None:
    config = {**ROOT, "storage_options": {"a": "${A}", "n": [1, {"b": "${B}"}]}}
    options = check_options(config, KEYS)
    assert options == check_options(config, KEYS)
    assert options != check_options(ROOT, KEYS)
    again: Options = pickle.loads(pickle.dumps(options))  # noqa: S301 - ours
    assert again == options
    assert again.where == options.where
    assert len(options) == len(list(options)) == 2


def test_a_store_travels_with_its_origin(work: Path) -> None:
    file = project(work)
    store = pickle.loads(pickle.dumps(find_store()))  # noqa: S301 - ours
    assert store == find_store()
    with fails(str(file), "`jobs`"):
        check_options({**store.blob_manager_config, "jobs": "x"}, KEYS, where=store.origin)
    store.blob_manager_config["jobs"] = "x"
    with fails(str(file), "`jobs`"):
        check_options(store.blob_manager_config, KEYS)


# --- YAML


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("blob: {a: 1, b: 2, a: 3}", [":1:20:", "is there twice"]),
        ("bucket: 1\nb: 2\n'bucket': 3", [":3:1:", "'bucket' is there twice"]),
        ("blob: !!python/object/apply:os.system ['true']", [":1:7:", "tags"]),
        ("blob: !!str x", ["tags"]),
        ("blob: ! x", ["tags"]),
        ("a: &a [1]\nb: *a", [":1:4:", "anchors"]),
        ("a: *a", ["aliases"]),
        ("a: {<<: {b: 1}}", [":1:5:", "merge keys"]),
        ("a: " + "[" * 500, ["nested more than 32 deep"]),
        ("a: " + "[" * 200_000, ["nest"]),  # newer versions of libyaml have a limit themselves
        ("a: " + "{a: " * 50, ["nested more than 32 deep"]),
        ("".join(f"{i}: 0\n" for i in range(20_000)), ["more than 20000 values"]),
        ("a: " + "1" * 5000, [":1:4:", "too long"]),
        ("a: " + "1:" * 5000 + "1", ["too long"]),
        ("? [a]\n: 1", ["a key must be text"]),
        ("a: [1", ["1:"]),
        ("a:\n\tb: 1", [":2:1:", "cannot start any token"]),
        ("a: b\n---\nc: d", ["a single document"]),
        ("a: \x07b", [":1:4:", "control character"]),
        ("just text", ["must hold a mapping"]),
        ("a: '" + "x" * (1 << 20) + "'", ["larger than 1048576 bytes"]),
        ("a: =", ["1:4"]),
    ],
)
def test_only_plain_yaml_is_read(work: Path, text: str, words: list[str]) -> None:
    file = work / "project.yaml"
    file.write_text(text)
    with fails(str(file), *words) as caught:
        find_store()
    assert caught.value.__context__ is None, "which would quote the file"


def test_text_that_is_not_utf8_says_where(work: Path) -> None:
    (work / "project.yaml").write_bytes(b"a: 1\nblob: \xff")
    with fails("project.yaml:2:7:", "UTF-8"):
        find_store()


def test_a_file_that_cannot_be_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setenv("BLOBFS_CONFIG", str(tmp_path / "fifo"))
    with fails("fifo", "is not a file"):
        find_store()
    monkeypatch.setenv("BLOBFS_CONFIG", str(tmp_path))
    with fails("is not a file"):
        find_store()


def test_a_file_without_permission_says_so(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOBFS_PROJECT", str(shared))
    file = project(shared)
    find_store()  # imports what is needed, while it may be read
    file.chmod(0)
    with as_nobody(monkeypatch, shared), fails("project.yaml", "ermission"):
        find_store()


def test_what_was_read_is_plain_and_json_able(work: Path) -> None:
    (work / "project.yaml").write_bytes(
        b"\xef\xbb\xbf# x\nblob:\n  blob_manager_class: c.C\n  blob_manager_config:\n"
        b"    api_version: 2006-03-01\n    n: 0x10\n    f: 1.5\n    e: \xc3\xa9\n    empty:\n"
    )
    assert json.loads(json.dumps(find_store().blob_manager_config)) == {
        "api_version": "2006-03-01",
        "n": 16,
        "f": 1.5,
        "e": "é",
        "empty": None,
    }


def test_an_empty_file_configures_nothing(user_file: Path, work: Path) -> None:
    for text in ("", "# nothing\n", "stores:\n"):
        user_file.write_text(text)
        (work / "project.yaml").write_text(text)
        assert find_store().name == "local"


# --- T17: hostile configurations

HOSTILE = Path(__file__).with_name("hostile_config.py")


def _attack(count: int, directory: Path) -> None:
    seed = random.randrange(1 << 32)
    result = subprocess.run(
        [sys.executable, HOSTILE, str(seed), str(count), directory],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert result.returncode == 0, f"seed {seed}\n{result.stdout}{result.stderr}"
    print(f"seed {seed}: {result.stdout}")  # noqa: T201 - shown with -s and on failure


def test_hostile_configurations_run_nothing(tmp_path: Path) -> None:
    _attack(300, tmp_path)


@pytest.mark.soak
def test_20000_hostile_configurations_run_nothing(tmp_path: Path) -> None:
    _attack(20_000, tmp_path)
