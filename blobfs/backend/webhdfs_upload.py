"""A large object on its way to WebHDFS: one request, whose body is made while it is sent.

A file that is appended to part by part would take two requests for each, and one whose answer
was lost would be in it twice. A stream does not go back: what goes wrong once its second part
was sent ends it. A file of one part is written by a whole request, which may be made again.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Condition, Thread
from typing import Protocol

from blobfs.backend.base import Data, Object
from blobfs.backend.hadoop import PART_SIZE, stage_key
from blobfs.errors import StoreUnavailableError

PIECE = 1 << 20
"""Bytes that are handed on at a time, for each of which the connection has its time."""

ENDING = 5.0
"""Seconds that a stream which was given up may take to end."""

Send = Callable[[Iterator[bytes]], None]


class Target(Protocol):
    """The calls of the backend that it takes."""

    def send(self, key: str, body: bytes | Iterator[bytes]) -> None:
        """Write a file, in place of one that may be there."""

    def replace(self, temporary: str, key: str) -> None:
        """Move a file to its key, in place of one that may be there."""

    def head(self, key: str) -> Object:
        """Return what is known of a file."""

    def discard(self, temporary: str) -> None:
        """Remove what was not completed. Never raises."""


class WebHdfsUpload:
    """A large object."""

    part_size = PART_SIZE
    parallel = 1

    def __init__(self, target: Target, key: str, *, fresh: bool) -> None:
        self._target = target
        self._key = key
        self._at = key if fresh else stage_key()
        self._first = b""  # kept until a second part has been sent
        self._size = 0
        self._stream: Stream | None = None
        self._written = False

    def write(self, number: int, data: Data) -> None:
        """Write the next part; they come in order, one at a time.

        The second one may be written again: then both are sent anew.
        """
        data = bytes(data)
        if number == 0:
            self._first, self._size = data, len(data)
            return
        if number == 1 or self._stream is None:
            self._begin(data)
        else:
            with _once():
                self._stream.feed(data)
        self._size += len(data)

    def _begin(self, second: bytes) -> None:
        self._give_up()
        self._stream = Stream(lambda body: self._target.send(self._at, body))
        self._stream.feed(self._first)
        self._stream.feed(second)
        self._first = b""

    def adopt(self, file: int, advance: Callable[[int], object]) -> None:
        """Do nothing: what is local goes there by parts."""

    def complete(self) -> None:
        """Make the object visible."""
        if not self._written:
            if self._stream is None:
                self._target.send(self._at, self._first)
            else:
                self._end(self._stream)
            self._written = True
        if self._at != self._key:
            self._move()

    def abort(self) -> None:
        """Forget it."""
        self._give_up()
        self._target.discard(self._at)

    def _end(self, stream: "Stream") -> None:
        """End the body; a look makes up for an answer that was lost: nobody else writes it."""
        try:
            with _once():
                stream.end()
        except StoreUnavailableError:
            with suppress(FileNotFoundError):
                if self._target.head(self._at).size == self._size:
                    return
            raise

    def _move(self) -> None:
        try:
            self._target.replace(self._at, self._key)
        except FileNotFoundError as error:  # an earlier try was carried out, its answer lost
            with suppress(FileNotFoundError):
                if self._target.head(self._key).size == self._size:
                    return
            raise StoreUnavailableError(str(error)) from error

    def _give_up(self) -> None:
        if self._stream is not None:
            self._stream.abort()
            self._stream = None


class _once:  # noqa: N801 - a context, used as a function is
    """Mark what fails inside as something that cannot be tried again."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StoreUnavailableError):
            error.passing = False


class _AbortedError(Exception):
    """Ends a body before its end, so that the connection is closed, too."""


class Stream:
    """The body of a request that another thread makes."""

    def __init__(self, send: Send) -> None:
        """Call `send` with the body."""
        self._changed = Condition()
        self._given: bytes | None = None
        self._ending: type[Exception] | bool = False
        self._done = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, args=[send], daemon=True, name="blobfs-body")
        self._thread.start()

    def feed(self, data: bytes) -> None:
        """Hand on more of the body; return when it was taken, raise what ended the request."""
        view = memoryview(data)
        for start in range(0, len(data), PIECE):
            self._hand_on(bytes(view[start : start + PIECE]))

    def end(self) -> None:
        """End the body, and wait for the answer; raise what was wrong with it."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._done)
        if self._error is not None:
            raise self._error

    def abort(self) -> None:
        """End the request; never raises."""
        with self._changed:
            self._ending = _AbortedError
            self._changed.notify_all()
        self._thread.join(ENDING)

    def _hand_on(self, piece: bytes) -> None:
        with self._changed:
            self._given = piece
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._given is None or self._done)
        if self._done:
            raise self._error or StoreUnavailableError("it was answered before all was sent")

    def _run(self, send: Send) -> None:
        try:
            send(self._body())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self._error = error
        finally:
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def _body(self) -> Iterator[bytes]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._given is not None or self._ending)
                piece = self._given
                if self._ending is _AbortedError:
                    raise _AbortedError
            if piece is None:
                return
            yield piece
            with self._changed:
                self._given = None
                self._changed.notify_all()
