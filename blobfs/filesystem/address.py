"""What a path of the filesystem means.

<store>                              a store's root
<store>/<name>:<version>/<path>      in an artifact; also @latest and sha256:<64 hex>
<store>/<path>                       anything else below the root
"""

from typing import Any, NamedTuple

from fsspec.utils import stringify_path

from blobfs.errors import ConfigError
from blobfs.ref import SCHEME, Ref, parse


class Address(NamedTuple):
    """Where a path leads."""

    store: str
    ref: Ref | None
    """Of the artifact; None if it is in none."""

    path: str
    """In the artifact, or below the store's root; `""`: all of it."""


def address_of(path: str) -> Address:
    """Take a path apart, without the protocol before it.

    Raises:
        ConfigError: if it cannot be one: a name or version that is none, `..`, empty parts.
    """
    ref = parse(SCHEME + path)
    if ref.store is None:
        raise ConfigError(f"{SCHEME}{path} names no store")
    if ref.key is not None:
        return Address(ref.store, None, ref.key)
    return Address(ref.store, ref, ref.path)


def spelled(path: Any) -> str:
    """Return a path as it was given, without the protocol and without a `/` at its end.

    Raises:
        ConfigError: if it is a URL that says more than a name and a path.
    """
    text = str(stringify_path(path))
    if text.startswith(SCHEME) and "::" in text:
        raise ConfigError(f"{text!r}: a blobfs URL is chained to nothing; it holds a name only")
    return text.removeprefix(SCHEME).rstrip("/")


def is_latest(path: str) -> bool:
    """Whether a path names an artifact by `@latest`."""
    return "@" in path.partition("/")[2].partition("/")[0]
