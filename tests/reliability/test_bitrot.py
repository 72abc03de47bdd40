"""T9: one flipped bit is found by `verify(deep=True)` and refused by a download."""

import os
import random
from pathlib import Path

import pytest

import blobfs
from blobfs.errors import BlobfsError
from tests.reliability import checker
from tests.reliability.scenes import KEPT, Download, open_store, write_tree

pytestmark = pytest.mark.usefixtures("small_limits", "unsynced")


def test_every_flipped_bit_is_found_and_refused(tmp_path: Path) -> None:
    _flips(tmp_path, 60)


@pytest.mark.soak
def test_1000_flipped_bits_are_found_and_refused(tmp_path: Path) -> None:
    _flips(tmp_path, 1_000)


def test_a_file_that_lacks_its_end_or_is_not_there_is_found_and_refused(tmp_path: Path) -> None:
    for damage in ("cut", "gone"):
        scene = Download(tmp_path / damage)
        victim = next((scene.root / "LocalUpload").glob("*/source/data/small.txt"))
        if damage == "cut":
            os.truncate(victim, 2)
        else:
            victim.unlink()
        found = blobfs.verify("model:1", store=scene.store())
        assert [problem.path for problem in found.problems] == ["data/small.txt"]
        with pytest.raises(BlobfsError, match="small"):
            scene.run()
        assert not scene.target.exists()


def _flips(directory: Path, times: int) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown if it fails
    numbers = random.Random(seed)
    root = directory / "store"
    source = write_tree(directory / "source", KEPT)
    blobfs.upload(source, name="model", version="1", store=open_store(root))
    objects = [p for p in sorted((root / "LocalUpload").rglob("*")) if p.is_file()]
    objects = [path for path in objects if path.stat().st_size]
    for number in range(times):
        victim = numbers.choice(objects)
        good = victim.read_bytes()
        bit = numbers.randrange(len(good) * 8)
        _write(
            victim,
            good[: bit // 8] + bytes([good[bit // 8] ^ 1 << bit % 8]) + good[bit // 8 + 1 :],
        )
        what = f"flip {number}: bit {bit} of {victim.name}"
        _refused(root, directory / "out" / str(number), victim, what)
        _write(victim, good)
    assert checker.problems(root) == []
    assert blobfs.verify("model:1", store=open_store(root), deep=True).ok


def _refused(root: Path, target: Path, victim: Path, what: str) -> None:
    store = open_store(root)
    try:
        report = blobfs.verify("model:1", store=store, deep=True)
    except BlobfsError:
        pytest.fail(f"{what}: verify did not report but raise")
    harmless = _is_harmless(root, victim)
    assert harmless or not report.ok, what
    if harmless:
        return
    if victim.name != checker.MANIFEST:
        relative = victim.as_posix().partition("/source/")[2]
        assert [problem.path for problem in report.problems] == [relative], what
    with pytest.raises(BlobfsError):
        blobfs.download("model:1", target, store=store)
    assert not target.exists(), what


def _is_harmless(root: Path, victim: Path) -> bool:
    """Whether what was flipped says nothing: the manifest's time, commit, unknown fields."""
    return victim.name == checker.MANIFEST and checker.problems(root) == []


def _write(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    mode = 0o555 if path.suffix == ".sh" else 0o444
    path.write_bytes(data)
    path.chmod(mode)
