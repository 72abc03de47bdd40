"""`layout: flat`: a file under its own name, as AIFlow puts it."""

import random
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

import blobfs
from blobfs import ArtifactNotFoundError, ConfigError, SourceError, UnsafeNameError
from tests.places import PLACES, Place, sha256, write_tree
from tests.remote import azure_place, hdfs_place, oss_place, s3_place

Make = Callable[[pytest.FixtureRequest, Path], Place]

REMOTE: dict[str, Make] = {
    "s3": lambda request, _: s3_place(request.getfixturevalue("versitygw")),
    "azure_blob": lambda request, _: azure_place(request.getfixturevalue("azurite")),
    "oss": lambda request, _: oss_place(request.getfixturevalue("oss_server")),
    "hdfs": lambda request, _: hdfs_place(request.getfixturevalue("hdfs")),
}


@pytest.fixture(
    params=[*PLACES, *(pytest.param(one, marks=pytest.mark.store(one)) for one in REMOTE)]
)
def flat(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A store with that layout, of every kind."""
    kind: str = request.param
    place = PLACES[kind](tmp_path) if kind in PLACES else REMOTE[kind](request, tmp_path)
    return place.with_options(layout="flat")


def test_a_file_lies_under_its_name_and_the_last_one_wins(flat: Place, tmp_path: Path) -> None:
    first = write_tree(tmp_path / "1", {"w.zip": "first"}) / "w.zip"
    second = write_tree(tmp_path / "2", {"w.zip": "second!"}) / "w.zip"
    handle = flat.manager().upload(local_file_path=str(first))
    assert handle.endswith("/w.zip")
    assert flat.manager().upload(local_file_path=str(second)) == handle
    assert flat.around.snapshot() == {"w.zip": b"second!"}
    assert first.read_text() == "first"
    for _ in range(2):
        got = flat.manager().download(remote_file_path=handle, local_dir=str(tmp_path / "got"))
        assert got == str(tmp_path / "got" / "w.zip")
        assert Path(got).read_text() == "second!"


def test_a_large_file_lies_there_too(flat: Place, tmp_path: Path) -> None:
    data = random.Random(1).randbytes((9 << 20) + 1)
    source = write_tree(tmp_path, {"large.bin": data}) / "large.bin"
    artifact = blobfs.upload(source, store=flat.open())
    assert (artifact.sent_files, artifact.sent_bytes, artifact.reused) == (1, len(data), False)
    assert sha256(flat.read("large.bin")) == sha256(data)


def test_what_needs_an_artifact_is_refused(flat: Place, tree: Path, tmp_path: Path) -> None:
    store = flat.open()
    with pytest.raises(ConfigError, match="layout: hashed"):
        blobfs.upload(tree / "a.txt", name="n", store=store)
    with pytest.raises(ConfigError, match="layout: hashed"):
        blobfs.plan_upload(tree / "a.txt", name="n", store=store)
    with pytest.raises(ConfigError, match="refer to nothing"):
        blobfs.upload(f"file://{tree}/a.txt", store=store)
    with pytest.raises(SourceError, match="directory"):
        blobfs.upload(tree, store=store)
    for name in ("LocalUpload", ".blobfs"):
        with pytest.raises(UnsafeNameError, match="meaning"):
            blobfs.upload(write_tree(tmp_path / "x", {name: ""}) / name, store=store)
    assert flat.around.snapshot() == {}
    with pytest.raises(ArtifactNotFoundError):
        flat.manager().download(remote_file_path=store.location.handle("none"), local_dir="d")


def test_a_plan_says_where_it_would_lie(store_place: Place, tree: Path) -> None:
    store = store_place.with_options(layout="flat").open()
    plan = blobfs.plan_upload(tree / "a.txt", store=store)
    assert plan.path == store.location.handle("a.txt")
    assert (plan.send_bytes, plan.reused) == (4, False)
    assert not store_place.around.snapshot()


def test_the_bytes_of_a_url_are_brought_in(store_place: Place, tree: Path) -> None:
    store = store_place.with_options(layout="flat").open()
    blobfs.upload(f"file://{tree}/a.txt", copy=True, store=store)
    assert store_place.around.snapshot() == {"a.txt": b"same"}


def test_a_reader_never_sees_half_a_file(store_place: Place, tmp_path: Path) -> None:
    flat = store_place.with_options(layout="flat")
    whole = [bytes([number]) * (1 << 20) for number in range(4)]
    sources = [
        write_tree(tmp_path / str(number), {"f": data}) / "f"
        for number, data in enumerate(whole)
    ]
    manager, done = flat.manager(), Event()
    handle = manager.upload(local_file_path=sources[0])

    def write() -> None:
        for _ in range(10):
            for source in sources:
                flat.manager().upload(local_file_path=source)
        done.set()

    writer = Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(Path(handle).read_bytes())
    writer.join()
    assert seen <= set(whole)
