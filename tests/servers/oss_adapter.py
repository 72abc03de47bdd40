"""The protocol of OSS in front of an application of the S3 protocol.

What differs is translated: the signature, the names of headers, the namespace of XML, the
condition `x-oss-forbid-overwrite`, CRC64 of every object, and objects that can be appended to.
"""

import base64
import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from tests.servers.cache import package
from tests.servers.oss_signature import Account, Query, Refused, Signed, check
from tests.servers.wsgi import Application, Environ, ask, environ_of

BUCKETS = "oss-adapter--"
"""Begins the names of buckets behind, which all of moto's servers in a process share."""

OWNER = "210987654321"
"""moto's account behind, so that buckets are listed on their own side only."""

UNKNOWN_BEHIND = frozenset(
    {"authorization", "host", "connection", "date", "expect", "transfer-encoding"}
    | {"x-oss-date", "x-oss-security-token", "x-oss-forbid-overwrite"}
)
"""Headers that have done their service here."""

FOR_SIGNATURES = frozenset({"OSSAccessKeyId", "Signature", "Expires", "security-token"})

OF_RANGES = frozenset({"range", "if-match", "if-unmodified-since"})
"""Headers that the SDK asks for ranges with."""

LARGE = 16 << 20
"""Bytes from which on an object is kept while it is read by ranges."""

XML = {"content-type": "application/xml"}

PLACE = (
    "<Location>oss-test</Location><ExtranetEndpoint>127.0.0.1</ExtranetEndpoint>"
    "<IntranetEndpoint>127.0.0.1</IntranetEndpoint><StorageClass>Standard</StorageClass>"
)
BUCKET_INFO = (
    "<BucketInfo><Bucket><Name>{name}</Name>"
    "<CreationDate>2026-01-01T00:00:00.000Z</CreationDate>"
    f"{PLACE}<Owner><ID>1</ID><DisplayName>1</DisplayName></Owner>"
    "<AccessControlList><Grant>private</Grant></AccessControlList></Bucket></BucketInfo>"
)
ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
    "<Message>{code}</Message><RequestId>0</RequestId><HostId>oss-test</HostId></Error>"
)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    """As it was sent, quoted."""
    query: Query = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    """With names in lower case."""
    body: bytes = b""

    @property
    def bucket(self) -> str:
        return unquote(self.path).lstrip("/").partition("/")[0]

    @property
    def key(self) -> str:
        return unquote(self.path).lstrip("/").partition("/")[2]

    def asks(self, name: str) -> bool:
        return any(name == one for one, _ in self.query)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


class OssOverS3:
    """A WSGI application; one request at a time, so that a condition holds until it is used."""

    def __init__(self, behind: Application, accounts: Mapping[str, Account]) -> None:
        self._behind = behind
        self._accounts = accounts
        self._turn = threading.Lock()
        self._crc64 = package("oss2.utils", "OSS").Crc64
        self._sums: dict[tuple[str, str], str] = {}
        """CRC64 of whole objects, by path and ETag."""
        self._large: tuple[tuple[str, str], bytes] = ("", ""), b""
        """The object that was last read by ranges."""
        self._appendable: set[str] = set()
        """Paths."""

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        try:
            reply = self._answer(_request(environ))
        except Refused as no:
            body = ERROR.format(code=no.code).encode()
            reply = Reply(no.status, {**XML, **no.headers}, body)
        headers = {"x-oss-request-id": "5C3D9175B6FC201293AD0000", **reply.headers}
        body = b"" if environ["REQUEST_METHOD"] == "HEAD" else reply.body
        if environ["REQUEST_METHOD"] != "HEAD":
            headers["content-length"] = str(len(body))
        start(f"{reply.status} X", list(headers.items()))
        return [body]

    def _answer(self, request: Request) -> Reply:
        signed = Signed(request.method, request.path, request.query, request.headers)
        check(signed, self._accounts)
        sent = base64.b64encode(hashlib.md5(request.body).digest()).decode()  # noqa: S324
        if request.headers.get("content-md5", sent) != sent:
            raise Refused(400, "InvalidDigest")
        with self._turn:
            return (self._read if request.method in ("GET", "HEAD") else self._write)(request)

    def _read(self, request: Request) -> Reply:
        if request.asks("bucketInfo"):
            if self._pass(Request("HEAD", request.path)).status != 200:
                raise Refused(404, "NoSuchBucket")
            return Reply(200, dict(XML), BUCKET_INFO.format(name=request.bucket).encode())
        if request.asks("objectMeta"):
            rest = [one for one in request.query if one[0] != "objectMeta"]
            request = replace(request, method="HEAD", query=rest)
        reply = self._range(request) or self._pass(request)
        if not request.key or request.asks("uploadId") or reply.status >= 300:
            return _translated(reply)
        headers = {
            "x-oss-hash-crc64ecma": self._sum(request, reply),
            "x-oss-object-type": "Normal",
        }
        if request.path in self._appendable:
            headers["x-oss-object-type"] = "Appendable"
            headers["x-oss-next-append-position"] = reply.headers.get("content-length", "0")
        return Reply(reply.status, {**_oss_names(reply.headers), **headers}, reply.body)

    def _range(self, request: Request) -> Reply | None:
        """Return a range of a large object, of which moto would read all each time."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if request.method != "GET" or not wanted:
            return None
        rest = {name: value for name, value in request.headers.items() if name not in OF_RANGES}
        head = self._pass(replace(request, method="HEAD", headers=rest))
        size, start = int(head.headers.get("content-length", "0")), int(wanted[1])
        if head.status != 200 or size < LARGE or start >= size:
            return None
        etag = head.headers["etag"].strip('"').lower()
        if request.headers.get("if-match", etag).strip('"').lower() != etag:
            return None
        place = request.path, etag
        if self._large[0] != place:
            self._large = place, self._pass(replace(request, headers=rest)).body
        end = min(int(wanted[2] or size), size - 1)
        body = self._large[1][start : end + 1]
        told = {
            "content-range": f"bytes {start}-{end}/{size}",
            "content-length": str(len(body)),
        }
        return Reply(206, {**head.headers, **told}, body)

    def _write(self, request: Request) -> Reply:
        if request.asks("append"):
            return self._append(request)
        forbid = request.headers.get("x-oss-forbid-overwrite", "").lower() == "true"
        # A part is no object yet; the header is for those that make one, or begin to.
        if forbid and not request.asks("partNumber") and self._exists(request):
            raise Refused(409, "FileAlreadyExists")
        reply = _translated(self._pass(request))
        if not request.key or reply.status >= 300:
            return reply
        if request.method == "DELETE":
            self._appendable.discard(request.path)
            return reply
        return Reply(reply.status, {**reply.headers, **self._written(request)}, reply.body)

    def _written(self, request: Request) -> dict[str, str]:
        """Return what a writer is told about what it wrote."""
        if request.asks("partNumber"):
            is_copy = "x-oss-copy-source" in request.headers
            return {} if is_copy else {"x-oss-hash-crc64ecma": self._digest(request.body)}
        if request.asks("uploads"):
            return {}
        self._appendable.discard(request.path)
        head = self._pass(Request("HEAD", request.path))
        told = {"x-oss-hash-crc64ecma": self._sum(request, head, known=request)}
        if request.asks("uploadId"):
            told["etag"] = head.headers["etag"]
        return told

    def _append(self, request: Request) -> Reply:
        there = self._pass(Request("GET", request.path))
        before = b"" if there.status == 404 else there.body
        if there.status != 404 and request.path not in self._appendable:
            raise Refused(409, "ObjectNotAppendable")
        position = int(dict(request.query)["position"])
        if position != len(before):
            where = {"x-oss-next-append-position": str(len(before))}
            raise Refused(409, "PositionNotEqualToLength", where)
        whole = Request("PUT", request.path, [], request.headers, before + request.body)
        put = _translated(self._pass(whole))
        if put.status >= 300:
            return put
        self._appendable.add(request.path)
        told = {
            "x-oss-next-append-position": str(len(whole.body)),
            "x-oss-hash-crc64ecma": self._digest(whole.body),
        }
        return Reply(200, {"etag": put.headers["etag"], **told}, b"")

    def _exists(self, request: Request) -> bool:
        return self._pass(Request("HEAD", request.path)).status == 200

    def _sum(self, request: Request, reply: Reply, known: Request | None = None) -> str:
        """Return the CRC64 of a whole object, which is computed once."""
        place = request.path, reply.headers["etag"]
        if place not in self._sums:
            is_whole = known is not None and known.method == "PUT" and known.body
            whole = known.body if known and is_whole else None
            if whole is None:
                whole = self._pass(Request("GET", request.path)).body
            self._sums[place] = self._digest(whole)
        return self._sums[place]

    def _digest(self, data: bytes) -> str:
        crc = self._crc64()
        crc(data)
        return str(crc.crc)

    def _pass(self, request: Request) -> Reply:
        """Ask the application behind."""
        status, headers, body = ask(self._behind, _environ(request))
        return Reply(status, {name.lower(): value for name, value in headers}, body)


def _request(environ: Environ) -> Request:
    path, _, query = str(environ["REQUEST_URI"]).partition("?")
    # As they were sent and signed: elsewhere in it a `_` is a `-`.
    headers = {name.lower(): str(value) for name, value in environ["RAW_HEADERS"]}
    pairs = parse_qsl(query, keep_blank_values=True)
    body = environ["wsgi.input"].read()
    return Request(str(environ["REQUEST_METHOD"]), path, pairs, headers, body)


def _environ(request: Request) -> Environ:
    """Return a request as the application behind understands it."""
    path = "/" + BUCKETS + request.path.lstrip("/") if request.bucket else "/"
    query = urlencode([one for one in request.query if _is_known_behind(*one)])
    target = f"{path}?{query}" if query else path
    headers = {
        "host": "127.0.0.1",
        "x-moto-account-id": OWNER,
        # Without one, everybody would be refused what is not public.
        "authorization": "AWS4-HMAC-SHA256 Credential=oss/20260101/us-east-1/s3/aws4_request,"
        " SignedHeaders=host, Signature=0",
        **_s3_headers(request),
    }
    return environ_of(request.method, target, headers.items(), request.body)


def _is_known_behind(name: str, value: str) -> bool:
    empty = name == "continuation-token" and not value
    return not empty and name not in FOR_SIGNATURES and name != "sequential"


def _s3_headers(request: Request) -> dict[str, str]:
    headers = {
        name.replace("x-oss-", "x-amz-"): value
        for name, value in request.headers.items()
        if name not in UNKNOWN_BEHIND
    }
    source = headers.get("x-amz-copy-source", "").lstrip("/")
    if source:
        headers["x-amz-copy-source"] = f"/{BUCKETS}{source}"
        if unquote(source) == f"{request.bucket}/{request.key}":
            headers["x-amz-metadata-directive"] = "REPLACE"  # S3 wants something to change
    return headers


def _oss_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.replace("x-amz-", "x-oss-"): value
        for name, value in headers.items()
        if name != "transfer-encoding"
    }


def _translated(reply: Reply) -> Reply:
    """Return a reply whose body, if it has one, is XML, as OSS gives it."""
    body = re.sub(rb'\sxmlns(:\w+)?="[^"]*"', b"", reply.body).replace(BUCKETS.encode(), b"")
    body = body.replace(b"</Contents>", b"<Type>Normal</Type></Contents>")
    body = body.replace(b"</CreationDate>", b"</CreationDate>" + PLACE.encode())
    if b"<NextKeyMarker>" not in body:
        end = b"</ListMultipartUploadsResult>"
        body = body.replace(end, b"<NextKeyMarker/><NextUploadIdMarker/>" + end)
    return Reply(reply.status, _oss_names(reply.headers), body)
