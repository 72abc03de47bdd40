"""A server that is a process of its own: started, waited for, stopped, never left behind."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.servers import tied as tied_script

HOST = "127.0.0.1"

ENVIRONMENT = dict(os.environ)
"""As it was when this was imported: a test's own home would hide the caches of build tools."""

START = 60.0
"""Seconds in which a server must answer."""

STOP = 5.0
"""Seconds that a server may take to end by itself."""


class ServerError(RuntimeError):
    """A server did not start, or did not do what it was told; the message has its log's end."""


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody uses, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]


def listening(port: int) -> bool:
    """Whether a connection to a port of loopback is accepted."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def tied(command: Sequence[str]) -> list[str]:
    """Return the command that runs another one, which is killed when this thread is gone.

    Threads count, not processes: start servers from a thread that lives as long as they do.
    """
    launcher = tied_script.__file__
    return [sys.executable, "-I", "-S", launcher, str(os.getpid()), *command]


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    answers: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    commands: bool = False,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server from when it answers until the block ends.

    Args:
        command: begins with the absolute path of a program.
        log: what it prints goes here.
        answers: whether it is ready.
        environment: added to what this process was started with.
        commands: whether it reads commands from a pipe; otherwise it can read nothing.

    Raises:
        ServerError: if it ends, or does not answer in time.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            tied(command),
            stdin=subprocess.PIPE if commands else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, **(environment or {})},
            cwd=log.parent,
        )
    try:
        _wait(process, log, answers)
        yield process
    finally:
        _stop(process)


def tail(log: Path, lines: int = 20) -> str:
    """Return the end of a log, to be shown in an error."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _wait(process: "subprocess.Popen[bytes]", log: Path, answers: Callable[[], bool]) -> None:
    until = time.monotonic() + START
    while not answers():
        if process.poll() is not None:
            status = process.returncode
            raise ServerError(f"the server ended with status {status}; its log: {tail(log)}")
        if time.monotonic() > until:
            raise ServerError(f"no answer in {START:.0f} s; the server's log: {tail(log)}")
        time.sleep(0.02)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask it to end, then make it."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    process.terminate()
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
