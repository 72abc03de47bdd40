"""Reference: an asset that points at bytes which stay where they are."""

from blobfs.artifact.naming import choose, look_up, settle
from blobfs.artifact.reading import Found
from blobfs.artifact.value import Artifact, artifact_of
from blobfs.commit import now, publish, stage_for, warn_unless_exclusive
from blobfs.layout.hashed import inner_key
from blobfs.manifest import Entry, Header, Kind, Manifest, listing_digest
from blobfs.store import Store


def refer(  # noqa: PLR0913 - what is referred to, and as what
    store: Store,
    url: str,
    entries: list[Entry],
    *,
    is_tree: bool,
    name: str | None,
    version: str | None,
) -> Artifact:
    """Register objects elsewhere as they are now; nothing is copied.

    Args:
        store: where it is registered.
        url: of the object or the directory.
        entries: what lies there, with tokens in the digests' place.
        is_tree: whether it is a directory.
        name: of the asset, if any.
        version: of the asset; None: the next one.
    """
    url = url.rstrip("/") + ("/" if is_tree else "")
    root = url.rstrip("/").rpartition("/")[2] or "root"
    return _point(store, "reference", root, url, entries, name, version)


def refer_inside(
    store: Store, found: Found, *, name: str | None, version: str | None
) -> Artifact:
    """Point at an artifact of the store, or at a part of one, which then becomes an artifact.

    Args:
        store: where both are.
        found: what is pointed at.
        name: of the asset, if any.
        version: of the asset; None: the next one.
    """
    header = found.header
    assert header is not None  # noqa: S101 - the caller found an artifact
    if not found.path:
        wanted = look_up(store, name, version)
        chosen = settle(store, wanted, choose(wanted, header.digest, store), header)
        return artifact_of(store, header, name, chosen, reused=True)
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
    kind: Kind = "tree" if found.is_tree else "file"
    return _point(store, kind, found.name, None, entries, name, version)


def _point(  # noqa: PLR0913, PLR0917 - a header's fields
    store: Store,
    kind: Kind,
    root: str,
    url: str | None,
    entries: list[Entry],
    name: str | None,
    version: str | None,
) -> Artifact:
    from uuid import uuid4

    wanted = look_up(store, name, version)
    files = [entry for entry in entries if not entry.is_directory]
    digest = listing_digest(kind, entries)
    size = sum(entry.size for entry in files)
    header = Header(digest, kind, root, len(files), size, now(), str(uuid4()), url=url)
    chosen = choose(wanted, digest, store)
    there = store.probe(digest)
    if there is None:
        stage = stage_for(store, digest)
        try:
            there = publish(store, stage, Manifest(header, entries))
        finally:
            stage.discard()
        warn_unless_exclusive(store)
        reused = False
    else:
        reused = True
    chosen = settle(store, wanted, chosen, there)
    return artifact_of(store, there, name, chosen, reused=reused)
