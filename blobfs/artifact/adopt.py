"""Adopt: make artifacts of what lies in a store already, where it lies.

Nothing is moved or written anew: the bytes are read and hashed, and what is written are a
manifest, an asset, and last a note, with which a later run reads only what changed since. So it
may be stopped at any time and begun again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from blobfs.artifact.adoptable import UNNAMED, Candidate, Root, candidates, look
from blobfs.artifact.adopted import Adopted, Note, State, fingerprint_of, write_note
from blobfs.artifact.azureml_commit import point_at, write_manifest
from blobfs.artifact.listed import entries_of
from blobfs.artifact.naming import choose, look_up, settle
from blobfs.artifact.reference import manifest_of, publish_alone
from blobfs.artifact.repair import lacks
from blobfs.artifact.value import Asked
from blobfs.backend.base import Backend
from blobfs.commit import warn_unless_exclusive
from blobfs.digest import PREFIX, short
from blobfs.errors import (
    AccessError,
    ArtifactConflictError,
    ArtifactNotFoundError,
    BlobfsError,
    CommitUnknownError,
    ConfigError,
    IntegrityError,
    SourceChangedError,
    StorageFullError,
    StoreUnavailableError,
)
from blobfs.late import log
from blobfs.layout.azureml.places import AzureMLLayout
from blobfs.manifest import Entry, Header, Kind, Manifest, encode
from blobfs.store import Store
from blobfs.transfer import LARGE, SMALL, Budget, Callback, Silent, each

SHOWN = 5
"""Changed files that a message lists."""

HOPELESS = (AccessError, StorageFullError, StoreUnavailableError)
"""What went wrong with one manifest, and would with the next one: nothing more is read then."""


def plan_adopt(
    store: Store, prefix: str, asked: Asked, *, jobs: int | None = None
) -> list[Adopted]:
    """Return what `adopt` would do; only listings, marks and notes are read.

    Raises:
        BlobfsError: see `candidates`.
    """
    found = candidates(store, prefix, asked, _jobs(store, jobs))
    return [_planned(store, candidate) for candidate in found]


def adopt(
    store: Store,
    prefix: str,
    asked: Asked,
    *,
    jobs: int | None = None,
    callback: Callback | None = None,
) -> list[Adopted]:
    """Make artifacts of what lies at and below `prefix`; one that fails stops no other.

    Args:
        store: where.
        prefix: a key; `""`: AzureML's uploads, and each file right below the root.
        asked: what the one artifact shall be called.
        jobs: files in flight.
        callback: counts the bytes read.

    Raises:
        BlobfsError: see `candidates`; what comes later is told in what is returned.
    """
    jobs, callback = _jobs(store, jobs), callback or Silent()
    found = candidates(store, prefix, asked, jobs)
    to_read = [one.size for one in found if _state(one) == "adopted"]
    if to_read:
        callback.call("reading")
        callback.set_size(sum(to_read))
        store.reclaim()
    adopting = _Adopting(store, jobs, callback)
    results = [adopting.one(candidate) for candidate in found]
    if adopting.wrote:
        warn_unless_exclusive(store)
    return results


class _Adopting:
    """One run: candidate by candidate, until something is wrong with the store itself."""

    def __init__(self, store: Store, jobs: int, callback: Callback) -> None:
        self._store, self._jobs, self._callback = store, jobs, callback
        self._ended: BlobfsError | None = None
        self.wrote = False

    def one(self, candidate: Candidate) -> Adopted:
        """Adopt a candidate, unless there is nothing to do, and tell what became of it."""
        planned = _planned(self._store, candidate)
        if planned.state in ("unfinished", "failed"):
            return planned
        if self._ended:
            text = f"not tried, after what went wrong before: {self._ended}"
            return _failed(planned, text, self._ended)
        try:
            note, header = candidate.known or self._published(candidate.root)
            return self._registered(planned, candidate.asked, note, header)
        except BlobfsError as error:
            error.add_note(f"while adopting {planned.path}")
            return _failed(planned, str(error), error)

    def _published(self, root: Root) -> tuple[Note, Header]:
        """Read a root and publish what it is."""
        store = self._store
        try:
            manifest, fingerprint = _read(store, root, self._jobs, self._callback)
        except StoreUnavailableError as error:
            self._ended = error if error.passing else None
            raise
        self.wrote = True
        try:
            if root.is_upload:  # first: it refuses what is not what it was
                _tell_handles(store, manifest)
            header = _publish(store, manifest)
        except HOPELESS as error:
            self._ended = error
            raise
        return Note(root.key, header.digest, fingerprint), header

    def _registered(
        self, planned: Adopted, asked: Asked, note: Note, header: Header
    ) -> Adopted:
        """Register an artifact, unless the note says that it is, and note it."""
        there, error = Asked(note.name, note.version), None
        try:
            if not _fits(note, asked):
                registered, error = _register(self._store, asked, header)
                there = registered or there
                self.wrote = True
            if planned.state == "adopted" or there != (note.name, note.version):
                write_note(self._store, note._replace(name=there.name, version=there.version))
        except HOPELESS as caught:
            self._ended = caught
            raise
        if error is not None:
            there = UNNAMED
            error.add_note(f"while registering {planned.path}, which is an artifact now")
        return replace(
            planned,
            digest=header.digest,
            name=there.name,
            version=there.version,
            problem=str(error) if error else None,
            error=error,
        )


def _state(candidate: Candidate) -> State:
    if candidate.error:
        return "failed"
    if candidate.unfinished:
        return "unfinished"
    return "known" if candidate.known else "adopted"


def _planned(store: Store, candidate: Candidate) -> Adopted:
    """Return what is known of a candidate before it is read."""
    root, asked, known = candidate.root, candidate.asked, candidate.known
    if known and _fits(known[0], asked):
        asked = Asked(known[0].name, known[0].version)
    unfinished = "AzureML has not marked it as complete: its upload did not end"
    problem = str(candidate.error) if candidate.error else None
    return Adopted(
        store=store.name,
        path=store.location.handle(root.key),
        state=_state(candidate),
        kind="tree" if root.is_tree else "file",
        digest=known[1].digest if known else None,
        files=candidate.files,
        size=candidate.size,
        name=asked.name,
        version=asked.version,
        problem=unfinished if candidate.unfinished else problem,
        error=candidate.error,
    )


def _failed(planned: Adopted, problem: str, error: BlobfsError) -> Adopted:
    return replace(
        planned,
        state="failed",
        digest=None,
        name=None,
        version=None,
        problem=problem,
        error=error,
    )


def _read(store: Store, root: Root, jobs: int, callback: Callback) -> tuple[Manifest, str]:
    """Read what lies at a root; return its manifest, and the fingerprint of what was there.

    Raises:
        SourceChangedError: if it is not what it was when it was listed first.
        TransferError, AccessError, StoreUnavailableError: if it cannot be read.
    """
    where = store.location.handle(root.key)

    def seen() -> list[Entry]:
        return entries_of(root.key, look(store, root), where, is_tree=root.is_tree)

    before = seen()
    digests = _digests(store.backend, root, before, jobs, callback)
    try:
        after = seen()
    except ArtifactNotFoundError:
        after = []
    if before != after:
        raise _changed(where, before, after)
    entries = [
        entry if entry.is_directory else Entry(entry.path, entry.size, digests[entry.path])
        for entry in before
    ]
    kind: Kind = "tree" if root.is_tree else "file"
    name = root.key.rpartition("/")[2]
    return manifest_of(kind, name, None, entries, root.key), fingerprint_of(before)


def _digests(
    backend: Backend, root: Root, entries: Sequence[Entry], jobs: int, callback: Callback
) -> Mapping[str, str]:
    """Return the digests of files by their paths; the large ones are read first."""
    budget = Budget()
    digests: dict[str, str] = {}

    def one(entry: Entry) -> None:
        key = f"{root.key}/{entry.path}" if root.is_tree else root.key
        with budget.taking(min(entry.size, LARGE)):
            digests[entry.path] = _digest(backend, key, entry.size, callback)

    files = (entry for entry in entries if not entry.is_directory)
    each(sorted(files, key=lambda entry: -entry.size), one, jobs=jobs)
    return digests


def _digest(backend: Backend, key: str, size: int, callback: Callback) -> str:
    hasher, done = sha256(), 0
    small = size <= SMALL
    try:
        for part in [backend.read(key)] if small else backend.stream(key, SMALL, 0, size):
            hasher.update(part)
            done += len(part)
            callback.relative_update(len(part))
    except FileNotFoundError:
        raise SourceChangedError(f"{key} went away while it was read") from None
    if done != size:
        raise SourceChangedError(
            f"{key} changed while it was read: it had {size} bytes, and {done} came"
        )
    return PREFIX + hasher.hexdigest()


def _changed(where: str, before: Sequence[Entry], after: Sequence[Entry]) -> BlobfsError:
    was, now = ({entry.path: entry for entry in entries} for entries in (before, after))
    paths = sorted(path for path in was.keys() | now.keys() if was.get(path) != now.get(path))
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return SourceChangedError(
        f"{where} changed while it was read: {', '.join(paths[:SHOWN])}{more}. Adopt it again"
        " when nobody writes there"
    )


def _publish(store: Store, manifest: Manifest) -> Header:
    """Publish what was read, unless the store has an artifact of this content already."""
    digest, at = manifest.header.digest, manifest.header.at
    header = store.probe(digest)
    if header is None:
        return publish_alone(store, manifest)
    if header.at in (None, at) or not lacks(store, store.manifest(digest)):
        return header
    # It was adopted elsewhere, and there it is no more: moved away, or written anew.
    log().info("%s: %s lies at %s now, not at %s", store, short(digest), at, header.at)
    if store.azureml:
        write_manifest(store, manifest)
        point_at(store, manifest.header)
    else:
        key = store.layout.manifest_of(manifest.header)
        store.backend.put(key, b"".join(encode(manifest)))
    return manifest.header


def _tell_handles(store: Store, manifest: Manifest) -> None:
    """Have handles below an upload of AzureML lead to what it is, whatever the layout.

    Raises:
        IntegrityError: if it was something else before.
    """
    header, layout = manifest.header, AzureMLLayout()
    key = layout.manifest_of(header)
    try:
        there = store.manifest_at(key).header.digest
    except FileNotFoundError:
        write_manifest(replace(store, layout=layout), manifest)
        return
    if there != header.digest:
        raise IntegrityError(
            f"{store.location.handle(layout.root(header))} is {short(header.digest)}, and was"
            f" {short(there)} when it was published: it was changed since"
            f" ({store.location.handle(key)})"
        )


def _register(
    store: Store, asked: Asked, header: Header
) -> tuple[Asked | None, BlobfsError | None]:
    """Return what an artifact is registered as, or why it is not."""
    try:
        wanted = look_up(store, asked.name, asked.version)
        version = choose(wanted, header.digest, store)
        return Asked(asked.name, settle(store, wanted, version, header)), None
    except (ArtifactConflictError, ConfigError, IntegrityError, CommitUnknownError) as error:
        return None, error


def _fits(note: Note, asked: Asked) -> bool:
    """Whether an artifact is registered already as it shall be."""
    if asked.name is None:
        return True
    return note.name == asked.name and asked.version in (None, note.version)


def _jobs(store: Store, jobs: int | None) -> int:
    return jobs or store.jobs or store.backend.jobs
