"""The two APIs of Azure Data Lake Storage Gen2, before Azurite with one and no directories.

A request of the Blob API is passed on, and what it writes gets the directories above it; one of
the DFS API is carried out on blobs.
"""

import hmac
import json
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

from tests.servers.dfs_api import FOLDER, Paths, Refused, Reply, Request
from tests.servers.process import HOST
from tests.servers.shared_key import authorization
from tests.servers.wsgi import Environ

OF_CONNECTIONS = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
"""Headers that are not passed on; the length is told again."""

CODES = {"ContainerNotFound": "FilesystemNotFound", "BlobNotFound": "PathNotFound"}
"""What an error of the Blob API is called by the other one."""


class Front:
    """A WSGI application: decides which API a request is of."""

    def __init__(self, port: int, account: str, key: str, client: BlobServiceClient) -> None:
        """Reach Azurite at a port, and by its client."""
        self._port = port
        self._account = account
        self._key = key
        self._paths = Paths(client)

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        target, body = environ["REQUEST_URI"], environ["wsgi.input"].read()
        request = Request(environ["REQUEST_METHOD"], target, environ["RAW_HEADERS"], body)
        try:
            reply = self._dfs(request) if request.is_dfs else self._blob(request)
        except Refused as no:
            error = {"error": {"code": no.code, "message": no.code}}
            headers = [("x-ms-error-code", no.code), ("Content-Type", "application/json")]
            reply = Reply(no.status, headers, json.dumps(error).encode())
        start(f"{reply.status} X", reply.headers)
        return [reply.body]

    def _dfs(self, request: Request) -> Reply:
        self._check(request)
        try:
            return self._paths.answer(request)
        except HttpResponseError as error:
            response: Any = error.response
            code = response.headers.get("x-ms-error-code", "InternalError")
            raise Refused(response.status_code, CODES.get(code, code)) from error

    def _blob(self, request: Request) -> Reply:
        name, method, comp = request.name, request.method, request.query.get("comp")
        if not name:
            return self._pass(request)
        where = request.container, name
        if method == "DELETE" and not comp and not self._paths.is_empty(*where):
            raise Refused(409, "DirectoryIsNotEmpty")
        if comp == "metadata" and method == "PUT" and self._paths.kind(*where) == "directory":
            return self._pass(self._keeping_directory(request))
        if method != "PUT" or comp not in (None, "blocklist"):
            return self._pass(request)
        missing = self._paths.missing_above(*where)
        reply = self._pass(request)
        if reply.status in (201, 202):
            self._paths.make(request.container, missing)
        return reply

    def _keeping_directory(self, request: Request) -> Request:
        """Return a request to set metadata after which a directory still is one.

        Who signs with a key signs the metadata, too, and who has a token or a SAS does not.
        """
        added = [*request.headers, (f"x-ms-meta-{FOLDER}", "true")]
        if not request.fields.get("authorization", "").startswith("SharedKey "):
            return replace(request, headers=added)
        self._check(request)
        rest = [one for one in added if one[0].lower() != "authorization"]
        signature = self._authorization(replace(request, headers=rest))
        return replace(request, headers=[*rest, ("Authorization", signature)])

    def _check(self, request: Request) -> None:
        """Refuse a request that nobody who has the key signed."""
        given = request.fields.get("authorization", "")
        if not hmac.compare_digest(given.encode(), self._authorization(request).encode()):
            raise Refused(403, "AuthenticationFailed")

    def _authorization(self, request: Request) -> str:
        method, target, headers = request.method, request.target, request.fields
        return authorization(method, target, headers, self._account, self._key)

    def _pass(self, request: Request) -> Reply:
        """Ask Azurite."""
        kept = {
            name: value for name, value in request.headers if name.lower() not in OF_CONNECTIONS
        }
        with closing(HTTPConnection(HOST, self._port)) as connection:
            connection.request(request.method, request.target, request.body or None, kept)
            answer = connection.getresponse()
            body = answer.read()
        headers = [one for one in answer.getheaders() if one[0].lower() != "keep-alive"]
        if request.method in ("GET", "HEAD") and "x-ms-blob-type" in answer.headers:
            is_directory = f"x-ms-meta-{FOLDER}" in answer.headers
            headers.append(("x-ms-resource-type", "directory" if is_directory else "file"))
        return Reply(answer.status, headers, body)
