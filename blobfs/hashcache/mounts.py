"""Say whether a path lies on a network file system.

There the times of files come late and from other clocks, locks of other machines may not be
seen, and memory is not shared with them.
"""

import os
import re
import sys

_LOCAL = frozenset(("btrfs", "bcachefs", "overlay", "ramfs", "tmpfs", "zfs"))
"""Without a block device number of their own, and local all the same."""

_SHARED_DISK = frozenset(("gfs2", "ocfs2"))
"""On a block device that several machines write to."""

_ESCAPE = re.compile(rb"\\([0-7]{3})")


def is_network_path(path: str) -> bool:
    """Whether `path` lies on a network file system; True where nothing tells.

    A path that does not exist yet lies where its nearest directory does. Where the system
    does not tell what is mounted (neither Linux nor macOS), everything counts as remote, and
    so does what a user's process serves (FUSE), which may well fetch it from afar.
    """
    path = os.path.realpath(path)
    while not os.path.lexists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    try:
        if sys.platform == "darwin":
            return _darwin_type(path) not in {"apfs", "hfs"}
        with open("/proc/self/mountinfo", "rb") as mounts:
            return mount_is_remote(mounts.read(), path, os.stat(path).st_dev)
    except (OSError, AttributeError, ValueError):
        return True


def mount_is_remote(mountinfo: bytes, path: str, device: int) -> bool:
    """Whether the mount that holds `path` is a remote one: that of its device, else by name.

    Format: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    """
    number = f"{os.major(device)}:{os.minor(device)}".encode()
    inside = os.fsencode(path).rstrip(b"/") + b"/"
    best, kind = (False, -1), ""
    for line in mountinfo.splitlines():
        fields = line.split(b" ")
        point = _ESCAPE.sub(lambda octal: bytes([int(octal[1], 8)]), fields[4])
        point = point.rstrip(b"/") + b"/"
        same = fields[2] == number
        # A later mount lies over an earlier one at the same place.
        if (same or inside.startswith(point)) and (same, len(point)) >= best:
            best, kind = (same, len(point)), fields[fields.index(b"-", 6) + 1].decode()
    if kind in _LOCAL:
        return False
    # Network file systems have no block device, so their device number is an anonymous one.
    return kind in _SHARED_DISK or kind == "" or os.major(device) == 0


def _darwin_type(path: str) -> str:
    """Return `f_fstypename` of statfs(2), in its layout with 64-bit inodes."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    # On x86_64 the plain name is the layout with 32-bit inodes.
    statfs = getattr(libc, "statfs$INODE64", None) or libc.statfs
    buffer = ctypes.create_string_buffer(4096)
    if statfs(os.fsencode(path), buffer) != 0:
        raise OSError(ctypes.get_errno(), "statfs failed", path)
    return buffer.raw[72:88].split(b"\0", 1)[0].decode()
