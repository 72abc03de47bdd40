"""Check what a blob manager was given, all at once."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from blobfs.config.options import Options
from blobfs.config.secret import expand, has_reference, looks_secret, reference_fault
from blobfs.config.value import (
    Key,
    is_a,
    limit_problems,
    listed,
    parsed_text,
    shown,
    type_of,
    unknown,
    wrapped,
)
from blobfs.errors import ConfigError

OVERRIDE = "BLOBFS_STORE_"
"""What the variables that override one option of a configured store begin with."""


def check_options(
    config: Mapping[str, Any], keys: Sequence[Key], *, where: str | None = None
) -> Options:
    """Return the options of `config`, which has all that is required and nothing unknown.

    Args:
        config: what a manager was given; None and empty texts count as unset.
        keys: those of `COMMON_KEYS` and the manager's own; the later one of a name counts.
        where: for messages; else the file that `config` came from, if it knows.

    Raises:
        ConfigError: listing everything that is wrong, without the value of any secret.
    """
    where = where or getattr(config, "origin", None) or "blob_manager_config"
    by_name = {key.name: key for key in keys}
    given, problems = _by_canonical_name(config, by_name)
    values = {}
    for name, value in given.items():
        problems += _value_problems(value, by_name[name], name)
        values[name] = wrapped(value, by_name[name], name, where)
    problems += [
        f"`{name}` option of blob manager config is not configured."
        for name, key in by_name.items()
        if key.required and name not in given
    ]
    if problems:
        raise ConfigError(listed(where, problems))
    return Options(values, by_name, where)


def _by_canonical_name(
    config: Mapping[str, Any], keys: Mapping[str, Key]
) -> tuple[dict[str, Any], list[str]]:
    """Return the values that are set, and what is wrong with the keys."""
    spellings = {alias: key.name for key in keys.values() for alias in (key.name, *key.aliases)}
    given: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    problems = []
    # Overrides from the environment come last, so they win over any spelling in a file.
    for spelling, value in sorted(_plain(config), key=lambda item: _is_override(item[1])):
        name = spellings.get(spelling)
        if name is None:
            problems.append(unknown("option", spelling, spellings))
        elif value is None or value == "":
            continue
        elif name in given and given[name] != value and not _is_override(value):
            problems.append(
                f"`{spelled[name]}` and `{spelling}` mean the same and have different values"
            )
        else:
            given[name], spelled[name] = value, spelling
    return given, problems


def _plain(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield names and values, with a path as text."""
    for name, value in config.items():
        yield name, os.fspath(value) if isinstance(value, os.PathLike) else value


def _is_override(value: object) -> bool:
    return isinstance(value, str) and value.startswith("${" + OVERRIDE)


def _value_problems(value: object, key: Key, path: str) -> list[str]:
    """Say what is wrong with a value, as far as it can be known before it is needed."""
    if isinstance(value, str) and "\0" in value:
        return [f"`{path}` holds a NUL"]
    if isinstance(value, str) and has_reference(value):
        if fault := reference_fault(value, secret=key.secret):
            return [f"`{path}` {fault}"]
        return _reference_problems(value, key, path)
    if not is_a(value, key.kinds):
        return [f"`{path}` must be {key.wanted}, not {type_of(value)}{shown(value, key)}"]
    if isinstance(value, str):
        fault = reference_fault(value, secret=key.secret)
        return [f"`{path}` {fault}"] if fault else limit_problems(value, key, path)
    return limit_problems(value, key, path) + list(_nested_problems(value, key, path))


def _nested_problems(value: object, key: Key, path: str) -> Iterator[str]:
    for name, item in _items(value):
        here = f"{path}.{name}"
        if isinstance(item, str):
            if fault := reference_fault(item, secret=key.secret):
                yield f"`{here}` {fault}"
        else:
            yield from _nested_problems(item, key, here)


def _items(value: object) -> Iterable[tuple[object, object]]:
    if isinstance(value, Mapping):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _reference_problems(value: str, key: Key, path: str) -> list[str]:
    """Say what is wrong with what a reference stands for, if no secret and known now."""
    if key.secret or (str in key.kinds and not key.choices):
        return []
    try:
        text = expand(value, key=path, where="")
    except ConfigError:
        return []  # It is looked up when it is needed, which may be never.
    _, problems = parsed_text(text, key, path)
    return problems


def plain_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config` with its references looked up, for a manager that reads it by itself.

    A class that only offers upload and download names no keys, so here those count as secret
    that are called like one.

    Raises:
        ConfigError: if a variable is not set, or must not stand where it does.
    """
    where = getattr(config, "origin", None) or "blob_manager_config"
    return {name: _plain_value(value, str(name), where) for name, value in config.items()}


def _plain_value(value: Any, path: str, where: str) -> Any:  # noqa: ANN401 - any option
    if isinstance(value, Mapping):
        return {n: _plain_value(item, f"{path}.{n}", where) for n, item in value.items()}
    if not isinstance(value, str) or "${" not in value:
        return value
    if fault := reference_fault(value, secret=looks_secret(path.rpartition(".")[2])):
        raise ConfigError(f"{where}: `{path}` {fault}")
    return expand(value, key=path, where=where)
