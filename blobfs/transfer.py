"""Carry out a plan: move bytes from a source to a sink, each entry hashed on its way.

Whatever the direction, an entry becomes visible only if its bytes had the digest that it was
planned with. Memory is bounded by the bytes in flight, not by the number or size of files.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from typing import Any, Protocol

from blobfs.backend.base import Data, Upload
from blobfs.backend.between import FileParts
from blobfs.digest import PREFIX, digest_bytes, is_digest
from blobfs.errors import (
    BlobfsError,
    IntegrityError,
    SourceChangedError,
    StorageFullError,
    StoreUnavailableError,
    TransferError,
)
from blobfs.manifest import Entry
from blobfs.source import Advance, Source

SMALL = 8 << 20
"""Bytes up to which a file is read whole and moved by one request; larger ones go by parts."""

IN_FLIGHT = 128 << 20
"""Bytes of files that are held in memory at a time, for all threads together."""

LARGE = 64 << 20
"""Bytes that a file that goes by parts is reckoned to hold: the ranges that are read ahead, and
the one that is being written."""

FETCHES = 2
"""How often bytes of a download are fetched that do not have their digest."""

MAX_FAILURES = 100
"""Failed files after which no further one is tried."""

HOPELESS = (StorageFullError, StoreUnavailableError, SourceChangedError)
"""Errors that the next file would meet, too: they end a transfer at once."""


class Callback(Protocol):
    """What is used of an `fsspec.Callback`; all numbers are bytes."""

    def set_size(self, size: int) -> object:
        """Say how many bytes there are to do."""

    def absolute_update(self, value: int) -> object:
        """Say how many were done."""

    def relative_update(self, inc: int = 1) -> object:
        """Say how many more were done."""

    def call(self, hook_name: str | None = None, **kwargs: Any) -> object:  # noqa: ANN401
        """Say what is being done: `hashing`, `sending`, `fetching`."""


class Silent:
    """The callback of who does not want to know."""

    def set_size(self, size: int) -> None:
        """Do nothing."""

    def absolute_update(self, value: int) -> None:
        """Do nothing."""

    def relative_update(self, inc: int = 1) -> None:
        """Do nothing."""

    def call(self, hook_name: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401
        """Do nothing."""


class Sink(Protocol):
    """Where bytes go. The calls may come from several threads."""

    def put(self, entry: Entry, data: bytes) -> None:
        """Write a small file."""

    def upload(self, entry: Entry) -> Upload:
        """Begin to write a large file."""


def move(  # noqa: PLR0913 - the two ends, and how
    entries: Iterable[Entry],
    source: Source,
    sink: Sink,
    *,
    jobs: int,
    callback: Callback,
    tries: int = 1,
) -> None:
    """Move the bytes of `entries`; each appears at the sink only if it has its digest.

    Args:
        entries: what is moved; the large ones first serves best.
        source: gives the bytes.
        sink: takes them.
        jobs: files in flight.
        callback: counts bytes.
        tries: how often a file is read whose bytes do not have its digest.

    Raises:
        BlobfsError: of the one file that failed.
        TransferError: if several files failed, with the cause of each.
        SourceChangedError, StorageFullError, StoreUnavailableError: as soon as one is met.
    """
    budget, alone = Budget(), nullcontext()

    def one(entry: Entry) -> None:
        for left in reversed(range(tries)):
            try:
                if entry.size > SMALL:
                    with budget.taking(min(entry.size, LARGE)) if jobs > 1 else alone:
                        _by_parts(entry, source, sink, callback.relative_update)
                else:
                    with budget.taking(entry.size) if jobs > 1 else alone:
                        _whole(entry, source, sink)
                    callback.relative_update(entry.size)
                break
            except IntegrityError:
                if not left:
                    raise

    each(entries, one, jobs=jobs)


def _whole(entry: Entry, source: Source, sink: Sink) -> None:
    data = source.read(entry)
    if len(data) != entry.size:
        raise source.mismatch(entry)
    if digest_bytes(data) != entry.digest and is_digest(entry.digest):
        raise source.mismatch(entry)
    sink.put(entry, data)


def _by_parts(entry: Entry, source: Source, sink: Sink, advance: Advance) -> None:
    upload = sink.upload(entry)
    try:
        digest, size = pump(source.parts(entry, upload.part_size), upload, advance)
        equal = size == entry.size and (digest == entry.digest or not is_digest(entry.digest))
        if equal:
            upload.complete()
    except BaseException:
        upload.abort()
        raise
    if not equal:
        advance(-size)
        upload.abort()
        raise source.mismatch(entry)


def pump(parts: Iterable[Data], upload: Upload, advance: Advance) -> tuple[str, int]:
    """Write `parts` while they are hashed in order; return digest and size of what is there."""
    if isinstance(parts, FileParts):
        with parts.opening() as file:
            if adopted := upload.adopt(file, advance):
                return adopted
    from concurrent.futures import Future, ThreadPoolExecutor

    hasher, size = sha256(), 0
    writing: deque[Future[None]] = deque()
    pool = ThreadPoolExecutor(upload.parallel, "blobfs-part")
    try:
        for number, part in enumerate(parts):
            writing.append(pool.submit(upload.write, number, part))
            hasher.update(part)
            size += len(part)
            advance(len(part))
            while len(writing) > upload.parallel:
                writing.popleft().result()
        while writing:
            writing.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # all are done, unless something failed
    return PREFIX + hasher.hexdigest(), size


def each(items: Iterable[Entry], act: Callable[[Entry], None], *, jobs: int) -> None:
    """Call `act` for every item, `jobs` at a time, and raise what went wrong at the end.

    Raises:
        TransferError: if several failed; one error is raised as it is, a hopeless one at once.
    """
    failures: list[Exception] = []
    ended: list[Exception] = []

    def guarded(entry: Entry) -> None:
        if not ended:
            try:
                act(entry)
            except HOPELESS as error:
                error.add_note(f"while transferring {entry.path}")
                ended.append(error)
            except Exception as error:  # noqa: BLE001 - raised below, with all others
                error.add_note(f"while transferring {entry.path}")
                failures.append(error)
                if len(failures) >= MAX_FAILURES:
                    ended.append(error)

    if jobs == 1:
        for item in items:
            guarded(item)
    else:
        _in_threads(items, guarded, jobs)
    if ended and isinstance(ended[0], HOPELESS):
        raise ended[0]
    if failures:
        raise of_all(failures, stopped=bool(ended))


def of_all(failures: list[Exception], *, stopped: bool) -> Exception:
    """Return what stands for several failures: a group, or the one that there is."""
    if len(failures) == 1 and isinstance(failures[0], BlobfsError):
        return failures[0]
    count = f"{len(failures)} file{'s' if len(failures) > 1 else ''} failed"
    more = ", and no more were tried" if stopped else ""
    return TransferError(f"{count}{more}; first: {failures[0]}", failures)


def _in_threads(items: Iterable[Entry], act: Callable[[Entry], None], jobs: int) -> None:
    """Run with at most `2 * jobs` items taken from the iterator and not done."""
    from concurrent.futures import ThreadPoolExecutor

    room = threading.Semaphore(2 * jobs)
    pool = ThreadPoolExecutor(jobs, "blobfs")
    try:
        for item in items:
            room.acquire()
            pool.submit(act, item).add_done_callback(lambda _: room.release())
    except BaseException:  # interrupted: what has not begun is not begun
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown(wait=True)


class Budget:
    """Bytes that may be in flight; a file that is larger than all of it goes alone."""

    def __init__(self, size: int = IN_FLIGHT) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()

    @contextmanager
    def taking(self, size: int) -> Iterator[None]:
        """Wait until `size` bytes may be held, and hold them."""
        size = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= size)
            self._free -= size
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()


def raised(error: BlobfsError | TransferError) -> Iterator[BaseException]:
    """Yield the errors that `error` stands for: itself, or all in its group."""
    if isinstance(error, TransferError):
        for inner in error.exceptions:
            yield from raised(inner)  # type: ignore[arg-type] # Exception groups nest any Exception
    else:
        yield error
