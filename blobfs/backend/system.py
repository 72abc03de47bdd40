"""System calls that Python does not offer, each with what stands in for it elsewhere."""

import errno
import os
import stat
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

AT_FDCWD = -2 if sys.platform == "darwin" else -100
"""Stands for the working directory: `fcntl.h`."""

_RENAME_NOREPLACE = 1
"""https://man7.org/linux/man-pages/man2/rename.2.html"""

_RENAME_EXCL = 4
"""macOS's spelling: `man 2 renameatx_np`."""

_WRITE_OUT = 2
"""https://man7.org/linux/man-pages/man2/sync_file_range.2.html"""

_FICLONE = 0x40049409
"""https://man7.org/linux/man-pages/man2/ioctl_ficlone.2.html"""

_NOT_THERE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR}


@cache
def _libc() -> "ctypes.CDLL":
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _errno() -> int:
    import ctypes

    return ctypes.get_errno()


def rename_exclusively(
    source: str, target: str, source_directory: int = AT_FDCWD, directory: int = AT_FDCWD
) -> None:
    """Rename a file or directory unless something is at `target`, in one step.

    Where the system or the file system has no such call, a directory is renamed plainly, which
    fails on a directory that is not empty, and a file is linked.

    Args:
        source: a path, relative to the open `source_directory` if that is given.
        target: a path, relative to the open `directory` if that is given.
        source_directory: a descriptor.
        directory: a descriptor.

    Raises:
        FileExistsError: if something is there.
    """
    ends = source, target, source_directory, directory
    code = _rename_exclusively(*ends)
    if code in _NOT_THERE:
        code = _rename_otherwise(*ends)
    if code in _TAKEN:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    if code:
        raise OSError(code, os.strerror(code), target)


def _rename_exclusively(source: str, target: str, old_at: int, new_at: int) -> int:
    old, new = os.fsencode(source), os.fsencode(target)
    try:
        if sys.platform == "darwin":
            failed = _libc().renameatx_np(old_at, old, new_at, new, _RENAME_EXCL)
        else:
            failed = _libc().renameat2(old_at, old, new_at, new, _RENAME_NOREPLACE)
    except AttributeError:  # a libc without it
        return errno.ENOSYS
    return _errno() if failed else 0


def _rename_otherwise(source: str, target: str, old_at: int, new_at: int) -> int:
    old = None if old_at == AT_FDCWD else old_at
    new = None if new_at == AT_FDCWD else new_at
    try:
        if stat.S_ISDIR(os.stat(source, dir_fd=old, follow_symlinks=False).st_mode):
            os.rename(source, target, src_dir_fd=old, dst_dir_fd=new)
        else:
            os.link(source, target, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
            os.unlink(source, dir_fd=old)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def sync_file_system(directory: int) -> bool:
    """Write out the whole file system that the open `directory` lies on; False if it cannot."""
    if sys.platform != "linux":
        return False
    if _libc().syncfs(directory):
        code = _errno()
        if code in _NOT_THERE:
            return False
        raise OSError(code, os.strerror(code))
    return True


def start_writing_out(file: int, start: int, size: int) -> None:
    """Have the system begin to write out a part of an open file; waits for nothing."""
    if sys.platform == "linux" and size:
        import ctypes

        # A hint: whether everything was written out is asked for, and answered, later.
        _libc().sync_file_range(file, ctypes.c_int64(start), ctypes.c_int64(size), _WRITE_OUT)


def clone(source: int, target: int) -> bool:
    """Let the open file `target` share the bytes of `source`; False if the system cannot."""
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except (
        OSError
    ):  # not this file system, not across two, not this kind of file: then by bytes
        return False
    return True
