"""T6: several writers at once each get what was promised; no reader sees a broken tree."""

import os
import pickle
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import blobfs
from blobfs.errors import BlobfsError
from blobfs.transfer import Silent
from tests.reliability import checker
from tests.reliability.calls import in_child
from tests.reliability.scenes import KEPT, content, open_store, write_tree


def test_equal_content_under_one_name_succeeds_for_every_writer(tmp_path: Path) -> None:
    _equal(tmp_path, writers=4, rounds=6)


def test_of_different_content_under_one_name_exactly_one_wins(tmp_path: Path) -> None:
    _different(tmp_path, writers=4, rounds=6)


def test_writers_without_a_version_get_one_number_each(tmp_path: Path) -> None:
    outcomes = _at_once(tmp_path, 4, lambda n: _upload(_source(tmp_path, n), tmp_path, None))
    assert sorted(outcomes) == ["1", "2", "3", "4"]
    assert checker.problems(tmp_path / "store") == []


def test_a_stage_of_a_living_writer_is_never_cleared_away(tmp_path: Path) -> None:
    """While one writer takes its time, others clear up after a dead one again and again."""
    root = tmp_path / "store"
    going_on, clearing = threading.Event(), threading.Event()

    class Slow(Silent):
        sending = False

        def call(self, hook_name: str | None = None, **_: object) -> None:
            self.sending = hook_name == "sending"

        def relative_update(self, inc: int = 1) -> None:
            if self.sending and inc:  # the first file is in the stage
                clearing.set()
                assert going_on.wait(30)

    slow = write_tree(tmp_path / "slow")
    done: list[blobfs.Artifact] = []

    def upload() -> None:
        store = open_store(root)
        done.append(blobfs.upload(slow, name="slow", store=store, callback=Slow()))

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        for number in range(5):
            assert clearing.wait(30)
            source = _source(tmp_path, number)
            assert in_child(partial(_upload, source, tmp_path, str(number))) == 0
            assert len(checker.leftovers(root)) == 1
    finally:
        going_on.set()
        thread.join()
    assert [one.files for one in done] == [len(KEPT)]
    assert checker.problems(root) == []


def test_a_stage_that_is_removed_under_its_writer_is_not_published(tmp_path: Path) -> None:
    """What was in it is gone, and the next file would make the directory anew."""
    root = tmp_path / "store"

    class Removing(Silent):
        def relative_update(self, inc: int = 1) -> None:
            if inc and checker.leftovers(root):
                shutil.rmtree(root / ".blobfs" / "stage")

    source = write_tree(tmp_path / "source")
    with pytest.raises(BlobfsError):
        blobfs.upload(source, name="one", store=open_store(root), callback=Removing())
    assert checker.problems(root) == []
    assert checker.artifacts(root) == set()
    assert blobfs.upload(source, name="one", store=open_store(root)).files == len(KEPT)
    assert checker.problems(root) == []


def test_a_store_that_is_removed_is_made_anew(tmp_path: Path) -> None:
    store, source = open_store(tmp_path / "store"), write_tree(tmp_path / "source")
    for _ in range(2):
        assert not blobfs.upload(source, name="one", version="1", store=store).reused
        assert checker.problems(tmp_path / "store") == []
        shutil.rmtree(tmp_path / "store")


@pytest.mark.soak
def test_16_writers_of_equal_content_200_times(tmp_path: Path) -> None:
    _equal(tmp_path, writers=16, rounds=200)


@pytest.mark.soak
def test_16_writers_of_different_content_200_times(tmp_path: Path) -> None:
    _different(tmp_path, writers=16, rounds=200)


ROUNDS_A_STORE = 10
"""A reader reads all of a store again and again, so it is a new one after so many."""


def _equal(directory: Path, *, writers: int, rounds: int) -> None:
    for number in range(rounds):
        here = directory / str(number // ROUNDS_A_STORE)
        source = write_tree(here / f"same-{number}", {**KEPT, "round": b"%d" % number})
        outcomes = _at_once(
            here, writers, partial(_upload_of, [source] * writers, here, str(number))
        )
        assert outcomes == [str(number)] * writers
        root = here / "store"
        assert checker.problems(root) == []
        assert len(checker.artifacts(root)) == number % ROUNDS_A_STORE + 1
        assert checker.leftovers(root) == []


def _different(directory: Path, *, writers: int, rounds: int) -> None:
    sources = [_source(directory, n) for n in range(writers)]
    for number in range(rounds):
        here = directory / str(number // ROUNDS_A_STORE)
        here.mkdir(exist_ok=True)
        for n, source in enumerate(sources):
            (source / "who").write_text(f"{n} in round {number}")
        outcomes = _at_once(here, writers, partial(_upload_of, sources, here, str(number)))
        assert Counter(outcomes) == {str(number): 1, "conflict": writers - 1}
        root = here / "store"
        winner = checker.assets(root)["one", str(number)]
        assert winner
        who = content(root / "LocalUpload" / winner)
        name = sources[outcomes.index(str(number))].name
        assert who[f"{name}/who"].decode().startswith(f"{outcomes.index(str(number))} in")
        assert checker.problems(root) == []
        assert checker.leftovers(root) == []


def _source(directory: Path, number: int) -> Path:
    return write_tree(directory / f"source-{number}", {**KEPT, "who": b"%d" % number})


def _upload(source: Path, directory: Path, version: str | None) -> str:
    """Upload as `one`; return the version, or the error's name."""
    try:
        store = open_store(directory / "store")
        artifact = blobfs.upload(source, name="one", version=version, store=store)
    except blobfs.ArtifactConflictError:
        return "conflict"
    except BlobfsError as error:
        return f"{type(error).__name__}: {error}"
    return str(artifact.version)


def _upload_of(sources: list[Path], directory: Path, version: str, number: int) -> str:
    return _upload(sources[number], directory, version)


def _at_once(directory: Path, writers: int, act: Callable[[int], str]) -> list[str]:
    """Let processes begin at one moment, while a reader looks; return what each one says."""
    answers = [directory / f"answer-{n}" for n in range(writers)]
    barrier, opened = os.pipe()
    children = []
    for number, answer in enumerate(answers):
        child = os.fork()
        if not child:
            try:
                os.close(opened)
                os.read(barrier, 1)  # ends for all when the last writing end is closed
                answer.write_bytes(pickle.dumps(act(number)))
            finally:
                os._exit(0)
        children.append(child)
    os.close(opened)
    os.close(barrier)
    while children:
        assert checker.problems(directory / "store") == []
        child, _ = os.waitpid(children[0], os.WNOHANG)
        children = children[1:] if child else children
    found = [pickle.loads(answer.read_bytes()) for answer in answers]  # noqa: S301 - our own
    for answer in answers:
        answer.unlink()
    return found


def test_deciders_are_not_always_the_same(tmp_path: Path) -> None:
    """The race is one: otherwise these tests would prove nothing."""
    winners = set()
    for number in range(30):
        outcomes = _at_once(
            tmp_path,
            3,
            partial(
                _upload_of, [_source(tmp_path, n) for n in range(3)], tmp_path, str(number)
            ),
        )
        winners.add(outcomes.index(str(number)))
        if len(winners) > 1:
            return
    pytest.fail(f"{winners} won each time")
