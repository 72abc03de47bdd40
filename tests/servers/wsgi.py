"""A WSGI application as a server in a thread of this process.

The server is one of our own, because werkzeug's closes every connection and waits 10 ms before
it does. It reads each body to its end before the application gets it, so that a slow sender
holds up nobody, and what an application leaves unread is not taken for the next request.
"""

import io
import socket
import socketserver
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

from tests.servers.process import HOST

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Headers = list[tuple[str, str]]


@contextmanager
def serving(application: Application) -> Iterator[int]:
    """Serve on a free port of loopback while the block runs; return the port.

    Every connection has a thread and is kept open.
    """
    with _Server(application) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
            server.hang_up()


class OneAtATime:
    """Let an application answer one request before it gets the next.

    moto looks at `If-None-Match` first and writes later, so that of several writers more than
    one may win, and who reads what is overwritten gets a status of 500. What is tested here
    must be decided as on a real server.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._turn = threading.Lock()

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        with self._turn:
            status, headers, body = ask(self._application, environ)
        start(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]


def ask(application: Application, environ: Environ) -> tuple[int, Headers, bytes]:
    """Return what an application answers: status, headers and body."""
    told: list[tuple[int, Headers]] = []

    def start(status: str, headers: Headers, _: object = None) -> None:
        told.append((int(status[:3]), headers))

    chunks = application(environ, start)
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    status, headers = told[-1]
    return status, headers, body


def environ_of(
    method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes
) -> Environ:
    """Return a request in the form that an application gets it."""
    path, _, query = target.partition("?")
    headers = list(headers)
    environ: Environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "REQUEST_URI": target,
        "RAW_HEADERS": headers,  # `-` and `_` are the same in the names below
        "REMOTE_ADDR": HOST,
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for header, value in headers:
        name = header.upper().replace("-", "_")
        name = name if name == "CONTENT_TYPE" else f"HTTP_{name}"
        environ[name] = f"{environ[name]},{value}" if name in environ else value
    for name in ("HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"):
        environ.pop(name, None)
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


class _Handler(BaseHTTPRequestHandler):
    """One connection, with one request after the other."""

    server: "_Server"
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def handle_expect_100(self) -> bool:
        asked = super().handle_expect_100()
        self.wfile.flush()
        return asked

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - it is named so
        """Say nothing."""

    def _serve(self) -> None:
        environ = environ_of(self.command, self.path, self.headers.items(), self._body())
        try:
            status, headers, body = ask(self.server.application, environ)
        except Exception:  # noqa: BLE001 - whatever it is, a server answers
            traceback.print_exc()
            status, headers, body = 500, [], b""
        self.send_response(status)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        bare = self.command == "HEAD" or status in (204, 304)
        if "content-length" not in names and not bare:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not bare:
            self.wfile.write(body)

    # The names that http.server looks for.
    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _body(self) -> bytes:
        """Return the whole body of a request, chunked or not."""
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self._exactly(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self._exactly(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return body

    def _exactly(self, size: int) -> bytes:
        body = self.rfile.read(size)
        if len(body) < size:
            raise ConnectionAbortedError("the request's body ends early")
        return body


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, application: Application) -> None:
        self.application = application
        self.connections: set[socket.socket] = set()
        super().__init__((HOST, 0), _Handler)

    def hang_up(self) -> None:
        """End the threads of connections that are still open."""
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say what went wrong, unless somebody hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # passed on
