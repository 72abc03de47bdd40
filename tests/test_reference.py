"""References: assets that point at bytes which stay where they are."""

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

import blobfs
from blobfs import IntegrityError
from tests.places import Place, content, hex_of, sha256


class Elsewhere:
    """Objects at a URL, written without blobfs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.filesystem, self.path = fsspec.url_to_fs(url)

    def write(self, key: str, data: bytes) -> None:
        path = f"{self.path}/{key}"
        self.filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        self.filesystem.pipe_file(path, data)

    def delete(self, key: str) -> None:
        self.filesystem.rm_file(f"{self.path}/{key}")


@pytest.fixture(params=["memory", "file"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Elsewhere]:
    tail = "elsewhere/data"
    url = {
        "memory": f"memory://{tmp_path.name}/{tail}",
        "file": f"file://{tmp_path}/{tail}",
    }[request.param]
    there = Elsewhere(url)
    for key, data in {"a": b"1", "d/b?c": b"22", "data2": b"inside"}.items():
        there.write(key, data)
    there.filesystem.makedirs(there.path + "2", exist_ok=True)
    there.filesystem.pipe_file(there.path + "2/x", b"beside")
    yield there
    there.filesystem.rm(there.path, recursive=True)


EXPECTED = {"a": (b"1", False), "d/b?c": (b"22", False), "data2": (b"inside", False)}


def test_a_url_is_registered_and_nothing_is_copied(
    place: Place, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    artifact = blobfs.upload(elsewhere.url, store=place.open(), name="n")
    assert (artifact.kind, artifact.files, artifact.size) == ("reference", 3, 9)
    assert (artifact.sent_files, artifact.sent_bytes, artifact.reused) == (0, 0, False)
    assert (artifact.name, artifact.version) == ("n", "1")
    below = f"LocalUpload/{hex_of(artifact.digest)}/"
    assert place.keys(below) == {f"{below}_manifest.jsonl"}
    where = blobfs.download("n:1", tmp_path / "out", store=place.open())
    assert content(where) == EXPECTED
    assert blobfs.verify("n:1", store=place.open(), deep=True).ok


def test_a_plan_of_a_reference_is_what_the_upload_then_does(
    place: Place, elsewhere: Elsewhere
) -> None:
    plan = blobfs.plan_upload(elsewhere.url, store=place.open(), name="n")
    assert place.keys() == set()
    assert (plan.kind, plan.reused, plan.send, plan.version) == ("reference", False, (), "1")
    artifact = blobfs.upload(elsewhere.url, store=place.open(), name="n")
    assert (artifact.digest, artifact.path) == (plan.digest, plan.path)
    assert blobfs.plan_upload(elsewhere.url, store=place.open(), name="n").reused
    copied = blobfs.plan_upload(elsewhere.url, store=place.open(), name="n", copy=True)
    assert (copied.kind, copied.send_bytes, copied.version) == ("tree", 9, "2")
    assert blobfs.upload(elsewhere.url, store=place.open(), copy=True).digest == copied.digest


def test_a_references_manifest_is_as_documented(place: Place, elsewhere: Elsewhere) -> None:
    artifact = blobfs.upload(elsewhere.url, store=place.open())
    manifest = place.read(f"LocalUpload/{hex_of(artifact.digest)}/_manifest.jsonl").decode()
    header, *rows = map(json.loads, manifest.splitlines())
    assert header["kind"] == "reference"
    assert header["url"] == elsewhere.url + "/"
    assert header["name"] == "data"
    assert [row["path"] for row in rows] == ["a", "d/b?c", "data2"]
    assert all(row["digest"].startswith(("mtime:", "etag:")) for row in rows)
    listing = "blobfs listing 1 reference\n" + "".join(
        f'{row["digest"]} {row["size"]} "{row["path"]}"\n' for row in rows
    )
    assert header["digest"] == artifact.digest == sha256(listing.encode())


def test_a_single_object_is_referred_to(
    place: Place, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    artifact = blobfs.upload(f"{elsewhere.url}/d/b?c", store=place.open(), name="one")
    assert (artifact.kind, artifact.files, artifact.size) == ("reference", 1, 2)
    where = blobfs.download("one:1", tmp_path / "out", store=place.open())
    assert where.read_bytes() == b"22"


def test_a_part_of_a_reference_is_found(
    place: Place, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    blobfs.upload(elsewhere.url, store=place.open(), name="n")
    where = blobfs.download("n:1/d", tmp_path / "out", store=place.open())
    assert content(where) == {"b?c": (b"22", False)}
    url = blobfs.native_url("n:1/d", store=place.open())
    assert url == f"{elsewhere.url}/d"


def test_unchanged_objects_are_the_same_reference(place: Place, elsewhere: Elsewhere) -> None:
    first = blobfs.upload(elsewhere.url, store=place.open(), name="n")
    again = blobfs.upload(elsewhere.url, store=place.open(), name="n")
    assert (again.digest, again.version, again.reused) == (first.digest, "1", True)
    elsewhere.write("new", b"x")
    other = blobfs.upload(elsewhere.url, store=place.open(), name="n")
    assert (other.version, other.reused) == ("2", False)


@pytest.mark.parametrize("change", ["other bytes", "another size", "gone"])
def test_an_object_that_changed_is_refused_and_found(
    place: Place, elsewhere: Elsewhere, tmp_path: Path, change: str
) -> None:
    blobfs.upload(elsewhere.url, store=place.open(), name="n")
    if change == "gone":
        elsewhere.delete("d/b?c")
    else:
        elsewhere.write("d/b?c", b"33" if change == "other bytes" else b"333")
    with pytest.raises(IntegrityError, match=r"d/b\?c"):
        blobfs.download("n:1", tmp_path / "out", store=place.open())
    assert not (tmp_path / "out").exists()
    for deep in (False, True):
        report = blobfs.verify("n:1", store=place.open(), deep=deep)
        assert [problem.path for problem in report.problems] == ["d/b?c"]


def test_bytes_brought_in_outlive_what_they_came_from(
    place: Place, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    blobfs.upload(elsewhere.url, store=place.open(), name="n", copy=True)
    elsewhere.write("a", b"other")
    where = blobfs.download("n:1", tmp_path / "out", store=place.open())
    assert content(where) == EXPECTED


def test_a_reference_may_be_brought_in_later(
    place: Place, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    blobfs.upload(elsewhere.url, store=place.open(), name="n")
    artifact = blobfs.upload(elsewhere.url, store=place.open(), name="n", copy=True)
    assert (artifact.kind, artifact.version, artifact.sent_files) == ("tree", "2", 3)
    where = blobfs.download("n:2", tmp_path / "out", store=place.open())
    assert content(where) == EXPECTED


def test_a_prefix_of_the_store_itself_is_referred_to(place: Place, tmp_path: Path) -> None:
    for key in ("runs/run/a", "runs/run2/b"):
        place.around.write(key, key.encode())
    url = place.open().location.url
    url = url if "://" in url else f"file://{url}"
    artifact = blobfs.upload(f"{url}/runs/run", store=place.open(), name="r")
    assert (artifact.kind, artifact.files) == ("reference", 1)
    where = blobfs.download("r:1", tmp_path / "out", store=place.open())
    assert content(where) == {"a": (b"runs/run/a", False)}


# ---- artifacts of the same store -------------------------------------------------------------


def handle_url(artifact: blobfs.Artifact) -> str:
    return artifact.path if "://" in artifact.path else f"file://{artifact.path}"


def test_a_url_of_an_artifact_points_at_that_artifact(place: Place, tree: Path) -> None:
    first = blobfs.upload(tree, store=place.open(), name="n")
    before = place.keys("LocalUpload/")
    second = blobfs.upload(handle_url(first), store=place.open(), name="m", version="2.0")
    assert (second.digest, second.kind, second.reused) == (first.digest, "tree", True)
    assert (second.name, second.version) == ("m", "2.0")
    assert place.keys("LocalUpload/") == before


def test_a_part_of_an_artifact_becomes_one_whose_bytes_lie_in_it(
    place: Place, tree: Path, tmp_path: Path
) -> None:
    whole = blobfs.upload(tree, store=place.open(), name="n")
    part = blobfs.upload(f"{handle_url(whole)}/sub", store=place.open(), name="sub")
    assert (part.kind, part.files, part.sent_files, part.copied_files) == ("tree", 3, 0, 0)
    below = f"LocalUpload/{hex_of(part.digest)}/"
    assert place.keys(below) == {f"{below}_manifest.jsonl"}
    header, *rows = map(json.loads, place.read(f"{below}_manifest.jsonl").decode().splitlines())
    assert header["name"] == "sub"
    assert [(row["in"], row["key"]) for row in rows] == [
        (whole.digest, f"tree/sub/{path}") for path in ("b.txt", "deep/é ü.bin", "empty")
    ]
    where = blobfs.download("sub:1", tmp_path / "out", store=place.open())
    assert content(where) == content(tree / "sub")
    assert blobfs.verify("sub:1", store=place.open(), deep=True).ok
    assert part.digest == blobfs.plan_upload(tree / "sub", store=place.open()).digest


def test_a_part_of_a_part_points_at_the_end_of_the_chain(
    place: Place, tree: Path, tmp_path: Path
) -> None:
    whole = blobfs.upload(tree, store=place.open())
    part = blobfs.upload(f"{handle_url(whole)}/sub", store=place.open())
    inner = blobfs.upload(f"{handle_url(part)}/deep", store=place.open(), name="deep")
    manifest = place.read(f"LocalUpload/{hex_of(inner.digest)}/_manifest.jsonl").decode()
    row = json.loads(manifest.splitlines()[1])
    assert (row["in"], row["key"]) == (whole.digest, "tree/sub/deep/é ü.bin")
    where = blobfs.download("deep:1", tmp_path / "out", store=place.open())
    assert content(where) == content(tree / "sub" / "deep")


def test_a_file_of_an_artifact_becomes_a_file_artifact(
    place: Place, tree: Path, tmp_path: Path
) -> None:
    whole = blobfs.upload(tree, store=place.open())
    one = blobfs.upload(f"{handle_url(whole)}/run.sh", store=place.open(), name="run")
    assert (one.kind, one.files) == ("file", 1)
    assert one.digest == blobfs.plan_upload(tree / "run.sh", store=place.open()).digest
    where = blobfs.download("run:1", tmp_path / "out", store=place.open())
    assert where.stat().st_mode & 0o100


def test_what_lies_in_others_cannot_be_had_in_place(store_place: Place, tree: Path) -> None:
    whole = blobfs.upload(tree, store=store_place.open())
    part = blobfs.upload(f"file://{whole.path}/sub", store=store_place.open(), name="sub")
    with pytest.raises(blobfs.ConfigError, match="materialize"):
        store_place.manager().download(part.path)
    with pytest.raises(blobfs.ConfigError, match="materialize"):
        blobfs.native_url("sub:1", store=store_place.open())


def test_damage_in_the_holder_is_found_in_the_part(
    place: Place, tree: Path, tmp_path: Path
) -> None:
    whole = blobfs.upload(tree, store=place.open())
    blobfs.upload(f"{handle_url(whole)}/sub", store=place.open(), name="sub")
    place.around.delete(f"LocalUpload/{hex_of(whole.digest)}/tree/sub/b.txt")
    report = blobfs.verify("sub:1", store=place.open())
    assert [problem.path for problem in report.problems] == ["b.txt"]
    with pytest.raises(IntegrityError, match=r"b\.txt"):
        blobfs.download("sub:1", tmp_path / "out", store=place.open())


def test_names_of_objects_that_are_no_paths_are_refused(
    store_place: Place, tmp_path: Path
) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"/{tmp_path.name}/odd/a/../../b", b"x")
    memory.pipe_file(f"/{tmp_path.name}/odd/c//d", b"x")
    with pytest.raises(blobfs.UnsafeNameError):
        blobfs.upload(f"memory://{tmp_path.name}/odd", store=store_place.open())
    with pytest.raises(blobfs.UnsafeNameError):
        blobfs.upload(f"memory://{tmp_path.name}/odd", store=store_place.open(), copy=True)
    assert store_place.keys() == set()


def test_a_source_of_an_unnamed_store_is_a_plain_url(
    place: Place, tree: Path, tmp_path: Path
) -> None:
    """To another store an artifact's handle is a URL like any other."""
    whole = blobfs.upload(tree, store=place.open())
    other = blobfs.open_store(
        {
            "blob_manager_class": "local",
            "blob_manager_config": {"root_directory": str(tmp_path / "other")},
        }
    )
    artifact = blobfs.upload(handle_url(whole), store=other, name="n")
    assert artifact.kind == "reference"
    where = blobfs.download("n:1", tmp_path / "out", store=other)
    assert {k: v[0] for k, v in content(where).items() if v} == {
        k: v[0] for k, v in content(tree).items() if v
    }
