"""Tasks run by an executor: cut to size, awaited, and ended together when one cannot go on.

A worker that dies is the executor's affair: it runs the task once more, or breaks off.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from blobfs.artifact.worker import Outcome, Reopen, Task, run
from blobfs.errors import (
    ConfigError,
    ExecutorError,
    MissingDependencyError,
    TransferError,
)
from blobfs.transfer import HOPELESS, MAX_FAILURES, of_all, raised

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

SHARES = 16
"""Into how many tasks work is cut if no limit says otherwise: few workers end at one time."""

FILES = (250, 1000)
"""Files of a task, at least and at most, if there are as many. What a dead worker had done of
one is done again; but a task costs a Dask worker as much as 50 small files (measured)."""

BYTES = (64 << 20, 256 << 20)
"""Bytes of a task, likewise; a file that is larger goes alone."""

IN_FLIGHT = 16
"""Files in flight in a task if nothing else says: several tasks run at a time."""

WAITING = 512
"""Tasks that the executor has at a time."""

T = TypeVar("T")
AnyTask = TypeVar("AnyTask", bound=Task)


@dataclass(frozen=True, slots=True)
class Spread:
    """Where work is spread to."""

    executor: "Executor"
    reopen: Reopen
    """Opens the store in its processes."""

    def run(
        self,
        tasks: Iterable[AnyTask],
        done: Callable[[AnyTask, Any], object],
        recall: Callable[[], object] = lambda: None,
    ) -> None:
        """Run all tasks; `done` gets each with its result, in the order in which they end.

        Args:
            tasks: are pickled one by one.
            done: is called here.
            recall: tells those that run to end, after an error.

        Raises:
            BlobfsError: of a task; TransferError: if several failed.
            ExecutorError: if the executor did not run one.
        """
        running: dict[Future[bytes], AnyTask] = {}
        try:
            self._run(tasks, running, done)
        except BaseException as error:
            left = [future for future in running if not future.cancel()]
            recall()
            if isinstance(error, Exception):  # who interrupts does not want to wait
                _wait(left)
            raise

    def _run(
        self,
        tasks: Iterable[AnyTask],
        running: "dict[Future[bytes], AnyTask]",
        done: Callable[[AnyTask, Any], object],
    ) -> None:
        failures: list[Exception] = []
        for task, outcome in self._outcomes(tasks, running):
            if outcome.error is None:
                done(task, outcome.result)
                continue
            if isinstance(outcome.error, _ENDING):
                raise outcome.error
            failures += _flat(outcome.error)
            if len(failures) >= MAX_FAILURES:
                raise of_all(failures, stopped=True)
        if failures:
            raise of_all(failures, stopped=False)

    def _outcomes(
        self, tasks: Iterable[AnyTask], running: "dict[Future[bytes], AnyTask]"
    ) -> Iterator[tuple[AnyTask, Outcome]]:
        from concurrent.futures import FIRST_COMPLETED, wait

        waiting = iter(tasks)
        while True:
            for task in islice(waiting, WAITING - len(running)):
                running[self._submit(task)] = task
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), _outcome(future)

    def _submit(self, task: Task) -> "Future[bytes]":
        from uuid import uuid4

        sent = pickle.dumps(task)
        try:
            return self.executor.submit(run, sent, uuid4().hex)
        except Exception as error:
            raise _broken(error) from error


_ENDING = (*HOPELESS, ConfigError, MissingDependencyError)
"""Errors that the next task would meet, too."""


def _outcome(future: "Future[bytes]") -> Outcome:
    """Return what a worker told; whatever was raised instead is the executor's."""
    from asyncio import CancelledError

    try:
        outcome: Outcome = pickle.loads(future.result())  # noqa: S301 - from our own worker
    except (Exception, CancelledError) as error:
        raise _broken(error) from error
    return outcome


def _broken(error: BaseException) -> ExecutorError:
    said = " ".join(str(error).split())
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return ExecutorError(
        "the executor broke off: a worker died, the cluster is gone, or the workers have"
        f" another blobfs ({what}); nothing became visible, and the same call can be made again"
    )


def _flat(error: Exception) -> list[Exception]:
    return [*raised(error)] if isinstance(error, TransferError) else [error]  # type: ignore[list-item] # none is a bare BaseException


def _wait(futures: "Sequence[Future[bytes]]") -> None:
    from concurrent.futures import wait

    wait(futures)


def shares(items: Sequence[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Cut `items` into shares that are neither long nor large.

    >>> [len(share) for share in shares([300 << 20, *[1] * 600], lambda size: size)]
    [1, 250, 250, 100]
    """
    files, size = len(items), sum(map(size_of, items))
    most = min(max(files // SHARES, FILES[0]), FILES[1])
    largest = min(max(size // SHARES, BYTES[0]), BYTES[1])
    share, held = list[T](), 0
    for item in items:
        if share and (len(share) == most or held + size_of(item) > largest):
            yield share
            share, held = [], 0
        share.append(item)
        held += size_of(item)
    if share:
        yield share
