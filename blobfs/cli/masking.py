"""Secrets of the configured stores, masked in what others wrote: tracebacks and logs."""

from collections.abc import Iterator, Mapping
from functools import cache

from blobfs.config import Secret, all_stores, looks_secret, redact
from blobfs.config.secret import without_url_secrets
from blobfs.errors import BlobfsError


def mask(text: str) -> str:
    """Return `text` without the secrets of any configured store, nor those that URLs carry."""
    return without_url_secrets(redact(text, _secrets()))


@cache
def _secrets() -> tuple[Secret, ...]:
    try:
        configs = [store.blob_manager_config for store in all_stores()]
    except BlobfsError:  # what cannot be read gave nobody a secret
        return ()
    return tuple(secret for config in configs for secret in _secrets_in(config, secret=False))


def _secrets_in(value: object, *, secret: bool) -> Iterator[Secret]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _secrets_in(item, secret=secret or looks_secret(name))
    elif isinstance(value, list):
        for item in value:
            yield from _secrets_in(item, secret=secret)
    elif secret and isinstance(value, str) and value:
        yield Secret(value)
