"""An installation is there as a whole, once, or not at all."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.servers import cache
from tests.servers.cache import Unavailable, installed, package, program, run
from tests.servers.process import HOST, ServerError, free_ports, running


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def test_many_who_want_it_make_it_once() -> None:
    made: list[Path] = []

    def make(directory: Path) -> None:
        time.sleep(0.05)
        (directory / "file").touch()
        made.append(directory)

    threads = [threading.Thread(target=installed, args=("x-1", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert (installed("x-1", make) / "file").exists()


def test_what_failed_or_was_killed_is_made_anew(own_cache: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / "half").touch()
        raise Unavailable("no network")

    with pytest.raises(Unavailable):
        installed("x-1", fail)
    assert not (own_cache / "x-1").exists()
    assert list(installed("x-1", lambda _: None).iterdir()) == []


def test_what_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^X needs no-such-program, which is not"):
        program("no-such-program", "X")
    with pytest.raises(Unavailable, match=r"^X needs the package no_such_package"):
        package("no_such_package", "X")
    with pytest.raises(Unavailable, match="failed with status 3: why") as caught:
        run(sys.executable, "-c", "print('why\\n'); raise SystemExit(3)", cwd=tmp_path)
    assert "\n" not in str(caught.value)


def test_a_server_that_dies_is_an_error_with_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('why'); raise SystemExit(3)"]
    with (
        pytest.raises(ServerError, match=r"(?s)status 3.*why"),
        running(command, log=tmp_path / "log", answers=lambda: False),
    ):
        pass


ORPHAN = """
import os, sys
from pathlib import Path
from tests.servers.process import listening, running
server = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", sys.argv[1]]
with running(server, log=Path(sys.argv[2]), answers=lambda: listening(int(sys.argv[1]))):
    os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie processes together")
def test_a_server_ends_with_a_killed_test_process(tmp_path: Path) -> None:
    import socket

    (port,) = free_ports(1)
    root = Path(__file__).parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(port), str(tmp_path / "log")], check=False, cwd=root
    )
    assert killed.returncode == -9
    time.sleep(0.2)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port))
