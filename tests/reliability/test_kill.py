"""T1, T2: a killed process leaves nothing broken, and the next one clears up after it."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.reliability.calls import (
    CHANGING,
    Dead,
    buried,
    dying,
    in_child,
    killing,
    names_of,
    passing,
)
from tests.reliability.scenes import (
    SCENES,
    Download,
    FirstUpload,
    MergeDownload,
    NextUpload,
    Scene,
)

pytestmark = pytest.mark.usefixtures("small_limits", "unsynced")


@pytest.mark.parametrize("kind", SCENES)
def test_a_process_that_ends_before_or_after_any_change_of_the_disk_breaks_nothing(
    kind: type[Scene], tmp_path: Path
) -> None:
    def end(scene: Scene, number: int, *, before: bool) -> None:
        with buried(), suppress(Dead), passing(dying(number, before=before)):
            scene.run()

    _boundaries(kind, tmp_path, end, every=8)


@pytest.mark.soak
@pytest.mark.parametrize("kind", SCENES)
def test_a_process_killed_before_or_after_any_change_of_the_disk_breaks_nothing(
    kind: type[Scene], tmp_path: Path
) -> None:
    def end(scene: Scene, number: int, *, before: bool) -> None:
        status = in_child(lambda: _killed(scene, number, before=before))
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGKILL

    _boundaries(kind, tmp_path, end, every=1)


@pytest.mark.parametrize("kind", [FirstUpload, NextUpload, Download, MergeDownload])
def test_a_process_killed_at_a_random_moment_breaks_nothing(
    kind: type[Scene], tmp_path: Path
) -> None:
    _random_kills(kind, tmp_path, rounds=13)


@pytest.mark.soak
@pytest.mark.parametrize("kind", SCENES)
def test_2000_processes_killed_at_random_moments_break_nothing(
    kind: type[Scene], tmp_path: Path
) -> None:
    _random_kills(kind, tmp_path, rounds=2_000 // len(SCENES))


@pytest.mark.parametrize("kind", [FirstUpload, NextUpload, Download, MergeDownload])
def test_one_store_survives_one_kill_after_another(kind: type[Scene], tmp_path: Path) -> None:
    """What one killed process left is met by the next one, which is killed as well."""
    scene = kind(tmp_path / "scene")
    numbers = random.Random(7)
    last = len(names_of(kind(tmp_path / "first").run))
    for number in sorted((numbers.randint(1, last) for _ in range(15)), reverse=True):
        in_child(partial(_killed, scene, number, before=True))
        assert not scene.broken(), f"seed 7, killed before call {number}"
    assert not list(_after(scene))


def _boundaries(
    kind: type[Scene], directory: Path, end: Callable[..., None], *, every: int
) -> None:
    """Look at every one of so many calls; where it begins, the day's chance decides."""
    names = names_of(kind(directory / "first").run)
    changing = [(number, name) for number, name in enumerate(names, 1) if name in CHANGING]
    wrong = []
    for number, name in changing[random.randrange(every) :: every]:
        for before in (True, False):
            at = f"{'before' if before else 'after'} {name} ({number})"
            scene = kind(directory / at)
            end(scene, number, before=before)
            wrong += [f"{at}: {what}" for what in _after(scene)]
    assert not wrong, "\n".join(wrong)


def _killed(scene: Scene, number: int, *, before: bool) -> None:
    with passing(killing(number, before=before)):
        scene.run()


def _random_kills(kind: type[Scene], directory: Path, *, rounds: int) -> None:
    seed = random.randrange(1 << 32)
    numbers, killed, wrong = random.Random(seed), 0, []
    lasting = min(_lasting(kind(directory / f"first-{n}").run) for n in range(3))
    for number in range(rounds):
        scene = kind(directory / str(number))
        killed += _kill_after(scene.run, numbers.uniform(0, 1.1 * lasting))
        wrong += [f"round {number}: {what}" for what in _after(scene)]
    assert not wrong, "\n".join([f"seed {seed}", *wrong])
    print(f"{kind.__name__}: {rounds} rounds, {killed} killed in time, seed {seed}")  # noqa: T201


def _lasting(operation: Callable[[], object]) -> float:
    """How long an operation takes in a process of its own, in seconds."""
    started = time.monotonic()
    assert in_child(operation) == 0
    return time.monotonic() - started


def _kill_after(operation: Callable[[], object], seconds: float) -> bool:
    """Kill an operation after a while; whether it was still at it."""
    child = os.fork()
    if not child:
        try:
            operation()
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _after(scene: Scene) -> Iterator[str]:
    """Yield what is wrong after a kill, and after all that comes next."""
    yield from scene.broken()
    scene.run()
    yield from (f"retried, but {what}" for what in scene.broken() + scene.lacking())
    scene.go_on()
    yield from (f"{what} is left over" for what in scene.left())
