"""Materialize: bring what an artifact only names in another one to its own place.

The bytes come first, under the artifact's own keys; then its manifest is replaced, in one step,
by one of the same listing and digest that names no other artifact. Until then the first one
holds, so this may be stopped at any time and begun again.
"""

from collections.abc import Sequence

from blobfs.artifact.reading import source_of
from blobfs.artifact.repair import whole_by_itself
from blobfs.artifact.sink import FinalSink
from blobfs.artifact.value import Artifact, artifact_of
from blobfs.artifact.work import last_registered
from blobfs.backend.base import Upload
from blobfs.errors import ConfigError
from blobfs.manifest import Entry, Manifest, encode
from blobfs.store import Store
from blobfs.transfer import Callback, Silent, each, move


def materialize(
    store: Store, digest: str, *, jobs: int | None = None, callback: Callback | None = None
) -> Artifact:
    """Complete an artifact, so that every byte lies under its own name below its root.

    Args:
        store: where it is.
        digest: its own.
        jobs: files in flight.
        callback: counts bytes.

    Raises:
        ConfigError: if it is a reference to what lies outside the store.
        IntegrityError: if bytes of the other artifact are gone or damaged.
    """
    old, jobs, callback = (
        store.manifest(digest),
        jobs or store.backend.jobs,
        callback or Silent(),
    )
    if old.header.url:
        raise ConfigError(
            f"{old.header.name} refers to {old.header.url}, outside {store}: upload that with"
            " `copy` (`--copy`) instead"
        )
    foreign = [entry for entry in old.entries if entry.within]
    new = whole_by_itself(store, old) if foreign else old
    here = {entry.path: entry for entry in new.entries}
    directory = store.layout.directory(digest)
    there = {found.key: found.size for found in store.backend.objects(directory)}
    missing = [
        entry
        for entry in foreign
        if there.get(store.layout.content(new.header, here[entry.path])) != entry.size
    ]
    uncopied = _copied(store, new, missing, jobs)
    callback.call("sending")
    callback.set_size(sum(entry.size for entry in uncopied))
    sink = _Renamed(FinalSink(store, new), here)
    move(uncopied, source_of(store, old), sink, jobs=jobs, callback=callback)
    if foreign:
        store.backend.put(store.layout.manifest_of(new.header), b"".join(encode(new)))
    name, version = last_registered(store, digest)
    size = sum(entry.size for entry in missing)
    sent = sum(entry.size for entry in uncopied)
    return artifact_of(
        store,
        new.header,
        name,
        version,
        reused=not foreign,
        sent=(len(uncopied), sent),
        copied=(len(missing) - len(uncopied), size - sent),
    )


def _copied(store: Store, new: Manifest, wanted: Sequence[Entry], jobs: int) -> list[Entry]:
    """Have the store copy entries to their own keys; return those that it could not."""
    if store.backend.renames_directories:  # its copies are for stages, where nobody looks yet
        return list(wanted)
    here = {entry.path: entry for entry in new.entries}
    uncopied: list[Entry] = []

    def copy(entry: Entry) -> None:
        source = store.layout.content(new.header, entry)
        target = store.layout.content(new.header, here[entry.path])
        if not store.backend.copy(source, target, entry.size, entry.digest):
            uncopied.append(entry)

    each(wanted, copy, jobs=jobs)
    return uncopied


class _Renamed:
    """A sink that puts an entry where its own key says."""

    def __init__(self, sink: FinalSink, here: dict[str, Entry]) -> None:
        self._sink = sink
        self._here = here

    def put(self, entry: Entry, data: bytes) -> None:
        """Write a small file."""
        self._sink.put(self._here[entry.path], data)

    def upload(self, entry: Entry) -> Upload:
        """Begin to write a large file."""
        return self._sink.upload(self._here[entry.path])
