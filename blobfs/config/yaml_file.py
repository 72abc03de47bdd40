"""Read one YAML file that nobody vouches for.

Plain data only: no tags, no anchors or aliases, no merge keys, no key twice, one document, no
more than `MAX_BYTES`, `MAX_DEPTH` and `MAX_EVENTS`. Events are looked at before anything is
built of them, since libyaml's builder recurses on the C stack. Dates stay text, so what was
read is JSON-able.

This module imports yaml: import it where a file is there to be read.
"""

import re
import stat
from pathlib import Path
from typing import Any, Protocol, cast

import yaml

from blobfs.errors import ConfigError

MAX_BYTES = 1 << 20

MAX_DEPTH = 32
"""Mappings and lists in one another; a configuration has four."""

MAX_EVENTS = 20_000
"""Values, and ends of mappings and lists; so few that no choice of keys makes them slow."""

MAX_NUMBER = 64
"""Characters of a number. Building one is quadratic; a longer one is a key without quotes."""

_Base = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))


class _Mark(Protocol):
    """A place in a file: yaml.Mark, or the C loader's own class of that name."""

    line: int
    column: int


_MERGE = "tag:yaml.org,2002:merge"
_QUOTED = re.compile(r"'[^']{2,}'|\"[^\"]{2,}\"")


class _RefusedError(yaml.MarkedYAMLError):
    """Well-formed YAML that is not read here, in words of our own."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in the file `path`, empty for an empty file.

    Raises:
        ConfigError: naming file, line and column, if it is anything else.
    """
    text = _text(path)
    found: tuple[str, _Mark | None]
    # Raised after the handler, for what the library knows of the error includes the line it is
    # in, which may hold a secret, and an exception shows the one that it came from.
    try:
        _refuse_all_but_plain(text)
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        found = _without_text(error), error.problem_mark
    except yaml.YAMLError:
        found = "cannot be read as YAML", None
    else:
        if document is None:
            return {}
        if isinstance(document, dict):
            return document
        found = "must hold a mapping (`name: value`)", None
    raise _error(path, *found)


def _text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path} is not a file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise ConfigError(f"{path}:{line}:{column}: is not UTF-8") from None
    if bad := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        raise ConfigError(f"{path}:{line}:{column}: holds the control character {bad[0]!r}")
    return text


def _error(path: Path, problem: str, mark: "_Mark | None") -> ConfigError:
    place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
    return ConfigError(f"{place}: {problem}")


def _without_text(error: yaml.MarkedYAMLError) -> str:
    """Say what is wrong without the words of the file, which may be secrets."""
    if isinstance(error, _RefusedError):
        return str(error.problem)
    said = ", ".join(filter(None, [error.context, error.problem]))
    return _QUOTED.sub("…", said) or "cannot be read as YAML"


def _refuse_all_but_plain(text: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Base)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if fault := _fault(event, depth, count):
            raise _RefusedError(None, None, fault, cast("yaml.Mark", event.start_mark))


def _fault(event: yaml.Event, depth: int, count: int) -> str | None:
    if count > MAX_EVENTS:
        return f"there are more than {MAX_EVENTS} values"
    if depth > MAX_DEPTH:
        return f"is nested more than {MAX_DEPTH} deep"
    if isinstance(event, yaml.AliasEvent):
        return "aliases (`*name`) are not read; put quotes around text that begins with `*`"
    if getattr(event, "anchor", None) is not None:
        return "anchors (`&name`) are not read; put quotes around text that begins with `&`"
    if getattr(event, "tag", None) is not None:
        return "tags (`!name`) are not read; put quotes around text that begins with `!`"
    return None


class _Loader(_Base):  # type: ignore[misc,valid-type] # the C one where there is one
    """The safe loader, without what would make one text mean two things."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                raise _unusable(key_node, "merge keys (`<<`) are not read")
            if not isinstance(key_node, yaml.ScalarNode):
                raise _unusable(key_node, "a key must be text")
            key = self.construct_object(key_node)
            if key in seen:
                raise _unusable(key_node, f"the key {str(key)[:80]!r} is there twice")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)  # type: ignore[no-any-return]

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """Return the number that `node` spells."""
        if len(node.value) > MAX_NUMBER:
            raise _unusable(node, "this number is too long; put quotes around it if it is text")
        integer = node.tag == "tag:yaml.org,2002:int"
        build = self.construct_yaml_int if integer else self.construct_yaml_float
        try:
            return cast("int | float", build(node))
        except (ValueError, ArithmeticError):
            raise _unusable(node, "this is no number; put quotes around it") from None

    def construct_date(self, node: yaml.ScalarNode) -> str:
        """Return a date as it is written."""
        return str(node.value)


def _unusable(node: yaml.Node, problem: str) -> "_RefusedError":
    return _RefusedError(None, None, problem, node.start_mark)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_date)
