"""Where bytes lie, for programs that ask the storage itself instead of blobfs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from blobfs.config import find_store, store_from_dict
from blobfs.errors import ConfigError
from blobfs.ref import is_url, parse
from blobfs.resolve import StoreLike, check_plain, find, open_manager
from blobfs.store import Store

if TYPE_CHECKING:
    from blobfs.managers.base import BlobManager

__all__ = ["native_url", "storage_options"]


def native_url(ref: str, *, store: StoreLike = None) -> str:
    """Return the storage's own URL of what a ref names, for programs that do not ask fsspec.

    Raises:
        ConfigError: if its bytes do not lie in one place under their own names.
    """
    found = find(ref, store=store)
    opened, header = found.store, found.header
    if header is None:
        url = opened.location.handle(found.path)
    elif header.url:
        url = "/".join(part for part in (header.url.rstrip("/"), found.path) if part)
    else:
        check_plain(found)
        root = opened.location.handle(opened.layout.root(header))
        url = f"{root}/{found.path}" if found.path else root
    return url if is_url(url) else f"file://{url}"


def storage_options(ref: str, *, store: StoreLike = None) -> dict[str, Any]:
    """Return the options with which fsspec opens `native_url` of a ref.

    They may hold secrets in plain text: do not print, log or store them.

    Raises:
        ConfigError: as `native_url`, and if the store was opened from a dict: then give that.
    """
    if isinstance(store, Store) and store.name is None:
        raise ConfigError(
            f"{store} was opened from a dict and has no name to find its options by: give"
            " storage_options that dict"
        )
    native_url(ref, store=store)  # refuses what it would not name
    parsed = parse(ref)
    if isinstance(store, Mapping):
        config = store_from_dict(store)
    else:
        config = find_store(parsed.store or (store.name if isinstance(store, Store) else store))
    manager: BlobManager = open_manager(config)
    return manager.fsspec_options()
