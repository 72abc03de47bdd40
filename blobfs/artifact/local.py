"""Upload of a local path: what `blobfs.upload` and every blob manager share."""

import os
from typing import TYPE_CHECKING, Literal

from blobfs.artifact.upload import plan_upload, upload
from blobfs.artifact.value import Artifact, Options, UploadPlan
from blobfs.config import cache_directory
from blobfs.digest import Digest
from blobfs.errors import ConfigError
from blobfs.hashcache import HashCache, is_network_path
from blobfs.scan import Links, scan
from blobfs.source import AzureMLSource, LocalSource
from blobfs.store import Store
from blobfs.transfer import Callback

if TYPE_CHECKING:
    from blobfs.artifact.spread import Spread

UseCache = bool | Literal["always"]
"""Whether digests are remembered; on network file systems, whose clocks and inodes are less to
be trusted, only with `always`."""


def open_source(
    source: str | os.PathLike[str],
    store: Store | None,
    *,
    ignore: bool | str = True,
    links: Links | None = None,
    spread: "Spread | None" = None,
) -> LocalSource:
    """Look at a local file or directory that is to go to `store`, read by workers if `spread`.

    Raises:
        SourceNotFoundError, AccessError, UnsafeNameError, SourceError: see `blobfs.scan`.
    """
    if store and store.azureml:
        _check_azureml(store, ignore=ignore, links=links, spread=spread)
        return AzureMLSource(source)
    root = getattr(store.backend, "root", None) if store else None
    links = links or (store.links if store else "inside")
    found = scan(source, ignore=ignore, links=links, store_root=root)
    if spread is None:
        return LocalSource(found)
    from blobfs.artifact.shared import SharedSource

    return SharedSource(found, spread)


def _check_azureml(
    store: Store, *, ignore: bool | str, links: Links | None, spread: "Spread | None"
) -> None:
    """Refuse what would make another upload than AzureML makes.

    Raises:
        ConfigError: if anything of that is asked for.
    """
    wrong = [
        what
        for what, is_wrong in {
            f"ignore={ignore!r}": ignore is not True,
            f"links={links!r}": links not in (None, "follow"),
            "an executor": spread is not None,
        }.items()
        if is_wrong
    ]
    if wrong:
        raise ConfigError(
            f"{store} has `layout: azureml`, which ignores files, follows links and hashes as"
            f" AzureML does: {' and '.join(wrong)} needs `layout: hashed`"
        )


def hash_cache(use: UseCache, source: str | os.PathLike[str]) -> HashCache | None:
    """Return the user's hash cache, None where it is not to be used."""
    if not use or (use != "always" and is_network_path(os.path.abspath(source))):
        return None
    return HashCache(cache_directory())


def upload_path(  # noqa: PLR0913 - the public interface, one level down
    store: Store,
    source: str | os.PathLike[str],
    *,
    name: str | None = None,
    version: str | None = None,
    ignore: bool | str = True,
    links: Links | None = None,
    base: Digest | None = None,
    check: bool = False,
    use_cache: UseCache = True,
    jobs: int | None = None,
    spread: "Spread | None" = None,
    callback: Callback | None = None,
) -> Artifact:
    """Store a local file or directory; see `blobfs.upload`."""
    cache = hash_cache(use_cache, source)
    options = Options(name, version, base, check, jobs, cache)
    try:
        return upload(
            lambda: open_source(source, store, ignore=ignore, links=links, spread=spread),
            store,
            options,
            callback,
        )
    finally:
        if cache:
            cache.close()


def plan_path(  # noqa: PLR0913 - the public interface, one level down
    store: Store,
    source: str | os.PathLike[str],
    *,
    name: str | None = None,
    version: str | None = None,
    ignore: bool | str = True,
    links: Links | None = None,
    base: Digest | None = None,
    check: bool = False,
    use_cache: UseCache = True,
) -> UploadPlan:
    """Return what `upload_path` would do."""
    cache = hash_cache(use_cache, source)
    options = Options(name, version, base, check, cache=cache)
    try:
        return plan_upload(
            open_source(source, store, ignore=ignore, links=links), store, options
        )
    finally:
        if cache:
            cache.close()
