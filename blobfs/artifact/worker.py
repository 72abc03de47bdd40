"""What a worker does: a share of the hashing, sending or fetching, and what it tells of it.

A task goes to another process, perhaps on another machine, as bytes, and so does its outcome:
whoever passes them on sees no values to show or to log, and an error keeps its notes. A task
may run twice, and both at a time: nothing that one writes is in the way of the other.
"""

import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from blobfs.artifact.reading import Moved, objects_source, source_of
from blobfs.artifact.sink import KeySink
from blobfs.digest import hex_of
from blobfs.errors import (
    AccessError,
    BlobfsError,
    SourceChangedError,
    SourceError,
    TransferError,
    typed,
)
from blobfs.lent import Lent, LentStage, machine
from blobfs.lent_tree import LentTree
from blobfs.manifest import Entry, Header, Manifest
from blobfs.scan import LocalFile, Scan, identity_of
from blobfs.source import LocalSource, Source, changed, hash_file
from blobfs.store import Store
from blobfs.transfer import FETCHES, Silent, move

UNREADABLE = bytes(32)
"""Stands in a digest's place."""

Reopen = Callable[[], Store]
"""Opens a store that another process has open; see `blobfs.resolve.reopening`."""


class Task(Protocol):
    """A share of the work: a value that can be sent."""

    def __call__(self) -> Any:  # noqa: ANN401 - each its own
        """Do it, and return what is to be known of it."""


class Outcome(NamedTuple):
    """What became of a task."""

    result: Any
    error: Exception | None


def run(task: bytes, _: str) -> bytes:
    """Run a pickled task and return its pickled outcome; the text makes each call another."""
    try:
        outcome = Outcome(pickle.loads(task)(), None)  # noqa: S301 - from who called us
    except Exception as error:  # noqa: BLE001 - raised where it is waited for
        outcome = Outcome(None, sendable(error))
    return pickle.dumps(outcome)


def sendable(error: Exception) -> Exception:
    """Return an error as it may be sent: of what is not ours no text, it may hold anything."""
    if isinstance(error, TransferError):
        sent: Exception = TransferError(error.message, [*map(sendable, error.exceptions)])
    elif isinstance(error, BlobfsError):
        return error
    else:
        from traceback import extract_tb

        said = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
        places = [
            f"{os.path.basename(f.filename)}:{f.lineno}"
            for f in extract_tb(error.__traceback__)
        ]
        where = ", at ".join(["in a worker", *places[-1:]])
        sent = RuntimeError(f"{type(error).__name__}{said} ({where})")
    for note in getattr(error, "__notes__", ()):
        sent.add_note(note)
    return sent


class Hashed(NamedTuple):
    """What hashing some files gave."""

    digests: bytes
    """32 bytes of each file."""

    problems: Mapping[int, BlobfsError]
    """Of those that could not be read, by their place."""


@dataclass(frozen=True, slots=True)
class Hashing:
    """Some files to be hashed, as a scan saw them."""

    scan: Scan
    """With these files only."""

    def __call__(self) -> Hashed:
        """Hash all that can be read.

        Raises:
            SourceError: if this process does not see the source.
            SourceChangedError: if a file is not what the scan saw.
        """
        scan = self.scan
        if not os.path.lexists(scan.root):
            raise SourceError(
                f"a worker on {machine()} does not see {scan.root}: the source must lie on a"
                " file system that all workers share, under the same path"
            )
        digests, problems = [], {}
        for number, file in enumerate(scan.files):
            try:
                digest = _digest(scan.location(file.path), file)
                digests.append(bytes.fromhex(hex_of(digest)))
            except SourceChangedError:
                raise
            except (AccessError, SourceError) as error:
                digests.append(UNREADABLE)
                problems[number] = error
        return Hashed(b"".join(digests), problems)


def _digest(location: str, file: LocalFile) -> str:
    """Hash a file that has, before and after, the size and time that a scan saw.

    Its device, its inode, and the time of its last change of status may be others here: they
    are held against what this machine tells before the file is read.
    """
    try:
        here = identity_of(os.stat(location))
    except (FileNotFoundError, NotADirectoryError):
        raise SourceChangedError(
            f"{location} is not there for a worker on {machine()}: it was removed meanwhile, or"
            " does not lie on a file system that all workers share"
        ) from None
    except OSError as error:
        raise typed(error, f"looking at {location}", SourceError) from error
    if here[2:4] != file.identity[2:4]:
        raise changed(location)
    return hash_file(location, here, lambda _: None)


@dataclass(frozen=True, slots=True)
class Sending:
    """Some files to be written into a stage."""

    reopen: Reopen
    scan: Scan
    """Without its files."""

    stage: Lent
    header: Header
    entries: Sequence[Entry]
    jobs: int
    origin: str
    """The machine of who waits, which writes out what was written there."""

    def __call__(self) -> None:
        """Send them, each only if it has its digest still."""
        stage = LentStage(self.stage, self.reopen().backend)
        sink = KeySink(stage, self.header)
        source = LocalSource(self.scan)
        move(self.entries, source, sink, jobs=self.jobs, callback=Silent())
        if machine() != self.origin:
            stage.sync()


@dataclass(frozen=True, slots=True)
class Fetching:
    """Some files to be fetched into the directory of a download."""

    reopen: Reopen
    header: Header | None
    """Of the artifact; None if it is none."""

    path: str
    """Below the store's root, if it is no artifact."""

    is_tree: bool
    originals: Mapping[str, Entry]
    """Of a part of an artifact: its own entries, by the paths used here."""

    tree: LentTree
    entries: Sequence[Entry]
    jobs: int
    origin: str
    """As of `Sending`."""

    def __call__(self) -> None:
        """Fetch them, each verified."""
        source, jobs = self._source(self.reopen()), self.jobs
        with self.tree.opened() as sink:
            move(self.entries, source, sink, jobs=jobs, callback=Silent(), tries=FETCHES)
            if machine() != self.origin:
                sink.sync()

    def _source(self, store: Store) -> Source:
        if self.header is None:
            what = store.location.handle(self.path)
            return objects_source(store.backend, self.path, what, is_tree=self.is_tree)
        source = source_of(store, Manifest(self.header, ()))
        return Moved(source, self.originals) if self.originals else source
