"""Uploads: what is sent, what is told, and what happens when the source does not keep still."""

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import blobfs
from blobfs import ConfigError, IntegrityError, SourceChangedError
from blobfs.transfer import SMALL
from tests.places import Place, content, hex_of, local_place, write_tree

LARGE = 64 << 20


class Watch:
    """An `fsspec.Callback` that counts, and does something when a stage begins."""

    def __init__(self, **when: Callable[[], object]) -> None:
        self.when = when
        self.stages: list[str] = []
        self.sizes: list[int] = []
        self.value = 0

    def set_size(self, size: int) -> None:
        self.sizes.append(size)

    def absolute_update(self, value: int) -> None:
        self.value = value

    def relative_update(self, inc: int = 1) -> None:
        self.value += inc

    def call(self, hook_name: str | None = None, **_: Any) -> None:  # noqa: ANN401
        self.stages.append(hook_name or "")
        self.when.get(hook_name or "", lambda: None)()


class Changes:
    """Write other content of the same size, as often as is left."""

    def __init__(self, path: Path, times: int, size: int | None = None) -> None:
        self.path, self.left, self.done = path, times, 0
        self.size = size or path.stat().st_size

    def __call__(self) -> None:
        if self.left:
            self.left -= 1
            self.done += 1
            self.path.write_bytes(random.Random(self.done).randbytes(self.size))


# ---- what an artifact says -------------------------------------------------------------------


def test_an_artifact_says_what_was_done(store_place: Place, tree: Path) -> None:
    artifact = blobfs.upload(tree, store=store_place.open(), name="n", version="1")
    assert artifact.to_dict() == {
        "store": None,
        "digest": artifact.digest,
        "path": f"{store_place.open().location.url}/LocalUpload/{hex_of(artifact.digest)}/tree",
        "uri": None,
        "kind": "tree",
        "size": 4114,
        "files": 5,
        "name": "n",
        "version": "1",
        "reused": False,
        "sent_files": 5,
        "sent_bytes": 4114,
        "copied_files": 0,
        "copied_bytes": 0,
    }


def test_a_store_with_a_name_gives_artifacts_a_uri(tree: Path, hermetic: Path) -> None:
    plain = blobfs.upload(tree)
    assert (plain.store, plain.uri) == ("local", f"blobfs://local/{plain.digest}")
    named = blobfs.upload(tree, name="n")
    assert named.uri == "blobfs://local/n:1"
    assert Path(named.path).is_relative_to(hermetic / "data"), "the embedded store"


def test_a_version_needs_a_name_and_both_must_be_names(store_place: Place, tree: Path) -> None:
    for options in ({"version": "1"}, {"name": "a/b"}, {"name": "n", "version": "latest"}):
        with pytest.raises(ConfigError):
            blobfs.upload(tree, store=store_place.open(), **options)  # type: ignore[arg-type] # texts
    assert store_place.keys() == set()


def test_bytes_are_counted_exactly(tmp_path: Path) -> None:
    """Hashed once and sent once; a file that is staged while it is hashed is not sent again."""
    files = {"s": b"x" * 1000, "m": b"y" * (SMALL + 1), "l": b"z" * LARGE, "e": b""}
    total = sum(map(len, files.values()))
    source = write_tree(tmp_path / "counted", files)
    for jobs in (1, 4):
        watch = Watch()
        store = local_place(tmp_path / str(jobs)).open()
        artifact = blobfs.upload(
            source, store=store, callback=watch, jobs=jobs, hash_cache=False
        )
        assert watch.stages == ["hashing", "sending"]
        assert watch.sizes == [total, total]
        assert watch.value == total
        assert (artifact.sent_files, artifact.sent_bytes) == (4, total)
        again = Watch()
        assert blobfs.upload(source, store=store, callback=again).reused
        assert again.stages == ["hashing"]


def test_an_fsspec_callback_is_taken(store_place: Place, tree: Path) -> None:
    from fsspec import Callback

    callback = Callback()
    blobfs.upload(tree, store=store_place.open(), callback=callback)
    assert callback.value == callback.size == 4114


def test_a_large_file_that_is_there_is_dropped_from_the_stage(
    store_place: Place, tmp_path: Path
) -> None:
    source = write_tree(tmp_path / "large", {"w": b"z" * LARGE, "s": "small"})
    blobfs.upload(source, store=store_place.open(), hash_cache=False)
    before = store_place.keys()
    assert blobfs.upload(source, store=store_place.open(), hash_cache=False).reused
    assert store_place.keys() == before
    assert not os.listdir(tmp_path / "store" / ".blobfs" / "stage")


def test_a_large_file_under_an_odd_name_is_staged_under_its_key(
    store_place: Place, tmp_path: Path
) -> None:
    source = write_tree(tmp_path / "large.", {"%w\n": b"z" * LARGE})
    artifact = blobfs.upload(source, store=store_place.open(), hash_cache=False)
    below = f"LocalUpload/{hex_of(artifact.digest)}"
    assert store_place.keys(below) == {
        f"{below}/%large%2E/%%25w%0A",
        f"{below}/_manifest.jsonl",
    }
    single = blobfs.upload(source / "%w\n", store=store_place.open(), hash_cache=False)
    where = blobfs.download(single.digest, tmp_path / "out", store=store_place.open())
    assert where.stat().st_size == LARGE


def test_the_stage_is_empty_after_an_upload_and_after_a_failure(
    store_place: Place, tree: Path, tmp_path: Path
) -> None:
    blobfs.upload(tree, store=store_place.open(), name="n", version="1")
    stage = tmp_path / "store" / ".blobfs" / "stage"
    assert os.listdir(stage) == []
    (tree / "a.txt").write_text("other")
    meddle = Changes(tree / "run.sh", 99)
    with pytest.raises(SourceChangedError):
        blobfs.upload(tree, store=store_place.open(), callback=Watch(sending=meddle))
    assert os.listdir(stage) == []


def test_what_a_dead_process_staged_is_removed(
    store_place: Place, tree: Path, tmp_path: Path
) -> None:
    dead = write_tree(tmp_path / "store" / ".blobfs" / "stage" / "0-dead", {"m/a": "x"})
    blobfs.upload(tree, store=store_place.open())
    assert not dead.exists()


# ---- digests that are remembered -------------------------------------------------------------


def test_an_unchanged_tree_is_not_read_again(store_place: Place, tree: Path) -> None:
    opened: list[str] = []
    listening = False

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if listening and event == "open":
            opened.append(str(arguments[0]))

    sys.addaudithook(hook)
    time.sleep(2.1)  # what is younger is not trusted
    for cached, files in ((True, 5), (True, 0), (False, 5)):
        opened.clear()
        listening = True
        blobfs.upload(tree, store=store_place.open(), hash_cache=cached)
        listening = False
        read = {path for path in opened if path.startswith(f"{tree}/") and "ignore" not in path}
        assert len(read) == files


# ---- a source that does not keep still -------------------------------------------------------


@pytest.mark.parametrize("stage", ["hashing", "sending"])
def test_a_source_that_changes_is_planned_anew_and_converges(
    store_place: Place, tree: Path, tmp_path: Path, stage: str
) -> None:
    meddle = Changes(tree / "a.txt", 2)
    artifact = blobfs.upload(
        tree, store=store_place.open(), name="n", callback=Watch(**{stage: meddle})
    )
    assert meddle.done == 2
    where = blobfs.download("n:1", tmp_path / "out", store=store_place.open())
    assert content(where) == content(tree)
    assert [header.digest for header in blobfs.artifacts(store_place.open())] == [
        artifact.digest
    ]


@pytest.mark.parametrize("stage", ["hashing", "sending"])
@pytest.mark.parametrize("name", ["a.txt", "big"])
def test_a_source_that_keeps_changing_is_given_up_after_three_tries(
    place: Place, tree: Path, stage: str, name: str
) -> None:
    (tree / "big").write_bytes(bytes(SMALL + 1))
    meddle = Changes(tree / name, 99)
    with pytest.raises(SourceChangedError, match=name):
        blobfs.upload(tree, store=place.open(), name="n", callback=Watch(**{stage: meddle}))
    assert meddle.done == 3
    assert not [
        key
        for key in place.around.snapshot()
        if key.endswith(("_manifest.jsonl", "asset.json"))
    ]
    meddle.left = 0
    assert blobfs.upload(tree, store=place.open(), name="n").version == "1"
    assert blobfs.verify("n:1", store=place.open(), deep=True).ok


def test_a_large_file_that_changes_while_it_is_staged_is_noticed(
    store_place: Place, tmp_path: Path
) -> None:
    source = write_tree(tmp_path / "large", {"w": bytes(LARGE)})
    meddle = Changes(source / "w", 99, 10)
    with pytest.raises(SourceChangedError):
        blobfs.upload(
            source, store=store_place.open(), callback=Watch(hashing=meddle), hash_cache=False
        )
    assert not store_place.keys("LocalUpload/")
    assert os.listdir(tmp_path / "store" / ".blobfs" / "stage") == []


def becomes(path: Path, make: Callable[[Path], None]) -> None:
    if path.is_file():
        path.unlink()
        make(path)


MEDDLING: dict[str, Callable[[Path], object]] = {
    "shrinks": lambda path: os.truncate(path, 1),
    "grows": lambda path: path.write_bytes(b"much longer than it was"),
    "goes": lambda path: path.unlink(missing_ok=True),
    "becomes a directory": lambda path: becomes(path, os.mkdir),
    "becomes a FIFO": lambda path: becomes(path, os.mkfifo),
    "is replaced": lambda path: os.replace(
        write_tree(path.parent.parent / "spare", {"x": "SAME"}) / "x", path
    ),
}


@pytest.mark.parametrize("stage", ["hashing", "sending"])
@pytest.mark.parametrize("how", MEDDLING)
def test_a_file_that_is_no_longer_what_was_seen_never_goes_out_as_it(
    store_place: Place, tree: Path, tmp_path: Path, how: str, stage: str
) -> None:
    """The upload fails with an error of ours, or stores what is there afterwards."""
    meddle = MEDDLING[how]
    try:
        artifact = blobfs.upload(
            tree,
            store=store_place.open(),
            callback=Watch(**{stage: lambda: meddle(tree / "a.txt")}),
        )
    except blobfs.BlobfsError:
        assert not store_place.keys("LocalUpload/")
        return
    where = blobfs.download(artifact.digest, tmp_path / "out", store=store_place.open())
    assert content(where) == content(tree)


@pytest.mark.parametrize("number", [40, pytest.param(400, marks=pytest.mark.soak)])
def test_every_manifest_is_a_state_that_the_source_had(
    store_place: Place, tmp_path: Path, number: int
) -> None:
    """A file that always holds one letter, replaced by another thread while it is read (T8)."""
    import threading

    path = write_tree(tmp_path / "moving", {"f": b"a" * 300_000}) / "f"
    done = threading.Event()

    def rewrite() -> None:
        letters = "abcdefghijklmnopqrstuvwxyz"
        for turn in range(10**9):
            if done.is_set():
                return
            spare = tmp_path / "spare"
            spare.write_bytes(letters[turn % 26].encode() * 300_000)
            os.utime(spare, ns=(0, 0))
            os.replace(spare, path)

    writer = threading.Thread(target=rewrite)
    writer.start()
    stored = 0
    try:
        for _ in range(number):
            try:
                blobfs.upload(path.parent, store=store_place.open())
                stored += 1
            except blobfs.SourceChangedError:
                continue
    finally:
        done.set()
        writer.join()
    for header in blobfs.artifacts(store_place.open()):
        out = tmp_path / "out" / hex_of(header.digest)
        blobfs.download(header.digest, out, store=store_place.open())
        assert len(set((out / "f").read_bytes())) == 1
        assert (out / "f").stat().st_size == 300_000


# ---- between stores --------------------------------------------------------------------------


@pytest.fixture
def two_stores(tmp_path: Path, hermetic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores called `here` and `there`."""
    stores = "".join(
        f"  {name}:\n"
        "    blob_manager_class: local\n"
        f"    blob_manager_config: {{root_directory: {tmp_path / name}}}\n"
        for name in ("here", "there")
    )
    (hermetic / "config.yaml").write_text(f"stores:\n{stores}default_store: here\n")
    monkeypatch.setenv("BLOBFS_CONFIG", str(hermetic / "config.yaml"))


@pytest.mark.usefixtures("two_stores")
def test_an_artifact_is_brought_from_store_to_store(tree: Path, tmp_path: Path) -> None:
    first = blobfs.upload(tree, name="n", version="7")
    assert first.uri == "blobfs://here/n:7"
    second = blobfs.upload(str(first.uri), store="there", copy=True, name="m")
    assert (second.digest, second.uri) == (first.digest, "blobfs://there/m:1")
    assert (second.sent_files, second.sent_bytes) == (first.files, first.size)
    assert content(blobfs.download("blobfs://there/m:1", tmp_path / "out")) == content(tree)
    assert blobfs.upload(str(first.uri), store="there", copy=True).reused
    part = blobfs.upload("blobfs://here/n:7/sub", store="there", copy=True)
    assert content(Path(part.path)) == content(tree / "sub")
    one = blobfs.upload("blobfs://here/n@latest/run.sh", store="there", copy=True)
    assert (one.kind, Path(one.path).name) == ("file", "run.sh")
    assert os.access(one.path, os.X_OK)


@pytest.mark.usefixtures("two_stores")
def test_damage_is_not_brought_along(tree: Path, tmp_path: Path) -> None:
    first = blobfs.upload(tree, name="n")
    os.chmod(Path(first.path) / "a.txt", 0o644)
    (Path(first.path) / "a.txt").write_text("SAME")
    with pytest.raises(blobfs.BlobfsError) as caught:
        blobfs.upload("blobfs://here/n:1", store="there", copy=True)
    assert "a.txt" in str(caught.value)
    assert not list((tmp_path / "there").glob("LocalUpload/*"))


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_the_bytes_of_a_url_are_brought_in(
    place: Place, tree: Path, tmp_path: Path, scheme: str
) -> None:
    url = f"file://{tree}"
    if scheme == "memory":
        import fsspec

        filesystem = fsspec.filesystem("memory")
        url = f"memory://{tmp_path.name}/tree"
        for path, data in content(tree).items():
            if data:
                filesystem.pipe_file(f"/{tmp_path.name}/tree/{path}", data[0])
    artifact = blobfs.upload(url, store=place.open(), copy=True, name="n")
    assert (artifact.kind, artifact.files, artifact.size) == ("tree", 5, 4114)
    assert artifact.path.endswith("/tree")
    where = blobfs.download("n:1", tmp_path / "out", store=place.open())
    assert {k: v[0] for k, v in content(where).items() if v} == {
        k: v[0] for k, v in content(tree).items() if v
    }
    plan = blobfs.plan_upload(f"{url}/a.txt", store=place.open(), copy=True)
    single = blobfs.upload(f"{url}/a.txt", store=place.open(), copy=True)
    assert (single.kind, single.digest) == ("file", plan.digest)
    assert single.digest == blobfs.upload(tree / "a.txt", store=place.open()).digest


def test_a_url_that_names_nothing_is_not_found(store_place: Place, tmp_path: Path) -> None:
    for url in ("memory://nothing/here", f"file://{tmp_path}/nothing"):
        for copy in (True, False):
            with pytest.raises(blobfs.ArtifactNotFoundError):
                blobfs.upload(url, store=store_place.open(), copy=copy)
    with pytest.raises((ConfigError, blobfs.MissingDependencyError)):
        blobfs.upload("nosuch://x/y", store=store_place.open())
    assert store_place.keys() == set()


# ---- errors ----------------------------------------------------------------------------------


def test_a_store_of_another_format_is_not_written(store_place: Place, tree: Path) -> None:
    for format_ in (b'{"schema":2}', b"?", b"[]", b'{"schema":"1"}'):
        store_place.around.write(".blobfs/format.json", format_)
        with pytest.raises(IntegrityError, match="format"):
            blobfs.upload(tree, store=store_place.open())
        assert store_place.keys() == {".blobfs/format.json"}


@pytest.mark.parametrize("damage", [b"", b"?", b"[]", b'{"schema":2}', b'{"schema":1}'])
def test_a_damaged_asset_is_told_and_not_replaced(
    place: Place, tree: Path, damage: bytes
) -> None:
    blobfs.upload(tree, store=place.open(), name="n", version="1")
    place.around.write(".blobfs/assets/n/1/asset.json", damage)
    before = place.around.snapshot()
    for act in (
        lambda: blobfs.upload(tree, store=place.open(), name="n", version="1"),
        lambda: blobfs.upload(tree, store=place.open(), name="n"),
        lambda: blobfs.find("n:1", store=place.open()),
        lambda: blobfs.find("n", store=place.open()),
        lambda: list(blobfs.assets(place.open())),
    ):
        with pytest.raises(IntegrityError, match="asset"):
            act()
    assert place.around.snapshot() == before


def test_an_asset_of_another_name_is_no_asset(store_place: Place, tree: Path) -> None:
    blobfs.upload(tree, store=store_place.open(), name="n", version="1")
    pointer = store_place.read(".blobfs/assets/n/1/asset.json")
    store_place.around.write(".blobfs/assets/m/1/asset.json", pointer)
    with pytest.raises(IntegrityError, match="m:1"):
        blobfs.find("m:1", store=store_place.open())
