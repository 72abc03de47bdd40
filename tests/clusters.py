"""Dask clusters of real processes, and what passes between them."""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import blobfs
from tests.servers.process import HOST, free_ports, listening, running

if TYPE_CHECKING:
    import subprocess

DASK = str(Path(sys.executable).parent / "dask")


class Wire:
    """A port that leads to another one, and keeps every byte that passes."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._passed: list[bytes] = []
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    @property
    def passed(self) -> bytes:
        """All bytes so far, of all connections."""
        return b"".join(self._passed)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                one, _ = self._listener.accept()
                self._ends.append(one)
                other = socket.create_connection((HOST, self._target))
                self._ends.append(other)
                self._begin(partial(self._pass, one, other))
                self._begin(partial(self._pass, other, one))

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._passed.append(data)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()


class CommandLineCluster:
    """`dask scheduler`, and two `dask worker`s that reach it through a `Wire`, or directly."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        *,
        debug: bool = False,
        direct: bool = False,
    ) -> None:
        self._directory, self._direct = directory, direct
        self._environment = {"PYTHONWARNINGS": "ignore", **environment}
        if debug:
            self._environment["DASK_LOGGING"] = "{'distributed': 'debug'}"
        self._stack = ExitStack()
        self._count = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            (port,) = free_ports(1)
            self.scheduler = stack.enter_context(
                self._run("scheduler", f"--host={HOST}", f"--port={port}", port=port)
            )
            self.direct = f"tcp://{HOST}:{port}"
            self.wire = Wire(port)
            stack.callback(self.wire.close)
            self.address = f"tcp://{HOST}:{self.wire.port}"
            self._stack = stack
            self.workers = [self.start_worker() for _ in range(2)]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_worker(self) -> "subprocess.Popen[bytes]":
        """Start one more, and return it when the scheduler knows it."""
        self._count += 1
        (port,) = free_ports(1)
        where = self._directory / f"worker-{self._count}"
        options = "--nthreads=1", "--no-nanny", f"--worker-port={port}"
        address = self.direct if self._direct else self.address
        worker = self._run("worker", address, *options, f"--local-directory={where}", port=port)
        return self._stack.enter_context(worker)

    def said(self) -> str:
        """What scheduler and workers printed."""
        logs = sorted(self._directory.glob("*.log"))
        return "\n".join(log.read_text(errors="replace") for log in logs)

    @contextmanager
    def client(self) -> Iterator[Any]:
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(len(self.workers), timeout=60)
            yield client

    @contextmanager
    def _run(self, *command: str, port: int) -> Iterator["subprocess.Popen[bytes]"]:
        options = "--no-dashboard", *command[1:]
        with running(
            [DASK, command[0], *options],
            log=self._directory / f"{command[0]}-{port}.log",
            answers=lambda: listening(port),
            environment=self._environment,
        ) as process:
            yield process


class At:
    """A callback that does something once, when a phase has made some progress."""

    def __init__(self, phase: str, act: Callable[[], object], *, begun: bool = True) -> None:
        self._wanted = phase
        self._act: Callable[[], object] | None = act
        self._begun = begun
        self.phase = ""

    def call(self, hook_name: str | None = None, **_: object) -> None:
        self.phase = hook_name or ""
        if not self._begun:
            self._now()

    def set_size(self, size: int) -> None:
        pass

    def absolute_update(self, value: int) -> None:
        pass

    def relative_update(self, inc: int = 1) -> None:
        if inc:
            self._now()

    def _now(self) -> None:
        if self.phase == self._wanted and self._act:
            act, self._act = self._act, None
            act()


def kill(pid: int) -> Callable[[], None]:
    return lambda: os.kill(pid, signal.SIGKILL)


def worker_pids(client: Any) -> list[int]:  # noqa: ANN401 - a distributed.Client
    return list(client.run(os.getpid).values())


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Dask says of clusters that end out of the tests' output."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def hang(directory: str, source: str, config: str, address: str) -> None:
    """Upload by a cluster, and stop in the middle, saying so: to be killed then."""
    from distributed import Client

    def stop() -> None:
        sys.stdout.write("sending\n")
        sys.stdout.flush()
        time.sleep(600)

    with Client(address) as client:  # type: ignore[no-untyped-call]
        os.chdir(directory)
        store = blobfs.open_store(
            {"blob_manager_class": "local", "blob_manager_config": {"root_directory": config}}
        )
        blobfs.upload(
            source,
            store=store,
            hash_cache=False,
            executor=client.get_executor(),
            callback=At("sending", stop),
        )


if __name__ == "__main__":
    hang(*sys.argv[1:])
