"""Where servers are installed: once, outside the repository, and whole or not at all."""

import fcntl
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from tests.servers.process import ENVIRONMENT, tied

CACHE = Path(
    os.environ.get("BLOBFS_TEST_SERVERS") or platformdirs.user_cache_dir("blobfs-test-servers")
).absolute()
"""Known when imported, because tests get a home and a working directory of their own."""

PATIENCE = 1800.0
"""Seconds that one command of an installation may take; a slow one compiles for minutes."""


class Unavailable(Exception):  # noqa: N818 - nothing went wrong, the machine lacks something
    """A server cannot run on this machine; the message says in one line what is missing."""


def installed(name: str, make: Callable[[Path], None]) -> Path:
    """Return the directory of an installation, after `make` filled it if it was not there.

    A killed installation is never taken for a complete one: it is made under another name.

    Args:
        name: what is installed and its version.
        make: gets an empty directory, whose contents must not depend on its path.
    """
    place = CACHE / name
    if place.is_dir():
        return place
    CACHE.mkdir(parents=True, exist_ok=True)
    partial = CACHE / f"{name}.partial"
    with _locked(CACHE / f"{name}.lock"):
        if place.is_dir():
            return place
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        make(partial)
        partial.rename(place)
    return place


def packages(name: str, *arguments: str, **environment: str) -> Path:
    """Return the directory for PYTHONPATH into which pip installs, for this version of Python.

    Args:
        name: what is installed and its version.
        arguments: of `pip install`.
        environment: variables for it.

    Raises:
        Unavailable: if it cannot be installed.
    """
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]

    def make(directory: Path) -> None:
        run(*pip, "--target", directory, *arguments, cwd=directory, **environment)

    return installed("{}-python{}.{}".format(name, *sys.version_info), make)


def program(name: str, needed_by: str) -> str:
    """Return the path of a program that must be there before anything can be installed."""
    found = shutil.which(name, path=ENVIRONMENT.get("PATH"))
    if found is None:
        raise Unavailable(f"{needed_by} needs {name}, which is not on the PATH")
    return os.path.abspath(found)


def package(name: str, needed_by: str) -> Any:  # noqa: ANN401 - most of them carry no types
    """Import a package that only some servers need."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Unavailable(f"{needed_by} needs the package {name}: {error}") from error


def run(*command: str | Path, cwd: Path, **environment: str) -> None:
    """Run one command of an installation, which ends with this process.

    Raises:
        Unavailable: if it fails, which is mostly for want of a network.
    """
    try:
        done = subprocess.run(
            tied(list(map(str, command))),
            cwd=cwd,
            env={**ENVIRONMENT, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"`{command[0]}` did not end in {PATIENCE:.0f} s") from error
    if done.returncode != 0:
        said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        why = next((line for line in said if "error" in line.lower()), (said or [""])[-1])
        name = f"{os.path.basename(command[0])} {command[1]}"
        problem = Unavailable(f"`{name}` failed with status {done.returncode}: {why}")
        problem.add_note("\n".join(said[-30:]))
        raise problem


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time install; the lock goes with the process that holds it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
