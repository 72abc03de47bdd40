"""Retries: what is asked again, how long for, and what is not."""

import multiprocessing
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from blobfs import AccessError, StoreUnavailableError
from blobfs.backend import patient
from blobfs.backend.failure import Advice, answered, passing, seconds
from blobfs.backend.local import LocalBackend
from blobfs.backend.patient import Patient


class Flaky(LocalBackend):
    """A local directory whose calls fail as they are told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.failures: list[Exception] = []
        self.calls = 0
        self.stall = 0.0
        self.continues_listings = True

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        self._fail()
        return super().read(key, start, end)

    def rename(self, source: str, key: str) -> None:
        try:
            os.rename(self.path(source), self.path(key))
        finally:
            self._fail()  # it is carried out, and its answer is lost

    def objects(self, prefix: str, after: str = "") -> Any:  # noqa: ANN401
        found = sorted(super().objects(prefix), key=lambda one: one.key)
        for one in found:
            if one.key > after:
                if one.key.endswith("3"):
                    self._fail()
                yield one

    def _fail(self) -> None:
        self.calls += 1
        time.sleep(self.stall)
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
def flaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flaky:
    monkeypatch.setattr(patient, "LEAST", 0.001)
    (tmp_path / "k").write_bytes(b"0123456789")
    return Flaky(tmp_path)


def test_what_passes_is_asked_again(flaky: Flaky) -> None:
    flaky.failures = [passing("503"), passing("reset")]
    assert Patient(flaky, "s").read("k", 2, 4) == b"23"
    assert flaky.calls == 3


@pytest.mark.parametrize(
    "error", [AccessError("no"), FileNotFoundError("k"), StoreUnavailableError("refused")]
)
def test_what_does_not_pass_is_told_at_once(flaky: Flaky, error: Exception) -> None:
    flaky.failures = [error]
    with pytest.raises(type(error)) as caught:
        Patient(flaky, "s").read("k")
    assert caught.value is error
    assert flaky.calls == 1


def test_a_chain_of_tries_ends(flaky: Flaky, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Patient(flaky, "s")
    assert store.read("k") == b"0123456789"
    monkeypatch.setattr(patient, "CHAIN", 0.05)
    flaky.failures = [passing(f"{n}") for n in range(10_000)]
    with pytest.raises(StoreUnavailableError):
        store.read("k")
    assert 2 <= flaky.calls < 10_000


def test_it_waits_as_long_as_it_is_asked_to(
    flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    flaky.failures = [passing("429", 7.0), passing("503")]
    Patient(flaky, "s").read("k")
    waits = [seconds for seconds in slept if seconds]
    assert waits[0] == 7.0
    assert waits[1] < 7.0


def test_who_asks_for_more_time_than_there_is_gets_none(flaky: Flaky) -> None:
    flaky.failures = [passing("429", 3600.0)]
    with pytest.raises(StoreUnavailableError, match="429"):
        Patient(flaky, "s").read("k")
    assert flaky.calls == 1


def test_the_first_answer_is_not_waited_for_forever(
    flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient, "FIRST_ANSWER", 0.05)
    flaky.stall = 0.5
    with pytest.raises(StoreUnavailableError, match="did not answer within"):
        Patient(flaky, "s").read("k")


def test_an_answer_that_is_no_success_is_an_answer(
    flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Patient(flaky, "s")
    with pytest.raises(FileNotFoundError):
        store.read("absent")
    monkeypatch.setattr(patient, "FIRST_ANSWER", 0.05)
    flaky.stall = 0.2
    assert store.read("k") == b"0123456789"


def test_a_listing_goes_on_where_it_failed(
    flaky: Flaky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient, "PAGE", 4)
    for number in range(20, 60):
        (tmp_path / f"{number}").touch()
    flaky.failures = [passing("503"), passing("503")]
    found = list(Patient(flaky, "s").objects(""))
    assert [one.key for one in found] == [*map(str, range(20, 60)), "k"]


def test_a_rename_whose_answer_was_lost_is_no_failure(flaky: Flaky, tmp_path: Path) -> None:
    """The caller then looks who was there first, and finds itself."""
    (tmp_path / "d").mkdir()
    flaky.failures = [passing("reset")]
    with pytest.raises(FileExistsError):
        Patient(flaky, "s").rename("d", "e")
    assert (tmp_path / "e").is_dir()


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 64, 1000])
@pytest.mark.parametrize("part", [1, 3, 8, 50])
def test_ranges_come_in_order_and_in_parts_of_one_size(
    flaky: Flaky, tmp_path: Path, size: int, part: int
) -> None:
    flaky.range_size = 8
    data = random.Random(size).randbytes(size)
    (tmp_path / "d").write_bytes(data)
    for start in {0, min(5, size), size}:
        for known in (size, None):
            parts = list(Patient(flaky, "s").stream("d", part, start, known))
            assert b"".join(parts) == data[start:]
            assert all(len(one) == part for one in parts[:-1] if parts[-1]) or known is None


def test_what_is_longer_than_it_was_comes_longer(flaky: Flaky, tmp_path: Path) -> None:
    flaky.range_size = 8
    for size in (5, 20):
        (tmp_path / "d").write_bytes(bytes(size + 3))
        assert len(b"".join(Patient(flaky, "s").stream("d", 8, 0, size))) > size


def test_few_ranges_are_in_flight(
    flaky: Flaky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flaky.range_size = 8
    (tmp_path / "d").write_bytes(bytes(8 * 50))
    lock, flying, most = threading.Lock(), 0, 0
    read = LocalBackend.read

    def counting(self: LocalBackend, key: str, start: int = 0, end: int | None = None) -> bytes:
        nonlocal flying, most
        with lock:
            flying += 1
            most = max(most, flying)
        data = read(self, key, start, end)
        with lock:
            flying -= 1
        return data

    monkeypatch.setattr(Flaky, "read", counting)
    stream = iter(Patient(flaky, "s").stream("d", 8, 0, 8 * 50))
    next(stream)
    assert sum(map(len, stream)) == 8 * 49
    assert most <= patient.AHEAD


def test_a_fork_is_told_and_does_not_hang(flaky: Flaky) -> None:
    flaky.survives_forks = False
    store = Patient(flaky, "s")
    store.read("k")
    child = os.fork()
    if not child:
        try:
            store.read("k")
        except StoreUnavailableError as error:
            os._exit(0 if "forked" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("text", "expected"), [("7", 7.0), ("0.5", 0.5), ("-1", 0.0), (None, None), ("soon", None)]
)
def test_a_wait_is_read_from_its_header(text: str | None, expected: float | None) -> None:
    assert seconds(text) == expected


def test_a_message_is_short_and_masks_secrets() -> None:
    advice = Advice("f.yaml", redact=lambda text: text.replace("s3cr3t", "***"))
    error = answered(418, "Teapot", "s3cr3t " + "x" * 1000, "reading k", advice)
    assert "s3cr3t" not in str(error)
    assert len(str(error)) < 500


def test_children_by_spawn_are_told_nothing() -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_read_in_child, args=(os.getpid(),))
    process.start()
    process.join()
    assert process.exitcode == 0


def _read_in_child(parent: int) -> None:
    import tempfile

    directory = Path(tempfile.mkdtemp())
    (directory / "k").write_bytes(b"1")
    store = Patient(Flaky(directory), "s")
    assert os.getpid() != parent
    assert store.read("k") == b"1"
