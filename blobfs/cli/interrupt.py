"""Ctrl-C and SIGTERM: the process is gone within two seconds, whatever its threads do.

The main thread unwinds, so that it removes what it staged. A thread that waits for nothing
else ends the process if that takes too long: it learns of a signal through a pipe that the
signal's C handler writes to, so even while the main thread is inside a call that never returns.
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import ClassVar, NoReturn

GRACE = 1.5
"""Seconds for unwinding: with what starting and ending take, less than two altogether."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """A signal asked this process to end."""

    received: ClassVar["Interrupted | None"] = None
    """The one that was raised. Python wraps what rises out of some calls (`__set_name__`, which
    every import runs) into another exception, so whoever catches an error looks here first.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status that shells give it."""
        return 128 + self.number


def listen() -> None:
    """Raise `Interrupted` in this, the main thread, on SIGINT or SIGTERM, from now on.

    A second signal ends the process at once.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(target=_watch, args=(reader,), daemon=True, name="blobfs-signals").start()
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _SIGNALS:
        # Who started us may want Ctrl-C ignored, as `nohup` and `&` in scripts do.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def leave(interrupted: Interrupted) -> NoReturn:
    """End the process after its main thread unwound; its other threads are not waited for."""
    told = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
    with suppress(Exception):
        sys.stdout.flush()
    with suppress(Exception):
        sys.stderr.write(f"blobfs: {told[signal.Signals(interrupted.number)]}\n")
        sys.stderr.flush()
    os._exit(interrupted.status)


def _interrupt(number: int, _: FrameType | None) -> None:
    for one in _SIGNALS:
        signal.signal(one, _end)
    Interrupted.received = Interrupted(number)
    raise Interrupted.received


def _end(number: int, _: FrameType | None) -> None:
    _exit(number)


def _exit(number: int) -> NoReturn:
    with suppress(Exception):
        if sys.modules.get("rich.live") and os.isatty(2):
            os.write(2, b"\r\x1b[2K\x1b[?25h")  # progress hides the cursor
    os._exit(128 + number)


def _watch(reader: int) -> None:
    """Wait for a signal, and then for a second one, or until there is no more time."""
    import select

    number = os.read(reader, 1)[0]
    select.select([reader], [], [], GRACE)
    _exit(number)
