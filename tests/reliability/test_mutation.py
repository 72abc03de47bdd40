"""T8: of a source that changes while it is read, one moment is published, or nothing."""

import itertools
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import blobfs
from tests.reliability import checker
from tests.reliability.calls import Call, names_of, passing
from tests.reliability.scenes import open_store

SIZE = 6_000
NAMES = ("a", "b", "c")

pytestmark = pytest.mark.usefixtures("small_limits", "unsynced")


def grow(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text[:100])


def shrink(path: Path, _: bytes) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def overwrite(path: Path, text: bytes) -> None:
    with path.open("r+b") as file:
        file.write(text)


def overwrite_with_its_time_kept(path: Path, text: bytes) -> None:
    status = path.stat()
    overwrite(path, text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(path: Path, text: bytes) -> None:
    (path.parent.parent / "new").write_bytes(text)
    (path.parent.parent / "new").replace(path)


def replace_with_its_time_kept(path: Path, text: bytes) -> None:
    status = path.stat()
    new = path.parent.parent / "new"
    new.write_bytes(text)
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(path)


WAYS = (
    *(grow, shrink, overwrite, overwrite_with_its_time_kept),
    *(replace, replace_with_its_time_kept),
)


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_changes_while_it_is_uploaded_is_published_as_it_was_at_one_moment(
    way: Callable[[Path, bytes], None], tmp_path: Path
) -> None:
    _trials(way, tmp_path, 12)


@pytest.mark.soak
@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_changes_400_times(
    way: Callable[[Path, bytes], None], tmp_path: Path
) -> None:
    _trials(way, tmp_path, 400 // len(WAYS) + 1)


def test_a_source_that_never_stops_changing_is_refused(tmp_path: Path) -> None:
    """It is begun anew twice, then told; nothing is visible."""
    source, store = _source(tmp_path), tmp_path / "store"

    def act(number: int, name: str, args: tuple[Any, ...], call: Call) -> Any:  # noqa: ANN401
        del name, args
        (source / "a").write_bytes(b"%d" % number)
        return call()

    with passing(act), pytest.raises(blobfs.SourceChangedError, match="a changed"):
        blobfs.upload(source, store=open_store(store))
    assert checker.artifacts(store) == set()
    assert checker.leftovers(store) == []


def _trials(way: Callable[[Path, bytes], None], directory: Path, trials: int) -> None:
    seed = random.randrange(1 << 32)
    numbers = random.Random(seed)
    print(f"{way.__name__}: seed {seed}")  # noqa: T201 - shown if it fails
    source = _source(directory / "first")
    calls = len(names_of(lambda: _upload(source, directory / "first" / "store")))
    for number in range(trials):
        trial = directory / str(number)
        source, store = _source(trial), trial / "store"
        states = _changing(numbers, calls, way, source, store)
        assert checker.problems(store) == [], number
        for digest in checker.artifacts(store):
            there = store / "LocalUpload" / digest / "source"
            found = tuple((there / name).read_bytes() for name in NAMES)
            assert found in states, f"trial {number}: never was so"
        assert checker.leftovers(store) == []


def _changing(
    numbers: random.Random,
    calls: int,
    way: Callable[[Path, bytes], None],
    source: Path,
    store: Path,
) -> set[tuple[bytes, ...]]:
    """Upload while up to four changes are made; return all that the source ever was."""
    states = {_state(source)}
    moments = {numbers.randint(1, calls) for _ in range(numbers.randint(1, 4))}
    texts = (bytes([n]) * SIZE for n in itertools.count(100))

    def act(number: int, name: str, args: tuple[Any, ...], call: Call) -> Any:  # noqa: ANN401
        del name, args
        if number in moments:
            way(source / numbers.choice(NAMES), next(texts))
            states.add(_state(source))
        return call()

    with passing(_once_at_a_time(act)):
        try:
            _upload(source, store)
        except blobfs.SourceChangedError:
            assert checker.artifacts(store) == set()
    return states


def _once_at_a_time(act: Callable[..., Any]) -> Callable[..., Any]:
    """The calls by which the test itself changes and looks are passed through."""
    busy = False

    def outer(number: int, name: str, args: tuple[Any, ...], call: Call) -> Any:  # noqa: ANN401
        nonlocal busy
        if busy:
            return call()
        busy = True
        try:
            return act(number, name, args, call)
        finally:
            busy = False

    return outer


def _upload(source: Path, store: Path) -> None:
    blobfs.upload(source, name="changing", store=open_store(store))


def _source(directory: Path) -> Path:
    source = directory / "source"
    source.mkdir(parents=True)
    for number, name in enumerate(NAMES):
        (source / name).write_bytes(bytes([number]) * (SIZE if name == "b" else SIZE // 6))
    return source


def _state(source: Path) -> tuple[bytes, ...]:
    return tuple((source / name).read_bytes() for name in NAMES)
