"""From one local file to another: the system copies, and what was copied is hashed.

What is hashed are the bytes of the copy, so whatever happened to the source meanwhile, the
digest is that of what is kept.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from hashlib import sha256

from blobfs.backend.files import read_exactly, sync_data
from blobfs.backend.system import start_writing_out
from blobfs.digest import PREFIX

CHUNK = 8 << 20
"""Bytes that the system copies at a time, while those before are hashed."""

WRITTEN_OUT = 64 << 20
"""Bytes after which what was copied is written out, while copying goes on. Left to the end, the
disk takes as long again (measured on a virtual one: 2.9 s a GiB instead of 2.0)."""

HASHED = 256 << 10
"""Bytes hashed at a time: they stay in the processor's cache."""

_CANNOT = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF}


class FileParts:
    """The bytes of a local file, in parts; who can has them copied without reading them."""

    def __init__(
        self, opening: Callable[[], AbstractContextManager[int]], part_size: int, start: int = 0
    ) -> None:
        """Take what `opening` gives: the open file, for as long as it is read."""
        self.opening = opening
        self._part_size = part_size
        self._start = start

    def __iter__(self) -> Iterator[bytes]:
        start = self._start
        with self.opening() as file:
            while part := read_exactly(file, start, self._part_size):
                start += len(part)
                yield part


def copy_and_hash(
    source: int, target: int, advance: Callable[[int], object]
) -> tuple[str, int] | None:
    """Copy an open file to another, empty one; return digest and size of what is there then.

    Args:
        source: open for reading.
        target: open for reading and writing.
        advance: is told the bytes done.

    Returns:
        None, and nothing was copied, if the system cannot copy between these two.
    """
    from concurrent.futures import Future, ThreadPoolExecutor

    def copy(at: int) -> int:
        copied = os.copy_file_range(source, target, CHUNK, at, at)
        start_writing_out(target, at, copied)
        return copied

    if not hasattr(os, "copy_file_range"):
        return None
    try:
        copied = copy(0)
    except OSError as error:
        if error.errno in _CANNOT:
            return None
        raise
    if not copied and os.fstat(source).st_size:  # some file systems say so for "cannot"
        return None
    hasher, buffer, at = sha256(), memoryview(bytearray(HASHED)), 0
    written_out, out_to = Future[None](), 0
    written_out.set_result(None)
    with ThreadPoolExecutor(2, "blobfs-copy") as pool:
        while copied:
            ahead = pool.submit(copy, at + copied)
            for start in range(at, at + copied, HASHED):
                read = os.preadv(target, [buffer[: at + copied - start]], start)
                hasher.update(buffer[:read])
            advance(copied)
            at += copied
            if at - out_to >= WRITTEN_OUT and written_out.done():
                written_out.result()
                written_out, out_to = pool.submit(sync_data, target), at
            copied = ahead.result()
        written_out.result()
    return PREFIX + hasher.hexdigest(), at
