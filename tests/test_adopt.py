"""`adopt`: what lies in a store already becomes an artifact there."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Any

import fsspec
import pytest
import yaml

import blobfs
from blobfs import (
    Adopted,
    ArtifactConflictError,
    ArtifactNotFoundError,
    ConfigError,
    IntegrityError,
    SourceChangedError,
    UnsafeNameError,
)
from blobfs.artifact import adopt as engine
from blobfs.layout.azureml.hashing import object_hash
from blobfs.layout.azureml.uploads import upload_list
from tests.command_line import document, ok, run, store_root
from tests.places import Directory, Place, content, local_place, sha256, write_tree
from tests.remote import AzureBlobs, S3Objects, azure_place, s3_place
from tests.servers.server import Server

HASH = "5f0e" * 16
MODEL = {"a.bin": b"first", "sub/b.bin": b"second", "sub/deep/c.txt": b""}

Make = Callable[..., Place]


@pytest.fixture(
    params=[
        "local",
        pytest.param("s3", marks=pytest.mark.store("s3")),
        pytest.param("azure", marks=pytest.mark.store("azure_blob")),
    ]
)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes a store of a kind, with options."""
    if request.param == "local":
        return lambda **options: local_place(tmp_path / "place", **options)
    kinds: Mapping[str, tuple[str, Callable[..., Place]]] = {
        "s3": ("versitygw", s3_place),
        "azure": ("azurite", azure_place),
    }
    name, of_server = kinds[request.param]
    server: Server = request.getfixturevalue(name)
    return lambda **options: of_server(server, **options)


@pytest.fixture
def place(make: Make) -> Place:
    return make()


def lay(place: Place, files: Mapping[str, bytes]) -> None:
    for key, data in files.items():
        place.around.write(key, data)


def mark(place: Place, root: str, indicator: str, **marks: str) -> None:
    """Mark an upload as AzureML does, or as blobfs does where objects carry no metadata."""
    around = place.around
    if isinstance(around, AzureBlobs):
        blob = around.container.get_blob_client(f"{around.prefix}/{indicator}")
        blob.set_blob_metadata(marks)
    elif isinstance(around, S3Objects):
        key = f"{around.prefix}/{indicator}"
        data = around.read(indicator)
        around.client.put_object(Bucket=around.bucket, Key=key, Body=data, Metadata=marks)
    else:
        sidecar = root.replace("LocalUpload/", ".blobfs/azureml/", 1) + ".json"
        around.write(sidecar, json.dumps(marks).encode())


def azureml_upload(  # noqa: PLR0913 - what an upload of AzureML has
    place: Place,
    files: Mapping[str, bytes] = MODEL,
    *,
    hash_: str = HASH,
    root: str = "resnet",
    name: str = "resnet",
    version: str = "3",
    finished: bool = True,
) -> str:
    """Leave what AzureML leaves of a tree, or of a file (`""`), and return the root's key."""
    key = f"LocalUpload/{hash_}/{root}"
    there = {f"{key}/{path}" if path else key: data for path, data in files.items()}
    lay(place, there)
    if finished:
        mark(place, key, min(there), upload_status="completed", name=name, version=version)
    return key


def state(place: Place) -> dict[str, object]:
    """All that a store holds, and what changes when it is written again."""
    around = place.around
    if isinstance(around, Directory):
        files = [path for path in around.root.rglob("*") if path.is_file()]
        return {str(p): (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_ino) for p in files}
    if isinstance(around, AzureBlobs):
        blobs = around.container.list_blobs(f"{around.prefix}/")
        return {blob.name: (blob.etag, blob.last_modified) for blob in blobs}
    assert isinstance(around, S3Objects)
    listing = around.client.list_objects_v2(Bucket=around.bucket, Prefix=around.prefix + "/")
    return {o["Key"]: (o["ETag"], o["LastModified"]) for o in listing.get("Contents", ())}


def one(found: list[Adopted]) -> Adopted:
    (only,) = found
    return only


def states(found: list[Adopted]) -> dict[str, str]:
    return {item.path.rpartition("/")[2]: item.state for item in found}


# ---- uploads of AzureML --------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["hashed", "azureml"])
def test_an_upload_of_azureml_becomes_an_artifact_where_it_lies(
    make: Make, layout: str, tmp_path: Path
) -> None:
    place = make(layout=layout)
    key = azureml_upload(place)
    before = place.around.snapshot()
    store = place.open()
    adopted = one(blobfs.adopt(store=store))
    handle = store.location.handle(key)
    assert (adopted.state, adopted.kind, adopted.path) == ("adopted", "tree", handle)
    assert (adopted.name, adopted.version, adopted.problem) == ("resnet", "3", None)
    assert (adopted.files, adopted.size) == (3, 11)
    digest = adopted.digest
    assert digest == blobfs.upload(write_tree(tmp_path / "same", MODEL), store="local").digest
    after = place.around.snapshot()
    assert {path: data for path, data in after.items() if path in before} == before
    assert all(path.startswith((".blobfs/", "LocalUpload/")) for path in after)
    for ref in ("resnet:3", "resnet", str(digest), handle):
        assert blobfs.verify(ref, store=store, deep=True).ok
        target = blobfs.download(ref, tmp_path / f"got-{len(ref)}", store=store)
        assert content(target) == {path: (data, False) for path, data in MODEL.items()}
    found = blobfs.find(f"{handle}/sub/b.bin", store=store)
    assert found.header is not None
    assert found.entries[0].digest == sha256(b"second")
    assert blobfs.native_url("resnet:3/a.bin", store=store).endswith(f"{key}/a.bin")


def test_bytes_that_change_afterwards_are_refused_by_name_and_by_handle(
    place: Place, tmp_path: Path
) -> None:
    key = azureml_upload(place)
    store = place.open()
    blobfs.adopt(store=store)
    place.around.write(f"{key}/a.bin", b"FIRST")
    for ref in ("resnet:3", store.location.handle(key)):
        with pytest.raises(IntegrityError):
            blobfs.download(ref, tmp_path / "out", store=store)
    assert not blobfs.verify("resnet:3", store=store, deep=True).ok


def test_a_named_store_serves_what_was_adopted_by_commands_and_urls(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make()
    key = azureml_upload(place)
    lay(place, {"flat.zip": b"flat"})
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"stores": {"team": dict(place.config)}}))
    monkeypatch.setenv("BLOBFS_CONFIG", str(config))
    blobfs.adopt(store="team")
    filesystem = fsspec.filesystem("blobfs", skip_instance_cache=True)
    assert filesystem.cat("blobfs://team/resnet:3/sub/b.bin") == b"second"
    assert filesystem.cat("blobfs://team/flat.zip:1") == b"flat"
    assert filesystem.info("blobfs://team/resnet:3/a.bin")["digest"] == sha256(b"first")
    assert min(filesystem.ls("blobfs://team/resnet:3", detail=False)).endswith("a.bin")
    uri = f"azureml://datastores/team/paths/{key}"
    assert one(blobfs.plan_adopt(uri)).state == "known"
    assert one(blobfs.plan_adopt(f"blobfs://team/{key}/")).state == "known"
    if not isinstance(place.around, Directory):
        return
    shown = document("show", "resnet:3", "--store", "team")
    assert shown["path"].endswith(key)
    assert [one["name"] for one in document("ls", "resnet:3", "--store", "team")["entries"]]
    assert ok("cat", "flat.zip:1", "--store", "team") == "flat"
    assert document("verify", "--deep", "--store", "team")["ok"]


def test_what_azureml_did_not_finish_is_left_alone_and_told(place: Place) -> None:
    key = azureml_upload(place, finished=False)
    before = state(place)
    store = place.open()
    for found in (blobfs.plan_adopt(store=store), blobfs.adopt(key, store=store)):
        adopted = one(found)
        assert (adopted.state, adopted.digest, adopted.files) == ("unfinished", None, 3)
        assert adopted.problem is not None
        assert "did not end" in adopted.problem
        assert adopted.error is None
    assert state(place) == before
    if not isinstance(place.around, Directory):  # a mark in other letters is none to AzureML
        mark(place, key, f"{key}/a.bin", upload_status="Completed", name="x", version="1")
        assert one(blobfs.adopt(store=store)).state == "unfinished"
        mark(place, key, f"{key}/sub/b.bin", upload_status="completed", name="x", version="1")
        assert one(blobfs.adopt(store=store)).name == "x"


@pytest.mark.parametrize(
    ("name", "version", "asset"),
    [
        ("resnet", "None", ("resnet", "1")),
        ("resnet", "2024.1", ("resnet", "2024.1")),
        ("0a1b2c3d-0000-4000-8000-000000000000", "0a1b2c3d-0000-4000-8000-000000000001", None),
        ("resnet", "0a1b2c3d-0000-4000-8000-000000000000", ("resnet", "1")),
        ("no name", "1", None),
        ("../up", "1", None),
        ("sha256", "1", None),
        ("resnet", "latest", None),
    ],
)
def test_what_azureml_registered_becomes_an_asset_if_it_can(
    tmp_path: Path, name: str, version: str, asset: tuple[str, str] | None
) -> None:
    place = local_place(tmp_path)
    azureml_upload(place, name=name, version=version)
    adopted = one(blobfs.adopt(store=place.open()))
    assert adopted.state == "adopted"
    assert (adopted.name, adopted.version) == (asset or (None, None))
    assert [(a.name, a.version) for a in blobfs.assets(place.open())] == ([asset] * bool(asset))


def test_a_prefix_restricts_it_to_one_directory_or_one_upload(place: Place) -> None:
    azureml_upload(place, {"": b"one"}, root="one.bin", name="one")
    azureml_upload(place, {"x": b"two"}, root="one.bin2", name="two")
    azureml_upload(place, {"": b"three"}, hash_="a" * 64, root="three", name="three")
    lay(place, {"flat.zip": b"flat", "LocalUpload/short/file": b"else"})
    store = place.open()

    def paths(prefix: str | None) -> set[str]:
        return set(states(blobfs.plan_adopt(prefix, store=store)))

    assert paths(None) == {"flat.zip", "one.bin", "one.bin2", "three"}
    assert paths("LocalUpload/") == {"one.bin", "one.bin2", "three"}
    assert paths(f"LocalUpload/{HASH}") == {"one.bin", "one.bin2"}
    assert paths(f"LocalUpload/{HASH}/one.bin") == {"one.bin"}
    assert paths(store.location.handle(f"LocalUpload/{HASH}/one.bin2")) == {"one.bin2"}
    assert paths("LocalUpload/short") == {"short"}
    with pytest.raises(ConfigError, match="part of an upload"):
        blobfs.plan_adopt(f"LocalUpload/{HASH}/one.bin2/x", store=store)
    with pytest.raises(ArtifactNotFoundError):
        blobfs.plan_adopt(f"LocalUpload/{HASH}/one", store=store)
    with pytest.raises(ArtifactNotFoundError):
        blobfs.plan_adopt(f"LocalUpload/{'b' * 64}", store=store)


def test_artifacts_of_blobfs_itself_are_left_alone(place: Place, tree: Path) -> None:
    artifact = blobfs.upload(tree, name="mine", store=place.open())
    before = state(place)
    assert blobfs.adopt(store=place.open()) == []
    assert state(place) == before
    with pytest.raises(ConfigError, match="already"):
        blobfs.adopt(artifact.path, store=place.open())


def test_what_blobfs_put_where_azureml_does_is_known_and_not_read(
    make: Make, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make(layout="azureml")
    artifact = blobfs.upload(tree, store=place.open(), name="n", version="1")
    before = state(place)
    with monkeypatch.context() as patch:
        patch.setattr("blobfs.artifact.adopt._digest", None)
        found = one(blobfs.adopt(store=place.open()))
    assert (found.state, found.digest, found.name) == ("known", artifact.digest, "n")
    assert len(state(place)) <= len(before) + 1  # a note, and nothing else
    place.around.write(f"LocalUpload/{object_hash(tree)}/tree/sub/b.txt", b"longer than it was")
    found = one(blobfs.adopt(store=place.open()))
    assert (found.state, type(found.error)) == ("failed", IntegrityError)
    report = blobfs.verify("n:1", store=place.open(), deep=True)
    assert [problem.path for problem in report.problems] == ["sub/b.txt"]


def test_an_adopted_upload_is_a_hit_in_azuremls_layout(make: Make, tmp_path: Path) -> None:
    place = make(layout="azureml")
    source = write_tree(tmp_path / "resnet", MODEL)
    names = upload_list(source)
    files = {remote.partition("/")[2]: Path(local).read_bytes() for remote, local in names}
    azureml_upload(place, files, hash_=object_hash(source))
    adopted = one(blobfs.adopt(store=place.open()))
    before = state(place)
    again = blobfs.upload(source, store=place.open())
    assert (again.reused, again.sent_files, again.digest) == (True, 0, adopted.digest)
    assert (again.name, again.version) == ("resnet", "3")
    assert state(place) == before


def test_a_part_of_an_upload_gets_a_name_by_its_url(make: Make) -> None:
    for layout in ("hashed", "azureml"):
        place = make(layout=layout)
        key = azureml_upload(place)
        store = place.open()
        blobfs.adopt(store=store)
        handle = store.location.handle(f"{key}/sub")
        url = f"file://{handle}" if handle.startswith("/") else handle
        assert blobfs.upload(url, name=layout, store=store).path == handle
        assert blobfs.verify(layout, store=store, deep=True).ok
        assert blobfs.verify("resnet:3", store=store, deep=True).ok


# ---- flat files and any prefix -------------------------------------------------------------


@pytest.mark.parametrize("layout", ["azureml", "flat"])
def test_flat_files_become_artifacts_and_directories_do_not(
    make: Make, layout: str, tmp_path: Path
) -> None:
    place = make(layout=layout)
    lay(place, {"w.zip": b"one", "other name": b"two", "run/x": b"three"})
    store = place.open()
    found = blobfs.adopt(store=store)
    assert states(found) == {"w.zip": "adopted", "other name": "adopted"}
    assert {(a.name, a.version) for a in found} == {("w.zip", "1"), (None, None)}
    target = blobfs.download("w.zip:1", tmp_path / "got", store=store)
    assert target.read_bytes() == b"one"
    assert blobfs.verify("w.zip", store=store, deep=True).ok
    assert blobfs.native_url("w.zip", store=store).endswith("/w.zip")
    path = place.manager().download(store.location.handle("w.zip"), tmp_path / "by-handle")
    assert Path(path).read_bytes() == b"one"


def test_any_directory_is_a_tree_and_ends_at_a_slash(place: Place, tmp_path: Path) -> None:
    lay(place, {"out/run/a": b"1", "out/run/b/c": b"22", "out/run2/a": b"3", "out/runner": b""})
    store = place.open()
    adopted = one(blobfs.adopt("out/run/", store=store))
    assert (adopted.kind, adopted.files, adopted.size) == ("tree", 2, 3)
    assert (adopted.name, adopted.version) == ("run", "1")
    got = blobfs.download("run:1", tmp_path / "got", store=store)
    assert content(got) == {"a": (b"1", False), "b/c": (b"22", False)}
    single = one(blobfs.adopt("out/run2/a", store=store, name="single", version="v7"))
    assert (single.kind, single.name, single.version) == ("file", "single", "v7")
    with pytest.raises(ArtifactNotFoundError):
        blobfs.adopt("out/ru", store=store)


def test_the_same_content_in_two_places_is_one_artifact_and_follows_when_moved(
    place: Place,
) -> None:
    lay(place, {"a/x": b"same", "b/x": b"same"})
    store = place.open()
    first = one(blobfs.adopt("a", store=store))
    second = one(blobfs.adopt("b", store=store))
    assert first.digest == second.digest
    assert (second.name, second.state) == ("b", "adopted")
    assert len(list(blobfs.artifacts(store))) == 1
    place.around.delete("a/x")
    assert not blobfs.verify("a:1", store=store).ok
    lay(place, {"c/x": b"same"})
    assert one(blobfs.adopt("c", store=store)).digest == first.digest
    assert blobfs.verify("a:1", store=store, deep=True).ok


def test_what_was_written_anew_is_the_next_version(place: Place) -> None:
    lay(place, {"w.zip": b"one"})
    store = place.open()
    blobfs.adopt(store=store)
    lay(place, {"w.zip": b"other"})
    again = one(blobfs.adopt(store=store))
    assert (again.state, again.name, again.version) == ("adopted", "w.zip", "2")
    assert blobfs.verify("w.zip:2", store=store, deep=True).ok
    assert not blobfs.verify("w.zip:1", store=store).ok


def test_upload_with_check_puts_back_elsewhere_what_others_wrote_over(
    place: Place, tmp_path: Path
) -> None:
    lay(place, {"w.zip": b"one"})
    store = place.open()
    adopted = one(blobfs.adopt(store=store))
    lay(place, {"w.zip": b"theirs"})
    source = write_tree(tmp_path, {"w.zip": b"one"}) / "w.zip"
    again = blobfs.upload(source, store=store, check=True)
    assert (again.digest, again.sent_files) == (adopted.digest, 1)
    assert blobfs.verify("w.zip:1", store=store, deep=True).ok
    assert place.read("w.zip") == b"theirs"


@pytest.mark.parametrize("transport", ["auto", "fsspec"])
def test_markers_of_directories_are_no_files(moto: Server, transport: str) -> None:
    place = s3_place(moto, transport=transport)
    lay(place, {"run/": b"", "run/full/": b"", "run/full/x": b"1"})
    empty = {"run/empty/": b""} if transport == "fsspec" else {}  # obstore tells it as a file
    lay(place, empty)
    adopted = one(blobfs.adopt("run", store=place.open()))
    assert (adopted.state, adopted.files) == ("adopted", 1)
    paths = [entry.path for entry in blobfs.find("run:1", store=place.open()).entries]
    assert paths == [*(["empty/"] if empty else []), "full/x"]
    assert blobfs.verify("run", store=place.open(), deep=True).ok


# ---- what goes wrong -----------------------------------------------------------------------


def test_names_that_cannot_be_kept_are_refused_and_stop_nothing_else(moto: Server) -> None:
    place = s3_place(moto, transport="fsspec")
    lay(place, {"bad/x//y": b"2", "bad/z": b"3", "bad/" + "n" * 300: b""})
    lay(place, {"both/f": b"1", "both/f/x": b"2", "good.zip": b"4"})
    azureml_upload(place, {"x//y": b"x", "ok": b"y"}, root="m", name="m")
    store = place.open()
    bad = one(blobfs.adopt("bad", store=store))
    assert bad.state == "failed"
    assert isinstance(bad.error, UnsafeNameError)
    assert "more than 255 bytes" in str(bad.problem)
    assert "'x//y' has the part ''" in str(bad.problem)
    assert "'z'" not in str(bad.problem)
    assert "at once" in str(one(blobfs.adopt("both", store=store)).problem)
    found = blobfs.adopt(store=store)
    assert states(found) == {"m": "failed", "good.zip": "adopted"}
    assert all(blobfs.verify(h.digest, store=store).ok for h in blobfs.artifacts(store))


def test_names_that_could_steer_a_terminal_are_adopted_and_shown_safely() -> None:
    odd = "l\nine\x1b[2J\\%41 "
    write_tree(store_root(), {odd: b"odd", f"run/{odd}/{odd}": b"deep"})
    assert "\x1b" not in ok("adopt")
    assert one(blobfs.adopt("run", store="local")).state == "adopted"
    (flat,) = document("adopt", "--dry-run")["artifacts"]
    assert (flat["path"], flat["state"]) == (str(store_root() / odd), "known")
    assert [e.path for e in blobfs.find("run", store="local").entries] == [f"{odd}/{odd}"]
    for header in blobfs.artifacts("local"):
        assert blobfs.verify(header.digest, store="local", deep=True).ok
    (store_root() / os.fsdecode(b"\xff.bin")).write_bytes(b"x")
    refused = run("adopt")
    assert refused.returncode == 1
    assert "is not UTF-8" in refused.stderr


@pytest.mark.parametrize(
    "prefix",
    ["", "a/../b", "../x", "./a", "a//b", ".blobfs", ".blobfs/assets", "blobfs://local/n:1"],
)
def test_places_that_cannot_be_adopted_are_refused(prefix: str) -> None:
    with pytest.raises(ConfigError):
        blobfs.adopt(prefix, store="local")


def test_handles_outside_the_root_are_refused(place: Place) -> None:
    store = place.open()
    for handle in (f"{store.location.url}2/x", f"{store.location.url}/../x"):
        with pytest.raises(UnsafeNameError):
            blobfs.adopt(handle, store=store)


def test_a_name_is_for_one_artifact(place: Place) -> None:
    lay(place, {"a.zip": b"a", "no name": b"b"})
    store = place.open()
    before = state(place)
    for name, version in (("n", None), (None, "1")):
        with pytest.raises(ConfigError, match="one artifact"):
            blobfs.adopt(store=store, name=name, version=version)
    with pytest.raises(ConfigError, match="cannot be used"):
        blobfs.adopt("a.zip", name="no/name", store=store)
    assert isinstance(one(blobfs.adopt("no name", version="1", store=store)).error, ConfigError)
    assert state(place) == before


def test_a_name_that_is_taken_leaves_the_artifact_without_one(place: Place, tree: Path) -> None:
    store = place.open()
    blobfs.upload(tree, name="resnet", version="3", store=store)
    azureml_upload(place)
    lay(place, {"flat.zip": b"flat"})
    found = blobfs.adopt(store=store)
    assert states(found) == {"resnet": "adopted", "flat.zip": "adopted"}
    taken = next(item for item in found if item.kind == "tree")
    assert isinstance(taken.error, ArtifactConflictError)
    assert taken.digest is not None
    assert (taken.name, taken.version) == (None, None)
    assert "resnet:3 is sha256:" in str(taken.problem)
    assert blobfs.verify(taken.digest, store=store, deep=True).ok
    before = state(place)
    again = next(item for item in blobfs.adopt(store=store) if item.kind == "tree")
    assert (again.state, again.digest) == ("known", taken.digest)
    assert isinstance(again.error, ArtifactConflictError)
    assert state(place) == before
    named = one(blobfs.adopt(taken.path, store=store, name="resnet", version="4"))
    assert (named.state, named.name, named.version) == ("known", "resnet", "4")
    assert blobfs.verify("resnet:4", store=store).ok


@pytest.mark.parametrize("change", ["rewritten", "gone", "added"])
def test_what_changes_while_it_is_read_is_not_adopted(
    place: Place, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(place, {"run/a": b"1" * 1000, "run/b": b"2" * 10, "run2/x": b"3"})

    def changing(*given: Any) -> str:  # noqa: ANN401 - what it stands before
        if given[1].endswith("/b"):
            if change == "rewritten":
                time.sleep(0.02)
                lay(place, {"run/a": b"9" * 1000})
            elif change == "gone":
                place.around.delete("run/a")
            else:
                lay(place, {"run/c": b""})
        return digest(*given)

    digest = engine._digest  # noqa: SLF001 - where another program comes in between
    monkeypatch.setattr(engine, "_digest", changing)
    store = place.open()
    adopted = one(blobfs.adopt("run", store=store, jobs=1))
    assert (adopted.state, adopted.digest) == ("failed", None)
    assert isinstance(adopted.error, SourceChangedError)
    assert "changed while it was read" in str(adopted.problem)
    assert not list(blobfs.artifacts(store))
    monkeypatch.undo()
    assert one(blobfs.adopt("run", store=place.open(), name="run")).state == "adopted"


def test_a_file_that_another_process_keeps_writing_is_not_adopted(tmp_path: Path) -> None:
    place = local_place(tmp_path)
    lay(place, {"w.bin": random.Random(1).randbytes(30 << 20), "x.bin": b"x"})
    path, done = tmp_path / "store" / "w.bin", Event()

    def write() -> None:
        with path.open("r+b") as file:
            while not done.is_set():
                file.seek(5)
                file.write(b"!")
                file.flush()
                time.sleep(0.001)

    writer = Thread(target=write)
    writer.start()
    try:
        found = blobfs.adopt(store=place.open())
    finally:
        done.set()
        writer.join()
    assert states(found) == {"w.bin": "failed", "x.bin": "adopted"}


def test_an_upload_that_was_changed_since_it_was_adopted_is_told(place: Place) -> None:
    key = azureml_upload(place)
    store = place.open()
    blobfs.adopt(store=store)
    lay(place, {f"{key}/sub/b.bin": b"longer than it was"})
    changed = one(blobfs.adopt(store=store))
    assert changed.state == "failed"
    assert isinstance(changed.error, IntegrityError)


# ---- again, and after an interruption ------------------------------------------------------


@pytest.mark.parametrize("layout", ["hashed", "azureml"])
def test_a_plan_writes_nothing_and_a_second_run_neither(make: Make, layout: str) -> None:
    place = make(layout=layout)
    azureml_upload(place)
    azureml_upload(place, {"": b"file"}, hash_="b" * 64, root="m.bin", name="m", version="None")
    azureml_upload(place, {"x": b"x"}, hash_="c" * 64, root="n", finished=False)
    lay(place, {"flat.zip": b"flat", "no name": b"z", "runs/1/x": b"y"})
    before = state(place)
    plan = blobfs.plan_adopt(store=place.open())
    assert state(place) == before
    assert {(a.path, a.name, a.digest) for a in plan if a.name} == {
        (a.path, a.name, None) for a in plan if a.name
    }
    first = blobfs.adopt(store=place.open())
    assert states(first) == states(plan)
    one(blobfs.adopt("runs/1", store=place.open(), name="run"))
    after = state(place)
    again = blobfs.adopt(store=place.open())
    assert set(states(again).values()) == {"known", "unfinished"}
    assert [(a.path, a.digest, a.name, a.version) for a in again] == [
        (a.path, a.digest, a.name, a.version) for a in first
    ]
    assert one(blobfs.adopt("runs/1", store=place.open(), name="run")).state == "known"
    assert blobfs.plan_adopt(store=place.open()) == again
    assert state(place) == after


def test_a_later_run_reads_what_changed_and_nothing_else(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(place, {"a.zip": b"a", "b.zip": b"b"})
    blobfs.adopt(store=place.open())
    read, digest = [], engine._digest  # noqa: SLF001 - every read passes by there

    def noting(*given: Any) -> str:  # noqa: ANN401 - what it stands before
        read.append(given[1])
        return digest(*given)

    monkeypatch.setattr(engine, "_digest", noting)
    lay(place, {"b.zip": b"other", "c.zip": b"c"})
    assert states(blobfs.adopt(store=place.open())) == {
        "a.zip": "known",
        "b.zip": "adopted",
        "c.zip": "adopted",
    }
    assert sorted(read) == ["b.zip", "c.zip"]


def test_notes_that_cannot_be_used_cost_a_read_and_nothing_else(place: Place) -> None:
    lay(place, {"a.zip": b"a"})
    first = one(blobfs.adopt(store=place.open()))
    (key,) = place.keys(".blobfs/adopted/")
    note = json.loads(place.read(key))
    assert (note["at"], note["digest"], note["schema"]) == ("a.zip", first.digest, 1)
    for spoiled in (b"", b"{", b"[]", b"null", b"\xff", b'{"schema":2}', b'{"at":"b.zip"}'):
        place.around.write(key, spoiled)
        again = one(blobfs.adopt(store=place.open()))
        assert (again.state, again.digest) == ("adopted", first.digest)
        assert (again.name, again.version) == ("a.zip", "1")
        assert json.loads(place.read(key)) == note


def test_a_killed_run_leaves_nothing_half_done_and_the_next_one_goes_on() -> None:
    files = {f"{n}.bin": str(n).encode() for n in range(100)}
    write_tree(store_root(), files)
    notes = store_root() / ".blobfs" / "adopted"
    killed = subprocess.Popen([sys.executable, "-m", "blobfs", "adopt", "-q"])
    deadline = time.monotonic() + 20
    while not notes.is_dir() or len(os.listdir(notes)) < 5:
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    store = blobfs.open_store("local")
    done = list(blobfs.artifacts(store))
    assert 5 <= len(done) < len(files)
    assert all(blobfs.verify(h.digest, store=store, deep=True).ok for h in done)
    found = document("adopt")["artifacts"]
    counts = {s: sum(one["state"] == s for one in found) for s in ("known", "adopted")}
    assert counts["known"] >= 5
    assert sum(counts.values()) == len(files)
    assert {(a.name, a.version) for a in blobfs.assets(store)} == {(n, "1") for n in files}
    assert not list((store_root() / ".blobfs" / "stage").iterdir())


# ---- the command ---------------------------------------------------------------------------


FIELDS = ["path", "state", "kind", "digest", "files", "size", "name", "version", "problem"]


def test_the_command_prints_a_table_or_a_document() -> None:
    write_tree(store_root(), {"w.zip": "abc", "run/x": "1"})
    planned = document("adopt", "--dry-run")
    assert list(planned) == ["dry_run", "store", "artifacts"]
    assert (planned["dry_run"], planned["store"]) == (True, "local")
    assert [list(item) for item in planned["artifacts"]] == [FIELDS]
    row = ok("adopt").rstrip("\n").split("\t")
    path = str(store_root() / "w.zip")
    digest = next(iter(blobfs.artifacts("local"))).digest
    assert row == ["adopted", "w.zip:1", digest, "1", "3 B", path]
    assert document("adopt")["artifacts"][0]["state"] == "known"
    assert ok("adopt", "run", "-q") == ""
    assert ok("cat", "run:1/x") == "1"


def test_a_single_argument_is_a_store_if_it_is_called_like_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = local_place(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"stores": {"team": dict(team.config)}}))
    monkeypatch.setenv("BLOBFS_CONFIG", str(config))
    write_tree(store_root(), {"team/x": "in local", "flat": "in local"})
    lay(team, {"flat": b"in team", "team/x": b"in team", "local": b"in team"})

    def planned(*arguments: str) -> list[str]:
        found = document("adopt", "--dry-run", *arguments)
        names = [item["path"].rpartition("store/")[2] for item in found["artifacts"]]
        return [found["store"], *names]

    assert planned() == ["local", "flat"]
    assert planned("team") == ["team", "flat", "local"]
    assert planned("team", "team") == ["team", "team"]
    assert planned("team", "--store", "local") == ["local", "team"]
    assert planned("flat") == ["local", "flat"]
    assert planned("blobfs://team/flat") == ["team", "flat"]
    assert planned("team", str(tmp_path / "store" / "flat")) == ["team", "flat"]
    assert run("adopt", "team", "flat", "--store", "local").returncode == 2


def test_the_exit_status_is_that_of_the_worst_failure() -> None:
    empty = run("adopt")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "nothing to adopt" in empty.stderr
    assert run("adopt", "nowhere").returncode == 3
    assert run("adopt", ".blobfs").returncode == 2
    assert run("adopt", "--name", "x").returncode == 2
    place = Place({}, Directory(store_root()))
    azureml_upload(place, finished=False)
    left = run("adopt")
    assert (left.returncode, left.stdout.split("\t")[0]) == (0, "unfinished")
    assert "did not end" in left.stderr
    azureml_upload(place, {"": b"x"}, hash_="a" * 64, root="x", name="same", version="1")
    azureml_upload(place, {"": b"y"}, hash_="b" * 64, root="y", name="same", version="1")
    conflict = run("adopt")
    assert conflict.returncode == 4
    assert "same:1" in conflict.stderr
    assert "Traceback" not in conflict.stderr
    found = document("adopt", status=4)["artifacts"]
    assert [item["state"] for item in found] == ["unfinished", "known", "known"]
    assert found[2]["problem"]
