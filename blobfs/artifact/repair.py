"""Look into a hit: is every object there, with its size? What is not is sent again."""

from blobfs import plan as planning
from blobfs.artifact.sink import FinalSink
from blobfs.manifest import Entry, Manifest, encode
from blobfs.source import Source
from blobfs.store import Store
from blobfs.transfer import Callback, move


def repair(
    store: Store, digest: str, source: Source, callback: Callback, jobs: int
) -> tuple[int, int]:
    """Send again what an artifact lacks; return how many files and bytes that were.

    Where it was adopted others write, so if anything is lacking there, nothing is sent there:
    all of it goes to the artifact's own directory, and then the manifest says so.
    """
    manifest = store.manifest(digest)
    lacking = [entry for entry, _ in lacks(store, manifest)]
    moves = bool(lacking and manifest.header.at)
    if moves:
        manifest = whole_by_itself(store, manifest)
        lacking = [entry for entry in manifest.entries if not entry.is_directory]
    size = sum(entry.size for entry in lacking)
    callback.call("sending")
    callback.absolute_update(0)
    callback.set_size(size)
    move(lacking, source, FinalSink(store, manifest), jobs=jobs, callback=callback)
    if moves:
        store.backend.put(store.layout.manifest_of(manifest.header), b"".join(encode(manifest)))
    return len(lacking), size


def whole_by_itself(store: Store, manifest: Manifest) -> Manifest:
    """Return the manifest of the same content, all of it in the artifact's own directory."""
    header = manifest.header
    keys = planning.keys_of(
        header.name,
        [entry.path for entry in manifest.entries] if header.kind == "tree" else [],
        prefix=store.layout.directory(header.digest),
        forbidden=store.backend.forbidden,
        case_insensitive=store.backend.is_case_insensitive(),
    )
    entries = [
        entry._replace(key=keys.get(entry.path), within=None)
        if entry.within or header.at
        else entry
        for entry in manifest.entries
    ]
    return Manifest(header._replace(at=None, key=keys.get("")), entries)


def lacks(store: Store, manifest: Manifest) -> list[tuple[Entry, int | None]]:
    """Return the entries whose object is absent (None) or has another size (in bytes)."""
    header, layout = manifest.header, store.layout
    files = [entry for entry in manifest.entries if not entry.is_directory]
    if header.at and header.kind == "file":
        sizes = {header.at: _size(store, header.at)}
    else:
        places = {layout.directory(entry.within) for entry in files if entry.within}
        places.add(header.at or layout.directory(header.digest))
        sizes = {o.key: o.size for place in places for o in store.backend.objects(place)}
    found = ((entry, sizes.get(layout.content(header, entry))) for entry in files)
    return [(entry, size) for entry, size in found if size != entry.size]


def _size(store: Store, key: str) -> int | None:
    try:
        return store.backend.head(key).size
    except FileNotFoundError:
        return None
