"""Verify: does a store hold what the manifest of an artifact says?"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from blobfs.artifact.reading import source_of
from blobfs.artifact.repair import lacks
from blobfs.digest import PREFIX, is_digest
from blobfs.errors import IntegrityError, UnsafeNameError
from blobfs.manifest import Entry, Manifest
from blobfs.source import Source
from blobfs.store import Store
from blobfs.transfer import Callback, Silent

READ_SIZE = 1 << 20
"""Bytes read at a time."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an artifact."""

    path: str
    """Of the file; `""` for the manifest itself."""

    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """What verifying an artifact found."""

    store: str | None
    digest: str
    deep: bool
    """Whether every byte was read."""

    files: int
    size: int
    """In bytes."""

    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(
    store: Store, digest: str, *, deep: bool = False, callback: Callback | None = None
) -> Report:
    """Hold an artifact against its manifest: every file there, with its size; deep: its bytes.

    Args:
        store: where it is.
        digest: its own.
        deep: whether every byte is read and hashed.
        callback: counts the bytes read.

    Raises:
        ArtifactNotFoundError: if there is no such artifact.
        AccessError, StoreUnavailableError: if that could not be found out.
    """
    try:
        manifest = store.manifest(digest)
    except (IntegrityError, UnsafeNameError) as error:
        return Report(store.name, digest, deep, 0, 0, (Problem("", str(error)),))
    if manifest.header.kind == "reference":
        problems = list(_changed(store, manifest))
    else:
        problems = [
            Problem(e.path, "is missing" if n is None else f"has {n} bytes instead of {e.size}")
            for e, n in lacks(store, manifest)
        ]
    if deep:
        known = {problem.path for problem in problems}
        problems += _damaged(store, manifest, known, callback or Silent())
    problems.sort(key=lambda problem: problem.path)
    header = manifest.header
    return Report(store.name, digest, deep, header.files, header.size, tuple(problems))


def _changed(store: Store, manifest: Manifest) -> Iterator[Problem]:
    """Yield the objects behind a reference that are not what they were."""
    source = source_of(store, manifest)
    for entry in manifest.entries:
        try:
            source.check(entry)
        except IntegrityError as error:
            yield Problem(entry.path, str(error))


def _damaged(
    store: Store, manifest: Manifest, known: set[str], callback: Callback
) -> Iterator[Problem]:
    """Yield the files whose bytes do not have their digest."""
    source = source_of(store, manifest)
    files = [e for e in manifest.entries if not e.is_directory and e.path not in known]
    callback.call("verifying")
    callback.set_size(sum(entry.size for entry in files))
    for entry in files:
        try:
            actual = _digest(source, entry, callback)
        except IntegrityError as error:
            yield Problem(entry.path, str(error))
            continue
        if is_digest(entry.digest) and actual != entry.digest:
            yield Problem(entry.path, f"has the digest {actual} instead of {entry.digest}")


def digest_at(store: Store, manifest: Manifest, entry: Entry) -> str:
    """Return the digest of the bytes that lie where those of an entry should."""
    return _digest(source_of(store, manifest), entry, Silent())


def _digest(source: Source, entry: Entry, callback: Callback) -> str:
    hasher = sha256()
    for part in source.parts(entry, READ_SIZE):
        hasher.update(part)
        callback.relative_update(len(part))
    return PREFIX + hasher.hexdigest()
