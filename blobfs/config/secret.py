"""Secrets that never show, and `${VARIABLE}` references that are looked up late.

A configuration names a secret as `${VARIABLE}`; what it stands for is read from the environment
when the storage is about to be asked, so it is in no object that could be printed or pickled.
A secret that was written out is kept as it is, and shows as `***` wherever it could be seen.
`$${` stands for a literal `${`.
"""

import os
import re
from collections.abc import Iterable
from typing import Any, NoReturn, cast

from blobfs.errors import ConfigError

MASK = "***"

ANYWHERE = "BLOBFS_"
"""What a variable's name begins with if it may stand in keys that are no secrets. Another
variable there would let a `project.yaml` that came with somebody's repository send it away."""

_TOKEN = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WHOLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_SECRET_NAME = re.compile(
    r"secret|passw|passphrase|pwd|token|credential|connection_?str|signature|authorization"
    r"|(access|account|private|api|shared|encryption|master)[_-]?key|(^|[_-])(key|sas|auth)$"
    r"|^(storage_options|headers)$",
    re.IGNORECASE,
)
_URL_SECRET = re.compile(r"(?<=://)[^/?#\s'\"]*@|(?<=\?)[^\s'\"]*=[^\s'\"]*")


class Secret:
    """Text that only `reveal` shows, or a `${VARIABLE}` that only `reveal` looks up.

    It pickles only as a reference, so another process resolves it from its own environment.

    >>> secret = Secret("hunter2")
    >>> f"{secret} {secret!r}", secret.reveal()
    ("*** Secret('***')", 'hunter2')
    """

    __slots__ = ("_key", "_text", "_where")

    def __init__(self, text: str, *, key: str = "a secret", where: str = "") -> None:
        """Keep `text`; `key` and `where` (a file) are for messages."""
        self._text = text
        self._key = key
        self._where = where

    @property
    def is_reference(self) -> bool:
        """Whether it is one `${VARIABLE}` and nothing else, so it holds no secret itself."""
        return _WHOLE.fullmatch(self._text) is not None

    def reveal(self) -> str:
        """Return the secret itself, looked up now.

        Raises:
            ConfigError: if its variable is not set; names key, variable and file.
        """
        return expand(self._text, key=self._key, where=self._where)

    def __repr__(self) -> str:
        return f"Secret({self._text if self.is_reference else MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret gives out its text through reveal() only")

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.is_reference:
            raise ConfigError(
                f"{_place(self._key, self._where)} is written out, so it cannot be pickled or"
                " sent to another process: keep it in an environment variable and write"
                " ${VARIABLE}"
            )
        return _restore, (self._text, self._key, self._where)


def _restore(text: str, key: str, where: str) -> Secret:
    return Secret(text, key=key, where=where)


def reveal(value: Any) -> Any:  # noqa: ANN401 - any option, with secrets anywhere in it
    """Return `value` with every `Secret` in it revealed, in mappings and lists too."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {name: reveal(item) for name, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def redact(text: str, secrets: Iterable[Secret | str]) -> str:
    """Return `text` with every secret masked, as it is and as URLs, JSON and Base64 spell it.

    For messages of other libraries. A secret whose variable is not set cannot be in one.

    >>> redact("403 for key a/b+c (a%2Fb%2Bc)", [Secret("a/b+c")])
    '403 for key *** (***)'
    """
    spellings = {form for secret in secrets for form in _spellings(secret)}
    for form in sorted(spellings, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def _spellings(secret: Secret | str) -> Iterable[str]:
    import base64
    import json
    from urllib.parse import quote, quote_plus

    try:
        plain = secret.reveal() if isinstance(secret, Secret) else secret
    except ConfigError:
        return ()
    encoded = plain.encode("utf-8", "surrogateescape")
    forms = (
        plain,
        quote(encoded),
        quote(encoded, safe=""),
        quote_plus(encoded),
        json.dumps(plain)[1:-1],
        json.dumps(plain, ensure_ascii=False)[1:-1],
        repr(plain)[1:-1],
        base64.b64encode(encoded).decode(),
    )
    return filter(None, forms)


def looks_secret(name: object) -> bool:
    """Whether a key of this name may hold a secret, so that its value is not to be shown.

    >>> looks_secret("acess_key_secret"), looks_secret("AccountKey"), looks_secret("bucket")
    (True, True, False)
    """
    return _SECRET_NAME.search(str(name)) is not None


def without_url_secrets(text: str) -> str:
    """Return `text` with what URLs in it carry before `@` and after `?` masked.

    >>> without_url_secrets("'https://me:pw@host/a?sig=x'")
    "'https://***@host/a?***'"
    """
    if "://" not in text:
        return text
    return _URL_SECRET.sub(lambda match: MASK + "@" * match[0].endswith("@"), text)


def has_reference(text: str) -> bool:
    """Whether `text` holds a `${VARIABLE}` or a `$${`."""
    return _TOKEN.search(text) is not None


def reference_fault(text: str, *, secret: bool) -> str | None:
    """Say what is wrong with the references in `text` before any is looked up, None if nothing.

    >>> reference_fault("${HOME}/x", secret=True), reference_fault("$${HOME}", secret=False)
    (None, None)
    """
    if "${" in _TOKEN.sub("", text):
        return "holds `${` without a variable's name and `}`; write `$${` for a literal `${`"
    names = [name for name in _TOKEN.findall(text) if name]
    wrong = [name for name in names if not secret and not name.startswith(ANYWHERE)]
    if wrong:
        return (
            f"refers to ${{{wrong[0]}}}; outside of secrets only variables named {ANYWHERE}…"
            " are looked up (write `$${` for a literal `${`)"
        )
    return None


def expand(text: str, *, key: str, where: str) -> str:
    """Return `text` with each `${VARIABLE}` replaced by what the environment has now.

    Raises:
        ConfigError: if a variable is not set or empty; names key, variable and file.
    """

    def value_of(match: re.Match[str]) -> str:
        name = cast("str | None", match[1])
        if name is None:
            return "${"
        value = os.environ.get(name)
        if not value:
            state = "not set" if value is None else "empty"
            raise ConfigError(
                f"{_place(key, where)} refers to the environment variable {name},"
                f" which is {state}"
            )
        return value

    return _TOKEN.sub(value_of, text)


def _place(key: str, where: str) -> str:
    return f"{where}: `{key}`" if where else f"`{key}`"
