"""What a ref means in a store, once the store and the rest of the ref are known."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from blobfs.artifact.listed import entries_of
from blobfs.backend.base import Backend, Data
from blobfs.digest import hex_of, short
from blobfs.errors import (
    ArtifactNotFoundError,
    BlobfsError,
    StoreUnavailableError,
)
from blobfs.manifest import Entry, Header, Kind, Manifest, listing_digest
from blobfs.names import decode_part
from blobfs.source import BackendSource, Source
from blobfs.store import Store


@dataclass(frozen=True, slots=True)
class Found:
    """A file or a tree that can be read: an artifact, a part of one, or other objects."""

    store: Store
    header: Header | None
    """Of the artifact; None if it is none."""

    path: str
    """Below the artifact's root, or below the store's; `""`: all of it."""

    name: str
    """The file's or the directory's."""

    is_tree: bool
    entries: Sequence[Entry]
    """With paths relative to what was found; of a file: one, by its name."""

    source: Source
    originals: Mapping[str, Entry] = field(default_factory=dict)
    """Of a part of an artifact: the artifact's own entries, by the paths used here."""

    @property
    def label(self) -> str:
        """Return 64 hex digits that name the content."""
        if self.header is not None and not self.path:
            return hex_of(self.header.digest)
        kind: Kind = "tree" if self.is_tree else "file"
        return hex_of(listing_digest(kind, self.entries))


def resolve(store: Store, digest: str, path: str = "") -> Found:
    """Return an artifact, or the file or directory `path` of it.

    Raises:
        ArtifactNotFoundError: if there is no such artifact, or it has no such path.
        IntegrityError, UnsafeNameError: if its manifest must not be used.
    """
    return resolve_in(store, store.manifest(digest), path)


def resolve_in(store: Store, manifest: Manifest, path: str = "") -> Found:
    """Return what `resolve` does, of an artifact whose manifest is known."""
    header, entries, source = manifest.header, manifest.entries, source_of(store, manifest)
    if not path:
        is_tree = header.kind != "file" and not is_single_reference(header)
        return Found(store, header, "", header.name, is_tree, entries, source)
    name = path.rpartition("/")[2]
    for entry in entries:
        if entry.path == path:
            return _part(store, header, path, {name: entry}, source, is_tree=False)
    skip = len(path) + 1
    moved = {e.path[skip:]: e for e in entries if e.path.startswith(path + "/")}
    if not moved:
        raise ArtifactNotFoundError(
            f"{header.name} ({header.digest}) in {store} has no {path!r}; `blobfs ls` shows all"
        )
    moved.pop("", None)  # an empty directory is not part of itself
    return _part(store, header, path, moved, source, is_tree=True)


def source_of(store: Store, manifest: Manifest) -> BackendSource:
    """Return what gives the bytes of an artifact, wherever they lie."""
    header = manifest.header
    if header.url is None:
        what = f"{header.name} ({short(header.digest)}) in {store}"
        return BackendSource(store.backend, partial(store.layout.content, header), what)
    backend, key = _opened(store, header.url)
    return objects_source(backend, key, header.url, is_tree=not is_single_reference(header))


def _opened(store: Store, url: str) -> tuple[Backend, str]:
    """Return the storage that a reference's URL names: the store itself if it lies there."""
    if (key := store.location.key(url)) is not None:
        return store.backend, key
    if store.open_url is None:
        raise StoreUnavailableError(f"{store} has no way to open {url}")
    return store.open_url(url)


def objects_source(backend: Backend, key: str, what: str, *, is_tree: bool) -> BackendSource:
    """Return what gives the bytes of the object at `key`, or of those below it."""
    if is_tree:
        return BackendSource(backend, lambda e: f"{key}/{e.path}".lstrip("/"), what)
    return BackendSource(backend, lambda _: key, what)


def is_single_reference(header: Header) -> bool:
    """Whether a header is of a reference to one object; a directory's URL ends in `/`."""
    return header.url is not None and not header.url.endswith("/")


def objects_at(backend: Backend, key: str, what: str) -> tuple[bool, list[Entry]]:
    """Return whether `key` is a directory, and what lies there, by tokens instead of digests.

    A directory ends at a `/`: `run` is never `run2`.

    Raises:
        ArtifactNotFoundError: if nothing lies there.
        UnsafeNameError: listing all names that cannot be paths.
    """
    name = key.rpartition("/")[2]
    if key:
        try:
            found = backend.head(key)
        except FileNotFoundError:
            pass
        else:
            return False, [Entry(name, found.size, found.token)]
    objects = list(backend.exactly(key))
    if not objects:
        raise ArtifactNotFoundError(f"there is nothing at {what}")
    return True, entries_of(key, objects, what, is_tree=True)


def resolve_key(store: Store, key: str) -> Found:
    """Return what lies at `key` below a store's root, be it no artifact.

    Raises:
        ArtifactNotFoundError: if nothing does.
    """
    what = store.location.handle(key)
    is_tree, entries = objects_at(store.backend, key, what)
    source = objects_source(store.backend, key, what, is_tree=is_tree)
    name = key.rpartition("/")[2] or "root"
    return Found(store, None, key, name, is_tree, entries, source)


def path_at(rest: str) -> str:
    """Return the path in an artifact of what lies at `rest` below the artifact's directory.

    >>> path_at("model"), path_at("model/a/%run%3F.sh")
    ('', 'a/run?.sh')
    """
    return "/".join(decode_part(part) for part in rest.split("/")[1:])


class Moved:
    """A source whose entries are called otherwise here."""

    def __init__(self, source: Source, entries: Mapping[str, Entry]) -> None:
        """Ask `source` for the entries that stand under the paths used here."""
        self._source = source
        self._entries = entries

    def read(self, entry: Entry) -> bytes:
        """Return all bytes of a small file."""
        return self._source.read(self._entries[entry.path])

    def parts(self, entry: Entry, part_size: int, start: int = 0) -> Iterable[Data]:
        """Yield the bytes of a file."""
        return self._source.parts(self._entries[entry.path], part_size, start)

    def mismatch(self, entry: Entry) -> BlobfsError:
        """Return what to raise when the bytes did not have the digest."""
        return self._source.mismatch(self._entries[entry.path])


def _part(  # noqa: PLR0913 - a value's fields
    store: Store,
    header: Header,
    path: str,
    moved: dict[str, Entry],
    source: Source,
    *,
    is_tree: bool,
) -> Found:
    name = path.rpartition("/")[2]
    entries = [entry._replace(path=new) for new, entry in moved.items()]
    return Found(store, header, path, name, is_tree, entries, Moved(source, moved), moved)
