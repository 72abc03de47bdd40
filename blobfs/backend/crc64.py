"""The CRC64 of what is put together from parts, as OSS computes it.

ECMA-182, reflected: https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-64-xz
"""

from collections.abc import Iterable
from functools import lru_cache

POLYNOMIAL = 0xC96C5795D7870F42


def joined_crc(parts: Iterable[tuple[int | None, int]]) -> int | None:
    """Return the CRC64 of parts put together, from those and the sizes of each.

    None if one is not known.
    oss2 does the same in 8 ms for each part; here parts of one size share most of the work.

    >>> joined_crc([(3039664240384658157, 1), (17250654857303840936, 8)])  # of 1 and 23456789
    11051210869376104954
    """
    whole = 0
    for crc, size in parts:
        if crc is None:
            return None
        whole = _applied(_zeros(size), whole) ^ crc
    return whole


@lru_cache(16)
def _zeros(size: int) -> tuple[int, ...]:
    """Return the matrix over GF(2) that appends `size` zero bytes to a CRC64, as columns.

    As zlib does it: https://github.com/madler/zlib/blob/v1.3.1/crc32.c
    """
    power = (POLYNOMIAL, *(1 << n for n in range(63)))  # appends one bit
    result = tuple(1 << n for n in range(64))
    bits = size * 8
    while bits:
        if bits & 1:
            result = tuple(_applied(power, column) for column in result)
        power = tuple(_applied(power, column) for column in power)
        bits >>= 1
    return result


def _applied(matrix: tuple[int, ...], vector: int) -> int:
    result = 0
    for column in matrix:
        if vector & 1:
            result ^= column
        vector >>= 1
    return result
