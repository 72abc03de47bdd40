"""Messages of HTTP/1.1 on streams of bytes, read only as far as a proxy must understand them.

Format: https://www.rfc-editor.org/rfc/rfc9112.html#section-6
"""

import asyncio
import re
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus

PIECE = 1 << 16
"""Bytes that are read at once."""


class Broken(Exception):  # noqa: N818 - what happens to a connection, mostly on purpose
    """A connection must be reset."""


ENDINGS = (Broken, ConnectionError, OSError, asyncio.IncompleteReadError, ValueError)
"""All that ends a connection; a ValueError is of what cannot be read as HTTP."""


@dataclass(frozen=True, slots=True)
class Head:
    """The start of a request or response, to the empty line."""

    raw: bytes
    method: str = ""
    target: str = ""
    status: int = 0
    length: int | None = None
    """Of the body in bytes."""
    chunked: bool = False
    closes: bool = False
    """Whether the connection ends after this."""
    expects_continue: bool = False
    until_end: bool = False
    """Whether the body ends with the connection."""

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.length) or self.until_end

    @property
    def body_size(self) -> int:
        return len(self.raw.partition(b"\r\n\r\n")[2])

    def closing(self) -> "Head":
        """The same response, after which the connection ends."""
        start, _, rest = self.raw.partition(b"\r\n")
        return replace(self, raw=start + b"\r\nConnection: close\r\n" + rest, closes=True)

    def answering(self, request: "Head") -> "Head":
        """The same response, knowing what it answers."""
        if request.method == "HEAD" or self.status in (204, 304):
            return replace(self, length=0, chunked=False)
        nothing_said = self.length is None and not self.chunked
        return replace(self, until_end=nothing_said, closes=self.closes or nothing_said)


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Return the next message's head; None if the connection ends before it."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    except asyncio.LimitOverrunError as error:
        raise ValueError("a head that does not end") from error
    first, _, rest = raw.lower().partition(b"\r\n")
    length = re.search(rb"(?:^|\n)content-length:\s*(\d+)", rest)
    head = Head(
        raw,
        length=int(length[1]) if length else None,
        chunked=re.search(rb"(?:^|\n)transfer-encoding:[^\r]*chunked", rest) is not None,
        closes=re.search(rb"(?:^|\n)connection:[^\r]*close", rest) is not None,
        expects_continue=re.search(rb"(?:^|\n)expect:\s*100-continue", rest) is not None,
    )
    words = raw.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
    if first.startswith(b"http/"):
        old = first.startswith(b"http/1.0") and b"keep-alive" not in rest
        return replace(head, status=int(words[1]), closes=head.closes or old)
    method, target, _ = words
    return replace(head, method=method, target=target)


def response_to(request: Head, status: int, headers: Mapping[str, str], body: bytes) -> Head:
    """Return a whole response, with its body, that was made here."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    bare = status in (204, 304)
    lines += [] if bare else [f"Content-Length: {len(body)}"]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return Head(head if bare or request.method == "HEAD" else head + body, status=status)


class Link:
    """A connection to one side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        # Nothing waits in this process, where a reset would lose it.
        writer.transport.set_write_buffer_limits(high=0)

    @property
    def ended(self) -> bool:
        """Whether the other side hung up."""
        return self.reader.at_eof() or self.writer.is_closing()

    async def flush(self) -> None:
        """Return when all is with the system."""
        with suppress(ConnectionError):
            await self.writer.drain()

    def abort(self) -> None:
        """Reset the connection."""
        connection = self.writer.get_extra_info("socket")
        if connection is not None and not self.writer.transport.is_closing():
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()


class Relay:
    """Passes a body on to one side, or to nowhere, with faults on the way."""

    def __init__(
        self, to: Link | None, *, cut: int | None = None, flip: int | None = None
    ) -> None:
        self._to = to
        self._left = cut
        self._flip = flip
        self._count: Callable[[int], None] = lambda _: None
        self.deaf = False
        """Whether the other side does not listen any more; the rest goes nowhere."""

    def raw(self, data: bytes) -> None:
        """Pass on what does not belong to a body."""
        if self._to is not None and not self.deaf:
            self._to.writer.write(data)

    async def body(
        self, reader: asyncio.StreamReader, head: Head, count: Callable[[int], None]
    ) -> bool:
        """Pass the body of a message on; False if it was cut.

        Args:
            reader: where the head came from.
            head: of the same message.
            count: gets the size of each piece of the body before it is passed on.

        Raises:
            Broken: if it was cut and belongs to a request, which then has no end.
        """
        self._count = count
        try:
            if head.chunked:
                await self._chunks(reader)
            elif head.until_end:
                while data := await reader.read(PIECE):
                    await self._piece(data)
            else:
                await self._exactly(reader, head.length or 0)
        except _Cut:
            if head.method:
                raise Broken from None
            return False
        return True

    async def _chunks(self, reader: asyncio.StreamReader) -> None:
        size = 1
        while size:
            line = await reader.readuntil(b"\n")
            self.raw(line)
            size = int(line.partition(b";")[0], 16)
            if size:
                await self._exactly(reader, size)
                self.raw(await reader.readuntil(b"\n"))
        while True:
            line = await reader.readuntil(b"\n")
            self.raw(line)
            if not line.strip():
                return

    async def _exactly(self, reader: asyncio.StreamReader, size: int) -> None:
        while size:
            data = await reader.read(min(size, PIECE))
            if not data:
                raise asyncio.IncompleteReadError(b"", size)
            size -= len(data)
            await self._piece(data)

    async def _piece(self, data: bytes) -> None:
        if self._flip is not None:
            if self._flip < len(data):
                at = self._flip
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                self._flip = None
            else:
                self._flip -= len(data)
        cut = self._left is not None and self._left < len(data)
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self._count(len(data))
        self.raw(data)
        if self._to is not None and not self.deaf:
            try:
                await self._to.writer.drain()
            except ConnectionError:
                self.deaf = True
        if cut:
            raise _Cut


class _Cut(Exception):  # noqa: N818 - never seen outside
    """So far and no further."""
