"""`--dask ADDRESS`: the workers of a Dask cluster move the bytes."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from blobfs.errors import ConfigError, ExecutorError, MissingDependencyError
from blobfs.late import log

if TYPE_CHECKING:
    from concurrent.futures import Executor

ANSWER = 15
"""Seconds within which a scheduler must answer."""

FAREWELL = 1
"""Seconds for which a scheduler is waited for at the end."""

_NOISY = ("distributed", "tornado", "asyncio")
"""Loggers that tell of connections that end, which is nothing that a user need do about."""


def dask_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option, for commands whose bytes may be moved by others."""
    return click.option(
        "--dask",
        metavar="ADDRESS",
        help="Have the workers of this Dask scheduler (tcp://host:8786) move the bytes.",
    )


@contextmanager
def cluster(address: str | None) -> Iterator["Executor | None"]:
    """Yield an executor of the cluster at `address`, None if there is to be none.

    Raises:
        MissingDependencyError: if Dask is not installed.
        ConfigError: if that is no address.
        ExecutorError: if no scheduler answers there.
    """
    if address is None:
        yield None
        return
    client = _connect(address)
    try:
        if not client.scheduler_info()["workers"]:
            log().warning("%s has no worker yet: waiting for one", address)
        yield client.get_executor()
    finally:
        # It may be gone; the command has done its work, or said why not.
        with suppress(Exception):
            client.close(FAREWELL)


def _connect(address: str) -> Any:  # noqa: ANN401 - a distributed.Client
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError("--dask needs Dask: pip install 'blobfs[dask]'") from error
    _silence()
    _check_there(address)
    try:
        return Client(address, timeout=ANSWER, set_as_default=False)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ConfigError(f"--dask {address} is no address of a scheduler: {error}") from error
    except Exception as error:
        raise ExecutorError(
            f"no Dask scheduler answers at {address} within {ANSWER} seconds"
            f" ({type(error).__name__})"
        ) from error


def _check_there(address: str) -> None:
    """Raise at once if nobody listens: a client would try again until its time is up."""
    import socket
    from urllib.parse import urlsplit

    url = urlsplit(address)
    if url.scheme not in ("tcp", "tls") or not url.hostname or not url.port:
        return
    try:
        socket.create_connection((url.hostname, url.port), ANSWER).close()
    except OSError as error:
        raise ExecutorError(
            f"no Dask scheduler answers at {address}: {error.strerror or error}"
        ) from error


def _silence() -> None:
    """Keep what Dask logs and warns of away from the terminal."""
    warnings.filterwarnings("ignore", module=r"(distributed|dask|tornado)\b")
    for name in [*_NOISY, *logging.root.manager.loggerDict]:
        if name.partition(".")[0] in _NOISY:
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [logging.NullHandler()], False
