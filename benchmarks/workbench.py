"""Where benchmarks build what they upload, and the environment that their processes get."""

import os
import random
import shutil
import time
from collections.abc import Iterator
from functools import cache
from itertools import count

import pytest

from benchmarks import peers
from benchmarks.harness import Command, Row, Table

SETTLED = 2.5
"""Seconds after which the hash cache trusts a file that was written."""

_BLOCK = 1 << 20


class Workbench:
    """A directory of a session's own."""

    def __init__(self, directory: str, rounds: int) -> None:
        self.directory = directory
        self.rounds = rounds
        self._numbers = count()
        self.tree = cache(self._tree)
        self.file = cache(self._file)

    def new(self, what: str = "x") -> str:
        """Return the path of something that is not there yet."""
        return f"{self.directory}/{what}-{next(self._numbers)}"

    def _tree(self, files: int, size: int) -> str:
        """Make a directory of files with random bytes, 100 to a directory (1,000 of many)."""
        top = self.new("tree")
        write_tree(top, files, size)
        time.sleep(SETTLED)
        return top

    def _file(self, size: int) -> str:
        """Make one file of random bytes."""
        path = self.new("file")
        with open(path, "wb") as file:
            file.writelines(_bytes(random.Random(size), size))
        time.sleep(SETTLED)
        return path

    def environment(self, home: str) -> dict[str, str]:
        """Return an environment in which everything that a program keeps lies in `home`."""
        os.makedirs(home, exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        return kept | {
            "HOME": home,
            "LC_ALL": "C.UTF-8",
            "BLOBFS_DATA_DIR": f"{home}/data",
            "BLOBFS_CACHE_DIR": f"{home}/cache",
            "RESTIC_REPOSITORY": f"{home}/restic",
            "RESTIC_PASSWORD": "restic",
            "RESTIC_CACHE_DIR": f"{home}/restic-cache",
            # As installed: compiled once, whatever the caller's environment says.
            "PYTHONPYCACHEPREFIX": f"{self.directory}/bytecode",
        }

    def command(self, arguments: list[str], home: str | None = None) -> Command:
        """Return a command with a home of its own, or with one that is there."""
        return Command(arguments, self.environment(home or self.new("home")))

    def need(self, table: Table, case: str, *tools: str) -> None:
        """Fail, and leave a row that says so, if a peer is not installed."""
        if reasons := [reason for tool in tools if (reason := peers.absent(tool))]:
            table.rows.append(Row(case, ", ".join(tools), "", "", None, None, None))
            pytest.fail("; ".join(reasons))


def write_tree(top: str, files: int, size: int, *, seed: int = 7, each: int = 100) -> None:
    """Write `files` files of `size` random bytes, `each` in a directory."""
    numbers = random.Random(seed)
    for number in range(files):
        directory = f"{top}/{number // each:05}"
        if number % each == 0:
            os.makedirs(directory)
        with open(f"{directory}/{number:07}.bin", "wb") as file:
            file.writelines(_bytes(numbers, size))


def _bytes(numbers: random.Random, size: int) -> Iterator[bytes]:
    for left in range(size, 0, -_BLOCK):
        yield numbers.randbytes(min(left, _BLOCK))


def remove(*paths: str) -> None:
    """Remove what holds few files."""
    for path in paths:
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.unlink(path)
