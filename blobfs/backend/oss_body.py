"""Whether the bytes that went to OSS, or came from it, are what they were."""

from base64 import b64encode
from hashlib import md5


def sealed(data: bytes) -> dict[str, str]:
    """Return the header that lets OSS refuse `data` if it is damaged on the way."""
    return {"Content-MD5": b64encode(md5(data, usedforsecurity=False).digest()).decode()}


def check_whole(data: bytes, crc: int | None) -> None:
    """Raise what lets an object be read again if its bytes are not those that OSS keeps."""
    from oss2.exceptions import InconsistentError
    from oss2.utils import Crc64

    found = Crc64()
    found(data)
    if crc is not None and found.crc != crc:
        raise InconsistentError(f"its CRC64 is {crc}, and that of what came {found.crc}")


def check_length(data: bytes, told: str | None, start: int, end: int | None) -> None:
    """Raise what lets a range be read again if it is shorter than what there is of it.

    A shorter body would say that the object ends there.
    """
    from oss2.exceptions import InconsistentError

    total = (told or "").rpartition("/")[2]  # of `bytes 0-9/100`
    if not total.isdigit():
        return
    expected = (int(total) if end is None else min(end, int(total))) - start
    if len(data) != expected:
        raise InconsistentError(f"{len(data)} bytes came of a range of {expected}")
