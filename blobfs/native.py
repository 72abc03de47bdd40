"""Where bytes lie, for programs that ask the storage itself instead of blobfs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import quote

from blobfs.config import find_store, store_from_dict
from blobfs.errors import ConfigError
from blobfs.ref import is_url, parse
from blobfs.resolve import StoreLike, check_plain, find, open_manager
from blobfs.store import Store

if TYPE_CHECKING:
    from blobfs.managers.base import BlobManager

__all__ = ["native_url", "storage_options"]

Library = Literal["fsspec", "object_store"]
"""What opens a URL of a storage's own."""


def native_url(ref: str, *, store: StoreLike = None, library: Library = "fsspec") -> str:
    """Return the storage's own URL of what a ref names, for programs that do not ask fsspec.

    Paths stand in it as they are; only `file://` is percent-encoded where its reader decodes
    it, as object_store does and fsspec does not.

    Args:
        ref: what it names.
        store: where.
        library: that opens the URL, with `storage_options` for the same one.

    Raises:
        ConfigError: if its bytes do not lie in one place under their own names, or if there is
            no such library.
    """
    if library not in get_args(Library):
        known = ", ".join(get_args(Library))
        raise ConfigError(f"library={library!r} is none that is known: {known}")
    found = find(ref, store=store)
    opened, header = found.store, found.header
    if header is not None and header.url:
        return "/".join(part for part in (header.url.rstrip("/"), found.path) if part)
    if header is None:
        url = opened.location.handle(found.path)
    else:
        check_plain(found)
        root = opened.location.handle(opened.layout.root(header))
        url = f"{root}/{found.path}" if found.path else root
    if is_url(url):
        return _without_account(url) if library == "object_store" else url
    return f"file://{quote(url)}" if library == "object_store" else f"file://{url}"


def storage_options(
    ref: str, *, store: StoreLike = None, library: Library = "fsspec"
) -> dict[str, Any]:
    """Return the options with which a library opens `native_url` of a ref.

    They may hold secrets in plain text: do not print, log or store them.

    Args:
        ref: what is to be opened.
        store: where.
        library: `object_store` is the Rust crate in polars, delta-rs, Lance and DataFusion;
            all its options are text.
            https://docs.rs/object_store/0.12.4/object_store/aws/enum.AmazonS3ConfigKey.html
            https://docs.rs/object_store/0.12.4/object_store/azure/enum.AzureConfigKey.html

    Raises:
        ConfigError: as `native_url`, if the library does not know this storage, and if the
            store was opened from a dict: then give that.
    """
    if isinstance(store, Store) and store.name is None:
        raise ConfigError(
            f"{store} was opened from a dict and has no name to find its options by: give"
            " storage_options that dict"
        )
    native_url(ref, store=store, library=library)  # refuses what it would not name
    parsed = parse(ref)
    if isinstance(store, Mapping):
        config = store_from_dict(store)
    else:
        config = find_store(parsed.store or (store.name if isinstance(store, Store) else store))
    manager: BlobManager = open_manager(config)
    return manager.fsspec_options() if library == "fsspec" else manager.object_store_options()


def _without_account(url: str) -> str:
    """Return a URL as object_store reads it on every endpoint.

    It knows accounts in URLs on Microsoft's own hosts only, and takes them from its options.
    https://docs.rs/object_store/0.12.4/object_store/azure/struct.MicrosoftAzureBuilder.html#method.with_url

    >>> _without_account("abfss://box@account.dfs.example.org/team/a@b")
    'abfss://box/team/a@b'
    """
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.partition('@')[0]}{slash}{path}"
