"""T3: an error at any system call ends in success or in an error of blobfs's own."""

import errno
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.calls import (
    ERRORS,
    Act,
    descriptors,
    failing,
    filling,
    names_of,
    passing,
)
from tests.reliability.scenes import SCENES, Scene, untyped

pytestmark = pytest.mark.usefixtures("small_limits", "unsynced")


@pytest.mark.parametrize("kind", SCENES)
def test_an_error_of_a_system_call_is_told_in_our_words_and_a_retry_converges(
    kind: type[Scene], tmp_path: Path
) -> None:
    """Some calls, each with one of the errors; which ones, the day's chance decides."""
    names = list(enumerate(names_of(kind(tmp_path / "first").run), 1))
    some = names[random.randrange(6) :: 6]
    _nothing(
        w
        for n, name in some
        for w in _fault(kind, tmp_path / f"{name} ({n})", failing(n, random.choice(ERRORS)))
    )


@pytest.mark.soak
@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("kind", SCENES)
def test_any_error_of_any_system_call_is_told_in_our_words_and_a_retry_converges(
    kind: type[Scene], code: int, tmp_path: Path
) -> None:
    names = enumerate(names_of(kind(tmp_path / "first").run), 1)
    _nothing(
        w
        for n, name in names
        for w in _fault(kind, tmp_path / f"{name} ({n})", failing(n, code))
    )


@pytest.mark.parametrize("kind", SCENES)
def test_a_disk_that_is_full_from_some_moment_on_leaves_nothing_half(
    kind: type[Scene], tmp_path: Path
) -> None:
    last = len(names_of(kind(tmp_path / "first").run))
    moments = range(random.randrange(1, 19), last, 18)
    _nothing(w for n in moments for w in _fault(kind, tmp_path / str(n), filling(n)))


@pytest.mark.soak
@pytest.mark.parametrize("kind", SCENES)
def test_a_disk_that_is_full_from_any_moment_on_leaves_nothing_half(
    kind: type[Scene], tmp_path: Path
) -> None:
    last = len(names_of(kind(tmp_path / "first").run))
    moments = range(1, last + 1)
    _nothing(w for n in moments for w in _fault(kind, tmp_path / str(n), filling(n)))


def _nothing(wrong: Iterator[str]) -> None:
    """All that is wrong says more than the first of it."""
    found = list(wrong)
    assert not found, "\n".join(found)


def _fault(kind: type[Scene], directory: Path, act: Act) -> Iterator[str]:
    """Yield what is not as it should be when `act` has its way."""
    scene, at = kind(directory), directory.name
    before, error = descriptors(), None
    with passing(act):
        try:
            scene.run()
        except Exception as caught:  # noqa: BLE001 - which one it is, is the question
            error = caught
    yield from (f"{at}: untyped {what}" for what in untyped(error))
    yield from (f"{at}: {what}" for what in scene.broken())
    if error is None:
        yield from (f"{at}: returned, but {what}" for what in scene.lacking())
    error = None  # its traceback holds what the operation held
    if opened := descriptors() - before:
        yield f"{at}: {sorted(opened)} stayed open"
    scene.run()
    yield from (f"{at}: retried, but {what}" for what in scene.broken() + scene.lacking())
    scene.go_on()
    yield from (f"{at}: {what} is left over" for what in scene.left())
