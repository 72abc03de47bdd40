"""An HTTP proxy that counts what passes and injects faults.

It runs on one event loop in a thread of this process and has one task for each connection, and
another one while a request has a body, so that a server may answer before it has read it all.
"""

import asyncio
import random
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.servers.http_stream import (
    ENDINGS,
    Broken,
    Head,
    Link,
    Relay,
    read_head,
    response_to,
)
from tests.servers.process import HOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A fault, and the requests that meet it. Several faults in one rule are all injected."""

    match: str
    """A regular expression, searched in `METHOD /path?query`."""
    times: int | None = 1
    """How many requests meet it; None for all."""
    skip: int = 0
    """How many requests that match are let through first."""
    probability: float = 1.0
    """With which a request that matches, and is not skipped, meets it."""

    stall: float = 0.0
    """Seconds of silence before anything else happens."""
    reset: bool = False
    """Reset the connection; the server sees nothing."""
    status: int | None = None
    """Answer this without the server, with `headers` and `body`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_upload: int | None = None
    """Reset both connections after so many bytes of the request's body."""
    lose_reply: bool = False
    """Let the server answer, and reset the connection instead of passing the answer on."""
    cut_reply: int | None = None
    """End the connection after so many bytes of the response's body, as if it were complete."""
    flip_byte: int | None = None
    """Change this byte of the response's body, counted from 0."""


@dataclass(slots=True, eq=False)
class Armed:
    """A rule that a proxy follows."""

    rule: Rule
    hits: int = 0
    """How many requests met it."""
    skipped: int = 0


@dataclass(slots=True)
class Request:
    """One request; it is filled as bytes pass, before they are passed on."""

    method: str
    target: str
    sent: int = 0
    """Bytes of its body, without the marks between chunks."""
    received: int = 0
    """Bytes of the response's body that were passed on, likewise."""
    status: int | None = None
    """Of the answer, also of one that was lost; None while there is none."""
    rule: Rule | None = None
    """The fault that it met."""

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


class Proxy:
    """Forwards to a server of plain HTTP while its `with` block runs."""

    def __init__(self, host: str, port: int, *, seed: int = 0) -> None:
        self.upstream = host, port
        self.host = HOST
        self.port = 0
        """Known once it has started."""
        self.requests: list[Request] = []
        """All since the start or the last `reset`, in the order in which they came."""
        self.connections = 0
        """How many were made since then."""
        self._armed: list[Armed] = []
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._listener: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], Link] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def add(self, rule: Rule) -> Armed:
        """Follow a rule from now on; of several that match, the first one added counts."""
        armed = Armed(rule)
        self._armed.append(armed)
        return armed

    def reset(self) -> None:
        """Forget all rules and all requests."""
        self._armed = []
        self.requests = []
        self.connections = 0

    def down(self) -> None:
        """Refuse connections, and reset those that there are."""
        asyncio.run_coroutine_threadsafe(self._go_down(), self._loop).result()

    def up(self) -> None:
        """Accept connections, on the same port as before."""
        asyncio.run_coroutine_threadsafe(self._go_up(), self._loop).result()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _go_up(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._connected, self.host, self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _go_down(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        tasks = list(self._open)
        for task, link in list(self._open.items()):
            link.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next turn of the loop

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        client = self._open[task] = Link(reader, writer)
        try:
            with suppress(asyncio.CancelledError):  # the proxy goes down
                await _Connection(self, client).serve()
        finally:
            self._open.pop(task, None)

    def arrived(self, head: Head) -> tuple[Request, Rule | None]:
        """Count a request, and decide which rule it meets."""
        request = Request(head.method, head.target)
        self.requests.append(request)
        line = str(request)
        for armed in self._armed:
            if re.search(armed.rule.match, line) and self._meets(armed):
                armed.hits += 1
                request.rule = armed.rule
                break
        return request, request.rule

    def _meets(self, armed: Armed) -> bool:
        rule = armed.rule
        if rule.times is not None and armed.hits >= rule.times:
            return False
        if armed.skipped < rule.skip:
            armed.skipped += 1
            return False
        return rule.probability >= 1 or self._random.random() < rule.probability


class _Connection:
    """One client, and the connection to the server that is made for it when it is needed."""

    def __init__(self, proxy: Proxy, client: Link) -> None:
        self._proxy = proxy
        self._client = client
        self._server: Link | None = None

    async def serve(self) -> None:
        try:
            while (head := await read_head(self._client.reader)) is not None:
                if not await self._exchange(head):
                    break
            await self._client.flush()
        except ENDINGS:
            self._client.abort()
            if self._server is not None:
                self._server.abort()
        finally:
            self._client.close()
            if self._server is not None:
                self._server.close()

    async def _exchange(self, head: Head) -> bool:
        """Answer one request; whether the connection is good for another one.

        Raises:
            Broken: if it must be reset; other errors of a connection are the same.
        """
        request, rule = self._proxy.arrived(head)
        if rule is not None:
            await asyncio.sleep(rule.stall)
            if rule.reset:
                raise Broken
            if rule.status is not None:
                return await self._answer(head, request, rule, rule.status)
        server = await self._connect()
        server.writer.write(head.raw)
        if not head.has_body:
            return await self._reply(head, request, rule, server)
        upload = asyncio.ensure_future(self._upload(head, request, rule, server))
        try:
            keep = await self._reply(head, request, rule, server)
            return keep and await upload
        finally:
            upload.cancel()
            with suppress(asyncio.CancelledError, *ENDINGS):
                await upload

    async def _connect(self) -> Link:
        """Return a connection to the server, another one if it hung up since the last."""
        if self._server is not None and self._server.ended:
            self._server.close()
            self._server = None
        if self._server is None:
            self._server = Link(*await asyncio.open_connection(*self._proxy.upstream))
        return self._server

    async def _answer(self, head: Head, request: Request, rule: Rule, status: int) -> bool:
        """Answer in place of the server."""
        reply = response_to(head, status, rule.headers, rule.body)
        if head.expects_continue:
            reply = reply.closing()
        else:
            await self._count_upload(head, request, Relay(None))
        request.status = status
        request.received = reply.body_size
        self._client.writer.write(reply.raw)
        await self._client.flush()
        return not (head.closes or reply.closes)

    async def _upload(
        self, head: Head, request: Request, rule: Rule | None, server: Link
    ) -> bool:
        """Pass a request's body on; whether the server took all of it.

        Nobody waits for this before there is a reply, so a fault ends the connections here.
        """
        cut = rule.cut_upload if rule is not None else None
        relay = Relay(server, cut=cut)
        try:
            await self._count_upload(head, request, relay)
        except ENDINGS:
            await server.flush()
            server.abort()
            self._client.abort()
            raise
        return not relay.deaf

    async def _count_upload(self, head: Head, request: Request, relay: Relay) -> None:
        def count(size: int) -> None:
            request.sent += size

        await relay.body(self._client.reader, head, count)

    async def _reply(
        self, head: Head, request: Request, rule: Rule | None, server: Link
    ) -> bool:
        """Pass a response on; whether both connections are good for another request."""
        reply = (await self._final(server)).answering(head)
        if head.expects_continue and request.sent == 0:
            reply = reply.closing()  # the body may come all the same, or not
        request.status = reply.status
        lost = rule is not None and rule.lose_reply
        cut, flip = (rule.cut_reply, rule.flip_byte) if rule is not None else (None, None)
        relay = Relay(None if lost else self._client, cut=cut, flip=flip)
        relay.raw(reply.raw)

        def count(size: int) -> None:
            request.received += 0 if lost else size

        complete = await relay.body(server.reader, reply, count)
        if lost:
            raise Broken
        await self._client.flush()
        return complete and not reply.closes and not head.closes

    async def _final(self, server: Link) -> Head:
        """Return the head of the response, after those that only say that it will come."""
        while True:
            reply = await read_head(server.reader)
            if reply is None:
                raise Broken
            if reply.status >= 200:
                return reply
            self._client.writer.write(reply.raw)
