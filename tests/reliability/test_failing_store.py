"""A store whose n-th call fails, for every n: not carried out, or its answer lost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import blobfs
from blobfs.backend import patient
from blobfs.errors import BlobfsError
from tests.reliability.scenes import KEPT, content, untyped, write_tree

pytestmark = pytest.mark.usefixtures("small_limits")

CALLS = (
    *("cat_file", "info", "find", "ls", "pipe_file", "rm_file", "cp_file", "makedirs", "open"),
    *("exists", "mv"),
)


class FailingFileSystem(MemoryFileSystem):  # type: ignore[misc] # fsspec is untyped
    """Memory whose call number `fails_at` raises, before or after it is carried out."""

    protocol = ("failing",)
    cachable = False
    store: dict[str, Any] = {}  # noqa: RUF012 - as MemoryFileSystem has it
    pseudo_dirs = [""]  # noqa: RUF012
    calls = 0
    fails_at = 0
    after = False
    error: type[Exception] = ConnectionError
    inside = False

    @classmethod
    def reset(cls, fails_at: int = 0, *, after: bool = False) -> None:
        cls.calls, cls.fails_at, cls.after = 0, fails_at, after


def _counted(name: str) -> Any:  # noqa: ANN401
    real = getattr(MemoryFileSystem, name)

    def call(self: FailingFileSystem, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        kind = type(self)
        if kind.inside:
            return real(self, *args, **options)
        kind.inside, kind.calls = True, kind.calls + 1
        fails = kind.calls == kind.fails_at
        try:
            if fails and not kind.after:
                raise kind.error(f"{name} did not get there")
            result = real(self, *args, **options)
            if fails:
                raise kind.error(f"the answer of {name} was lost")
            return result
        finally:
            kind.inside = False

    return call


for _name in CALLS:
    setattr(FailingFileSystem, _name, _counted(_name))


@pytest.fixture(autouse=True)
def failing_filesystem(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fsspec.register_implementation("failing", FailingFileSystem, clobber=True)
    monkeypatch.setattr(patient, "LEAST", 0.001)
    yield
    FailingFileSystem.store.clear()
    FailingFileSystem.reset()


def _store(layout: str = "hashed") -> blobfs.Store:
    config = {"url": "failing://root", "layout": layout}
    return blobfs.open_store({"blob_manager_class": "fsspec", "blob_manager_config": config})


ERRORS = ConnectionError, TimeoutError, PermissionError, ValueError


@pytest.mark.parametrize(
    ("layout", "error"),
    [*(("hashed", error) for error in ERRORS), ("azureml", ConnectionError)],
)
@pytest.mark.parametrize("after", [False, True])
def test_an_upload_survives_the_failure_of_any_call(
    error: type[Exception],
    after: bool,
    layout: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FailingFileSystem, "error", error)
    source = write_tree(tmp_path / "source")

    def upload() -> blobfs.Artifact:
        return blobfs.upload(source, name="m", version="1", store=_store(layout))

    wrong = []
    for number in range(1, _calls(upload) + 1):
        FailingFileSystem.store.clear()
        FailingFileSystem.pseudo_dirs[:] = [""]
        FailingFileSystem.reset(number, after=after)
        failed = _failure(upload)
        FailingFileSystem.reset()
        wrong += [f"call {number}: untyped {what}" for what in untyped(failed)]
        if isinstance(failed, blobfs.ArtifactConflictError):
            wrong.append(f"call {number}: a false conflict: {failed}")
        wrong += [
            f"call {number}: {what}" for what in _broken(tmp_path / f"after-{number}", layout)
        ]
        assert upload().version == "1", number
        blobfs.download("m:1", tmp_path / f"out-{number}", store=_store(layout))
        assert content(tmp_path / f"out-{number}") == KEPT
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("after", [False, True])
def test_a_download_survives_the_failure_of_any_call(after: bool, tmp_path: Path) -> None:
    blobfs.upload(write_tree(tmp_path / "source"), name="m", version="1", store=_store())

    def download(target: Path) -> None:
        blobfs.download("m:1", target, store=_store())

    for number in range(1, _calls(lambda: download(tmp_path / "out")) + 1):
        target = tmp_path / f"out-{number}"
        FailingFileSystem.reset(number, after=after)
        failed = _failure(lambda t=target: download(t))
        FailingFileSystem.reset()
        assert untyped(failed) == [], number
        assert not isinstance(failed, blobfs.ArtifactNotFoundError), number
        assert failed is None or not target.exists(), number
        download(target)
        assert content(target) == KEPT


def _calls(operation: Any) -> int:  # noqa: ANN401
    FailingFileSystem.reset()
    operation()
    return FailingFileSystem.calls


def _failure(operation: Any) -> Exception | None:  # noqa: ANN401
    try:
        operation()
    except Exception as error:  # noqa: BLE001 - which one it is, is the question
        return error
    return None


def _broken(directory: Path, layout: str) -> list[str]:
    """Whatever is visible must be complete: verified here, and downloaded."""
    store, wrong = _store(layout), []
    for header in blobfs.artifacts(store):
        report = blobfs.verify(header.digest, store=store, deep=True)
        wrong += [f"{problem.path} {problem.what}" for problem in report.problems]
    for asset in blobfs.assets(store):
        try:
            blobfs.download(f"{asset.name}:{asset.version}", directory, store=store)
        except BlobfsError as error:
            wrong.append(f"{asset.name}:{asset.version}: {error}")
    return wrong
