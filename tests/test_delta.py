"""Deltas: what a new version shares with another one is not sent."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

import blobfs
from tests.places import PLACES, Place, content, hex_of, write_tree

COPIES = {"local", "file"}
"""Places that can copy inside; the others are sent everything."""

KIB = {name: random.Random(name).randbytes(1000) for name in "abcdef"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_tree(
        tmp_path / "m", {"a": KIB["a"], "d/b": KIB["b"], "empty": "", "c": KIB["c"]}
    )


def rows_of(place: Place, artifact: blobfs.Artifact) -> dict[str, Any]:
    manifest = place.read(f"LocalUpload/{hex_of(artifact.digest)}/_manifest.jsonl").decode()
    return {row["path"]: row for row in map(json.loads, manifest.splitlines()[1:])}


@pytest.mark.parametrize("kind", PLACES)
def test_a_new_version_sends_what_changed(kind: str, source: Path, tmp_path: Path) -> None:
    place = PLACES[kind](tmp_path)
    blobfs.upload(source, store=place.open(), name="n")
    (source / "a").write_bytes(KIB["e"])
    plan = blobfs.plan_upload(source, store=place.open(), name="n")
    second = blobfs.upload(source, store=place.open(), name="n")
    assert sorted(e.path for e in plan.copy) == ["c", "d/b"]
    if kind in COPIES:
        assert (second.sent_files, second.sent_bytes) == (2, 1000), "the empty file, too"
        assert (second.copied_files, second.copied_bytes) == (2, 2000)
    else:
        assert (second.sent_files, second.copied_files) == (4, 0)
    assert not any("in" in row for row in rows_of(place, second).values())
    below = f"LocalUpload/{hex_of(second.digest)}/m"
    assert place.read(f"{below}/d/b") == KIB["b"], "every version is complete"
    where = blobfs.download("n:2", tmp_path / "out", store=place.open())
    assert content(where) == content(source)


def test_moved_and_copied_files_are_not_sent(
    store_place: Place, source: Path, tmp_path: Path
) -> None:
    blobfs.upload(source, store=store_place.open(), name="n")
    (source / "a").rename(source / "d" / "moved")
    (source / "twice").write_bytes(KIB["c"])
    (source / "twice").chmod(0o755)
    second = blobfs.upload(source, store=store_place.open(), name="n")
    assert (second.sent_bytes, second.copied_files) == (0, 4)
    where = blobfs.download("n:2", tmp_path / "out", store=store_place.open())
    assert content(where) == content(source)


def test_any_artifact_can_be_the_base(store_place: Place, source: Path, tmp_path: Path) -> None:
    first = blobfs.upload(source, store=store_place.open(), name="base")
    other = write_tree(tmp_path / "other", {"x": KIB["a"], "y": KIB["f"]})
    store = store_place.open()
    assert blobfs.plan_upload(other, store=store, name="n").copy == ()
    for base in ("base:1", "base", first.digest[:16], first.path):
        plan = blobfs.plan_upload(other, store=store, name="n", base=base)
        assert [e.path for e in plan.copy] == ["x"]
    artifact = blobfs.upload(other, store=store, name="n", base="base@latest")
    assert (artifact.sent_files, artifact.copied_files) == (1, 1)
    with pytest.raises(blobfs.ArtifactNotFoundError):
        blobfs.upload(source, store=store, base="nothing:1")


@pytest.mark.parametrize("damage", [None, b"short", KIB["f"]])
def test_what_the_base_has_lost_is_sent(
    store_place: Place, source: Path, tmp_path: Path, damage: bytes | None
) -> None:
    """Gone, of another size, or of other bytes: the new version is whole all the same."""
    first = blobfs.upload(source, store=store_place.open(), name="n")
    key = f"LocalUpload/{hex_of(first.digest)}/m/c"
    if damage is None:
        store_place.around.delete(key)
    else:
        store_place.around.write(key, damage)
    (source / "a").write_bytes(KIB["e"])
    second = blobfs.upload(source, store=store_place.open(), name="n")
    assert blobfs.verify("n:2", store=store_place.open(), deep=True).ok
    if damage != KIB["f"]:
        assert (second.sent_bytes, second.copied_files) == (2000, 1)
    where = blobfs.download("n:2", tmp_path / "out", store=store_place.open())
    assert content(where) == content(source)


def test_a_base_whose_manifest_is_damaged_is_not_needed(
    store_place: Place, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = blobfs.upload(source, store=store_place.open(), name="n")
    store_place.around.write(f"LocalUpload/{hex_of(first.digest)}/_manifest.jsonl", b"?")
    (source / "a").write_bytes(KIB["e"])
    second = blobfs.upload(source, store=store_place.open(), name="n")
    assert (second.version, second.sent_files, second.copied_files) == ("2", 4, 0)
    assert "the base cannot be used" in caplog.text


@pytest.mark.parametrize("kind", PLACES)
def test_a_delta_by_reference_names_the_holder_and_never_a_chain(
    kind: str, source: Path, tmp_path: Path
) -> None:
    place = PLACES[kind](tmp_path, delta="reference")
    first = blobfs.upload(source, store=place.open(), name="n")
    assert (first.sent_files, first.copied_files) == (4, 0)
    (source / "a").write_bytes(KIB["d"])
    second = blobfs.upload(source, store=place.open(), name="n")
    assert (second.sent_files, second.sent_bytes) == (2, 1000)
    assert (second.copied_files, second.copied_bytes) == (2, 2000)
    (source / "c").write_bytes(KIB["e"])
    third = blobfs.upload(source, store=place.open(), name="n")
    rows = rows_of(place, third)
    assert (rows["d/b"]["in"], rows["d/b"]["key"]) == (first.digest, "m/d/b")
    assert (rows["a"]["in"], rows["a"]["key"]) == (second.digest, "m/a")
    assert "in" not in rows["c"]
    below = f"LocalUpload/{hex_of(third.digest)}/"
    assert place.keys(below) == {f"{below}{k}" for k in ("_manifest.jsonl", "m/c", "m/empty")}
    where = blobfs.download("n:3", tmp_path / "out", store=place.open())
    assert content(where) == content(source)
    assert blobfs.verify("n:3", store=place.open(), deep=True).ok
    with pytest.raises(blobfs.ConfigError):
        blobfs.native_url("n:3", store=place.open())
    with pytest.raises(blobfs.ConfigError):
        blobfs.storage_options("n:3", store=place.config)


def test_a_reference_to_odd_names_finds_their_keys(tmp_path: Path) -> None:
    place = PLACES["local"](tmp_path, delta="reference")
    source = write_tree(tmp_path / "odd.", {"%a\n": KIB["a"], "b": KIB["b"]})
    first = blobfs.upload(source, store=place.open(), name="n")
    (source / "b").write_bytes(KIB["c"])
    second = blobfs.upload(source, store=place.open(), name="n")
    row = rows_of(place, second)["%a\n"]
    assert (row["in"], row["key"]) == (first.digest, "%odd%2E/%%25a%0A")
    where = blobfs.download("n:2", tmp_path / "out", store=place.open())
    assert content(where) == content(source)


def test_a_lost_holder_is_found_and_sent_again_on_request(tmp_path: Path, source: Path) -> None:
    place = PLACES["local"](tmp_path, delta="reference")
    first = blobfs.upload(source, store=place.open(), name="n")
    (source / "a").write_bytes(KIB["d"])
    blobfs.upload(source, store=place.open(), name="n")
    place.around.delete(f"LocalUpload/{hex_of(first.digest)}/m/c")
    report = blobfs.verify("n:2", store=place.open())
    assert [problem.path for problem in report.problems] == ["c"]
    checked = blobfs.upload(source, store=place.open(), name="n", check=True)
    assert (checked.sent_files, checked.sent_bytes) == (1, 1000)
    assert blobfs.verify("n:2", store=place.open(), deep=True).ok


def test_a_large_file_is_copied_and_not_sent(store_place: Place, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(9 << 20)
    source = write_tree(tmp_path / "m", {"w": data, "s": "1"})
    blobfs.upload(source, store=store_place.open(), name="n")
    (source / "s").write_text("2")
    second = blobfs.upload(source, store=store_place.open(), name="n")
    assert (second.sent_bytes, second.copied_bytes) == (1, len(data))
    assert Path(second.path, "w").read_bytes() == data
    assert Path(second.path, "w").stat().st_mode & 0o222 == 0


def test_copies_keep_the_new_executable_bit(store_place: Place, source: Path) -> None:
    blobfs.upload(source, store=store_place.open(), name="n")
    (source / "a").chmod(0o755)
    second = blobfs.upload(source, store=store_place.open(), name="n")
    assert (second.sent_bytes, second.copied_files) == (0, 3)
    assert Path(second.path, "a").stat().st_mode & 0o111


@pytest.mark.parametrize("kind", PLACES)
def test_a_materialized_artifact_stands_alone(kind: str, source: Path, tmp_path: Path) -> None:
    place = PLACES[kind](tmp_path, delta="reference")
    first = blobfs.upload(source, store=place.open(), name="n")
    (source / "a").write_bytes(KIB["d"])
    second = blobfs.upload(source, store=place.open(), name="n")
    done = blobfs.materialize("n:2", store=place.open())
    assert (done.digest, done.path, done.name, done.version) == (
        *(second.digest, second.path),
        *("n", "2"),
    )
    assert (done.reused, done.sent_bytes + done.copied_bytes) == (False, 2000)
    assert not any("in" in row for row in rows_of(place, second).values())
    for key in place.keys(f"LocalUpload/{hex_of(first.digest)}/"):
        place.around.delete(key)
    assert blobfs.verify("n:2", store=place.open(), deep=True).ok
    where = blobfs.download("n:2", tmp_path / "out", store=place.open())
    assert content(where) == content(source)
    assert blobfs.native_url("n:2", store=place.open()).endswith("/m")
    again = blobfs.materialize("n:2", store=place.open())
    assert (again.reused, again.sent_files, again.copied_files) == (True, 0, 0)


def test_what_was_materialized_before_a_crash_is_not_copied_again(
    store_place: Place, source: Path
) -> None:
    place = store_place.with_options(delta="reference")
    blobfs.upload(source, store=place.open(), name="n")
    (source / "a").write_bytes(KIB["d"])
    second = blobfs.upload(source, store=place.open(), name="n")
    place.around.write(f"LocalUpload/{hex_of(second.digest)}/m/c", KIB["c"])
    done = blobfs.materialize("n:2", store=place.open())
    assert (done.sent_files, done.sent_bytes) == (1, 1000)
    assert blobfs.verify("n:2", store=place.open(), deep=True).ok


def test_a_lost_holder_leaves_what_is_materialized_as_it_was(
    store_place: Place, source: Path
) -> None:
    place = store_place.with_options(delta="reference")
    first = blobfs.upload(source, store=place.open(), name="n")
    (source / "a").write_bytes(KIB["d"])
    second = blobfs.upload(source, store=place.open(), name="n")
    place.around.delete(f"LocalUpload/{hex_of(first.digest)}/m/c")
    before = rows_of(place, second)
    with pytest.raises(blobfs.IntegrityError, match="is gone"):
        blobfs.materialize("n:2", store=place.open())
    assert rows_of(place, second) == before


def test_what_lies_outside_is_not_materialized(store_place: Place, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    blobfs.upload(f"file://{tmp_path}/x", store=store_place.open(), name="r")
    with pytest.raises(blobfs.ConfigError, match="--copy"):
        blobfs.materialize("r:1", store=store_place.open())
