"""Secrets show nowhere (T16): not printed, logged, pickled, or quoted by an error."""

import base64
import copy
import json
import logging
import os
import pickle
import pprint
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from blobfs.compat.aiflow import BlobConfig, BlobManagerConfig
from blobfs.config import (
    COMMON_KEYS,
    Key,
    Secret,
    check_options,
    find_store,
    looks_secret,
    redact,
    reveal,
    set_project,
    store_from_dict,
)
from blobfs.errors import ConfigError

VALUE = "hunter2/+=&Zq%"

KINDS = (
    "access_key_id",
    "access_key_secret",
    "secret_access_key",
    "session_token",
    "security_token",
    "account_key",
    "connection_string",
    "sas_token",
    "client_secret",
    "password",
    "passphrase",
    "token",
    "credential",
    "private_key",
)
"""T16's 14 kinds."""

KEYS = (*COMMON_KEYS, *(Key(kind, secret=True) for kind in KINDS))
LITERAL = {
    "root_directory": "/r",
    **{kind: VALUE + kind for kind in KINDS},
    "storage_options": {"key": VALUE, "client_kwargs": {"headers": [VALUE]}, "n": 1},
}

RENDERINGS: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda value: f"{value} {value!r} {value!s}",
    "percent": lambda value: "%s %r" % (value, value),  # noqa: UP031
    "list": lambda value: str([value, {1: (value,)}]),
    "pprint": pprint.pformat,
    "json": lambda value: json.dumps([value], default=str),
    "vars": lambda value: (
        str(getattr(value, "__dict__", "")) + str(getattr(value, "__slots__", ""))
    ),
    "log": lambda value: logging.LogRecord("x", 10, "f", 1, "%s", (value,), None).getMessage(),
}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in os.environ:
        if name.startswith("BLOBFS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield
    set_project(None)


def objects() -> dict[str, object]:
    section = {"blob_manager_class": "c.C", "blob_manager_config": dict(LITERAL)}
    store = store_from_dict(section)
    return {
        "secret": Secret(VALUE),
        "options": check_options(LITERAL, KEYS),
        "option": check_options(LITERAL, KEYS)["password"],
        "nested": check_options(LITERAL, KEYS)["storage_options"],
        "everything": dict(check_options(LITERAL, KEYS)),
        "store": store,
        "config": store.blob_manager_config,
        "blob": BlobConfig(section),
        "nightly": BlobManagerConfig(section),
    }


# A configuration is JSON-able, as AIFlow needs it.
SHOWN = [
    (name, rendering)
    for name in objects()
    for rendering in RENDERINGS
    if rendering != "json" or name not in ("config", "blob", "nightly")
]


@pytest.mark.parametrize(("name", "rendering"), SHOWN)
def test_no_rendering_shows_a_secret(name: str, rendering: str) -> None:
    thing = objects()[name]
    assert "hunter2" not in RENDERINGS[rendering](thing)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "name", ["secret", "options", "option", "nested", "everything", "store"]
)
def test_what_holds_a_written_out_secret_does_not_pickle(name: str, protocol: int) -> None:
    with pytest.raises(ConfigError, match=r"\$\{VARIABLE\}") as caught:
        pickle.dumps(objects()[name], protocol)
    assert "hunter2" not in str(caught.value)


def test_a_reference_pickles_and_is_resolved_where_it_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PASSWORD", "hunter2")
    options = check_options({"root_directory": "/r", "password": "${PASSWORD}"}, KEYS)
    assert options.literal_secrets() == ()
    data = pickle.dumps(options)
    assert b"hunter2" not in data
    monkeypatch.setenv("PASSWORD", "the worker's")
    assert pickle.loads(data).reveal("password") == "the worker's"  # noqa: S301 - ours


def test_what_an_override_brings_in_is_no_part_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLOBFS_STORE_LOCAL_PASSWORD", "hunter2 ${x}")
    store = find_store("local")
    assert "hunter2" not in json.dumps(store.blob_manager_config)
    assert b"hunter2" not in pickle.dumps(store)
    assert check_options(store.blob_manager_config, KEYS).reveal("password") == "hunter2 ${x}"


def test_the_keys_of_written_out_secrets_are_known() -> None:
    literal = check_options(LITERAL, KEYS).literal_secrets()
    assert set(literal) == {*KINDS, "storage_options"}
    assert len(check_options(LITERAL, KEYS).secrets()) == len(KINDS) + 2


def test_secrets_in_a_variable_are_known_for_redaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOBFS_STORE_LOCAL_STORAGE_OPTIONS", '{"key": "hunter2"}')
    options = check_options(find_store("local").blob_manager_config, KEYS)
    assert options.secrets() == (Secret("hunter2"),)
    assert options.reveal("storage_options") == {"key": "hunter2"}
    monkeypatch.delenv("BLOBFS_STORE_LOCAL_STORAGE_OPTIONS")
    assert options.secrets() == ()


def test_reveal_gives_everything_plain() -> None:
    options = check_options(LITERAL, KEYS)
    assert {name: options.reveal(name) for name in options} == LITERAL
    assert reveal(dict(options)) == LITERAL


def test_an_unset_variable_is_named_with_key_and_file(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "root_directory": "/r",
        "password": "a${NO_SUCH}",
        "storage_options": {"k": "${N}"},
    }
    options = check_options(config, KEYS, where="/x/project.yaml")
    with pytest.raises(
        ConfigError, match=r"/x/project.yaml: `password` .* NO_SUCH, .* not set"
    ):
        options["password"].reveal()
    with pytest.raises(
        ConfigError, match=r"/x/project.yaml: `storage_options.k` .* N, .* not set"
    ):
        options.reveal("storage_options")
    monkeypatch.setenv("NO_SUCH", "b")
    assert options.reveal("password") == "ab"


@pytest.mark.parametrize(
    ("text", "plain"), [("$${A}", "${A}"), ("$$", "$$"), ("a$b{c}", "a$b{c}"), ("$${", "${")]
)
def test_a_doubled_dollar_is_a_literal_one(text: str, plain: str) -> None:
    options = check_options({"root_directory": text, "password": text}, KEYS)
    assert (options["root_directory"], options.reveal("password")) == (plain, plain)


def test_secrets_are_equal_by_value_and_are_no_text() -> None:
    assert Secret("a") == Secret("a", key="k", where="w")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert repr(Secret("${NAME}")) == "Secret('${NAME}')", "a variable's name is no secret"
    assert repr(Secret("x${NAME}")) == "Secret('***')"
    assert copy.deepcopy({"a": Secret("a")}) == {"a": copy.copy(Secret("a"))}
    uses: tuple[Callable[[Any], object], ...] = (len, iter, bytes, vars, Secret.__getstate__)
    for use in uses:
        with pytest.raises(TypeError):
            use(Secret("a"))


def test_a_store_config_does_not_change() -> None:
    store = store_from_dict({"blob_manager_class": "c.C"})
    with pytest.raises(FrozenInstanceError):
        store.name = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": 4321},
        {"password": [4321]},
        {"password": {"a": "4321"}},
        {"pasword": "4321"},
        {"acess_key_secret": "4321"},
        {"nonsense": "4321"},
        {"storage_options": "4321"},
        {"layout": "s3://user:4321@host/?sig=4321"},
        {"jobs": "https://u:43@21@h/a?sig=4321&b=4321"},
        {"password": "4321${"},
        {"storage_options": {"a": ["4321${A B}"]}},
        {"password": "4321\0"},
        {"secret_access_key": "4321", "access_key_secret": "43210"},
        {"aliased": "4321", "alias": "43210"},
    ],
)
def test_an_error_shows_no_value_that_may_be_secret(wrong: dict[str, object]) -> None:
    keys = (*KEYS, Key("alias", aliases=("aliased",), secret=True))
    with pytest.raises(ConfigError) as caught:
        check_options({**wrong, "unknown": 1}, keys)
    text = "".join(traceback.format_exception(caught.value))
    assert "43" not in str(caught.value)
    assert "4321" not in text.replace(repr(wrong), "")
    assert caught.value.__context__ is None


BROKEN = [
    "password: *hunter2",
    "password: !hunter2 x",
    "password: !hunter2!x x",
    "password: &hunter2 x",
    "password: 'hunter2",
    'password: "hunter2 \\q"',
    "password: hunter2: x",
    "password: @hunter2",
    "password: hunter2\n  b: c",
    "password: {hunter2: [}",
    "password: " + "1" * 5000,
]


@pytest.mark.parametrize("line", BROKEN)
def test_a_yaml_error_does_not_quote_the_file(tmp_path: Path, line: str) -> None:
    (tmp_path / "project.yaml").write_text(f"blob:\n {line}\n")
    with pytest.raises(ConfigError, match=r"project.yaml:\d+:\d+: \w+") as caught:
        find_store()
    text = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in text
    assert "1111" not in text


def test_nor_does_one_of_the_loader_that_is_there_without_libyaml(tmp_path: Path) -> None:
    program = (
        "import sys, yaml, pathlib\ndel yaml.CSafeLoader\n"
        "from blobfs.config.yaml_file import read_yaml\n"
        "for name in sys.argv[1:]:\n"
        " try: read_yaml(pathlib.Path(name))\n"
        " except ValueError as error: print(error)"
    )
    files = [tmp_path / str(number) for number in range(len(BROKEN))]
    for file, line in zip(files, BROKEN, strict=True):
        file.write_text(f"blob:\n {line}\n")
    said = subprocess.run(
        [sys.executable, "-c", program, *files],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert len(said.splitlines()) == len(BROKEN)
    assert "hunter2" not in said
    assert "1111" not in said


def test_a_key_that_is_secret_is_masked_whatever_its_name() -> None:
    keys = (Key("ticket", secret=True), Key("tickets", dict, secret=True))
    options = check_options(
        {"ticket": "hunter2", "tickets": {"a": "hunter2", "pin": 4321}}, keys
    )
    assert repr(options) == "Options(ticket=***, tickets=***)"


def test_redact_masks_every_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", VALUE)
    spellings = (
        VALUE,
        quote(VALUE),
        quote_plus(VALUE),
        repr(VALUE),
        json.dumps(VALUE),
        base64.b64encode(VALUE.encode()).decode(),
    )
    for spelling in spellings:
        message = redact(
            f"403: {spelling} refused", [Secret("${PASSWORD}"), Secret("${UNSET}")]
        )
        assert message.replace("'", "").replace('"', "") == "403: *** refused"
    assert redact("abcdef abc", [Secret("abc"), "abcdef", ""]) == "*** ***"
    assert redact(f"a {'ü'}b", [Secret("üb")]) == "a ***"


@pytest.mark.parametrize(
    "name", [*KINDS, "AccountKey", "passwd", "sas", "key", "x-auth", "pwd"]
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["bucket", "root_directory", "endpoint_url", "keyspace", "region_name", "author"]
)
def test_other_names_are_no_secrets(name: str) -> None:
    assert not looks_secret(name)
