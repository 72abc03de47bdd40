"""`layout: azureml` on a local store: golden trees, the hash cache, a source that changes."""

import json
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

import blobfs
from blobfs import (
    ArtifactConflictError,
    BlobfsError,
    ConfigError,
    IntegrityError,
    SourceChangedError,
    UnsafeNameError,
)
from blobfs.artifact.azureml import AzureMLWork
from blobfs.compat.azureml import object_hash, upload_list
from blobfs.hashcache import HashCache, rows
from blobfs.source import AzureMLSource
from tests.places import content, write_tree
from tests.test_azureml_golden import GOLDEN, build


def open_store(root: Path, **options: object) -> blobfs.Store:
    config = {"root_directory": str(root), "layout": "azureml", **options}
    return blobfs.open_store({"blob_manager_class": "local", "blob_manager_config": config})


@pytest.fixture
def store(tmp_path: Path) -> blobfs.Store:
    return open_store(tmp_path / "store")


@pytest.mark.parametrize("case", GOLDEN["cases"])
def test_a_golden_tree_lies_where_azureml_puts_it(case: str, tmp_path: Path) -> None:
    told = GOLDEN["cases"][case]
    build(tmp_path / "in", told["entries"])
    source, expected = tmp_path / "in" / told["source"], told["expected"]
    store = blobfs.open_store(
        {
            "blob_manager_class": "fsspec",
            "blob_manager_config": {"url": f"memory://{case}", "layout": "azureml"},
        }
    )
    if "upload" not in expected or expected["object_hash"] is None:
        with pytest.raises(BlobfsError):
            blobfs.upload(source, store=store)
        return
    if any("\\" in name for name, *_ in expected["upload"]):
        with pytest.raises(UnsafeNameError, match="would not stay"):
            blobfs.upload(source, store=store)
        return
    artifact = blobfs.upload(source, store=store, name="n", version="1", hash_cache=False)
    filesystem, below = fsspec.filesystem("memory"), f"/{case}/LocalUpload"
    stored = {name.removeprefix(f"{below}/") for name in filesystem.find(below)}
    assert stored == {f"{expected['object_hash']}/{name}" for name, *_ in expected["upload"]}
    for name, local in upload_list(source):
        data = filesystem.cat_file(f"{below}/{expected['object_hash']}/{name}")
        assert data == Path(local).read_bytes()
    assert blobfs.upload(source, store=store, name="n", version="1").reused
    assert blobfs.verify(artifact.digest, store=store, deep=True).ok


def source_of(path: Path, cache: HashCache | None = None) -> AzureMLSource:
    source = AzureMLSource(path)
    if cache is None or source.known(cache) is None:
        source.entries({}, cache=None, take=None, advance=lambda _: None)
    return source


@pytest.mark.parametrize("case", ["ignore_dir_noslash_negated_child_v1", "symlink_dir_in_name"])
def test_what_the_hash_does_not_cover_is_known(case: str, tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / case, {".amlignore": "build\n!build/k", "build/k": "", "a": ""}
    )
    assert source_of(tree).uncovered == ["build/k"]
    assert source_of(tree).object_hash == object_hash(tree)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the hash cache take a file for settled as soon as it is written."""
    monkeypatch.setattr(rows, "_RACY_NS", 0)


CHANGES: dict[str, Any] = {
    "a file's bytes": lambda tree: (tree / "a").write_text("A"),
    "a name": lambda tree: (tree / "a").rename(tree / "c"),
    "an empty directory": lambda tree: (tree / "hollow").rename(tree / "hollow2"),
    "an empty directory more": lambda tree: (tree / "d" / "e").mkdir(),
    "a rule": lambda tree: (tree / ".amlignore").write_text("nothing\n"),
    "a broken link that is ignored": lambda tree: (tree / "x.log").symlink_to("nowhere"),
}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", CHANGES)
def test_an_unchanged_source_is_not_read_again_and_a_changed_one_is(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = write_tree(tmp_path / "tree", {".amlignore": "*.log\n", "a": "a", "d/b": "b"})
    (tree / "hollow").mkdir()
    time.sleep(0.02)
    with HashCache(tmp_path / "cache") as cache:
        first = source_of(tree)
        first.remember(cache, "sha256:" + "0" * 64)
        with monkeypatch.context() as patch:
            patch.setattr(AzureMLSource, "entries", None)
            again = source_of(tree, cache)
        assert again.object_hash == first.object_hash
        CHANGES[change](tree)
        assert source_of(tree, cache).object_hash == object_hash(tree)


@pytest.mark.usefixtures("settled")
def test_an_upload_that_the_cache_knows_reads_nothing(
    store: blobfs.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = write_tree(tmp_path / "tree", {"a": "a", "d/b": "b"})
    time.sleep(0.02)
    first = [blobfs.upload(path, store=store, name="n") for path in (tree, tree / "a")]
    monkeypatch.setattr(AzureMLSource, "entries", None)
    again = [blobfs.upload(path, store=store) for path in (tree, tree / "a")]
    assert [one.digest for one in again] == [one.digest for one in first]
    assert all(one.reused for one in again)


def test_a_source_that_changes_is_never_stored_under_the_hash_of_another(
    store: blobfs.Store, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree", {f"{n}": b"x" * 70_000 for n in range(40)})
    ended = threading.Event()

    def change() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            (tree / f"{number % 40}").write_bytes(b"%d" % number * 10_000)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(8):
            try:
                blobfs.upload(tree, store=store, hash_cache=False)
            except (SourceChangedError, ArtifactConflictError):
                continue
    finally:
        ended.set()
        thread.join()
    for header in blobfs.artifacts(store):
        assert blobfs.verify(header.digest, store=store, deep=True).ok
        where = blobfs.download(header.digest, tmp_path / "out" / "tree", store=store)
        assert header.at == f"LocalUpload/{object_hash(where)}/tree"


def test_marks_and_pointers_that_are_none_are_errors(
    store: blobfs.Store, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree", {"a": "a"})
    artifact = blobfs.upload(tree, store=store)
    marks = next((tmp_path / "store" / ".blobfs" / "azureml").glob("*/tree.json"))
    pointer = next((tmp_path / "store" / ".blobfs" / "digests").iterdir())
    good = pointer.read_bytes()
    for bad in (b"", b"[]", b'{"manifest":"../x","schema":1}', b"[" * 10_000, b'{"schema":2}'):
        replace(pointer, bad)
        with pytest.raises(IntegrityError):
            blobfs.download(artifact.digest, tmp_path / "out", store=store)
    replace(pointer, good)
    for bad in (b"", b"[]", b'{"upload_status":1}', b"[" * 10_000):
        replace(marks, bad)
        with pytest.raises(IntegrityError):
            blobfs.upload(tree, store=store)


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def test_two_roots_of_one_hash_are_two_artifacts(store: blobfs.Store, tmp_path: Path) -> None:
    one = write_tree(tmp_path / "one", {"a": "a"})
    two = write_tree(tmp_path / "two", {"a": "a"})
    first, second = (blobfs.upload(tree, store=store) for tree in (one, two))
    assert first.digest == second.digest
    assert (first.path, second.reused) != (second.path, True)
    for artifact in (first, second):
        where = blobfs.download(artifact.path, tmp_path / f"{artifact.reused}", store=store)
        assert content(where) == content(one)


def test_a_part_and_a_reference_become_assets(store: blobfs.Store, tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"a": "a", "d/b": "b"})
    blobfs.upload(tree, store=store, name="n", version="1")
    place = f"LocalUpload/{object_hash(tree)}/tree"
    uri = f"azureml://datastores/any/paths/{place}"
    whole = blobfs.upload(uri, store=store, name="whole", version="1")
    part = blobfs.upload(f"{uri}/d", store=store, name="part", version="1")
    outside = write_tree(tmp_path / "outside", {"x": "x"})
    refers = blobfs.upload(outside.as_uri(), store=store, name="refers", version="1")
    assert (whole.kind, whole.reused, part.kind, refers.kind) == (
        *("tree", True),
        *("tree", "reference"),
    )
    for name, expected in (("whole", tree), ("part", tree / "d"), ("refers", outside)):
        where = blobfs.download(f"{name}:1", tmp_path / "out" / name, store=store)
        assert content(where) == content(expected)
        assert blobfs.verify(f"{name}:1", store=store, deep=True).ok
    digests = {header.digest for header in blobfs.artifacts(store)}
    assert digests == {whole.digest, part.digest, refers.digest}


def test_what_is_elsewhere_is_not_copied(store: blobfs.Store, tmp_path: Path) -> None:
    outside = write_tree(tmp_path / "outside", {"x": "x"})
    with pytest.raises(ConfigError, match="takes local files"):
        blobfs.upload(outside.as_uri(), store=store, copy=True)


def test_a_plan_says_what_would_be_done_and_writes_nothing(
    store: blobfs.Store, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree", {"a": "a", "d/b": "b"})
    plan = blobfs.plan_upload(tree, store=store)
    assert (plan.reused, len(plan.send), plan.send_bytes) == (False, 2, 2)
    assert not (tmp_path / "store").exists()
    artifact = blobfs.upload(tree, store=store)
    plan = blobfs.plan_upload(tree, store=store)
    assert (plan.reused, plan.send, plan.path) == (True, (), artifact.path)


def test_a_name_that_was_taken_away_does_not_come_back(
    store: blobfs.Store, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree", {"a": "a"})
    blobfs.upload(tree, store=store, name="n", version="1")
    assert blobfs.upload(tree, store=store).name == "n"
    blobfs.remove("n:1", store=store)
    assert blobfs.upload(tree, store=store).name is None


def test_a_claim_of_other_content_is_told(store: blobfs.Store, tmp_path: Path) -> None:
    rules = "build\n!build/k\n"
    trees = [
        write_tree(tmp_path / n / "p", {".amlignore": rules, "build/k": n}) for n in ("1", "2")
    ]
    blobfs.upload(trees[0], store=store)
    below = tmp_path / "store" / ".blobfs" / "azureml" / object_hash(trees[0])
    (below / "p.json").unlink()  # as if the upload had ended just before its mark
    with pytest.raises(ArtifactConflictError, match=r"p\.claim says that .*layout: hashed"):
        blobfs.upload(trees[1], store=store)
    assert blobfs.upload(trees[0], store=store).path
    assert json.loads((below / "p.json").read_text())["upload_status"] == "completed"


def test_names_that_would_not_stay_are_refused_with_all_others(
    store: blobfs.Store, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree", {"a\\b": "", "\x01": "", "fine?": "", "%41 .": ""})
    with pytest.raises(UnsafeNameError) as caught:
        blobfs.upload(tree, store=store)
    assert [name in str(caught.value) for name in ("a\\b", "'\\x01'", "fine", "%41")] == [
        *(True, True),
        *(False, False),
    ]
    for name in ("n" * 250, "n\\n"):
        with pytest.raises(UnsafeNameError, match=name[0]):
            blobfs.upload(write_tree(tmp_path / name, {"a": ""}), store=store)
    assert not (tmp_path / "store").exists()


def test_a_file_that_comes_while_it_is_hashed_is_a_change(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"a": "a", "b": "b"})
    source = AzureMLSource(tree)
    (tree / "c").write_text("c")
    with pytest.raises(SourceChangedError):
        source.entries({}, cache=None, take=None, advance=lambda _: None)


def test_a_path_is_covered_only_if_it_is_hashed_itself(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {".amlignore": "/link\n", "d/f": "f", "e/f": "g"})
    (tree / "link").symlink_to("d")
    assert source_of(tree).uncovered == ["link/f"]


def test_a_source_does_not_differ_from_what_was_uploaded_of_it(
    store: blobfs.Store, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree", {".amlignore": "d/\n", "d/.x": "", "run.sh": ""})
    (tree / "run.sh").chmod(0o755)
    (tree / "hollow").mkdir()
    blobfs.upload(tree, store=store, name="n", version="1")
    assert not blobfs.diff("n:1", str(tree), store=store)
    (tree / "run.sh").write_text("changed")
    assert blobfs.diff(str(tree), "n:1", store=store).changed == ("run.sh",)


RULES = "build\n!build/k\n"
"""With which `build/k` is uploaded, and not hashed."""


def memory(name: str) -> blobfs.Store:
    config = {"url": f"memory://{name}", "layout": "azureml"}
    return blobfs.open_store({"blob_manager_class": "fsspec", "blob_manager_config": config})


def test_what_changes_under_one_hash_while_it_is_sent_is_planned_again(
    store: blobfs.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = write_tree(tmp_path / "p", {".amlignore": RULES, "build/k": "old", "a": "a"})
    put = AzureMLWork._put  # noqa: SLF001 - the moment before anything is sent
    changed: list[bool] = []

    def change(*args: Any) -> None:  # noqa: ANN401 - handed on
        if not changed:
            changed.append(True)
            (tree / "build" / "k").write_text("new")
        put(*args)

    monkeypatch.setattr(AzureMLWork, "_put", change)
    blobfs.upload(tree, store=store, name="n", version="1", hash_cache=False)
    where = blobfs.download("n:1", tmp_path / "out", store=store)
    assert (where / "build" / "k").read_text() == "new"


def test_what_lies_there_with_other_bytes_is_moved_away(
    store: blobfs.Store, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "p", {"a": "222", "b": "b"})
    root = tmp_path / "store" / "LocalUpload" / object_hash(tree) / "p"
    write_tree(root, {"a": "\0\0\0", "b": "b"})
    blobfs.upload(tree, store=store, name="n", version="1")
    assert blobfs.verify("n:1", store=store, deep=True).ok
    (broken,) = (tmp_path / "store" / ".blobfs" / "stage").glob("*-broken")
    assert (broken / "a").read_bytes() == b"\0\0\0"


def test_what_holds_more_than_the_source_is_not_completed(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "p", {".amlignore": RULES, "a": "a"})
    store, before = memory("more"), fsspec.filesystem("memory")
    before.pipe_file(f"/more/LocalUpload/{object_hash(tree)}/p/build/k", b"of another one")
    with pytest.raises(ArtifactConflictError, match=r"build/k is there, and not in the source"):
        blobfs.upload(tree, store=store)
    assert len(before.find("/more")) == 1


def test_what_is_gone_is_sent_again(store: blobfs.Store, tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "p", {"a": "a", "b": "b"})
    blobfs.upload(tree, store=store, name="n", version="1")
    shutil.rmtree(tmp_path / "store" / "LocalUpload")
    assert blobfs.upload(tree, store=store, name="n", version="1").sent_files == 2
    lost = tmp_path / "store" / "LocalUpload" / object_hash(tree) / "p" / "b"
    lost.unlink()
    plan = blobfs.plan_upload(tree, store=store, check=True)
    assert ([entry.path for entry in plan.send], plan.reused) == (["b"], False)
    with pytest.raises(ArtifactConflictError, match="--check"):
        blobfs.upload(tree, store=store)
    assert blobfs.upload(tree, store=store, check=True).sent_files == 1
    assert blobfs.verify("n:1", store=store, deep=True).ok


def test_a_mark_for_a_directory_is_no_file_of_an_upload(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "p", {"d/a": "a"})
    store = memory("marked")
    artifact = blobfs.upload(tree, store=store)
    key = f"/marked/LocalUpload/{object_hash(tree)}/p/d/"
    MemoryFileSystem.store[key] = MemoryFile(MemoryFileSystem(), key, b"")
    assert blobfs.upload(tree, store=store).digest == artifact.digest


def test_a_file_and_a_tree_of_one_hash_are_not_taken_for_each_other(
    store: blobfs.Store, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "1" / "x", {"ab": "c"})
    file = write_tree(tmp_path / "2", {"x": "abc"}) / "x"
    assert object_hash(tree) == object_hash(file)
    blobfs.upload(file, store=store, name="f", version="1")
    with pytest.raises(ArtifactConflictError):
        blobfs.upload(tree, store=store, name="t", version="1")
    assert blobfs.verify("f:1", store=store, deep=True).ok


def test_a_source_may_be_relative_and_lie_behind_links(
    store: blobfs.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = write_tree(tmp_path / "tree", {"a": "a", "d/b": "b"})
    (tmp_path / "link").symlink_to("tree")
    monkeypatch.chdir(tmp_path)
    artifact = blobfs.upload("tree", store=store)
    for source in ("./tree", "tree/", "link", "tree/../tree", tree):
        again = blobfs.upload(source, store=store, hash_cache=False)
        assert (again.reused, again.path) == (True, artifact.path), source
    single = blobfs.upload("tree/a", store=store)
    assert blobfs.upload(tree / "a", store=store, hash_cache=False).path == single.path
