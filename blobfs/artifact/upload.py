"""Upload: scan, digest, held? plan, transfer, commit."""

from collections.abc import Callable

from blobfs.artifact.azureml import AzureMLWork
from blobfs.artifact.flat import check_flat, plan_flat, put_flat
from blobfs.artifact.naming import Wanted, choose, look_up, settle
from blobfs.artifact.value import Artifact, Options, UploadPlan, artifact_of
from blobfs.artifact.work import Work
from blobfs.commit import warn_unless_exclusive
from blobfs.errors import ConfigError, SourceChangedError
from blobfs.late import log
from blobfs.source import AzureMLSource, Uploadable
from blobfs.store import Store
from blobfs.transfer import Callback, Silent

ATTEMPTS = 3
"""How often a source that changes while it is read is planned anew, the first time included."""


def upload(
    open_source: Callable[[], Uploadable],
    store: Store,
    options: Options,
    callback: Callback | None = None,
) -> Artifact:
    """Store what a source holds, unless the store has it, and register it.

    Args:
        open_source: looks at the source; called again if it changed while it was read.
        store: where to.
        options: how.
        callback: counts bytes.

    Raises:
        BlobfsError: see `blobfs.upload`.
    """
    if store.flat:
        check_flat(store, options.name, options.version)
    wanted = look_up(store, options.name, options.version)
    for left in reversed(range(ATTEMPTS)):
        try:
            return _attempt(open_source(), store, wanted, options, callback or Silent())
        except SourceChangedError as error:
            if not left:
                raise
            log().info("%s; starting over", error)
    raise AssertionError("not reached")


def _attempt(
    source: Uploadable, store: Store, wanted: Wanted, options: Options, callback: Callback
) -> Artifact:
    """Upload what the source holds now."""
    if store.flat:
        return put_flat(source, store, options, callback)
    work = _work(source, store, options, wanted, callback)
    try:
        digest, manifest = work.known(), None
        if digest is None:
            manifest = work.digest()
            digest = manifest.header.digest
        version = choose(wanted, digest, store)
        header = work.held(digest)
        if header is None:
            header = work.send(manifest or work.digest())
            work.mark(header, version)
        version = settle(store, wanted, version, header)
        name = wanted.name
        if name is None and work.reused:
            name, version = work.registered(header.digest)
        elif not work.reused or wanted.base != header.digest:
            warn_unless_exclusive(store)
        return artifact_of(
            store,
            header,
            name,
            version,
            reused=work.reused,
            sent=work.sent,
            copied=work.copied,
            is_asset=work.names_asset,
        )
    finally:
        work.close()


def plan_upload(source: Uploadable, store: Store, options: Options) -> UploadPlan:
    """Return what `upload` would do; nothing is written."""
    if store.flat:
        check_flat(store, options.name, options.version)
        return plan_flat(source, store, options)
    wanted = look_up(store, options.name, options.version)
    work = _work(source, store, options, wanted, Silent(), dry=True)
    manifest = work.digest()
    version = choose(wanted, manifest.header.digest, store)
    return work.forecast(manifest, version)


def _work(  # noqa: PLR0913 - what an upload is made of
    source: Uploadable,
    store: Store,
    options: Options,
    wanted: Wanted,
    callback: Callback,
    *,
    dry: bool = False,
) -> Work:
    """Return the stages as the store's layout has them.

    Raises:
        ConfigError: if it is one that takes no such source.
    """
    if not store.azureml:
        return Work(source, store, options, wanted, callback, dry=dry)
    if not isinstance(source, AzureMLSource):
        raise ConfigError(
            f"{store} has `layout: azureml`, which takes local files and directories: download"
            " what is elsewhere first, refer to it, or use `layout: hashed`"
        )
    return AzureMLWork(source, store, options, wanted, callback, dry=dry)
