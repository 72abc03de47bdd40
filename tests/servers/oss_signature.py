"""The check of signatures of Alibaba Cloud's OSS, version 1.

Written from the description and not taken from the SDK, whose mistakes it would repeat.
Format: https://www.alibabacloud.com/help/en/oss/developer-reference/include-signatures-in-the-authorization-header
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

SIGNED = frozenset(
    {
        *("acl", "append", "bucketInfo", "comp", "continuation-token", "cors", "delete"),
        *("encryption", "lifecycle", "location", "logging", "objectMeta", "partNumber"),
        *("policy", "position", "referer", "response-cache-control"),
        *("response-content-disposition", "response-content-encoding"),
        *("response-content-language", "response-content-type", "response-expires"),
        *("restore", "security-token", "sequential", "stat", "symlink", "tagging"),
        *("uploadId", "uploads", "versionId", "versioning", "versions", "website"),
    }
)
"""The parameters of a query that are signed, beside those that begin with `x-oss-`."""

Query = list[tuple[str, str]]


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is answered with an error."""

    def __init__(
        self, status: int, code: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Account:
    """What belongs to a key; with a token, it is one that was lent for some time."""

    secret: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature is made of."""

    method: str
    path: str
    """As it was sent, quoted."""
    query: Query
    headers: Mapping[str, str]
    """With names in lower case."""


def check(request: Signed, accounts: Mapping[str, Account]) -> None:
    """Refuse a request that nobody who knows the secret signed."""
    query = dict(request.query)
    authorization = request.headers.get("authorization", "")
    if authorization.startswith("OSS "):
        key, _, signature = authorization.removeprefix("OSS ").partition(":")
        date = request.headers.get("x-oss-date") or request.headers.get("date", "")
        token = request.headers.get("x-oss-security-token")
    elif "Signature" in query and "OSSAccessKeyId" in query:
        key, signature, date = query["OSSAccessKeyId"], query["Signature"], query["Expires"]
        token = query.get("security-token")
        if int(date) < time.time():
            raise Refused(403, "AccessDenied")
    else:
        raise Refused(403, "AccessDenied")
    if key not in accounts:
        raise Refused(403, "InvalidAccessKeyId")
    account = accounts[key]
    if not hmac.compare_digest(_signature(request, account.secret, date), signature):
        raise Refused(403, "SignatureDoesNotMatch")
    if token != account.token:
        raise Refused(403, "InvalidSecurityToken" if token else "InvalidAccessKeyId")


def _signature(request: Signed, secret: str, date: str) -> str:
    headers = sorted(item for item in request.headers.items() if item[0].startswith("x-oss-"))
    resource = unquote(request.path)
    query = sorted(
        (name, value)
        for name, value in request.query
        if name in SIGNED or name.startswith("x-oss-")
    )
    if query:
        resource += "?" + "&".join(
            f"{name}={value}" if value else name for name, value in query
        )
    text = "\n".join(
        [
            request.method,
            request.headers.get("content-md5", ""),
            request.headers.get("content-type", ""),
            date,
            *(f"{name}:{value}" for name, value in headers),
            resource,
        ]
    )
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
