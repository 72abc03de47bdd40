"""Become another program that the system kills as soon as the one that started it is gone.

Run as a script, so that no Python runs between fork and exec in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Format: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html"""


def main(parent: str, *command: str) -> None:
    """Take the place of this process; where the system is not Linux, nothing is tied."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # gone before it could be watched
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - that is the purpose


if __name__ == "__main__":
    main(*sys.argv[1:])
