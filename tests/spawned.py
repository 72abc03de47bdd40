"""What other processes do in tests of readers: importable there, too."""

import os
import pickle
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from typing import Any, Literal

import fsspec

SECONDS = 60
"""After which a process hangs."""


def in_process(
    method: Literal["spawn", "forkserver"],
    act: Callable[..., bytes],
    given: object,
) -> bytes:
    """Return what `act` returns in another process, which is ended if it hangs."""
    context: Any = get_context(method)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(there, act, given, dict(os.environ)))
    process.start()
    there.close()
    try:
        assert here.poll(SECONDS), f"nothing after {SECONDS} seconds"
        data: bytes = here.recv()
        return data
    finally:
        process.join(5)
        process.kill()
        process.join()
        process.close()
        here.close()


def _send(
    there: Any,  # noqa: ANN401 - a connection
    act: Callable[..., bytes],
    given: object,
    environment: Mapping[str, str],
) -> None:
    os.environ.update(environment)  # a server of forks keeps the one that it began with
    there.send(act(given))


def read(url: str) -> bytes:
    """Return what a URL names."""
    with fsspec.open(url) as file:
        data: bytes = file.read()
    return data


def read_file(file: fsspec.core.OpenFile) -> bytes:
    """Return what is in a file that another process named."""
    with file as opened:
        data: bytes = opened.read()
    return data


def read_rest(pickled: bytes) -> bytes:
    """Return what another process has not read yet of a file."""
    with pickle.loads(pickled) as file:  # noqa: S301 - from the test
        data: bytes = file.read()
    return data
