"""Progress on standard error while bytes move: only on a terminal, and gone at the end."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from blobfs.cli.output import size_text
from blobfs.late import log

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID

INTERVAL = 0.05
"""Seconds between two updates of the display: small files are done faster than anyone reads."""


class Counter:
    """The callback of a transfer: counts, and shows nothing."""

    def __init__(self) -> None:
        self.phase = ""
        self.sizes: dict[str, int] = {}
        """Bytes that each phase had to do, all its parts together."""

    def set_size(self, size: int) -> None:
        """Take how many bytes the phase has to do."""
        self.sizes[self.phase] = self.sizes.get(self.phase, 0) + size
        log().debug("%s %s", self.phase, size_text(size))

    def absolute_update(self, value: int) -> None:
        """Take how many bytes are done."""

    def relative_update(self, inc: int = 1) -> None:
        """Take how many more bytes are done."""

    def call(self, hook_name: str | None = None, **_: Any) -> None:  # noqa: ANN401 - fsspec's
        """Take the name of the phase that begins."""
        self.phase = hook_name or self.phase


class Meter(Counter):
    """The same, shown by rich. Transfers call it from several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._lock = threading.Lock()
        self._done = self._size = 0
        self._shown_at = 0.0

    def set_size(self, size: int) -> None:
        """Show how many bytes the phase has to do."""
        super().set_size(size)
        self._size = size
        if self._progress and self._task is not None:
            self._progress.update(self._task, total=size)

    def absolute_update(self, value: int) -> None:
        """Show how many bytes are done."""
        with self._lock:
            self._done = value
        self._show()

    def relative_update(self, inc: int = 1) -> None:
        """Show how many more bytes are done."""
        with self._lock:
            self._done += inc
            now = time.monotonic()
            due = now - self._shown_at >= INTERVAL or self._done >= self._size
            if due:
                self._shown_at = now
        if due:
            self._show()

    def call(self, hook_name: str | None = None, **_: Any) -> None:  # noqa: ANN401 - fsspec's
        """Begin a phase with a bar of its own, in place of the one before."""
        super().call(hook_name)
        if self._progress is None:
            self._progress = _display()
            self._progress.start()
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._done = self._size = 0
        self._task = self._progress.add_task(self.phase, total=None)

    def close(self) -> None:
        """Take everything off the terminal."""
        if self._progress is not None:
            self._progress.stop()

    def _show(self) -> None:
        if self._progress and self._task is not None:
            self._progress.update(self._task, completed=self._done)


@contextmanager
def progress(*, wanted: bool) -> Iterator[Counter]:
    """Yield the callback of a transfer, which shows its progress if `wanted` and possible."""
    if not (wanted and sys.stderr.isatty()):
        yield Counter()
        return
    meter = Meter()
    try:
        yield meter
    finally:
        meter.close()


def _display() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column
    from rich.text import Text

    class Done(ProgressColumn):
        """Bytes done, of how many."""

        def render(self, task: "Task") -> Text:
            total = "" if task.total is None else f" of {size_text(int(task.total))}"
            return Text(size_text(int(task.completed)) + total, style="progress.download")

    class Rate(ProgressColumn):
        """Bytes a second, lately."""

        def render(self, task: "Task") -> Text:
            speed = task.speed
            return Text("" if speed is None else f"{size_text(int(speed))}/s")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),  # so short that the `^C` of a Ctrl-C does not begin a line
        Done(Column(no_wrap=True)),
        Rate(Column(no_wrap=True)),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    )
