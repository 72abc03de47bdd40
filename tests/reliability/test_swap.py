"""T11: a directory that is swapped for a link during a download lets nothing escape."""

import os
import random
import threading
from contextlib import suppress
from pathlib import Path

import pytest

import blobfs
from blobfs.errors import BlobfsError
from tests.reliability.calls import Call, names_of, passing
from tests.reliability.scenes import KEPT, open_store, untyped, write_tree

pytestmark = pytest.mark.usefixtures("small_limits", "unsynced")

SWAPPED = ("data", "data/deep", "data/deep/er")


@pytest.mark.parametrize("directory", SWAPPED)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_swapped_for_a_link_before_any_call_lets_nothing_escape(
    directory: str, overwrite: bool, tmp_path: Path
) -> None:
    store = _store(tmp_path)
    place = _place(tmp_path / "first")
    last = len(names_of(lambda: blobfs.download("m:1", place, store=store, overwrite=True)))
    for number in range(1, last + 1, 3):
        _swap_at(number, directory, tmp_path / str(number), store, overwrite=overwrite)


def test_directories_swapped_for_links_all_the_time_let_nothing_escape(tmp_path: Path) -> None:
    _races(tmp_path, 30)


@pytest.mark.soak
def test_1000_downloads_race_with_a_swapper(tmp_path: Path) -> None:
    _races(tmp_path, 1_000)


def _swap_at(
    at: int, directory: str, trial: Path, store: blobfs.Store, *, overwrite: bool
) -> None:
    place, outside = _place(trial), trial / "outside"

    def act(number: int, _: str, __: object, call: Call) -> object:
        if number == at:
            for root in (place, *place.glob(".blobfs-*")):
                if (root / directory).is_dir():
                    os.rename(root / directory, trial / f"{root.name}-taken")
                    os.symlink(outside, root / directory)
        return call()

    error = None
    with passing(act):
        try:
            blobfs.download("m:1", place, store=store, overwrite=overwrite)
        except Exception as caught:  # noqa: BLE001 - which one it is, is the question
            error = caught
    assert untyped(error) == [], at
    assert _all_in(outside) == {"mine": b"mine"}, at


def _races(directory: Path, times: int) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown if it fails
    store, stop = _store(directory), threading.Event()
    trials = [_trial(directory, number) for number in range(times)]
    swapping = {"trial": trials[0]}

    def swap() -> None:
        numbers = random.Random(seed)
        while not stop.is_set():
            trial = swapping["trial"]
            roots = [trial / "place", *(trial / "place").glob(".blobfs-*")]
            path = numbers.choice(roots) / numbers.choice(SWAPPED)
            with suppress(OSError):
                taken = trial / f"taken-{numbers.random()}"
                os.rename(path, taken)
                os.symlink(trial / "outside", path)
                if numbers.random() < 0.5:
                    os.unlink(path)
                    os.rename(taken, path)

    thread = threading.Thread(target=swap)
    thread.start()
    wrong, refused = [], 0
    try:
        for number, trial in enumerate(trials):
            swapping["trial"] = trial
            try:
                blobfs.download("m:1", trial / "place", store=store, overwrite=number % 2 == 0)
            except BlobfsError as error:
                refused += 1
                wrong += untyped(error)
            if _all_in(trial / "outside") != {"mine": b"mine"}:
                wrong.append(f"{number} escaped")
    finally:
        stop.set()
        thread.join()
    print(f"{times} races, {refused} refused, seed {seed}")  # noqa: T201 - for the soak
    assert not wrong, "\n".join(wrong)


def _store(directory: Path) -> blobfs.Store:
    store = open_store(directory / "store")
    blobfs.upload(write_tree(directory / "source", KEPT), name="m", version="1", store=store)
    return store


def _trial(directory: Path, number: int) -> Path:
    trial = directory / f"trial-{number}"
    _place(trial)
    return trial


def _place(trial: Path) -> Path:
    """A directory to download to, and one beside it that is none of the download's business."""
    (trial / "place" / "data" / "deep" / "er").mkdir(parents=True)
    (trial / "outside").mkdir()
    (trial / "outside" / "mine").write_bytes(b"mine")
    return trial / "place"


def _all_in(directory: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() if path.is_file() else None
        for path in directory.rglob("*")
    }
