"""Content digests, written `sha256:<64 hex digits>` as OCI does.

Format: https://github.com/opencontainers/image-spec/blob/v1.1.0/descriptor.md#digests
"""

import hashlib
import re
from typing import NewType

Digest = NewType("Digest", str)
"""Algorithm and lower-case hex value, such as `sha256:e3b0c442…`."""

ALGORITHM = "sha256"

PREFIX = f"{ALGORITHM}:"

EMPTY = Digest(f"{PREFIX}{hashlib.sha256(b'').hexdigest()}")
"""The digest of no bytes at all."""

_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")


def digest_bytes(data: bytes) -> Digest:
    """Return the digest of `data`.

    >>> digest_bytes(b"")[:19]
    'sha256:e3b0c44298fc'
    """
    return Digest(PREFIX + hashlib.sha256(data).hexdigest())


def is_digest(text: object) -> bool:
    """Whether `text` is a whole, well-formed digest.

    >>> is_digest(EMPTY), is_digest(EMPTY.upper()), is_digest("sha256:e3b0c442")
    (True, False, False)
    """
    return isinstance(text, str) and _PATTERN.fullmatch(text) is not None


def hex_of(digest: str) -> str:
    """Return the hex part of `digest`, the name of an artifact's directory."""
    return digest.removeprefix(PREFIX)


def short(digest: str) -> str:
    """Return `digest` as people are shown it; a ref accepts it with the mark left off.

    >>> short(EMPTY)
    'sha256:e3b0c44298fc…'
    """
    return digest[: len(PREFIX) + 12] + "…" if is_digest(digest) else digest
