"""The engine's retries, around the calls of any storage that may be out of reach for a moment.

The libraries underneath try once. Here the same request is made again when its error says that
it may be answered otherwise; how long for depends on whether the storage ever answered.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from blobfs.backend.base import Backend, Data, Object, Piece
from blobfs.backend.patient_upload import PatientUpload
from blobfs.errors import StoreUnavailableError
from blobfs.late import log

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tenacity import RetryCallState

FIRST_ANSWER = 15.0
"""Seconds within which a storage must have answered once: a wrong endpoint is told soon."""

CHAIN = 300.0
"""Seconds for which one request is tried again, once the storage has answered."""

LEAST, MOST = 0.2, 20.0
"""Seconds to wait, at most, before the second try and before any later one."""

AHEAD = 3
"""Requests for ranges in flight for one object."""

PAGE = 1000
"""Objects of a listing after which what was listed is not listed again."""

_FLAGS = (
    *("renames_directories", "loses_answers", "forbidden", "checks_copies"),
    *("creates_exclusively", "continues_listings", "survives_forks"),
    *(
        "keeps_directories",
        "keeps_metadata",
        "marks_directories",
        "jobs",
        "range_size",
        "read_ahead",
    ),
)

T = TypeVar("T")


class Patient(Backend):
    """A storage that is asked again."""

    def __init__(self, inner: Backend, name: str) -> None:
        """Ask `inner`; `name` stands for the storage in messages."""
        self._inner = inner
        self._name = name
        self._process = os.getpid()
        self._answered = False
        for flag in _FLAGS:
            setattr(self, flag, getattr(inner, flag))

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        return self._try(lambda: self._inner.read(key, start, end))

    def view(self, key: str, start: int, end: int) -> Data:
        return self._try(lambda: self._inner.view(key, start, end))

    def piece(self, key: str, start: int, end: int) -> Piece:
        return self._try(lambda: self._inner.piece(key, start, end))

    def stream(
        self, key: str, part_size: int, start: int = 0, size: int | None = None
    ) -> Iterator[Data]:
        step = max(part_size, self.range_size // part_size * part_size)
        ranges = self._one_by_one if size is None else self._ahead
        for data in ranges(key, step, start, size or 0):
            if len(data) <= part_size:
                yield data
                continue
            whole = memoryview(data)
            for at in range(0, len(data), part_size):
                yield whole[at : at + part_size]

    def _one_by_one(self, key: str, step: int, start: int, _: int) -> Iterator[Data]:
        """Yield an object of unknown size; what is shorter than asked for is the last part."""
        while True:
            data = self.read(key, start, start + step)
            yield data
            start += len(data)
            if len(data) < step:
                return

    def _ahead(self, key: str, step: int, start: int, size: int) -> Iterator[Data]:
        """Yield ranges in order, while those after them are on their way.

        The last one asks for a byte more than there should be: an object that is longer than
        it was is found out.
        """
        starts = range(start, size, step)
        if len(starts) <= 1:
            if starts:
                yield self.read(key, start, size + 1)
            return
        from concurrent.futures import Future, ThreadPoolExecutor

        pool = ThreadPoolExecutor(min(AHEAD, len(starts)), "blobfs-range")
        fetching: deque[Future[Data]] = deque()
        left = iter(starts)

        def fetch() -> None:
            for at in islice(left, 1):
                end = at + step if at + step < size else size + 1
                fetching.append(pool.submit(self.view, key, at, end))

        try:
            for _ in range(AHEAD):
                fetch()
            while fetching:
                data = fetching.popleft().result()
                fetch()
                yield data
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def head(self, key: str) -> Object:
        return self._try(lambda: self._inner.head(key))

    def objects(self, prefix: str, after: str = "") -> Iterator[Object]:
        listing: Iterator[Object] | None = None

        def page() -> list[Object]:
            nonlocal listing
            if listing is None:
                listing = self._inner.objects(prefix, after)
            try:
                return list(islice(listing, PAGE if self.continues_listings else None))
            except BaseException:
                listing = None  # what was yielded before is kept, the rest is listed anew
                raise

        while found := self._try(page):
            yield from found
            after = found[-1].key

    def exactly(self, prefix: str) -> Iterable[Object]:
        return self._try(lambda: list(self._inner.exactly(prefix)))

    def described(self, prefix: str) -> Iterator[Object]:
        # From its beginning if it breaks off: metadata is told for one artifact at a time.
        yield from self._try(lambda: list(self._inner.described(prefix)))

    def metadata(self, key: str) -> dict[str, str]:
        return self._try(lambda: self._inner.metadata(key))

    def add_metadata(self, key: str, metadata: Mapping[str, str]) -> None:
        self._try(lambda: self._inner.add_metadata(key, metadata))

    def level(self, prefix: str) -> list[Object]:
        return self._try(lambda: self._inner.level(prefix))

    def names(self, prefix: str) -> list[str]:
        return self._try(lambda: self._inner.names(prefix))

    def counts(self, prefix: str) -> dict[str, int] | None:
        return self._try(lambda: self._inner.counts(prefix))

    def put(
        self, key: str, data: bytes, *, fresh: bool = False, executable: bool = False
    ) -> None:
        self._try(lambda: self._inner.put(key, data, fresh=fresh, executable=executable))

    def note(self, key: str, data: bytes) -> None:
        self._try(lambda: self._inner.note(key, data))

    def upload(
        self, key: str, size: int, *, fresh: bool = False, executable: bool = False
    ) -> PatientUpload:
        begin = self._inner.upload
        upload = self._try(lambda: begin(key, size, fresh=fresh, executable=executable))
        return PatientUpload(upload, self._try)

    def create(self, key: str, data: bytes) -> None:
        self._try(lambda: self._inner.create(key, data))

    def copy(
        self, source: str, key: str, size: int, digest: str, *, executable: bool = False
    ) -> bool:
        copy = self._inner.copy
        return self._try(lambda: copy(source, key, size, digest, executable=executable))

    def delete(self, key: str) -> None:
        self._try(lambda: self._inner.delete(key))

    def rename(self, source: str, key: str) -> None:
        self._moving(lambda: self._inner.rename(source, key))

    def move_once(self, temporary: str, key: str) -> None:
        self._moving(lambda: self._inner.move_once(temporary, key))

    def _moving(self, move: Callable[[], None]) -> None:
        tries = 0

        def once() -> None:
            nonlocal tries
            tries += 1
            try:
                move()
            except FileNotFoundError as error:
                if tries == 1:
                    raise
                # The first try was carried out after all, and only its answer was lost. The
                # caller finds out what lies there now.
                raise FileExistsError(str(error)) from error

        self._try(once)

    def sync(self, prefix: str) -> None:
        self._try(lambda: self._inner.sync(prefix))

    def remove_tree(self, prefix: str) -> None:
        self._try(lambda: self._inner.remove_tree(prefix))

    def make_directory(self, key: str) -> None:
        self._try(lambda: self._inner.make_directory(key))

    def remove_directory(self, key: str) -> None:
        self._try(lambda: self._inner.remove_directory(key))

    def is_directory(self, key: str) -> bool:
        return self._try(lambda: self._inner.is_directory(key))

    def sign(self, key: str, seconds: int) -> str:
        return self._try(lambda: self._inner.sign(key, seconds))

    def hold(self, stage: str) -> Callable[[], None]:
        return self._try(lambda: self._inner.hold(stage))

    def reclaim(self, stages: str) -> None:
        self._try(lambda: self._inner.reclaim(stages))

    def is_case_insensitive(self) -> bool:
        return self._try(self._inner.is_case_insensitive)

    def _try(self, call: Callable[[], T]) -> T:
        if self._process != os.getpid() and not self.survives_forks:
            raise StoreUnavailableError(
                f"{self._name} was opened before this process was forked, and its client does"
                " not survive that: open it in the child, or start children by spawn"
            )
        try:
            return self._once(call)
        except StoreUnavailableError as error:
            if not error.passing:
                raise
            failed = error
        return self._again(call, failed)

    def _once(self, call: Callable[[], T]) -> T:
        """Call, and note that there was an answer; the first one is not waited for forever."""
        if self._answered:
            return call()
        try:
            result = self._within(call, FIRST_ANSWER)
        except Exception as error:
            if not isinstance(error, StoreUnavailableError):
                self._answered = True
            raise
        self._answered = True
        return result

    def _within(self, call: Callable[[], T], limit: float) -> T:
        """Call in another thread, which is left alone if it takes longer than `limit` seconds.

        Some clients have timeouts of minutes, and some no way to set them.
        """
        future = begin(call)
        try:
            return future.result(limit)
        except TimeoutError:
            if future.done():
                raise
        raise StoreUnavailableError(f"{self._name} did not answer within {limit:.0f} seconds")

    def _again(self, call: Callable[[], T], failed: StoreUnavailableError) -> T:
        """Make a call again that failed in passing, until it succeeds or time is up."""
        from tenacity import Retrying, retry_if_exception, stop_before_delay

        failures = [failed]

        def once() -> T:
            if failures:
                raise failures.pop()  # the one that was met already counts as the first try
            return self._once(call)

        limit = CHAIN if self._answered else FIRST_ANSWER
        retrying = Retrying(
            stop=stop_before_delay(limit),
            wait=_pause,
            retry=retry_if_exception(_is_passing),
            before_sleep=_tell,
            reraise=True,
        )
        return retrying(once)


def begin(call: Callable[[], T], future: "Future[T] | None" = None) -> "Future[T]":
    """Call in a thread that nobody has to wait for, not even the end of the process.

    Whoever may be interrupted in here brings the future, and knows then what was begun.
    """
    from concurrent.futures import Future
    from threading import Thread

    result: Future[T] = future or Future()

    def run() -> None:
        if not result.set_running_or_notify_cancel():
            return
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            result.set_exception(error)

    Thread(target=run, daemon=True, name="blobfs-call").start()
    return result


def _is_passing(error: BaseException) -> bool:
    return isinstance(error, StoreUnavailableError) and error.passing


def _pause(state: "RetryCallState") -> float:
    """Return the seconds to wait: any up to a bound that doubles, or what was asked for."""
    from tenacity import wait_random_exponential

    jitter = wait_random_exponential(multiplier=LEAST, max=MOST)(state)
    return max(jitter, _failure(state).retry_after or 0.0)


def _tell(state: "RetryCallState") -> None:
    wait = state.next_action.sleep if state.next_action else 0.0
    log().info("trying again in %.1f s: %s", wait, _failure(state))


def _failure(state: "RetryCallState") -> Any:  # noqa: ANN401 - a StoreUnavailableError, always
    return state.outcome.exception() if state.outcome else None
