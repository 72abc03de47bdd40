"""What a person types to name something in a store.

    name:version   name@latest   name              an asset
    sha256:<hex>                                    an artifact; 8 digits or more will do
    blobfs://<store>/<asset or artifact or path>    in a store that has a name
    azureml://datastores/<store>/paths/<path>       a path in one, as AzureML writes it
    azureml://jobs/<job>/outputs/<name>/paths/<…>   what a job of AzureML left
    s3://…  /data/store/…                           a handle

Each may be followed by `/path`. In a URL an asset is written with `:` or `@`, and a digest in
full, so that every other first part can be a directory of the user's own.
"""

import re
from typing import NamedTuple

from blobfs.digest import PREFIX, Digest, is_digest
from blobfs.errors import ConfigError
from blobfs.names import check_name, path_fault

SCHEME = "blobfs://"

AZUREML = "azureml://"

LATEST = "latest"

_DATASTORE = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resource[gG]roups/[^/]+/workspaces/[^/]+/)?"
    r"datastores/(?P<store>[^/]+)/(?:paths/)?(?P<path>(?<=/paths/).+|ExperimentRun/.+)",
    re.DOTALL,
)
"""AzureML's ways to write a path in a datastore; nothing in it is encoded.
https://learn.microsoft.com/azure/machine-learning/how-to-access-data-interactive"""

_JOB = re.compile(
    r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)/paths/(?P<path>.*)", re.DOTALL
)
"""How AzureML writes what a job left. It lies in `azureml/<job>/<output>/` of the workspace's
default datastore: azure-ai-ml 1.35, `_job_operations`."""

_DIGITS = re.compile(r"[0-9a-f]{8,64}")
"""Of a digest: so many that it is rarely ambiguous, up to all of it."""


class Ref(NamedTuple):
    """A ref, taken apart."""

    text: str
    """As it was typed."""

    path: str = ""
    """Below what is named; `""`: all of it."""

    store: str | None = None
    """Of a URL."""

    name: str | None = None
    version: str | None = None
    """None with a name: the latest."""

    digest: str | None = None
    """Whole, or at least its first digits."""

    handle: str | None = None
    """A native URL or path."""

    key: str | None = None
    """Of a URL: a path below the root that is in no artifact."""


def is_url(text: object) -> bool:
    """Whether `text` is a URL rather than a local path."""
    return isinstance(text, str) and "://" in text


def names_store(text: str) -> bool:
    """Whether `text` is a URL that says in which store, by its name."""
    return text.startswith((SCHEME, AZUREML))


def parse(text: str) -> Ref:
    """Take a ref apart.

    Raises:
        ConfigError: if it is none; says what one looks like.
    """
    if text.startswith(SCHEME):
        return _parse_url(text)
    if text.startswith(AZUREML):
        return _parse_azureml(text)
    if "://" in text or text.startswith("/"):
        return Ref(text, handle=text)
    head, _, path = text.partition("/")
    if head in ("", ".", "..", "~"):
        raise ConfigError(f"{text!r} is a path, not a ref: name:version, name@latest, sha256:…")
    _check_path(text, path)
    return _parse_head(text, head, path)


def _parse_url(text: str) -> Ref:
    store, _, rest = text.removeprefix(SCHEME).partition("/")
    check_name("store", store)
    head, _, path = rest.partition("/")
    _check_path(text, rest.removesuffix("/"))
    if not (":" in head or "@" in head):
        return Ref(text, store=store, key=rest.removesuffix("/"))
    ref = _parse_head(text, head, path)
    if ref.digest and not is_digest(ref.digest):
        raise ConfigError(f"{text!r}: a URL takes a whole digest, sha256: and 64 digits")
    return Ref(text, ref.path, store, ref.name, ref.version, ref.digest)


def _parse_azureml(text: str) -> Ref:
    if job := _JOB.fullmatch(text):
        path = f"azureml/{job['job']}/{job['output']}/{job['path']}".rstrip("/")
        _check_path(text, path)
        return Ref(text, key=path)
    found = _DATASTORE.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"{text!r} is none of the URLs of AzureML that name a place in a store:"
            " azureml://datastores/<store>/paths/<path>,"
            " azureml://jobs/<job>/outputs/<name>/paths/<path>"
        )
    path = found["path"].removesuffix("/")
    _check_path(text, path)
    return Ref(text, store=check_name("store", found["store"]), key=path)


def _parse_head(text: str, head: str, path: str) -> Ref:
    path = path.removesuffix("/")
    if head.startswith(PREFIX):
        digits = head.removeprefix(PREFIX).removesuffix("…")
        if not _DIGITS.fullmatch(digits):
            raise ConfigError(
                f"{text!r}: after sha256: there must be 8 to 64 lower-case hex digits"
            )
        return Ref(text, path, digest=PREFIX + digits)
    name, at, version = head.partition("@")
    if at:
        if version != LATEST:
            raise ConfigError(
                f"{text!r}: after @ only `latest` is known; a version follows a :"
            )
        return Ref(text, path, name=check_name("name", name))
    name, colon, version = head.partition(":")
    check_name("name", name)
    if colon and version == LATEST:
        raise ConfigError(f"{text!r}: the latest version is {name}@latest")
    return Ref(text, path, name=name, version=check_name("version", version) if colon else None)


def _check_path(text: str, path: str) -> None:
    path = path.removesuffix("/")
    if path and (fault := path_fault(path, windows=False)):
        raise ConfigError(f"{text!r}: the path {path!r} {fault}")


def whole(digest: str) -> Digest | None:
    """Return a digest if it is written in full."""
    return Digest(digest) if is_digest(digest) else None
