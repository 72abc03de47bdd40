"""Every fault is injected exactly where a rule says, and everything else passes unchanged."""

import http.client
import random
import socket
import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from tests.servers.proxy import Proxy, Rule
from tests.servers.wsgi import Environ, serving

LARGE = random.Random(1).randbytes(3 << 20)


class Echo:
    """Remembers what was put, and returns it."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def __call__(self, environ: Environ, start: object) -> Iterable[bytes]:
        assert callable(start)
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "PUT":
            self.stored[path] = environ["wsgi.input"].read()
            start("200 OK", [])
            return [b"stored"]
        if path not in self.stored:
            start("204 No Content", [])
            return []
        start("200 OK", [])
        return [self.stored[path]]


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with serving(echo) as port, Proxy("127.0.0.1", port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=20)
    yield connection
    connection.close()


Answer = tuple[int, bytes]


def ask(
    client: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] | None = None,
) -> Answer:
    client.request(method, path, body)
    reply = client.getresponse()
    return reply.status, reply.read()


def hangs_up(client: http.client.HTTPConnection, method: str, path: str, body: bytes) -> bool:
    """Whether a connection is reset instead of an answer."""
    try:
        ask(client, method, path, body)
    except ConnectionError:
        client.close()
        return True
    return False


def test_bodies_pass_both_ways_and_are_counted(
    proxy: Proxy, client: http.client.HTTPConnection
) -> None:
    assert ask(client, "PUT", "/a?b=c", LARGE) == (200, b"stored")
    assert ask(client, "GET", "/a") == (200, LARGE)
    assert ask(client, "HEAD", "/a") == (200, b"")
    assert ask(client, "GET", "/none") == (204, b"")
    assert [(str(one), one.sent, one.received, one.status) for one in proxy.requests] == [
        ("PUT /a?b=c", len(LARGE), 6, 200),
        ("GET /a", 0, len(LARGE), 200),
        ("HEAD /a", 0, 0, 200),
        ("GET /none", 0, 0, 204),
    ]
    assert proxy.connections == 1


def test_chunks_pass(proxy: Proxy, client: http.client.HTTPConnection, echo: Echo) -> None:
    assert ask(client, "PUT", "/a", iter([b"ab", LARGE, b"c"])) == (200, b"stored")
    assert echo.stored["/a"] == b"ab" + LARGE + b"c"
    assert proxy.requests[0].sent == len(LARGE) + 3
    assert ask(client, "GET", "/a")[0] == 200


def test_chunks_of_a_server_pass() -> None:
    chunks = b"3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n"
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    with raw_server(said) as port, Proxy("127.0.0.1", port) as proxy:
        client = http.client.HTTPConnection(proxy.host, proxy.port, timeout=20)
        assert [ask(client, "GET", "/"), ask(client, "GET", "/")] == [(200, b"abc")] * 2
        assert [one.received for one in proxy.requests] == [3, 3]
        assert proxy.connections == 1
        client.close()


def test_a_body_without_length_ends_with_the_connection() -> None:
    said = b"HTTP/1.0 200 OK\r\n\r\nabc"
    with raw_server(said, keep=False) as port, Proxy("127.0.0.1", port) as proxy:
        client = http.client.HTTPConnection(proxy.host, proxy.port, timeout=20)
        assert [ask(client, "GET", "/"), ask(client, "GET", "/")] == [(200, b"abc")] * 2
        client.close()


def test_who_waits_before_the_body_is_told_to_go_on(proxy: Proxy, echo: Echo) -> None:
    with socket.create_connection((proxy.host, proxy.port), timeout=20) as client:
        head = (
            b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        for _ in range(2):
            client.sendall(head)
            assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"abc")
            reply = b""
            while not reply.endswith(b"stored"):
                reply += client.recv(1000)
            assert reply.startswith(b"HTTP/1.1 200")
    assert echo.stored["/a"] == b"abc"


def test_who_is_refused_before_the_body_need_not_send_it() -> None:
    said = b"HTTP/1.1 412 No\r\nContent-Length: 0\r\n\r\n"
    with raw_server(said) as port, Proxy("127.0.0.1", port) as proxy:
        with socket.create_connection((proxy.host, proxy.port), timeout=20) as client:
            client.sendall(
                b"PUT / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
            )
            with client.makefile("rb") as stream:
                reply = stream.read()
        assert reply.startswith(b"HTTP/1.1 412")
        assert b"Connection: close" in reply


def test_a_rule_answers_some_requests_itself(
    proxy: Proxy, client: http.client.HTTPConnection, echo: Echo
) -> None:
    rule = Rule(
        match="^PUT /a", status=503, headers={"Retry-After": "1"}, body=b"no", times=2, skip=1
    )
    armed = proxy.add(rule)
    assert [ask(client, "PUT", f"/a{n}", LARGE)[0] for n in range(4)] == [200, 503, 503, 200]
    assert armed.hits == 2
    assert sorted(echo.stored) == ["/a0", "/a3"]
    assert [one.rule for one in proxy.requests] == [None, rule, rule, None]
    assert [one.status for one in proxy.requests] == [200, 503, 503, 200]
    assert proxy.connections == 1


def test_a_request_is_reset_before_the_server_sees_it(
    proxy: Proxy, client: http.client.HTTPConnection, echo: Echo
) -> None:
    proxy.add(Rule(match="PUT", reset=True))
    assert hangs_up(client, "PUT", "/a", b"x")
    assert echo.stored == {}


def test_a_reply_is_lost_after_the_server_stored(
    proxy: Proxy, client: http.client.HTTPConnection, echo: Echo
) -> None:
    proxy.add(Rule(match="PUT", lose_reply=True))
    assert hangs_up(client, "PUT", "/a", LARGE)
    assert echo.stored == {"/a": LARGE}
    assert (proxy.requests[0].status, proxy.requests[0].received) == (200, 0)


def test_an_upload_is_cut(proxy: Proxy, client: http.client.HTTPConnection, echo: Echo) -> None:
    proxy.add(Rule(match="PUT", cut_upload=100_000))
    assert hangs_up(client, "PUT", "/a", LARGE)
    assert echo.stored == {}
    assert proxy.requests[0].sent == 100_000
    assert ask(client, "PUT", "/a", b"x") == (200, b"stored")


def test_a_reply_is_cut(proxy: Proxy, client: http.client.HTTPConnection, echo: Echo) -> None:
    echo.stored["/a"] = LARGE
    proxy.add(Rule(match="GET", cut_reply=1_000_000))
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(client, "GET", "/a")
    assert caught.value.partial == LARGE[:1_000_000]
    assert proxy.requests[0].received == 1_000_000


def test_one_byte_is_changed(
    proxy: Proxy, client: http.client.HTTPConnection, echo: Echo
) -> None:
    echo.stored["/a"] = LARGE
    proxy.add(Rule(match="GET", flip_byte=2_000_000))
    _, got = ask(client, "GET", "/a")
    different = [n for n in range(len(LARGE)) if got[n] != LARGE[n]]
    assert (len(got), different) == (len(LARGE), [2_000_000])


def test_a_request_waits(proxy: Proxy, client: http.client.HTTPConnection) -> None:
    proxy.add(Rule(match="PUT", stall=0.2))
    began = time.monotonic()
    assert ask(client, "PUT", "/a", b"x")[0] == 200
    assert time.monotonic() - began >= 0.2


def test_chance_has_a_seed(echo: Echo) -> None:
    def refused() -> list[int]:
        with serving(echo) as port, Proxy("127.0.0.1", port, seed=7) as proxy:
            proxy.add(Rule(match="", status=500, times=None, probability=0.3))
            client = http.client.HTTPConnection(proxy.host, proxy.port, timeout=20)
            statuses = [ask(client, "GET", "/")[0] for _ in range(100)]
            client.close()
            return statuses

    first = refused()
    assert 15 < first.count(500) < 45
    assert refused() == first


def test_nobody_gets_through_while_it_is_down(
    proxy: Proxy, client: http.client.HTTPConnection
) -> None:
    assert ask(client, "PUT", "/a", b"x")[0] == 200
    proxy.down()
    assert hangs_up(client, "GET", "/a", b"")
    with pytest.raises(ConnectionRefusedError):
        ask(client, "GET", "/a")
    client.close()
    proxy.up()
    assert ask(client, "GET", "/a") == (200, b"x")


def test_a_reset_forgets(proxy: Proxy, client: http.client.HTTPConnection) -> None:
    proxy.add(Rule(match="", status=500, times=None))
    assert ask(client, "GET", "/")[0] == 500
    proxy.reset()
    assert proxy.requests == []
    assert ask(client, "GET", "/")[0] == 204


class raw_server:  # noqa: N801 - used like a function
    """Says the same after every request, whatever comes."""

    def __init__(self, said: bytes, *, keep: bool = True) -> None:
        self.said = said
        self.keep = keep
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            with connection:
                while (data := connection.recv(1 << 16)) not in (b"", b"stop"):
                    connection.sendall(self.said)
                    if not self.keep:
                        break
            if data == b"stop":
                return

    def __enter__(self) -> int:
        self.thread.start()
        return int(self.listener.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        with socket.create_connection(self.listener.getsockname()) as connection:
            connection.sendall(b"stop")
        self.thread.join()
        self.listener.close()
