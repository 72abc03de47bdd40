"""The options of a blob manager: checked all at once, shown without secrets, expanded late."""

from collections.abc import Iterator, Mapping
from typing import Any

from blobfs.config.secret import MASK, Secret, expand, has_reference, reveal
from blobfs.config.value import Key, listed, masked, parsed_text, wrapped
from blobfs.errors import ConfigError

COMMON_KEYS: tuple[Key, ...] = (
    Key("root_directory", aliases=("repo_name", "remote_repository"), required=True),
    Key("local_repository"),
    Key("layout", choices=("hashed", "azureml", "flat")),
    Key("delta", choices=("copy", "reference")),
    Key("links", choices=("inside", "follow", "skip", "error")),
    Key("jobs", int, minimum=1),
    Key("transport", choices=("auto", "fsspec")),
    Key("storage_options", dict, secret=True),
)
"""What every manager takes. A manager's own key of the same name, given later, replaces one."""


class ConfigDict(dict[str, Any]):
    """A plain dictionary that knows which file it came from and masks secrets in its repr."""

    __slots__ = ("origin",)

    def __init__(self, values: Mapping[str, Any], *, origin: str) -> None:
        """Copy `values`; `origin` is for messages."""
        super().__init__(values)
        self.origin = origin

    def __repr__(self) -> str:
        return masked(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_dict, (dict(self), self.origin)


def _restore_dict(values: dict[str, Any], origin: str) -> ConfigDict:
    return ConfigDict(values, origin=origin)


class Options(Mapping[str, Any]):
    """The checked options of one manager, by canonical names; unset ones are left out.

    `options[name]` looks up `${VARIABLE}`s now. A secret comes as a `Secret`; a mapping that
    may hold some (`storage_options`) comes with every text in it a `Secret`. `reveal(name)`
    gives both plain.
    """

    __slots__ = ("_keys", "_values", "where")

    def __init__(self, values: Mapping[str, Any], keys: Mapping[str, Key], where: str) -> None:
        """Keep what `check_options` found; use that."""
        self._values = dict(values)
        self._keys = dict(keys)
        self.where = where

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - each key has its own type
        return _opened(self._values[name], self._keys[name], name, self.where)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __eq__(self, other: object) -> bool:
        return self._values == other._values if isinstance(other, Options) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # its values are not hashable

    def __repr__(self) -> str:
        shown = (
            f"{name}={MASK if self._keys[name].secret else masked(value, name)}"
            for name, value in self._values.items()
        )
        return f"Options({', '.join(shown)})"

    def reveal(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as __getitem__
        """Return the option with every secret in it revealed, `default` where it is unset.

        Raises:
            ConfigError: if it refers to a variable that is not set.
        """
        return reveal(self[name]) if name in self._values else default

    def secrets(self) -> tuple[Secret, ...]:
        """Return every secret in it, for `redact`: those that cannot be looked up aside."""
        return tuple(secret for name in self._values for secret in self._secrets_of(name))

    def _secrets_of(self, name: str) -> Iterator[Secret]:
        try:
            yield from _secrets_in(self[name])
        except ConfigError:
            return

    def literal_secrets(self) -> tuple[str, ...]:
        """Return the keys whose secrets are written out, so that they cannot be sent away."""
        return tuple(
            name
            for name, value in self._values.items()
            if any(not secret.is_reference for secret in _secrets_in(value))
        )


def _secrets_in(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _secrets_in(item)


def _opened(value: Any, key: Key, path: str, where: str) -> Any:  # noqa: ANN401 - any option
    """Return a stored value with its references looked up now."""
    if isinstance(value, dict):
        return {n: _opened(item, key, f"{path}.{n}", where) for n, item in value.items()}
    if isinstance(value, list):
        return [_opened(item, key, f"{path}.{n}", where) for n, item in enumerate(value)]
    if not isinstance(value, str) or not has_reference(value):
        return value
    text = expand(value, key=path, where=where)
    if path != key.name:
        return text
    parsed, problems = parsed_text(text, key, path)
    if problems:
        raise ConfigError(listed(where, problems))
    # A whole mapping from a variable may hold secrets that no one has wrapped yet.
    return wrapped(parsed, key, path, where) if key.secret else parsed
