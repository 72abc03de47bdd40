"""The public functions: refs become artifacts of opened stores, and the engine is called."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from blobfs.artifact.local import UseCache, plan_path, upload_path
from blobfs.artifact.value import Artifact, Options, UploadPlan
from blobfs.errors import ConfigError
from blobfs.manifest import Header, Manifest
from blobfs.names import check_name
from blobfs.ref import is_url, parse
from blobfs.resolve import (
    StoreLike,
    asset_of,
    check_plain,
    digest_of,
    entries_of,
    find,
    found_at,
    open_store,
    remote_source,
    reopening,
    store_of,
)
from blobfs.scan import Links
from blobfs.store import Asset, Store
from blobfs.transfer import Callback

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from blobfs.artifact.diff import Diff
    from blobfs.artifact.spread import Spread
    from blobfs.artifact.verify import Report

__all__ = [
    "artifacts",
    "assets",
    "diff",
    "download",
    "find",
    "materialize",
    "open_store",
    "plan_upload",
    "remove",
    "upload",
    "verify",
]


def upload(  # noqa: PLR0913 - the public interface
    source: str | os.PathLike[str],
    *,
    name: str | None = None,
    version: str | None = None,
    store: StoreLike = None,
    ignore: bool | str = True,
    links: Links | None = None,
    base: str | None = None,
    check: bool = False,
    copy: bool = False,
    hash_cache: UseCache = True,
    jobs: int | None = None,
    executor: "Executor | None" = None,
    callback: Callback | None = None,
) -> Artifact:
    """Publish a file or directory; content that the store has already is not sent again.

    Args:
        source: a local path, or a URL: then nothing is copied, the asset refers to it.
        name: registers the artifact as `name:version`.
        version: None: the next whole number, unless the latest one has this content.
        store: where to; see `open_store`.
        ignore: whether `.amlignore`, else `.gitignore`, in `source` and below counts; a text
            names another file.
        links: what is done with symbolic links: `inside` follows those whose target lies in
            `source` and refuses others, `follow`, `skip`, `error`. None: as the store says.
        base: a ref of an artifact that the new one shares files with; else the asset's latest.
        check: whether the files of content that is there are looked for, and sent if missing.
        copy: whether the bytes of a URL are brought into the store.
        hash_cache: whether digests of unchanged files are remembered; `"always"`: on network
            file systems, too.
        jobs: files in flight (of each task of an executor); None: what serves the store best.
        executor: any of `concurrent.futures`, or a Dask client's `get_executor()`: its workers,
            which see `source` under the same path, read and send. Each opens the store from
            its configuration.
        callback: an `fsspec.Callback`; counts bytes.

    Raises:
        ConfigError: if secrets of the store would travel to an executor.
        ExecutorError: if it broke off; what arrived is not visible.
        SourceNotFoundError, AccessError, SourceError, UnsafeNameError: before anything is sent.
        ArtifactConflictError: if `name:version` has other content; nothing is changed.
        SourceChangedError: if the source keeps changing.
        TransferError, StoreUnavailableError, StorageFullError: if bytes did not arrive; what
            did is not visible.
        CommitUnknownError: if whether it was published is not known; upload again.
        IntegrityError: if something else lies in its place in the store.
    """
    opened = open_store(store)
    base_digest = digest_of(opened, parse(base)) if base else None
    if not is_url(source):
        return upload_path(
            opened,
            source,
            name=name,
            version=version,
            ignore=ignore,
            links=links,
            base=base_digest,
            check=check,
            use_cache=hash_cache,
            jobs=_in_flight(jobs, executor, opened),
            spread=spread_over(executor, opened),
            callback=callback,
        )
    url = str(source)
    if executor is not None:
        raise ConfigError(
            f"executor spreads the files of a local path: {url} goes without it (a reference"
            " moves no bytes)"
        )
    if not copy:
        from blobfs.artifact.reference import refer

        return refer(opened, _referred(opened, url), name, version)
    options = Options(name, version, base_digest, check, jobs)
    from blobfs.artifact.upload import upload

    return upload(lambda: remote_source(opened, url), opened, options, callback)


def plan_upload(  # noqa: PLR0913 - the public interface
    source: str | os.PathLike[str],
    *,
    name: str | None = None,
    version: str | None = None,
    store: StoreLike = None,
    ignore: bool | str = True,
    links: Links | None = None,
    base: str | None = None,
    check: bool = False,
    copy: bool = False,
    hash_cache: UseCache = True,
) -> UploadPlan:
    """Return what `upload` would do, as a value; nothing is written but the hash cache.

    The arguments are those of `upload`.

    Raises:
        BlobfsError: as `upload` does before it sends anything.
    """
    opened = open_store(store)
    base_digest = digest_of(opened, parse(base)) if base else None
    if is_url(source) and copy:
        options = Options(name, version, base_digest, check)
        from blobfs.artifact.upload import plan_upload

        return plan_upload(remote_source(opened, str(source)), opened, options)
    if is_url(source):
        from blobfs.artifact.reference import plan_refer

        return plan_refer(opened, _referred(opened, str(source)), name, version)
    return plan_path(
        opened,
        source,
        name=name,
        version=version,
        ignore=ignore,
        links=links,
        base=base_digest,
        check=check,
        use_cache=hash_cache,
    )


def download(  # noqa: PLR0913 - the public interface
    ref: str,
    target: str | os.PathLike[str],
    *,
    store: StoreLike = None,
    overwrite: bool = False,
    jobs: int | None = None,
    executor: "Executor | None" = None,
    callback: Callback | None = None,
) -> "Path":
    """Bring an artifact, or a part of one, to `target`, verified; return where it is.

    A tree's files lie directly in `target`; a file becomes `target`, or `target/<name>` if
    `target` ends in `/` or is a directory. What was absent is absent or complete; in one
    that exists each file is old or complete, equal files stay and other files are left alone.

    Args:
        ref: `name:version`, `name@latest`, `sha256:…`, a handle or URL, each with `/path`.
        target: where to.
        store: where from, if the ref does not say; see `open_store`.
        overwrite: whether other files in its place give way.
        jobs: files in flight (of each task of an executor); None: what serves the store best.
        executor: as of `upload`; its workers see `target` under the same path.
        callback: an `fsspec.Callback`; counts bytes.

    Raises:
        ConfigError, ExecutorError: as of `upload`.
        ArtifactNotFoundError: if there is no such thing.
        ArtifactConflictError: listing what is in the way; nothing was written.
        IntegrityError, TransferError: if what arrived is not what was published.
        StorageFullError, AccessError, DestinationError: if it cannot be written.
    """
    from blobfs.artifact.download import download

    found = find(ref, store=store)
    return download(
        found,
        target,
        overwrite=overwrite,
        jobs=_in_flight(jobs, executor, found.store),
        spread=spread_over(executor, found.store),
        callback=callback,
    )


def verify(
    ref: str, *, store: StoreLike = None, deep: bool = False, callback: Callback | None = None
) -> "Report":
    """Hold an artifact against its manifest: every file there with its size; `deep`: its bytes.

    Raises:
        ArtifactNotFoundError: if there is no such artifact.
    """
    from blobfs.artifact.verify import verify

    parsed = parse(ref)
    opened = store_of(parsed, store)
    return verify(opened, digest_of(opened, parsed), deep=deep, callback=callback)


def diff(first: str, second: str, *, store: StoreLike = None) -> "Diff":
    """Return in which paths two refs, or a ref and a local path, differ.

    Args:
        first: a ref; a local path if it holds `/` (and is no URL) or begins with `.`.
        second: the same.
        store: where refs are, if they do not say.
    """
    from blobfs.artifact.diff import diff

    sides = first, second
    return diff(*(entries_of(side, store, sides) for side in sides))


def artifacts(store: StoreLike = None) -> Iterator[Header]:
    """Yield the header of every artifact in a store."""
    yield from open_store(store).artifacts()


def assets(store: StoreLike = None, name: str | None = None) -> Iterator[Asset]:
    """Yield the assets of a store, or of one name: by name, then in the order of versions."""
    opened = open_store(store)
    for one in [check_name("name", name)] if name else opened.asset_names():
        for version in opened.versions(one).live:
            if asset := opened.live(one, version):
                yield asset


def remove(ref: str, *, store: StoreLike = None) -> Asset:
    """Take a `name:version` away; the version is never used again, the bytes stay.

    Raises:
        ConfigError: if the ref is not `name:version`.
        ArtifactNotFoundError: if there is no such asset.
    """
    parsed = parse(ref)
    if parsed.name is None or parsed.version is None or parsed.path:
        raise ConfigError(f"{ref!r}: only a name:version is removed; bytes stay where they are")
    opened = store_of(parsed, store)
    asset = asset_of(opened, parsed)
    from blobfs.commit import remove

    remove(opened, asset)
    return asset


def materialize(
    ref: str,
    *,
    store: StoreLike = None,
    jobs: int | None = None,
    callback: Callback | None = None,
) -> Artifact:
    """Complete an artifact that names bytes of another one (`delta: reference`).

    Afterwards every byte lies under its own name below the artifact's root, for programs that
    do not ask blobfs. Its digest stays.

    Raises:
        ArtifactNotFoundError: if there is no such artifact.
        ConfigError: if it refers to what lies outside the store.
        IntegrityError: if bytes of the other artifact are gone or damaged.
    """
    from blobfs.artifact.materialize import materialize

    parsed = parse(ref)
    opened = store_of(parsed, store)
    return materialize(opened, digest_of(opened, parsed), jobs=jobs, callback=callback)


def spread_over(executor: "Executor | None", store: Store) -> "Spread | None":
    """Return how work for a store is spread, None if it is not."""
    if executor is None:
        return None
    from blobfs.artifact.spread import Spread

    return Spread(executor, reopening(store))


def _in_flight(jobs: int | None, executor: "Executor | None", store: Store) -> int | None:
    """Return how many files are in flight: in each task, if several of them run at a time."""
    if executor is None or jobs or store.jobs:
        return jobs
    from blobfs.artifact.spread import IN_FLIGHT

    return min(store.backend.jobs, IN_FLIGHT)


def _referred(store: Store, url: str) -> Manifest:
    """Return the manifest that refers to what a URL names."""
    from blobfs.artifact.reading import objects_at
    from blobfs.artifact.reference import inside, outside
    from blobfs.managers.url import open_url

    found = found_at(store, url)
    if found is not None and found.header is not None:
        if found.store.location == store.location:
            return inside(found.header, found)
        check_plain(found)
        url = found.store.location.handle(found.store.layout.root(found.header))
        url += f"/{found.path}" if found.path else ""
    elif found is not None:
        url = found.store.location.handle(found.path)
    backend, key = open_url(url) if store.location.key(url) is None else (store.backend, "")
    if backend is store.backend:
        key = store.location.key(url) or ""
    is_tree, entries = objects_at(backend, key, url)
    return outside(url, entries, is_tree=is_tree)
