"""How a large object is cut into parts."""

MIB = 1 << 20

LEAST = 8 * MIB
"""Bytes of a part: fewer cost requests, more cost memory."""

MOST_PARTS = 10_000
"""Parts of one object on S3 and OSS; Azure has 50,000 blocks.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
https://www.alibabacloud.com/help/en/oss/user-guide/multipart-upload"""

IN_FLIGHT = 64 * MIB
"""Bytes of one object's parts that are on their way at a time."""

AT_ONCE = 4
"""Parts of one object on their way at a time, at most."""


def part_size(size: int, most_parts: int = MOST_PARTS) -> int:
    """Return the bytes of every part but the last of an object of `size` bytes.

    >>> part_size(1 << 30) // MIB, part_size(5 << 40) // MIB
    (8, 525)
    """
    needed = -(-size // most_parts)
    return max(LEAST, -(-needed // MIB) * MIB)


def at_once(part: int) -> int:
    """Return how many parts of `part` bytes are worth having in flight.

    >>> at_once(8 * MIB), at_once(32 * MIB), at_once(525 * MIB)
    (4, 2, 1)
    """
    return max(1, min(AT_ONCE, IN_FLIGHT // part))
