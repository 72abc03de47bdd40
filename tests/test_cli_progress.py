"""Progress: on a terminal only, in bytes, part by part, and gone at the end."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

import blobfs
from tests.places import Place, hex_of, memory_place

MIB = 1 << 20
BLOBFS = (sys.executable, "-m", "blobfs")


class Steps:
    """A callback that keeps what it hears."""

    def __init__(self) -> None:
        self.phases: list[tuple[str | None, list[int]]] = []

    def set_size(self, size: int) -> None:
        self.size = size

    def absolute_update(self, value: int) -> None:
        assert value == 0

    def relative_update(self, inc: int = 1) -> None:
        self.phases[-1][1].append(inc)

    def call(self, hook_name: str | None = None, **_: object) -> None:
        self.phases.append((hook_name, []))


def on_terminal(*arguments: str, cwd: Path) -> tuple[str, str]:
    """Return what a command prints, and what it shows on a terminal at standard error."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*BLOBFS, *arguments],
        stdout=subprocess.PIPE,
        stderr=slave,
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        text=True,
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 1 << 16)
        except OSError:  # Linux tells the end so
            break
        if not part:
            break
        seen += part
    os.close(master)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, seen
    return out, seen.decode()


def large_file(directory: Path, size: int) -> Path:
    path = directory / "large.bin"
    path.write_bytes(bytes(MIB) * (size // MIB))
    return path


def manifest_of(artifact: blobfs.Artifact) -> str:
    return f"LocalUpload/{hex_of(artifact.digest)}/_manifest.jsonl"


def test_terminal_shows_phase_bytes_and_rate_and_is_clean_afterwards(tmp_path: Path) -> None:
    large_file(tmp_path, 200 * MIB)
    out, shown = on_terminal("upload", "large.bin", "--name", "x", cwd=tmp_path)
    assert "hashing" in shown
    assert "of 200.0 MiB" in shown
    assert re.search(r"MiB/s|GiB/s", shown)
    assert shown.rstrip().endswith("\x1b[?25h") or "\x1b[2K" in shown[shown.rindex("MiB") :]
    assert "hashing" not in out
    assert out.startswith("x:1 is stored: sent 1 file, 200.0 MiB\n")


def test_every_phase_has_its_name(tmp_path: Path) -> None:
    large_file(tmp_path, 100 * MIB)
    on_terminal("upload", "large.bin", "--name", "x", cwd=tmp_path)
    assert "fetching" in on_terminal("download", "x:1", "out", cwd=tmp_path)[1]
    assert "verifying" in on_terminal("verify", "--deep", cwd=tmp_path)[1]


def test_terminal_stays_empty_with_quiet_and_json(tmp_path: Path) -> None:
    large_file(tmp_path, 10 * MIB)
    for flag in ("-q", "--json"):
        assert on_terminal("upload", "large.bin", flag, cwd=tmp_path)[1] == ""


def test_without_a_terminal_there_is_no_progress(tmp_path: Path) -> None:
    large_file(tmp_path, 10 * MIB)
    result = subprocess.run(
        [*BLOBFS, "upload", "large.bin"], cwd=tmp_path, capture_output=True, check=True
    )
    assert result.stderr == b""


def test_large_file_is_told_by_parts_when_it_is_staged(
    tmp_path: Path, store_place: Place
) -> None:
    steps = Steps()
    blobfs.upload(large_file(tmp_path, 80 * MIB), store=store_place.open(), callback=steps)
    (hashing, hashed), (sending, sent) = steps.phases
    assert (hashing, sending) == ("hashing", "sending")
    assert sum(hashed) == sum(sent) == steps.size == 80 * MIB
    assert max(hashed) <= 8 * MIB


def test_large_file_is_told_by_parts_when_it_is_sent_and_fetched(tmp_path: Path) -> None:
    place = memory_place(tmp_path)
    steps = Steps()
    artifact = blobfs.upload(large_file(tmp_path, 20 * MIB), store=place.open(), callback=steps)
    blobfs.download(artifact.digest, tmp_path / "out", store=place.open(), callback=steps)
    assert [name for name, _ in steps.phases] == ["hashing", "sending", "fetching"]
    for _, counts in steps.phases:
        assert sum(counts) == 20 * MIB
        assert max(counts) <= 8 * MIB


def test_bytes_that_are_fetched_twice_count_once(tmp_path: Path) -> None:
    place = memory_place(tmp_path)
    artifact = blobfs.upload(large_file(tmp_path, 10 * MIB), store=place.open())
    key = next(iter(place.keys("LocalUpload/") - {manifest_of(artifact)}))
    place.around.write(key, b"x" * 10 * MIB)
    steps = Steps()
    with pytest.raises(blobfs.IntegrityError):
        blobfs.download(artifact.digest, tmp_path / "out", store=place.open(), callback=steps)
    assert sum(steps.phases[-1][1]) == 0
    assert len(steps.phases[-1][1]) >= 4
