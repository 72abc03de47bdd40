"""What the filesystem does beyond one store: configuration, spellings, refusals, processes."""

import json
import multiprocessing
import pickle
from pathlib import Path
from threading import Thread

import fsspec
import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.dirfs import DirFileSystem

import blobfs
from blobfs import AccessError, ConfigError, IntegrityError
from blobfs.filesystem import BlobFileSystem
from blobfs.store import Store
from tests.places import Directory, Place, as_nobody, write_tree
from tests.url_conformance import NAME, configured, fresh


@pytest.fixture
def fs(
    store_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AbstractFileSystem:
    configured(store_place, tmp_path / "config.yaml", monkeypatch)
    return fresh()


@pytest.fixture
def published(fs: AbstractFileSystem, tree: Path) -> AbstractFileSystem:
    """A filesystem, beside a store that holds `n:1`."""
    blobfs.upload(tree, store=NAME, name="n")
    return fs


def _at(root: Path) -> Place:
    """A local store at a place that is there already."""
    options = {"root_directory": str(root)}
    return Place(
        {"blob_manager_class": "local", "blob_manager_config": options}, Directory(root)
    )


# ---- what a path may be --------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "blobfs://kept/../x",
        "blobfs://kept/n:1/../../x",
        "blobfs://kept//x",
        "blobfs://user:secret@kept/x",
        "blobfs://kept:80/x",
        "blobfs://no such store/x",
        "blobfs://kept/n:latest/x",
        "blobfs://kept/n@2/x",
        "blobfs://kept/sha256:0123/x",
        "blobfs://kept/x::file:///etc/passwd",
        "blobfs://kept/x?endpoint_url=http://169.254.169.254::memory://y",
    ],
)
def test_a_url_that_says_more_than_a_name_and_a_path_is_refused(
    published: AbstractFileSystem, url: str
) -> None:
    with pytest.raises(ConfigError):
        published.info(url)
    with pytest.raises((ConfigError, ValueError)):
        fsspec.open(url).open()


def test_options_are_refused() -> None:
    for options in ({"key": "k"}, {"endpoint_url": "http://x"}, {"blob_manager_class": "a.B"}):
        with pytest.raises(ConfigError, match="takes no options"):
            fsspec.filesystem("blobfs", **options)


def test_question_marks_and_the_like_are_names(fs: AbstractFileSystem, tmp_path: Path) -> None:
    names = ("a?b=c", "a#b", "%41", "a b", "[x]", "a::b", "é")
    blobfs.upload(write_tree(tmp_path / "m", dict.fromkeys(names, "x")), store=NAME, name="n")
    for name in names:
        assert fs.cat_file(f"kept/n:1/{name}") == b"x"
        fs.pipe_file(f"kept/mine/{name}", b"y")
        assert fs.cat_file(f"kept/mine/{name}") == b"y"
    assert [path.rpartition("/")[2] for path in fs.find("kept/mine")] == sorted(names)
    with fsspec.open("blobfs://kept/n:1/a?b=c") as file:
        assert file.read() == b"x"


def test_a_store_that_is_not_there_is_told(fs: AbstractFileSystem) -> None:
    with pytest.raises(ConfigError, match="did you mean `kept`"):
        fs.ls("blobfs://kepd/x")


def test_above_the_stores_are_the_stores(fs: AbstractFileSystem) -> None:
    assert fs.ls("", detail=False) == ["kept", "local"]
    assert fs.isdir("")
    assert fs.isdir("blobfs://kept")


# ---- what is not there, and what cannot be known -------------------------------------------


def test_absent_is_false_and_refused_is_an_error(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(_at(shared), shared / "config.yaml", monkeypatch)
    closed = write_tree(shared / "closed", {"f": "x"})
    closed.chmod(0o700)
    fs = fresh()
    assert not fs.exists("kept/none")
    assert not fs.exists("kept/none:1/x")
    assert not fs.isdir("kept/none")
    with as_nobody(monkeypatch, shared):
        for ask in (fs.exists, fs.isdir, fs.isfile, fs.info, fs.cat_file):
            with pytest.raises(AccessError):
                ask("kept/closed/f")


def test_a_missing_path_is_not_found(published: AbstractFileSystem) -> None:
    for path in ("kept/n:1/none", "kept/n:2", "kept/none:1", "kept/mine/none"):
        for ask in (published.info, published.cat_file, published.ls, published.open):
            with pytest.raises(FileNotFoundError):
                ask(path)
        assert published.find(path) == []
        assert published.glob(f"{path}/*") == []
    for ask in (published.open, published.cat_file):
        with pytest.raises(OSError, match="is a directory"):
            ask("kept/n:1/sub")


# ---- spellings -----------------------------------------------------------------------------


def test_names_are_spelled_as_they_were_asked_for(published: AbstractFileSystem) -> None:
    for head in ("kept/n:1", "kept/n@latest"):
        names = published.find(head)
        assert names[0] == f"{head}/a.txt"
        assert published.glob(f"blobfs://{head}/*.txt") == [f"{head}/a.txt"]
        assert published.glob(f"{head}/**/*.txt") == [f"{head}/a.txt", f"{head}/sub/b.txt"]
        assert [above for above, _, _ in published.walk(head)] == [
            head,
            *(f"{head}/{path}" for path in ("hollow", "sub", "sub/deep")),
        ]
        assert set(published.find(head, withdirs=True)) - set(names) == {
            head,
            *(f"{head}/{path}" for path in ("hollow", "sub", "sub/deep")),
        }
        assert published.find(head, maxdepth=1) == [f"{head}/a.txt", f"{head}/run.sh"]
        assert published.du(head) == 4 + 10 + 4 + 4096
        inside = DirFileSystem(head, published)
        assert inside.glob("sub/*.txt") == ["sub/b.txt"]
        assert sorted(inside.find("")) == [name.removeprefix(f"{head}/") for name in names]
        assert inside.cat_file("a.txt") == b"same"


def test_what_others_are_given_names_a_version(published: AbstractFileSystem) -> None:
    assert published._strip_protocol("blobfs://kept/n@latest/a") == "kept/n:1/a"  # noqa: SLF001
    _, _, paths = fsspec.get_fs_token_paths("blobfs://kept/n@latest/*.txt")
    assert paths == ["kept/n:1/a.txt"]
    assert fsspec.get_mapper("blobfs://kept/n@latest")["a.txt"] == b"same"


def test_a_file_is_its_ref_and_has_its_name_below(fs: AbstractFileSystem, tree: Path) -> None:
    digest = blobfs.upload(tree / "a.txt", store=NAME, name="n").digest
    for path in ("kept/n:1", "kept/n:1/a.txt", f"kept/{digest}", f"kept/{digest}/a.txt"):
        assert fs.cat_file(path) == b"same"
        assert fs.info(path)["type"] == "file"
        assert fs.find(path) == [path]
    assert fs.ls("kept/n:1", detail=False) == ["kept/n:1"]
    assert not fs.exists("kept/n:1/b.txt")


# ---- what is known of files ----------------------------------------------------------------


def test_the_digest_is_key_and_checksum(published: AbstractFileSystem) -> None:
    digest = blobfs.find("n:1/a.txt", store=NAME).entries[0].digest
    assert published.ukey("kept/n:1/a.txt") == published.ukey("kept/n:1/sub/b.txt") == digest
    assert published.checksum("kept/n:1/a.txt") == int(digest.removeprefix("sha256:"), 16)
    assert published.created("kept/n:1/a.txt") == published.modified("kept/n:1/a.txt")
    published.pipe_file("kept/mine/a", b"1")
    before = published.ukey("kept/mine/a"), published.checksum("kept/mine/a")
    published.pipe_file("kept/mine/a", b"22")
    assert published.ukey("kept/mine/a") != before[0]
    assert published.checksum("kept/mine/a") != before[1]
    assert published.modified("kept/mine/a") >= published.modified("kept/n:1")
    with pytest.raises(NotImplementedError):
        published.sign("kept/n:1/a.txt")


def test_what_is_returned_may_be_changed(published: AbstractFileSystem) -> None:
    published.info("kept/n:1/a.txt")["size"] = -1
    published.ls("kept/n:1").clear()
    assert published.info("kept/n:1/a.txt")["size"] == 4
    assert len(published.ls("kept/n:1")) == 4


# ---- references ----------------------------------------------------------------------------


def test_a_reference_is_read_until_its_object_changes(
    fs: AbstractFileSystem, tmp_path: Path
) -> None:
    outside = write_tree(tmp_path / "outside", {"a": "first", "sub/b": "x" * 100})
    blobfs.upload(f"file://{outside}/", store=NAME, name="r")
    assert fs.find("kept/r:1") == ["kept/r:1/a", "kept/r:1/sub/b"]
    assert fs.cat_file("kept/r:1/a") == b"first"
    assert fs.cat_file("kept/r:1/sub/b", 5, 10) == b"x" * 5
    (outside / "a").write_text("other")
    for read in (fs.cat_file, lambda path: fs.cat_file(path, 1, 3)):
        with pytest.raises(IntegrityError):
            read("kept/r:1/a")


def test_bytes_that_lie_in_another_artifact_are_read(
    store_place: Place,
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = store_place.with_options(delta="reference")
    configured(place, tmp_path / "config.yaml", monkeypatch)
    blobfs.upload(tree, store=NAME, name="n")
    (tree / "new").write_text("new")
    assert blobfs.upload(tree, store=NAME, name="n").copied_files
    assert fresh().cat_file("kept/n:2/a.txt") == b"same"


# ---- secrets -------------------------------------------------------------------------------


@pytest.mark.store("s3")
def test_a_secret_of_a_store_is_nowhere_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "wJalrXUtnFEMI-K7MDENG"
    options = {"bucket": "b", "root_directory": "r", "access_key_id": "id"}
    options["access_key_secret"] = secret
    place = Place(
        {"blob_manager_class": "s3", "blob_manager_config": options}, Directory(tmp_path)
    )
    configured(place, tmp_path / "config.yaml", monkeypatch)
    fs = fresh()
    located = fs.located("kept/mine/x")  # which opens the store
    file = fsspec.open("blobfs://kept/mine/x")
    with pytest.raises(AccessError) as refused:
        fs.open("kept/n:1", "wb")
    shown = [repr(fs), str(vars(fs)), fs.to_json(), str(fs.storage_options), repr(located)]
    shown += [repr(vars(located)), repr(file), str(refused.value), fs._fs_token]  # noqa: SLF001
    for each in (*map(str.encode, shown), pickle.dumps(fs), pickle.dumps(file)):
        assert secret.encode() not in each


# ---- processes -----------------------------------------------------------------------------


def test_it_is_pickled_as_where_the_configuration_lies(
    published: AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = pickle.dumps(published)
    assert pickle.dumps(published) == sent
    back = pickle.loads(sent)  # noqa: S301 - our own
    assert back == published
    assert hash(back) == hash(published)
    assert back.cat_file("kept/n:1/a.txt") == b"same"
    text = published.to_json()
    assert set(json.loads(text)) == {"cls", "protocol", "args", "places", "latest"}
    assert AbstractFileSystem.from_json(text) == published
    monkeypatch.delenv("BLOBFS_CONFIG")
    assert pickle.loads(sent).cat_file("kept/n:1/a.txt") == b"same"  # noqa: S301
    assert fsspec.filesystem("blobfs") != published


def test_what_latest_was_goes_with_it(published: AbstractFileSystem, tree: Path) -> None:
    before = pickle.dumps(published)
    assert published.cat_file("kept/n@latest/a.txt") == b"same"
    (tree / "a.txt").write_text("new")
    blobfs.upload(tree, store=NAME, name="n")
    sent = pickle.dumps(published)
    assert pickle.loads(sent).cat_file("kept/n@latest/a.txt") == b"same"  # noqa: S301 - our own
    assert pickle.loads(before).cat_file("kept/n@latest/a.txt") == b"new"  # noqa: S301


def test_an_open_file_is_pickled_as_its_place(published: AbstractFileSystem) -> None:
    with published.open("kept/n:1/sub/deep/é ü.bin") as file:
        file.seek(5)
        with pickle.loads(pickle.dumps(file)) as other:  # noqa: S301 - our own
            assert other.read(3) == bytes([5, 6, 7])
        assert file.read(1) == bytes([5])


@pytest.mark.usefixtures("published")
def test_another_configuration_is_another_filesystem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fsspec.filesystem("blobfs")
    assert fsspec.filesystem("blobfs") is first
    (tmp_path / "other").mkdir()
    configured(_at(tmp_path / "other"), tmp_path / "other.yaml", monkeypatch)
    assert fsspec.filesystem("blobfs") is not first
    assert not fsspec.filesystem("blobfs").exists("kept/n:1")
    assert first.exists("kept/n:1")


@pytest.mark.usefixtures("published")
def test_a_manifest_is_read_once_by_however_many_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    reading = Store.manifest

    def counted(store: Store, digest: str) -> object:
        read.append(digest)
        return reading(store, digest)

    monkeypatch.setattr(Store, "manifest", counted)
    found: list[bytes] = []
    threads = [
        Thread(target=lambda: found.append(fresh().cat_file("kept/n:1/a.txt")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"same"] * 8
    assert len(read) == 1


def _read(queue: "multiprocessing.Queue[object]", fs: AbstractFileSystem) -> None:
    try:
        queue.put(fs.cat_file("kept/n:1/a.txt"))
    except BaseException as error:  # noqa: BLE001 - told to who waits
        queue.put(error)


def test_a_forked_child_reads_a_local_store(published: AbstractFileSystem) -> None:
    assert published.cat_file("kept/n:1/a.txt") == b"same"
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[object] = context.Queue()
    child = context.Process(target=_read, args=(queue, published))
    child.start()
    assert queue.get(timeout=60) == b"same"
    child.join(60)
    assert child.exitcode == 0


def test_the_class_is_where_fsspec_looks_for_it() -> None:
    assert fsspec.get_filesystem_class("blobfs") is BlobFileSystem
    assert "blobfs" in fsspec.available_protocols()
