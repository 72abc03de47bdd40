"""One option: what it may be, and how its value is checked, read from text and shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blobfs.config.secret import MASK, Secret, looks_secret, without_url_secrets


@dataclass(frozen=True, slots=True)
class Key:
    """One option of a blob manager."""

    name: str
    kind: type | tuple[type, ...] = str
    """`str`, `int`, `float`, `bool`, `dict` or `list`, or several of them."""
    aliases: tuple[str, ...] = ()
    """Other spellings, of AIFlow or of the library underneath."""
    required: bool = False
    secret: bool = False
    """Every text in it becomes a `Secret`, in which any `${VARIABLE}` is looked up."""
    choices: tuple[str, ...] = ()
    minimum: int | None = None

    @property
    def wanted(self) -> str:
        """What a message says it must be."""
        return " or ".join(_KINDS.get(kind, kind.__name__) for kind in self.kinds)

    @property
    def kinds(self) -> tuple[type, ...]:
        """The types that its value may have."""
        return self.kind if isinstance(self.kind, tuple) else (self.kind,)


def limit_problems(value: object, key: Key, path: str) -> list[str]:
    """Say which limit of `key` a value of the right type breaks."""
    if key.choices and value not in key.choices:
        return [f"`{path}` must be one of {', '.join(key.choices)}{shown(value, key)}"]
    if key.minimum is not None and isinstance(value, int) and value < key.minimum:
        return [f"`{path}` must be at least {key.minimum}{shown(value, key)}"]
    return []


def shown(value: object, key: Key) -> str:
    """Show a value in a message, if it may be."""
    hidden = key.secret or looks_secret(key.name) or isinstance(value, Mapping | list)
    return "" if hidden else f": {_short(value)}"


def _short(value: object) -> str:
    text = without_url_secrets(repr(value))
    return text if len(text) <= 80 else text[:79] + "…"  # noqa: PLR2004 - a line


_KINDS: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "a mapping",
    list: "a list",
}


def type_of(value: object) -> str:
    """Say of what type a value is, in the words of a configuration."""
    return next(
        (text for kind, text in _KINDS.items() if is_a(value, (kind,))), type(value).__name__
    )


def is_a(value: object, kinds: tuple[type, ...]) -> bool:
    """Whether a value has one of these types; true is no number."""
    if isinstance(value, bool):
        return bool in kinds
    return (
        isinstance(value, kinds)
        or (float in kinds and isinstance(value, int))
        or (dict in kinds and isinstance(value, Mapping))
    )


def parsed_text(text: str, key: Key, path: str) -> tuple[Any, list[str]]:
    """Return what a variable's text means for this key, and what is wrong with it."""
    value = _parse(text, key.kinds)
    if value is None:
        return None, [f"`{path}` must be {key.wanted}{shown(text, key)}"]
    return value, limit_problems(value, key, path)


def _parse(text: str, kinds: tuple[type, ...]) -> Any:  # noqa: ANN401 - what the key says
    """Return `text` as the first of `kinds` that it can be read as, None if as none."""
    import json

    if bool in kinds and text.casefold() in _BOOLEANS:
        return _BOOLEANS[text.casefold()]
    for kind, parse in ((int, int), (float, float), (dict, json.loads), (list, json.loads)):
        if kind in kinds:
            try:
                value = parse(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, kind):
                return value
    return text if str in kinds else None


_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def listed(where: str, problems: Sequence[str]) -> str:
    """Return one message of all `problems` in `where`, a line each if there are several."""
    return f"{where}: {problems[0]}" if len(problems) == 1 else "\n  ".join([where, *problems])


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """Say that there is no `kind` called `name`, and which name was probably meant.

    >>> unknown("option", "buket", ["bucket", "endpoint"])
    "unknown option 'buket'; did you mean `bucket`? known: bucket, endpoint"
    """
    import difflib

    known = sorted(known)
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean `{close[0]}`? " if close else ""
    return f"unknown {kind} {_short(name)}; {hint}known: {', '.join(known) or 'none'}"


def masked(value: object, name: object = "") -> str:
    """Return the repr of a configuration, without what may be secret in it."""
    if name and looks_secret(name) and not isinstance(value, Secret):
        return repr(MASK)
    if isinstance(value, Mapping):
        pairs = (f"{key!r}: {masked(item, key)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(masked(item, name) for item in value)}]"
    return without_url_secrets(repr(value))


def wrapped(value: Any, key: Key, path: str, where: str) -> Any:  # noqa: ANN401 - any option
    """Return `value` in containers of our own, each text in a secret as a `Secret`."""
    if isinstance(value, str) and key.secret:
        is_text = path != key.name or str in key.kinds
        return Secret(value, key=path, where=where) if is_text else value
    if isinstance(value, Mapping):
        return {n: wrapped(item, key, f"{path}.{n}", where) for n, item in value.items()}
    if isinstance(value, list):
        return [wrapped(item, key, f"{path}.{n}", where) for n, item in enumerate(value)]
    return value
