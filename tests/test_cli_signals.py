"""Ctrl-C and SIGTERM (T15): gone within two seconds, nothing visible, nothing left."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.command_line import SCRIPT, ok, run, store_root
from tests.places import content, write_tree

pytestmark = pytest.mark.usefixtures("heard")

STATUS = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated")}

PATIENCE = 2.0
"""Seconds that an interrupted command may take (reliability.md)."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Small files, and one that is staged while it is hashed."""
    files = {f"{n % 10}/{n}": f"{n}" * 50 for n in range(400)}
    root = write_tree(tmp_path / "source", files)
    (root / "large").write_bytes(random.Random(1).randbytes(1 << 20) * 65)
    return root


def start(*arguments: str | Path) -> "subprocess.Popen[str]":
    """Start a command; return when it, not yet the interpreter, answers signals."""
    process = subprocess.Popen(
        [SCRIPT, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and not _answers(process.pid):
        time.sleep(0.002)
    return process


def _answers(pid: int) -> bool:
    """Whether SIGTERM is caught: before main() does, its default ends the process."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:  # gone, or no such file system: then a good second does
        time.sleep(1)
        return True
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught & 1 << signal.SIGTERM - 1)


def seconds_of(*arguments: str | Path) -> float:
    process = start(*arguments)
    began = time.monotonic()
    process.communicate()
    assert process.returncode == 0
    return time.monotonic() - began


def first_upload(source: Path) -> float:
    """Return how many seconds it takes to upload to an empty store."""
    shutil.rmtree(store_root(), ignore_errors=True)
    return seconds_of("upload", source, "--no-hash-cache")


def interrupt(process: "subprocess.Popen[str]", number: signal.Signals) -> tuple[float, str]:
    """Send a signal; return how long the process still took, and what it said."""
    process.send_signal(number)
    sent = time.monotonic()
    _, said = process.communicate(timeout=30)
    return time.monotonic() - sent, said


def visible() -> list[dict[str, object]]:
    """Read every artifact of the store without blobfs; raise if one is not whole."""
    found = []
    for directory in (store_root() / "LocalUpload").glob("*"):
        header, *entries = map(
            json.loads, (directory / "_manifest.jsonl").read_text().splitlines()
        )
        for entry in entries:
            path = directory / header["name"] / entry["path"]
            assert path.stat().st_size == entry["size"]
        assert len(entries) == header["files"]
        found.append(header)
    return found


def rounds_of(source: Path, tmp_path: Path, rounds: int) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown if the test fails
    chance = random.Random(seed)
    usual = min(first_upload(source) for _ in range(3))
    interrupted = 0
    for _ in range(rounds):
        shutil.rmtree(store_root(), ignore_errors=True)
        number = chance.choice(list(STATUS))
        process = start("upload", source, "--name", "x", "--no-hash-cache")
        time.sleep(chance.random() * usual)
        seconds, said = interrupt(process, number)
        if process.returncode != 0:
            status, word = STATUS[number]
            assert process.returncode == status, said
            assert said == f"blobfs: {word}\n"
            assert seconds < PATIENCE
            interrupted += 1
        visible()
        ok("upload", source, "--name", "x")
        (artifact,) = visible()
        assert artifact["files"] == 401
        stage = store_root() / ".blobfs/stage"
        assert not stage.exists() or not os.listdir(stage)
    assert interrupted  # else nothing was tried
    ok("download", "x", tmp_path / "out")
    assert content(tmp_path / "out") == content(source)


def test_interrupted_upload_leaves_at_once_and_nothing_visible(
    source: Path, tmp_path: Path
) -> None:
    rounds_of(source, tmp_path, 10)


@pytest.mark.soak
def test_interrupted_upload_two_hundred_times(source: Path, tmp_path: Path) -> None:
    rounds_of(source, tmp_path, 200)


@pytest.mark.parametrize("number", list(STATUS))
def test_interrupted_download_leaves_the_target_absent(
    number: signal.Signals, source: Path, tmp_path: Path
) -> None:
    ok("upload", source, "--name", "x")
    for delay in (0.0, 0.1, 0.2, 0.3):
        process = start("download", "x", tmp_path / "out")
        time.sleep(delay)
        seconds, _ = interrupt(process, number)
        assert process.returncode in (STATUS[number][0], 0)
        assert seconds < PATIENCE
        if process.returncode:
            assert not (tmp_path / "out").exists()
    ok("download", "x", tmp_path / "out")
    assert content(tmp_path / "out") == content(source)
    assert sorted(os.listdir(tmp_path)) == ["out", "source"]


HANGS = """
import sys, threading, time
from pathlib import Path
from blobfs.managers.local import LocalBlobManager

def hang():
    Path({ready!r}).touch()
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

class Manager(LocalBlobManager):
    def open(self, *args):
        threading.Thread(target=hang).start()
        {main}
"""


def hanging(directory: Path, main: str) -> "subprocess.Popen[str]":
    """Start a command that hangs, and return when it does."""
    ready = directory / "ready"
    module = HANGS.format(ready=str(ready), main=main)
    write_tree(directory, {"lib/hanging_manager.py": module})
    (directory / "project.yaml").write_text(
        "blob: {blob_manager_class: hanging_manager.Manager,"
        f" blob_manager_config: {{root_directory: {directory / 'store'}}}}}"
    )
    process = subprocess.Popen(
        [SCRIPT, "ls"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory / "lib")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not ready.exists():
        assert process.poll() is None
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("number", list(STATUS))
def test_threads_that_never_end_hold_nobody_up(number: signal.Signals, tmp_path: Path) -> None:
    process = hanging(tmp_path, "time.sleep(60)")
    seconds, said = interrupt(process, number)
    status, word = STATUS[number]
    assert (process.returncode, said) == (status, f"blobfs: {word}\n")
    assert seconds < PATIENCE


@pytest.mark.parametrize("number", list(STATUS))
def test_main_thread_that_does_not_unwind_is_left_behind(
    number: signal.Signals, tmp_path: Path
) -> None:
    process = hanging(tmp_path, "hang()")
    seconds, _ = interrupt(process, number)
    assert process.returncode == STATUS[number][0]
    assert seconds < PATIENCE


def test_second_ctrl_c_leaves_at_once(tmp_path: Path) -> None:
    process = hanging(tmp_path, "hang()")
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None
    seconds, _ = interrupt(process, signal.SIGINT)
    assert process.returncode == 130
    assert seconds < 1


WRAPS = """
import os, signal
from blobfs.managers.local import LocalBlobManager

class Interrupts:
    def __set_name__(self, *_):
        os.kill(os.getpid(), signal.{number})

class Manager(LocalBlobManager):
    wrapped = Interrupts()
"""


@pytest.mark.parametrize("number", list(STATUS))
def test_signal_that_python_wraps_into_an_error_is_still_one(
    number: signal.Signals, tmp_path: Path
) -> None:
    write_tree(tmp_path, {"lib/wrapping.py": WRAPS.format(number=number.name)})
    (tmp_path / "project.yaml").write_text("blob: {blob_manager_class: wrapping.Manager}")
    result = run("ls", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "lib")})
    status, word = STATUS[number]
    assert (result.returncode, result.stderr) == (status, f"blobfs: {word}\n")


def test_ignored_ctrl_c_stays_ignored(source: Path) -> None:
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' INT; exec {SCRIPT} upload '{source}'"], stdout=subprocess.PIPE
    )
    time.sleep(0.25)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
