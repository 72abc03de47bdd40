"""WebHDFS's requests: each goes to the NameNode, which sends on to a DataNode where bytes move.

Redirects are followed here and not by requests, which would send bytes to the NameNode first,
follow to anywhere, and take the path in the redirect for the one that was asked for: the
NameNode normalises it to NFC, and a DataNode cuts it at `;`.
Format: https://hadoop.apache.org/docs/r3.4.2/hadoop-project-dist/hadoop-hdfs/WebHDFS.html
"""

import ipaddress
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from blobfs.errors import StoreUnavailableError

if TYPE_CHECKING:
    import requests
    from fsspec import AbstractFileSystem

    Body = bytes | Iterator[bytes]

CONNECT = 5
"""Seconds to wait for a connection to the NameNode."""

READ = 60
"""Seconds to wait for more of an answer; for a connection to a DataNode, and for it to take
more of what is sent, too: urllib3 sends with the timeout of connecting."""

SLOWEST = 128 << 10
"""Bytes a second below which the sending of a whole body is given up."""

HOPS = 4
"""Redirects that are followed: one is usual, a gateway may need more."""

PREFIX = "/webhdfs/v1"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Refused(Exception):  # noqa: N818 - an answer, whose meaning is the backend's to tell
    """An answer that is no success."""

    def __init__(self, response: "requests.Response") -> None:
        super().__init__()
        self.status = response.status_code
        self.retry_after = response.headers.get("Retry-After")
        self.text = response.text
        self.name = ""
        try:
            told = response.json()["RemoteException"]
            self.name = str(told.get("javaClassName") or told["exception"])
            self.text = str(told["message"])
        except (ValueError, KeyError, TypeError, AttributeError):
            self.name = ""  # it does not come from Hadoop, or not from where it says why


class Lost(Exception):  # noqa: N818 - as above
    """No answer, or half of one."""

    def __init__(self, cause: Exception, *, at_datanode: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.at_datanode = at_datanode


class Caller:
    """Makes requests, by as many sessions as are used at a time; in a child, by new ones."""

    def __init__(self, opening: "Callable[[], AbstractFileSystem]") -> None:
        """Use the sessions of what `opening` opens: fsspec's `WebHDFS`."""
        self._opening = opening
        self._idle: tuple[int, deque[Any]] = (0, deque())
        self._addresses: dict[str, bool] = {}
        self.answered = False
        """Whether the NameNode ever answered."""

    def ask(
        self, method: str, operation: str, path: str, **parameters: object
    ) -> "requests.Response":
        """Make a request that carries no bytes; return its answer, wherever it came from.

        Raises:
            Refused: if it is no success.
            Lost: if there is none.
        """
        with self._filesystem() as filesystem:
            response = self._to_namenode(filesystem, method, operation, path, parameters)
            for _ in range(HOPS):
                if response.status_code not in _REDIRECTS:
                    return _succeeded(response)
                url = self._onward(filesystem, response, path)
                response = self._send(filesystem, method, url, datanode=True)
        raise StoreUnavailableError(f"{operation} {path}: it is redirected again and again")

    def send(self, path: str, body: "Body", **parameters: object) -> None:
        """Write a whole file, in place of one that may be there. Raises as `ask`."""
        parameters |= {"overwrite": "true"}
        with self._filesystem() as filesystem:
            first = self._to_namenode(filesystem, "PUT", "CREATE", path, parameters)
            if first.status_code not in _REDIRECTS:
                raise Refused(first)  # also a success, which wrote no bytes
            url = self._onward(filesystem, first, path)
            _succeeded(self._send(filesystem, "PUT", url, datanode=True, body=body))

    def _to_namenode(
        self,
        filesystem: Any,  # noqa: ANN401 - fsspec has no types
        method: str,
        operation: str,
        path: str,
        parameters: dict[str, object],
    ) -> "requests.Response":
        url = filesystem._apply_proxy(filesystem.url + quote(path))  # noqa: SLF001 - its session, its options
        query = {"op": operation, **filesystem.pars, **parameters}
        response = self._send(filesystem, method, url, query)
        self.answered = True
        return response

    def _send(  # noqa: PLR0913 - what a request consists of
        self,
        filesystem: Any,  # noqa: ANN401 - as above
        method: str,
        url: str,
        query: dict[str, object] | None = None,
        *,
        datanode: bool = False,
        body: "Body | None" = None,
    ) -> "requests.Response":
        """Make one request and read all of its answer."""
        from requests.exceptions import RequestException

        size = len(body) if isinstance(body, bytes) else 0
        try:
            response: requests.Response = filesystem.session.request(
                method,
                url,
                params=query,
                data=body,
                headers={"Content-Type": "application/octet-stream"} if datanode else None,
                auth=None if _same_host(url, filesystem.url) else _anonymous,
                allow_redirects=False,
                timeout=(READ + size // SLOWEST if datanode else CONNECT, READ),
            )
        except (RequestException, OSError) as error:
            raise Lost(error, at_datanode=datanode) from error
        return response

    def _onward(self, filesystem: Any, response: "requests.Response", path: str) -> str:  # noqa: ANN401 - as above
        """Return where a redirect leads, with the path as it was asked for.

        Raises:
            StoreUnavailableError: if it leads where no DataNode is: not http, or link-local,
                where clouds hand out credentials.
        """
        location = urljoin(response.url, response.headers.get("Location", ""))
        parts = urlsplit(filesystem._apply_proxy(location))  # noqa: SLF001 - as above
        if parts.scheme not in ("http", "https") or self._is_link_local(parts.hostname or ""):
            raise StoreUnavailableError(
                f"{path}: a redirect to {parts.scheme}://{parts.hostname} is not followed"
            )
        head, found, _ = parts.path.partition(PREFIX + "/")
        if found:
            parts = parts._replace(path=head + PREFIX + quote(path))
        return str(urlunsplit(parts))

    def _is_link_local(self, host: str) -> bool:
        """Whether a host is, or its name means, a link-local address; asked for once."""
        import socket

        if host not in self._addresses:
            try:
                found = {str(row[4][0]) for row in socket.getaddrinfo(host, None)}
            except OSError:  # the request will say so
                return False
            self._addresses[host] = any(map(_link_local, found))
        return self._addresses[host]

    @contextmanager
    def _filesystem(self) -> Iterator[Any]:
        """Lend a filesystem that nobody else uses: not all ways to authenticate are shared."""
        process = os.getpid()
        if self._idle[0] != process:
            self._idle = process, deque()
        idle = self._idle[1]
        filesystem = idle.pop() if idle else self._opening()
        try:
            yield filesystem
        finally:
            idle.append(filesystem)


def _succeeded(response: "requests.Response") -> "requests.Response":
    if response.status_code >= 300:
        raise Refused(response)
    return response


def _link_local(address: str) -> bool:
    """Whether an address is one of 169.254.0.0/16 or fe80::/10, however it is written.

    >>> _link_local("::ffff:169.254.169.254"), _link_local("fe80::1%eth0")
    (True, True)
    >>> _link_local("10.0.0.1")
    False
    """
    parsed = ipaddress.ip_address(address)
    inner = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (inner or parsed).is_link_local


def _same_host(url: str, other: str) -> bool:
    return urlsplit(url).netloc == urlsplit(other).netloc


def _anonymous(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
    """Send a DataNode no password: what it must know is in the redirect."""
    return request
