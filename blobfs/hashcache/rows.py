"""What a row of the hash cache holds, and when it is believed: no database here.

A row is believed if a seal over the file's whole identity, the digest and the time of hashing
fits, so a file that changed and a bit that flipped are both a miss; the identity itself is not
stored.

Clocks decide only whether a row is kept. A file whose times are not older than the hashing
could change again within one tick of its file system's clock and look the same; a row from the
future says that a clock was set back. What no `stat` shows is not seen here either: a process
that still writes to a file through a memory mapping.
"""

import hashlib
import struct
import time

from blobfs.digest import hex_of, is_digest

Identity = tuple[int, int, int, int, int]
"""Device, inode, size in bytes, mtime_ns, ctime_ns, as os.lstat and os.fstat tell them."""

Row = tuple[int, int, int, int, bytes, bytes]
"""Device, inode, hashed_at_ns, day of last use, digest, seal: a row of the database."""

_RACY_NS = 2_000_000_000
"""The coarsest clock of a file system (FAT); https://git-scm.com/docs/racy-git"""

COARSE_NS = 10_000_000
"""A change time that is a multiple of it comes from no fine clock: from FAT, which keeps no
true one, or from an image with fixed times (squashfs), where two can agree in all numbers."""

_DIGEST_SIZE = 32
_pack = struct.Struct("<QQqqqq32s").pack
_DAY = 86_400


def rows_of(chunk: list[tuple[Identity, str]], hashed_at_ns: int) -> list[Row]:
    """Return what may be kept of `chunk`, in the order of the database."""
    day = today()
    rows = []
    for identity, digest in chunk:
        if _settled(identity, hashed_at_ns) and is_digest(digest):
            blob = bytes.fromhex(hex_of(digest))
            if seal := _seal(identity, hashed_at_ns, blob):
                key = signed(identity[0]), signed(identity[1])
                rows.append((*key, hashed_at_ns, day, blob, seal))
    rows.sort()
    return rows


def believed(
    identity: Identity, hashed_at_ns: object, digest: object, seal: object, now_ns: int
) -> bool:
    """Whether what a row holds was stored for just this file, and may be relied on."""
    return (
        isinstance(hashed_at_ns, int)
        and isinstance(digest, bytes)
        and len(digest) == _DIGEST_SIZE
        and hashed_at_ns <= now_ns
        and _settled(identity, hashed_at_ns)
        and seal == _seal(identity, hashed_at_ns, digest)
    )


def _settled(identity: Identity, hashed_at_ns: int) -> bool:
    mtime, ctime = identity[3:]
    return max(mtime, ctime) < hashed_at_ns - _RACY_NS and ctime % COARSE_NS != 0


def _seal(identity: Identity, hashed_at_ns: int, digest: bytes) -> bytes | None:
    """Return what stands for the whole row, None for numbers of more than 64 bits."""
    try:
        data = _pack(*identity, hashed_at_ns, digest)
    except struct.error:
        return None
    return hashlib.blake2b(data, digest_size=16).digest()


def today() -> int:
    """Return the number of the day, for the order of use only."""
    return int(time.time() // _DAY)


def signed(value: int) -> int:
    """Return the signed 64 bits of `value`: all that SQLite holds."""
    return value if 0 <= value < 1 << 63 else (value + (1 << 63)) % (1 << 64) - (1 << 63)
