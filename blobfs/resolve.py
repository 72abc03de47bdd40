"""What the refs, stores and URLs that people type mean."""

import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from blobfs.artifact.local import hash_cache, open_source
from blobfs.artifact.reading import Found, objects_at, objects_source, resolve
from blobfs.config import Places, StoreConfig, find_store, places, store_from_dict
from blobfs.digest import Digest, hex_of, short
from blobfs.errors import ArtifactNotFoundError, ConfigError
from blobfs.managers import load_manager_class
from blobfs.managers.base import BlobManager, find_handle, key_of
from blobfs.managers.url import open_url
from blobfs.manifest import Entry
from blobfs.names import path_fault
from blobfs.ref import AZUREML, Ref, is_url, names_store, parse, whole
from blobfs.source import RemoteSource
from blobfs.store import Asset, Store

StoreLike = Store | str | Mapping[str, Any] | None
"""An opened store, the name of a configured one, a configuration, or None: the default."""


def open_store(store: StoreLike = None, at: Places | None = None) -> Store:
    """Open a store: the default one, one by its name, or one by its configuration.

    Args:
        store: None: the project's, else the user's `default_store`, else the embedded `local`.
        at: where the configuration lies; None: where it is looked for here.

    Raises:
        ConfigError: if there is none of that name, or its configuration cannot be used.
        MissingDependencyError: if the package of its backend is not installed.
    """
    if isinstance(store, Store):
        return store
    if store is None or isinstance(store, str):
        config = find_store(store, at)
    else:
        config = store_from_dict(store)
    return open_configured(config)


def open_configured(config: StoreConfig) -> Store:
    """Open the store that a configuration describes; see `open_store`."""
    manager = open_manager(config)
    if not isinstance(manager, BlobManager):
        raise ConfigError(
            f"{config.blob_manager_class} ({config.origin}) offers upload and download only;"
            " artifacts need a subclass of blobfs.BlobManager"
        )
    return manager.open(config.name, config.origin)


def open_manager(config: StoreConfig) -> Any:  # noqa: ANN401 - any class with the two methods
    """Return the blob manager that a configured store names."""
    return load_manager_class(config.blob_manager_class)(config.blob_manager_config)


def reopening(store: Store) -> Callable[[], Store]:
    """Return what opens the same store in another process, and can be sent there.

    It holds the store's name and where the configuration lies, or the dict that the store was
    opened from; secrets are looked up where it is called.

    Raises:
        ConfigError: if secrets are written out in that dict, which would travel.
    """
    if store.name is not None:
        return partial(_reopened, os.getpid(), store.name, places(), store.location.url)
    if store.config is None:
        raise ConfigError(f"{store} was put together by hand: no other process can open it")
    config = pickle.dumps(store.config)  # refuses what must not travel
    return partial(_reopened, os.getpid(), config, None, store.location.url)


@lru_cache(maxsize=16)
def _reopened(_: int, store: str | bytes, at: Places | None, url: str) -> Store:
    """Open a store that another process has open, once in this one."""
    if isinstance(store, str):
        opened = open_store(store, at)
    else:
        opened = open_configured(pickle.loads(store))  # noqa: S301 - from our own caller
    if opened.location.url != url:
        raise ConfigError(
            f"{opened} lies at {opened.location.url} here and at {url} where it was sent from:"
            " both need the same configuration, and an absolute root_directory"
        )
    return opened


def find(ref: str, *, store: StoreLike = None) -> Found:
    """Return what a ref names: its entries, and a source of their bytes.

    Raises:
        ConfigError: if it is no ref.
        ArtifactNotFoundError: if it names nothing.
    """
    parsed = parse(ref)
    opened = store_of(parsed, store)
    if parsed.handle is not None:
        return find_handle(opened, parsed.handle)
    if parsed.key is not None:
        return find_handle(opened, opened.location.handle(parsed.key))
    try:
        digest = digest_of(opened, parsed)
    except ArtifactNotFoundError:
        if found := _path_in(opened, parsed):
            return found
        raise
    return resolve(opened, digest, parsed.path)


def _path_in(store: Store, ref: Ref) -> Found | None:
    """Return what lies at a path below the root that looks like an asset which is not there.

    Such as `ExperimentRun/dcid.<job>/outputs`, which is how AzureML's users write it.
    """
    if ref.store is not None or ref.name is None or ref.version is not None or not ref.path:
        return None
    try:
        return find_handle(store, store.location.handle(ref.text.rstrip("/")))
    except ArtifactNotFoundError:
        return None


def store_of(ref: Ref, store: StoreLike) -> Store:
    """Return the store that a ref is about.

    Raises:
        ConfigError: if the ref and the argument name two.
    """
    opened = open_store(store if ref.store is None or store is not None else ref.store)
    if not _means(ref, opened):
        raise ConfigError(f"{ref.text!r} is in the store {ref.store!r}, not in {opened}")
    return opened


def _means(ref: Ref, store: Store) -> bool:
    """Whether a ref can be about a store; a datastore's can be about one without a name."""
    unnamed = store.name is None and ref.text.startswith(AZUREML)
    return ref.store in (None, store.name) or unnamed


def digest_of(store: Store, ref: Ref) -> Digest:
    """Return the whole digest of the artifact that a ref names.

    Raises:
        ArtifactNotFoundError: if there is none.
        ConfigError: if the first digits of one fit several.
    """
    if ref.handle is not None or ref.key is not None:
        header = find_handle(store, ref.handle or store.location.handle(ref.key or "")).header
        if header is None:
            raise ConfigError(f"{ref.text!r} names no artifact")
        return header.digest
    if ref.digest is None:
        return asset_of(store, ref).digest
    if digest := whole(ref.digest):
        return digest
    digits = hex_of(ref.digest)
    fitting = [digest for digest in store.digests() if hex_of(digest).startswith(digits)]
    if len(fitting) > 1:
        shown = ", ".join(map(short, fitting))
        raise ConfigError(f"{ref.text!r} fits several artifacts in {store}: {shown}")
    if not fitting:
        raise ArtifactNotFoundError(f"{store} has no artifact {ref.digest}…")
    return fitting[0]


def asset_of(store: Store, ref: Ref) -> Asset:
    """Return the asset that a ref names.

    Raises:
        ConfigError: if the ref names no asset.
        ArtifactNotFoundError: if there is none, or it was removed; says what there is.
    """
    if ref.name is None:
        raise ConfigError(f"{ref.text!r} names no asset: name:version, name@latest")
    if ref.version is not None:
        asset = store.asset(ref.name, ref.version)
        if asset is not None and not asset.removed:
            return asset
    versions = store.versions(ref.name)
    if (
        ref.version is None
        and versions.live
        and (latest := store.live(ref.name, versions.live[-1]))
    ):
        return latest
    raise ArtifactNotFoundError(_no_asset(store, ref, list(versions.live), versions.removed))


def _no_asset(store: Store, ref: Ref, live: list[str], removed: frozenset[str]) -> str:
    if ref.version in removed:
        return f"{ref.name}:{ref.version} was removed from {store}"
    if live:
        return f"{store} has no {ref.name}:{ref.version}; it has: {', '.join(live[-10:])}"
    import difflib

    close = difflib.get_close_matches(ref.name or "", store.asset_names(), n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{store} has no asset {ref.name}{hint}"


def entries_of(side: str, store: StoreLike, others: Sequence[str] = ()) -> list[Entry]:
    """Return the entries of what a ref names, or of a local path, hashed.

    Args:
        side: a ref or a local path.
        store: where refs are, if they do not say.
        others: what it is held against: of a path, whose store may see it in AzureML's way.
    """
    if not is_local(side):
        return list(find(side, store=store).entries)
    stores = [store_of(parse(other), store) for other in others if not is_local(other)]
    source = open_source(side, next((one for one in stores if one.azureml), None))
    cache = hash_cache(use=True, source=side)
    try:
        return source.entries({}, cache=cache, take=None, advance=lambda _: None)
    finally:
        if cache:
            cache.close()


def is_local(text: str) -> bool:
    """Whether what a person typed for `REF|PATH` is a path."""
    return not is_url(text) and (text.startswith((".", "/", "~")) or "/" in text)


def remote_source(store: Store, url: str) -> RemoteSource:
    """Return what a URL names as a source whose bytes are to be copied."""
    found = found_at(store, url)
    if found is not None:
        return RemoteSource(
            found.source, found.name, found.entries, url, is_file=not found.is_tree
        )
    backend, key = open_url(url)
    is_tree, entries = objects_at(backend, key, url)
    name = key.rpartition("/")[2] or "root"
    source = objects_source(backend, key, url, is_tree=is_tree)
    return RemoteSource(source, name, entries, url, is_file=not is_tree)


def found_at(store: Store, url: str) -> Found | None:
    """Return what a URL names if it lies in this store, or in one that has a name."""
    if names_store(url):
        ref = parse(url)
        return find(url, store=store if _means(ref, store) else None)
    if store.location.key(url) is not None:
        return find_handle(store, url)
    return None


def place_of(prefix: str | None, store: StoreLike) -> tuple[Store, str]:
    """Return the store that a place lies in, and its key there: `""` for all of the store.

    Args:
        prefix: a path below the root, a handle, or a URL that names no artifact; None: all.
        store: where, if a URL does not say.

    Raises:
        ConfigError: if it cannot be one, or names an artifact.
        UnsafeNameError: if a handle lies outside the store's root.
    """
    if prefix is None:
        return open_store(store), ""
    if not is_url(prefix) and not prefix.startswith("/"):
        path = prefix.removesuffix("/")
        if fault := path_fault(path, windows=False):
            raise ConfigError(f"{prefix!r} is no path below the root of a store: it {fault}")
        return open_store(store), path
    ref = parse(prefix)
    opened = store_of(ref, store)
    if ref.handle is not None:
        return opened, key_of(opened, ref.handle)
    if ref.key is None:
        raise ConfigError(f"{prefix!r} names an artifact; a place is wanted, where one may lie")
    return opened, ref.key


def check_plain(found: Found) -> None:
    """Raise unless every byte lies under its own name below the artifact's root."""
    if any(entry.within for entry in found.entries):
        raise ConfigError(
            f"some bytes of {found.name} lie in other artifacts of {found.store}: download it,"
            " or `blobfs materialize` it"
        )
    if any(entry.key for entry in found.entries):
        raise ConfigError(
            f"{found.name} has names that {found.store} cannot hold, so its keys are"
            " others: download it"
        )
