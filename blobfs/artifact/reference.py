"""Reference: an asset that points at bytes which stay where they are."""

from blobfs.artifact.azureml_commit import point_at, write_manifest
from blobfs.artifact.flat import check_flat
from blobfs.artifact.naming import choose, look_up, settle
from blobfs.artifact.reading import Found
from blobfs.artifact.value import Artifact, UploadPlan, artifact_of, plan_of
from blobfs.commit import now, publish, stage_for, warn_unless_exclusive
from blobfs.layout.hashed import inner_key
from blobfs.manifest import Entry, Header, Kind, Manifest, listing_digest
from blobfs.store import Store


def refer(store: Store, manifest: Manifest, name: str | None, version: str | None) -> Artifact:
    """Register what a manifest describes; nothing but the manifest is written.

    Args:
        store: where it is registered.
        manifest: of objects elsewhere, or of what an artifact of this store holds.
        name: of the asset, if any.
        version: of the asset; None: the next one.
    """
    if store.flat:
        check_flat(store, manifest)
    wanted = look_up(store, name, version)
    digest = manifest.header.digest
    chosen = choose(wanted, digest, store)
    header = store.probe(digest)
    reused = header is not None
    if header is None:
        header = publish_alone(store, manifest)
        warn_unless_exclusive(store)
    chosen = settle(store, wanted, chosen, header)
    return artifact_of(store, header, name, chosen, reused=reused)


def publish_alone(store: Store, manifest: Manifest) -> Header:
    """Publish an artifact whose bytes are where they stay: only its manifest is written.

    Raises:
        ArtifactConflictError: see `write_manifest`.
        IntegrityError, CommitUnknownError: see `publish`.
    """
    if store.azureml:
        write_manifest(store, manifest)
        point_at(store, manifest.header)
        return manifest.header
    stage = stage_for(store, manifest.header.digest)
    try:
        return publish(store, stage, manifest)
    finally:
        stage.discard()


def plan_refer(
    store: Store, manifest: Manifest, name: str | None, version: str | None
) -> UploadPlan:
    """Return what `refer` would do; nothing is written."""
    if store.flat:
        check_flat(store, manifest)
    wanted = look_up(store, name, version)
    chosen = choose(wanted, manifest.header.digest, store)
    header = store.probe(manifest.header.digest)
    return plan_of(store, header or manifest.header, name, chosen, reused=header is not None)


def outside(url: str, entries: list[Entry], *, is_tree: bool) -> Manifest:
    """Return the manifest that refers to objects elsewhere as they are now.

    Args:
        url: of the object or the directory.
        entries: what lies there, with tokens in the digests' place.
        is_tree: whether it is a directory.
    """
    url = url.rstrip("/") + ("/" if is_tree else "")
    root = url.rstrip("/").rpartition("/")[2] or "root"
    return manifest_of("reference", root, url, entries)


def inside(header: Header, found: Found) -> Manifest:
    """Return the manifest of an artifact of the store, or of a part of one, which becomes one.

    Args:
        header: of the artifact.
        found: what is pointed at.
    """
    if not found.path:
        return Manifest(header, found.entries)
    kind: Kind = "tree" if found.is_tree else "file"
    if header.at:  # its bytes lie where AzureML or others put them, under their own names
        return manifest_of(
            kind, found.name, None, [*found.entries], f"{header.at}/{found.path}"
        )
    entries = []
    for entry in found.entries:
        original = found.originals[entry.path]
        within = original.within or header.digest
        key = original.key if original.within else inner_key(header, original)
        entries.append(
            entry
            if entry.is_directory
            else Entry(entry.path, entry.size, entry.digest, entry.executable, key, within)
        )
    return manifest_of(kind, found.name, None, entries)


def manifest_of(
    kind: Kind, root: str, url: str | None, entries: list[Entry], at: str | None = None
) -> Manifest:
    """Return the manifest of sorted `entries`, whose bytes are where they stay.

    Args:
        kind: of the artifact.
        root: what its root is called.
        url: of what lies elsewhere.
        entries: with digests, or with tokens in their place.
        at: the key of what lies in the store, but in no directory of its own.
    """
    from uuid import uuid4

    files = [entry for entry in entries if not entry.is_directory]
    digest, size = listing_digest(kind, entries), sum(entry.size for entry in files)
    header = Header(digest, kind, root, len(files), size, now(), str(uuid4()), url=url, at=at)
    return Manifest(header, entries)
