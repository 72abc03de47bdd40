"""The commits that add to a store: an artifact's, an asset's, a tombstone's.

Each is one exclusive step. Whatever it answers, what lies there afterwards is read back and
decides: equal is success, other content is an error, and "cannot be read" is told as such.
Nothing below `LocalUpload/` or `assets/` is ever deleted or overwritten.
"""

import json
from contextlib import suppress
from typing import Any

from blobfs.digest import short
from blobfs.errors import (
    ArtifactConflictError,
    BlobfsError,
    CommitUnknownError,
    IntegrityError,
    StoreUnavailableError,
)
from blobfs.late import log
from blobfs.layout.hashed import ASSET_NAME, FORMAT, TOMBSTONE_NAME
from blobfs.manifest import Header, Manifest, encode
from blobfs.names import MANIFEST_NAME, STAGES
from blobfs.stage import DirectoryStage, KeyStage, Stage
from blobfs.store import SCHEMA, Asset, Store

FORMAT_SCHEMA = 1


def now() -> str:
    """Return the time as manifests and assets write it; for people, nothing depends on it."""
    from datetime import UTC, datetime

    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stage_for(store: Store, digest: str) -> Stage:
    """Return the stage in which the artifact `digest` is put together."""
    if store.backend.renames_directories:
        return DirectoryStage(store.backend)
    exclusive = creates_exclusively(store)
    return KeyStage(store.backend, store.layout.directory(digest), exclusive=exclusive)


def creates_exclusively(store: Store) -> bool:
    """Whether of several writers of one manifest exactly one wins; tried once for a store.

    The first commit ever creates `format.json`, and then creates it again: a store that lets
    the second through has thereby noted that it cannot.

    Raises:
        IntegrityError: if the store has a format that this version does not know.
    """
    if store.exclusive is None:
        store.exclusive = store.twice(lambda: _read_format(store))
    if store.exclusive is None:
        for can in (True, False):
            try:
                format_ = {"schema": FORMAT_SCHEMA, "exclusive_create": can}
                store.backend.create(FORMAT, _json(format_))
            except FileExistsError:
                break
        store.exclusive = store.twice(lambda: _read_format(store)) or False
    return store.exclusive


def warn_unless_exclusive(store: Store) -> None:
    """Tell, on each commit, that the store cannot decide a race."""
    if not store.backend.renames_directories and not creates_exclusively(store):
        log().warning(
            "%s cannot create exclusively: of two that write one name:version at once the last"
            " wins; what was committed is read back",
            store,
        )


def _read_format(store: Store) -> bool | None:
    """Return what `format.json` says, None if there is none yet."""
    where = store.location.handle(FORMAT)
    try:
        fields = json.loads(store.backend.read(FORMAT))
        schema, can = fields["schema"], fields.get("exclusive_create", False)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(f"{where} does not tell the store's format: {error!r}") from error
    if schema != FORMAT_SCHEMA:
        raise IntegrityError(
            f"{where} has schema {schema!r}; this version of blobfs writes {FORMAT_SCHEMA}:"
            " another one is needed"
        )
    return can is True and store.backend.creates_exclusively


def publish(store: Store, stage: Stage, manifest: Manifest) -> Header:
    """Make an artifact visible and return its header: ours, or that of who was first.

    Raises:
        IntegrityError: if something else lies in its place.
        CommitUnknownError: if what lies there cannot be read.
    """
    creates_exclusively(store)
    directory = store.layout.directory(manifest.header.digest)
    try:
        stage.publish(directory, MANIFEST_NAME, encode(manifest))
    except FileExistsError as error:
        if not isinstance(stage, DirectoryStage):
            return _read_back(store, manifest, error)
        return _lost_rename(store, stage, manifest)
    except StoreUnavailableError as error:
        if not store.backend.loses_answers:
            raise
        return _read_back(store, manifest, error)
    return manifest.header if store.exclusive else _read_back(store, manifest, None)


def _read_back(store: Store, manifest: Manifest, error: Exception | None) -> Header:
    """Find out whose manifest is there, after a commit whose answer proves nothing."""
    digest = manifest.header.digest
    try:
        header = store.probe(digest)
    except IntegrityError:
        raise
    except BlobfsError as unreadable:
        raise CommitUnknownError(
            f"whether {short(digest)} was committed to {store} is not known:"
            f" {error or 'it was written'}; then: {unreadable}. Upload it again to find out"
        ) from unreadable
    if header is None:
        raise error or StoreUnavailableError(f"{store} does not have the manifest just written")
    return header


def _lost_rename(store: Store, stage: DirectoryStage, manifest: Manifest) -> Header:
    """Return the header of who was first; what holds no valid manifest is moved away."""
    from uuid import uuid4

    directory = store.layout.directory(manifest.header.digest)
    for _ in range(2):
        try:
            header = store.probe(manifest.header.digest)
        except IntegrityError:
            header = None
        if header is not None:
            return header
        broken = f"{STAGES}/{uuid4()}-broken"
        log().warning("%s: %s holds no valid manifest: moved to %s", store, directory, broken)
        try:
            store.backend.rename(directory, broken)
            stage.rename(directory)
        except FileExistsError:
            continue
        except FileNotFoundError:  # another writer moved it away
            continue
        return manifest.header
    raise StoreUnavailableError(f"{store}: {directory} keeps coming back without a manifest")


def register(store: Store, name: str, version: str, header: Header) -> None:
    """Point `name:version` at an artifact, once and for all.

    Raises:
        ArtifactConflictError: if it points at another one, or was removed.
        CommitUnknownError: if what it points at cannot be read.
    """
    asset = Asset(name, version, header.digest, now())
    fields = {
        "schema": SCHEMA,
        "name": name,
        "version": version,
        "digest": header.digest,
        "manifest": store.layout.manifest_of(header),
        "created": asset.created,
    }
    stage = stage_for(store, header.digest)
    directory = store.layout.asset_directory(name, version)
    error: Exception | None = None
    decided = False
    try:
        decided = isinstance(stage, DirectoryStage) or creates_exclusively(store)
        stage.publish(directory, ASSET_NAME, [_json(fields)])
    except FileExistsError as caught:
        error = caught
    except StoreUnavailableError as caught:
        if not store.backend.loses_answers:
            raise
        error = caught
    finally:
        stage.discard()
    if error is not None or not decided:
        _settle(store, asset, error)
    _note(store, asset)


def _settle(store: Store, ours: Asset, error: Exception | None) -> None:
    """Return if the asset that is there equals ours, else raise what that means."""
    ref = f"{ours.name}:{ours.version}"
    try:
        theirs = None if error else store.live(ours.name, ours.version)
        if theirs is None or theirs.digest != ours.digest:
            theirs = check_free(store, ours.name, ours.version, ours.digest)
    except ArtifactConflictError:
        raise
    except BlobfsError as unreadable:
        raise CommitUnknownError(
            f"whether {ref} was registered in {store} is not known: {unreadable}."
            " Upload it again to find out"
        ) from unreadable
    if theirs is None:
        raise error or StoreUnavailableError(f"{store} does not have {ref}, just written")


def check_free(store: Store, name: str, version: str, digest: str | None) -> Asset | None:
    """Return the asset if it is there and points at `digest`, None if it is not there.

    Args:
        store: where to look.
        name: its name.
        version: its version.
        digest: None: any digest will do.

    Raises:
        ArtifactConflictError: if it points at something else, or was removed.
    """
    asset = store.asset(name, version)
    if _is_other(asset, digest):  # one flipped digit would make a conflict: look again
        asset = store.asset(name, version)
    if asset is not None and asset.removed:
        raise ArtifactConflictError(
            f"{name}:{version} was removed from {store}, and a version is never used again:"
            " choose another one"
        )
    if asset is not None and digest is not None and asset.digest != digest:
        raise ArtifactConflictError(
            f"{name}:{version} is {short(asset.digest)} in {store} already and is not changed;"
            f" what you have is {short(digest)}: choose another version"
        )
    return asset


def _is_other(asset: Asset | None, digest: str | None) -> bool:
    return asset is not None and (asset.removed or digest not in (None, asset.digest))


def _note(store: Store, asset: Asset) -> None:
    """Leave a back reference, so that a hit can say what it was last registered to."""
    key = store.layout.registered(asset.digest, asset.name, asset.version)
    try:
        store.backend.note(key, b"{}\n")
    except BlobfsError as error:  # only for display: the asset is registered
        log().debug("%s: no back reference: %s", store, error)


def remove(store: Store, asset: Asset) -> None:
    """Take a name away: a tombstone is put beside the asset, the bytes stay."""
    directory = store.layout.asset_directory(asset.name, asset.version)
    with suppress(FileExistsError):  # somebody else took it away
        store.backend.create(f"{directory}/{TOMBSTONE_NAME}", _json({"removed": now()}))
    store.backend.delete(store.layout.registered(asset.digest, asset.name, asset.version))


def _json(fields: dict[str, Any]) -> bytes:
    return (json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
