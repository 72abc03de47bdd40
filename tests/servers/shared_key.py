"""Signatures with the key of an account, for Azure's Blob and DFS services.

Written from the description and not taken from the SDK, whose mistakes it would repeat.
Format: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import unquote

SIGNED = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type"),
    *("date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)
"""The headers that are signed, in this order, beside those that begin with `x-ms-`."""


def authorization(
    method: str, target: str, headers: Mapping[str, str], account: str, key: str
) -> str:
    """Return the header that a request must have.

    Args:
        method: in capitals.
        target: path and query as they are sent, quoted.
        headers: with names in lower case.
        account: the name that the key belongs to.
        key: in base64.
    """
    length = headers.get("content-length", "")
    signed = {**headers, "content-length": "" if length == "0" else length}
    ours = sorted(item for item in headers.items() if item[0].startswith("x-ms-"))
    path, _, query = target.partition("?")
    lines = [
        method,
        *(signed.get(name, "") for name in SIGNED),
        *(f"{name}:{value.strip()}" for name, value in ours),
        f"/{account}{path}",
        *_parameters(query),
    ]
    text = "\n".join(lines).encode()
    digest = hmac.new(base64.b64decode(key), text, hashlib.sha256).digest()
    return f"SharedKey {account}:{base64.b64encode(digest).decode()}"


def _parameters(query: str) -> list[str]:
    values: dict[str, list[str]] = {}
    for one in filter(None, query.split("&")):
        name, _, value = one.partition("=")
        values.setdefault(unquote(name).lower(), []).append(unquote(value))
    return [f"{name}:{','.join(sorted(values[name]))}" for name in sorted(values)]
