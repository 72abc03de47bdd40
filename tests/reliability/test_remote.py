"""T1, T2, T4, T5, T6 on real servers: whatever fails on the way, what is visible is whole.

What is stored is copied out around blobfs and held against its manifests by a checker that
shares no code with blobfs.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import blobfs
from blobfs.backend import patient
from tests.places import Place, content, write_tree
from tests.reliability import checker
from tests.reliability.scenes import untyped
from tests.remote import REMOTE, remotes
from tests.servers.proxy import Proxy, Rule

FILES: dict[str, bytes | str] = {
    "a": "1",
    "d/b": "22",
    "d/e/f": "333",
    "d/large": bytes(range(256)) * 40,
    "empty": "",
    "x": "x" * 100,
}


class Scene:
    """One kind of store, behind a proxy."""

    def __init__(self, kind: str, server: Any, proxy: Proxy, directory: Path) -> None:  # noqa: ANN401 - any server
        self.kind = kind
        self.proxy = proxy
        self.directory = directory
        self.source = write_tree(directory / "source", FILES)
        self.layout = "hashed"
        self._server = server
        self._copies = 0

    def place(self) -> Place:
        place = REMOTE[self.kind].place(self._server, url=self.proxy.url)
        return place.with_options(layout=self.layout)

    def few(self, rounds: int) -> int:
        """Return how often to do something by default: half as often by the slower driver."""
        return rounds // 2 if "fsspec" in self.kind else rounds

    def upload(self, place: Place) -> blobfs.Artifact:
        return blobfs.upload(self.source, store=place.open(), name="n", version="1")

    def broken(self, place: Place) -> list[str]:
        """What is visible and not whole."""
        self._copies += 1
        copy = self.directory / f"copy-{self._copies}"
        if self.layout == "azureml":
            return checker.azureml_problems(write_tree(copy, place.around.snapshot()))
        return checker.problems(write_tree(copy, place.around.snapshot()), modes=False)

    def check(self, place: Place, what: str) -> None:
        """Nothing is broken now, and another try ends well."""
        assert self.broken(place) == [], what
        assert self.upload(place).version == "1", what
        assert self.broken(place) == [], f"retried after {what}"
        where = blobfs.download("n:1", self.directory / f"out {what}", store=place.open())
        assert content(where) == content(self.source), what


@pytest.fixture(params=remotes(http=True))
def scene(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    monkeypatch.setattr(patient, "LEAST", 0.01)
    server = request.getfixturevalue(REMOTE[request.param].server)
    with Proxy(server.host, getattr(server, "http_port", server.port), seed=3) as proxy:
        yield Scene(request.param, server, proxy, tmp_path)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("carried_out", [False, True])
def test_an_end_at_any_request_breaks_nothing(
    scene: Scene, carried_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ends(scene, monkeypatch, every=30 // scene.few(6), carried_out=carried_out)


@pytest.mark.soak
@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("layout", ["hashed", "azureml"])
@pytest.mark.parametrize("carried_out", [False, True])
def test_an_end_at_every_request_breaks_nothing(
    scene: Scene, carried_out: bool, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.layout = layout
    _ends(scene, monkeypatch, every=1, carried_out=carried_out)


def _ends(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, *, every: int, carried_out: bool
) -> None:
    """For the store, a client that was killed is one whose requests end."""
    scene.upload(scene.place())
    requests = len(scene.proxy.requests)
    assert requests > len(FILES)
    for number in range(random.randrange(every), requests, every):
        place = scene.place()
        scene.proxy.reset()
        if carried_out:
            scene.proxy.add(Rule(match="", skip=number, lose_reply=True))
        scene.proxy.add(Rule(match="", skip=number, times=None, reset=True))
        with monkeypatch.context() as patch:
            patch.setattr(patient, "CHAIN", 0.0)
            patch.setattr(patient, "FIRST_ANSWER", 0.1)
            failed = _failure(lambda p=place: scene.upload(p))  # type: ignore[misc]
        scene.proxy.reset()
        what = f"request {number}, carried out {carried_out}"
        # The last one is only for display, so an upload succeeds without it.
        assert failed is not None or number == requests - 1, what
        assert untyped(failed) == [], what
        assert not isinstance(failed, FALSE), what
        scene.check(place, what)


FALSE = (blobfs.ArtifactConflictError, blobfs.ArtifactNotFoundError)
"""Errors that nothing here is a reason for."""


def _failure(operation: Callable[[], object]) -> Exception | None:
    try:
        operation()
    except Exception as error:  # noqa: BLE001 - which one it is, is the question
        return error
    return None


def _faults() -> list[Rule]:
    """Three requests in ten meet one of these."""
    each = 0.3 / 8
    faults: list[dict[str, Any]] = [
        {"status": 500},
        {"status": 503},
        {"status": 429, "headers": {"Retry-After": "0.02"}},
        {"reset": True},
        {"lose_reply": True},
        {"cut_reply": 10},
        {"flip_byte": 20},
        {"stall": 0.05},
    ]
    return [Rule(match="", times=None, probability=each, **fault) for fault in faults]


def _under_faults(scene: Scene, artifacts: int) -> None:
    """Upload and download, each tried up to 8 times, while requests fail."""
    numbers = random.Random(5)
    unfinished = 0
    for number in range(artifacts):
        place = scene.place()
        (scene.source / "a").write_bytes(numbers.randbytes(30))
        scene.proxy.reset()
        for rule in _faults():
            scene.proxy.add(rule)
        out = scene.directory / f"out-{number}"

        def fetch(place: Place = place, out: Path = out) -> object:
            return blobfs.download("n:1", out, store=place.open(), overwrite=True)

        finished = _within_tries(lambda p=place: scene.upload(p)) and _within_tries(fetch)  # type: ignore[misc]
        scene.proxy.reset()
        assert scene.broken(place) == [], number
        if finished:
            assert content(out) == content(scene.source), number
        unfinished += not finished
    assert unfinished <= artifacts / 100, unfinished


def _within_tries(operation: Callable[[], object], tries: int = 8) -> bool:
    for _ in range(tries):
        failed = _failure(operation)
        if failed is None:
            return True
        assert untyped(failed) == []
        assert not isinstance(failed, FALSE)
    return False


def test_three_requests_in_ten_fail_and_nothing_is_lost(scene: Scene) -> None:
    _under_faults(scene, scene.few(6))


@pytest.mark.soak
def test_three_requests_in_ten_fail_a_thousand_times(scene: Scene) -> None:
    _under_faults(scene, 1000)


def _lost_creates(scene: Scene, rounds: int) -> None:
    numbers = random.Random(6)
    for number in range(rounds):
        place = scene.place()
        (scene.source / "a").write_bytes(numbers.randbytes(30))
        scene.proxy.reset()
        what = ("_manifest.jsonl", "asset.json", "format.json")[number % 3]
        scene.proxy.add(Rule(match=f"^(PUT|POST) .*({what}|RENAME)", lose_reply=True, times=2))
        artifact = scene.upload(place)
        assert (artifact.name, artifact.version) == ("n", "1"), number
        scene.proxy.reset()
        assert scene.broken(place) == [], number


def test_the_lost_answer_to_a_create_is_no_conflict(scene: Scene) -> None:
    _lost_creates(scene, 6)


@pytest.mark.soak
def test_300_lost_answers_to_creates_are_no_conflict(scene: Scene) -> None:
    _lost_creates(scene, 300)


def _kills(scene: Scene, rounds: int) -> None:
    """Kill whole processes at random times, in uploads and downloads."""
    seed = random.randrange(1 << 32)
    numbers = random.Random(seed)
    environment, config = _environment(scene)
    lasting = {"upload": 0.0, "download": 0.0}
    for number in range(-1, rounds):
        place = scene.place()
        config.write_text(yaml.safe_dump({"stores": {"s": dict(place.config)}}))
        (scene.source / "a").write_bytes(numbers.randbytes(30))
        target = scene.directory / f"out-{number}"
        commands = {
            "upload": ["upload", str(scene.source), "--name", "n", "--version", "1"],
            "download": ["download", "n:1", str(target)],
        }
        for verb, arguments in commands.items():
            what = f"seed {seed}, round {number}, {verb}"
            limit = numbers.uniform(0.3, 1.0) * lasting[verb] if number >= 0 else 60
            begun = time.monotonic()
            _run_for([*arguments, "--store", "s"], environment, limit)
            lasting[verb] = lasting[verb] or time.monotonic() - begun
            assert scene.broken(place) == [], what
            assert not target.exists() or content(target) == content(scene.source), what
            if verb == "upload":
                assert scene.upload(place).version == "1", what
        blobfs.download("n:1", target, store=place.open())
        assert content(target) == content(scene.source), f"seed {seed}, round {number}"


def _environment(scene: Scene) -> tuple[dict[str, str], Path]:
    config = scene.directory / "config.yaml"
    return {**os.environ, "BLOBFS_CONFIG": str(config)}, config


def _run_for(arguments: list[str], environment: dict[str, str], seconds: float) -> None:
    command = [sys.executable, "-m", "blobfs", *arguments, "-q"]
    process = subprocess.Popen(command, env=environment)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_killed_processes_leave_nothing_broken(scene: Scene) -> None:
    _kills(scene, scene.few(3))


@pytest.mark.soak
def test_500_killed_processes_leave_nothing_broken(scene: Scene) -> None:
    _kills(scene, 500)
