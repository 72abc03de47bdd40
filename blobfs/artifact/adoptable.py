"""What lies in a store and can become an artifact where it lies.

Below `LocalUpload/<hash>/` that is each thing that AzureML uploaded, if its mark says that it
is complete; right below the root each file, as AIFlow leaves them; and whatever else is named.
Only listings, marks and notes are read here.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from blobfs.artifact.adopted import Note, fingerprint_of, note_name, read_note
from blobfs.artifact.azureml_tree import listed
from blobfs.artifact.listed import entries_of
from blobfs.artifact.marks import Marks, asked_of, is_complete, is_uuid
from blobfs.artifact.value import Asked
from blobfs.backend.base import Object
from blobfs.digest import PREFIX, is_digest
from blobfs.errors import (
    ArtifactNotFoundError,
    BlobfsError,
    ConfigError,
    IntegrityError,
    StoreUnavailableError,
    UnsafeNameError,
)
from blobfs.layout.hashed import ADOPTED, ARTIFACTS, PRIVATE
from blobfs.manifest import Entry, Header
from blobfs.names import MANIFEST_NAME, check_name, path_fault
from blobfs.store import Store

LOOKED = 64
"""Objects of one upload that are asked for AzureML's mark where listings do not tell it: it is
on the first of them, unless the upload followed links."""

UNNAMED = Asked(None, None)

T = TypeVar("T")
R = TypeVar("R")


class Root(NamedTuple):
    """A file or directory that is one artifact."""

    key: str
    is_tree: bool
    is_upload: bool = False
    """Whether it lies where AzureML uploads to."""

    fault: str | None = None
    """What makes it unusable."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A root, and what is known of it without reading it."""

    root: Root
    files: int = 0
    size: int = 0
    """In bytes."""

    asked: Asked = UNNAMED
    """What it shall be registered as."""

    unfinished: bool = False
    """Whether AzureML never said that it is complete."""

    known: tuple[Note, Header] | None = None
    """If it is an artifact already, and did not change since."""

    error: BlobfsError | None = None
    """Why it cannot be adopted."""


def candidates(store: Store, prefix: str, asked: Asked, jobs: int) -> list[Candidate]:
    """Return what can be adopted at and below `prefix`, in the order of keys.

    Args:
        store: where.
        prefix: a key; `""`: AzureML's uploads, and each file right below the root.
        asked: what the one artifact shall be called, if a name or version was asked for.
        jobs: requests in flight.

    Raises:
        ConfigError: if nothing there may be adopted, or `asked` does not fit.
        ArtifactNotFoundError: if there is nothing at `prefix`.
        AccessError, StoreUnavailableError: if that could not be found out.
    """
    for kind, text in zip(("name", "version"), asked, strict=True):
        if text is not None:
            check_name(kind, text)
    roots = _roots_at(store, prefix, jobs)
    if asked != UNNAMED and (not prefix or len(roots) != 1):
        raise ConfigError(
            f"a name or version is for one artifact, and there are {len(roots)} at"
            f" {store.location.handle(prefix)}: name one of them"
            if prefix
            else "a name or version is for one artifact: say where it lies"
        )
    noted = {*store.backend.names(ADOPTED)} if roots else set()
    return _several(lambda root: _look(store, root, asked, noted), roots, jobs)


def look(store: Store, root: Root) -> list[Object]:
    """Return what a listing tells of a root, with AzureML's marks where it tells them."""
    if not root.is_tree:
        return listed(store, root.key, is_tree=False)
    backend = store.backend
    return list((backend.described if root.is_upload else backend.exactly)(root.key))


def _roots_at(store: Store, prefix: str, jobs: int) -> list[Root]:
    where = store.location.handle(prefix)
    if prefix.partition("/")[0] == PRIVATE:
        raise ConfigError(f"{where} is what blobfs itself keeps there: nothing to adopt")
    if prefix in ("", ARTIFACTS):
        uploads = _all_uploads(store, jobs)
        return uploads if prefix else [*_files_at_top(store), *uploads]
    at = store.layout.artifact_at(prefix)
    if at is None:
        return [_anything(store, prefix)]
    if "/" in at[1]:
        raise ConfigError(
            f"{where} is a part of an upload: adopt all of it, and give the part a name by"
            " `blobfs upload` of its URL"
        )
    found = _uploads(store, "/".join(prefix.split("/")[:2]))
    if found is None:
        raise ConfigError(f"{where} is an artifact of blobfs already")
    found = [root for root in found if at[1] in ("", root.key.rpartition("/")[2])]
    if not found:
        raise ArtifactNotFoundError(f"there is nothing at {where}")
    return found


def _all_uploads(store: Store, jobs: int) -> list[Root]:
    names = sorted({name.removesuffix("/") for name in store.backend.names(ARTIFACTS)})
    directories = [f"{ARTIFACTS}/{name}" for name in names if is_digest(PREFIX + name)]
    found = _several(lambda directory: _uploads(store, directory), directories, jobs)
    return [root for roots in found for root in roots or ()]


def _uploads(store: Store, directory: str) -> list[Root] | None:
    """Return what AzureML uploaded to `LocalUpload/<hash>`, None if blobfs did, its own way."""
    keys = {found.key for found in store.backend.level(directory)}
    if f"{directory}/{MANIFEST_NAME}" in keys:
        return None
    roots = []
    for key in sorted({key.removesuffix("/") for key in keys}):
        both = "is a file and a directory at once" if {key, f"{key}/"} <= keys else None
        roots.append(Root(key, f"{key}/" in keys, is_upload=True, fault=both))
    return roots


def _files_at_top(store: Store) -> list[Root]:
    keys = sorted(found.key for found in store.backend.level(""))
    return [Root(key, is_tree=False) for key in keys if not key.endswith("/")]


def _anything(store: Store, prefix: str) -> Root:
    """Return a file, else a directory: what `blobfs download` of the same handle takes."""
    try:
        store.backend.head(prefix)
    except FileNotFoundError:
        if store.backend.is_directory(prefix):
            return Root(prefix, is_tree=True)
        where = store.location.handle(prefix)
        raise ArtifactNotFoundError(f"there is nothing at {where}") from None
    return Root(prefix, is_tree=False)


def _look(store: Store, root: Root, asked: Asked, noted: AbstractSet[str]) -> Candidate:
    """Return what is known of a root; what is wrong with it stops no other."""
    where = store.location.handle(root.key)
    try:
        if fault := path_fault(root.key) or root.fault:
            raise UnsafeNameError(f"{where} {fault}")
        return _seen(store, root, asked, noted)
    except StoreUnavailableError as error:
        if error.passing:
            raise
        return Candidate(root, error=error)
    except BlobfsError as error:
        return Candidate(root, error=error)


def _seen(store: Store, root: Root, asked: Asked, noted: AbstractSet[str]) -> Candidate:
    objects = look(store, root)
    entries = entries_of(
        root.key, objects, store.location.handle(root.key), is_tree=root.is_tree
    )
    known = _known(store, root, entries) if note_name(root.key) in noted else None
    marks, digest = _marks(store, root, objects) if root.is_upload else ({}, "")
    known = known or _put_there(store, root, entries, digest)
    unfinished = root.is_upload and known is None and not is_complete(marks)
    return Candidate(
        root,
        sum(not entry.is_directory for entry in entries),
        sum(entry.size for entry in entries),
        UNNAMED if unfinished else _asked(root, marks, asked),
        unfinished,
        known,
    )


def _known(store: Store, root: Root, entries: Sequence[Entry]) -> tuple[Note, Header] | None:
    note = read_note(store, root.key)
    if note is None or note.fingerprint != fingerprint_of(entries):
        return None
    header = _sound(store, note.digest)
    return (note, header) if header else None


def _sound(store: Store, digest: str) -> Header | None:
    """Return the header of an artifact, None if it is not there, or damaged."""
    try:
        return store.probe(digest)
    except IntegrityError:  # told when it is adopted anew
        return None


def _put_there(
    store: Store, root: Root, entries: Sequence[Entry], digest: str
) -> tuple[Note, Header] | None:
    """Return what is known of an upload that blobfs itself marked, by its digest."""
    header = _sound(store, PREFIX + digest) if is_digest(PREFIX + digest) else None
    sizes = [entry.size for entry in entries if not entry.is_directory]
    there = root.key, len(sizes), sum(sizes)
    if header is None or (header.at, header.files, header.size) != there:
        return None
    return Note(root.key, header.digest, fingerprint_of(entries)), header


def _marks(
    store: Store, root: Root, objects: Sequence[Object]
) -> tuple[Mapping[str, str], str]:
    """Return AzureML's marks on an upload, and the digest if blobfs put it beside them."""
    backend = store.backend
    on_one = backend.keeps_metadata and not backend.marks_directories
    looked = 0
    for found in sorted(objects, key=lambda o: o.key) if on_one else objects[:1]:
        looked += found.metadata is None
        if looked > LOOKED:
            break
        place = Marks(store, root.key, found.key)
        marks = place.read(found.metadata)
        if is_complete(marks):
            return marks, marks.get(place.digest_name, "")
    return {}, ""


def _asked(root: Root, marks: Mapping[str, str], asked: Asked) -> Asked:
    """Return what a root shall be registered as: as was asked for, else as it is called."""
    found = _marked(marks) if root.is_upload else Asked(root.key.rpartition("/")[2], None)
    if asked.name is not None:
        return asked
    if not found.name or not _may_be("name", found.name):
        if asked.version is not None:
            raise ConfigError(f"version={asked.version!r} needs a name: say which")
        return UNNAMED
    return Asked(found.name, asked.version or found.version)


def _marked(marks: Mapping[str, str]) -> Asked:
    """Return what AzureML registered; where it chose the version itself, the next one."""
    name, version = asked_of(marks)
    if version is None or version == "None" or is_uuid(version):
        return Asked(name, None)
    return Asked(name, version) if _may_be("version", version) else UNNAMED


def _may_be(kind: str, text: str) -> bool:
    try:
        check_name(kind, text)
    except ConfigError:
        return False
    return True


def _several(act: Callable[[T], R], items: Sequence[T], jobs: int) -> list[R]:
    """Return what `act` returns for each item, `jobs` at a time."""
    if jobs == 1 or len(items) <= 1:
        return list(map(act, items))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(jobs, len(items)), "blobfs-look") as pool:
        return list(pool.map(act, items))
