"""What `blobfs://` must do on every store; a part of what every manager's tests are."""

import random
import time
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
import requests
import yaml
from fsspec import AbstractFileSystem

import blobfs
from blobfs import AccessError, ArtifactNotFoundError, IntegrityError
from tests.places import Place, content, hex_of, write_tree

NAME = "kept"


def configured(place: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a store a name, in a configuration file of its own."""
    file.write_text(yaml.safe_dump({"stores": {NAME: dict(place.config)}}))
    monkeypatch.setenv("BLOBFS_CONFIG", str(file))
    return NAME


def fresh() -> AbstractFileSystem:
    """A filesystem that has looked nothing up."""
    return fsspec.filesystem("blobfs", skip_instance_cache=True)


class UrlTests:
    """Give `place`; say so if the storage signs URLs."""

    signs: ClassVar[bool] = False
    publishes_by_rename: ClassVar[bool] = False
    tick: ClassVar[float] = 0.02

    @pytest.fixture
    def fs(
        self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> AbstractFileSystem:
        configured(place, tmp_path / "config.yaml", monkeypatch)
        return fresh()

    def test_an_artifact_is_listed_and_read(self, fs: AbstractFileSystem, tree: Path) -> None:
        artifact = blobfs.upload(tree, store=NAME, name="n")
        assert artifact.uri == "blobfs://kept/n:1"
        assert fs.find(artifact.uri) == [
            f"kept/n:1/{path}"
            for path in ("a.txt", "run.sh", "sub/b.txt", "sub/deep/é ü.bin", "sub/empty")
        ]
        assert fs.ls("kept/n:1", detail=False) == [
            f"kept/n:1/{name}" for name in ("a.txt", "hollow", "run.sh", "sub")
        ]
        assert fs.isdir("kept/n:1/hollow")
        assert fs.ls("kept/n:1/hollow") == []
        assert fs.info("kept/n:1/run.sh")["size"] == 10
        for path in fs.find(artifact.uri):
            there = tree / path.removeprefix("kept/n:1/")
            assert fs.cat_file(path) == there.read_bytes()
            with fs.open(path) as file:
                assert file.read() == there.read_bytes()
        assert fs.cat_file("kept/n:1/sub/deep/é ü.bin", 250, -3840) == bytes(range(250, 256))
        assert fs.cat_file(f"kept/{artifact.digest}/a.txt") == b"same"
        with pytest.raises(ArtifactNotFoundError, match=r"no 'b\.txt'"):
            fs.cat_file("kept/n:1/b.txt")

    def test_a_large_file_is_read_by_ranges_and_as_a_whole(
        self, fs: AbstractFileSystem, tmp_path: Path
    ) -> None:
        data = random.Random(3).randbytes((9 << 20) + 7)
        source = write_tree(tmp_path / "m", {"w.bin": data})
        path = f"{blobfs.upload(source, store=NAME, name='n').uri}/w.bin"
        with fs.open(path, block_size=1 << 20) as file:
            assert file.seek(8 << 20) == file.tell()
            assert file.read(100) == data[8 << 20 : (8 << 20) + 100]
            assert file.seek(-7, 2)
            assert file.read() == data[-7:]
            file.seek(0)
            assert file.read() == data
        with fs.open(path, block_size=1 << 20) as file:
            assert b"".join(iter(lambda: file.read(700_000), b"")) == data
        assert fs.cat_ranges([path] * 3, [0, 5, -4], [4, 9, None]) == [
            data[:4],
            data[5:9],
            data[-4:],
        ]
        fs.get_file(path, tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == data

    def test_a_signed_url_is_read_by_anybody(self, fs: AbstractFileSystem, tree: Path) -> None:
        artifact = blobfs.upload(tree, store=NAME, name="n")
        fs.pipe_file("kept/mine/a b", b"mine")
        for path, data in (
            (f"{artifact.uri}/run.sh", b"#!/bin/sh\n"),
            ("kept/mine/a b", b"mine"),
        ):
            if not self.signs:
                with pytest.raises(NotImplementedError):
                    fs.sign(path)
                continue
            answer = requests.get(fs.sign(path, expiration=60), timeout=60)
            assert (answer.status_code, answer.content) == (200, data)

    def test_what_was_damaged_or_replaced_is_told(
        self, fs: AbstractFileSystem, place: Place, tmp_path: Path
    ) -> None:
        data = random.Random(4).randbytes(3 << 20)
        artifact = blobfs.upload(
            write_tree(tmp_path / "m", {"w.bin": data}), store=NAME, name="n"
        )
        path, key = f"{artifact.uri}/w.bin", f"LocalUpload/{hex_of(artifact.digest)}/m/w.bin"
        with fs.open(path, block_size=1024) as file:
            assert file.read(10) == data[:10]
            time.sleep(self.tick if self.publishes_by_rename else 0)  # others have ETags
            place.around.write(key, data[:-1] + b"!")
            file.seek(1 << 20)
            with pytest.raises(IntegrityError, match=r"w\.bin"):
                file.read(10)
        for read in (fs.cat_file, lambda p: fs.get_file(p, tmp_path / "got")):
            with pytest.raises(IntegrityError, match=r"w\.bin"):
                read(path)
        with fs.open(path, block_size=1 << 20) as file, pytest.raises(IntegrityError):
            list(iter(lambda: file.read(1 << 20), b""))
        for first in (100, 1 << 20):  # what is read ahead, then what is too large for that
            with fs.open(path, block_size=1 << 20) as file:
                assert file.read(first) == data[:first]
                with pytest.raises(IntegrityError):
                    list(iter(lambda: file.read((1 << 20) + 1), b""))
        assert not list(tmp_path.glob("*got*"))
        place.around.write(key, data[:-1])
        with pytest.raises(IntegrityError, match="instead of"):
            fs.cat_file(path, 5, 10)
        place.around.delete(key)
        with pytest.raises(IntegrityError, match="gone"):
            fs.cat_file(path, 5, 10)

    def test_latest_stays_what_it_was_for_one_filesystem(
        self, fs: AbstractFileSystem, tmp_path: Path
    ) -> None:
        source = write_tree(tmp_path / "m", {"f": "first"})
        blobfs.upload(source, store=NAME, name="n")
        assert fs.cat_file("blobfs://kept/n@latest/f") == b"first"
        (source / "f").write_text("second")
        blobfs.upload(source, store=NAME, name="n")
        assert fs.cat_file("blobfs://kept/n@latest/f") == b"first"
        assert fresh().cat_file("blobfs://kept/n@latest/f") == b"second"
        assert fs.cat_file("blobfs://kept/n:2/f") == b"second"

    def test_files_of_ones_own_are_written_listed_copied_and_removed(
        self, fs: AbstractFileSystem, place: Place, tmp_path: Path
    ) -> None:
        large = random.Random(5).randbytes((9 << 20) + 1)
        fs.pipe_file("kept/mine/a", b"1")
        fs.pipe_file("kept/mine/a", b"22")
        with fs.open("blobfs://kept/mine/sub/large", "wb") as file:
            file.write(large)
        write_tree(tmp_path, {"local": "local"})
        fs.put_file(tmp_path / "local", "kept/mine/b")
        assert place.around.snapshot() == {
            "mine/a": b"22",
            "mine/sub/large": large,
            "mine/b": b"local",
        }
        assert fs.find("kept/mine") == ["kept/mine/a", "kept/mine/b", "kept/mine/sub/large"]
        kinds = {info["name"]: info["type"] for info in fs.ls("kept/mine")}
        assert kinds == {
            "kept/mine/a": "file",
            "kept/mine/b": "file",
            "kept/mine/sub": "directory",
        }
        assert fs.du("kept/mine") == 7 + len(large)
        with fs.open("kept/mine/a", "ab") as file:
            file.write(b"3")
        fs.cp_file("kept/mine/a", "kept/mine/c")
        fs.cp_file("kept/mine/sub/large", "kept/mine/large")
        fs.mv("kept/mine/b", "kept/moved")
        assert place.read("mine/c") == b"223"
        assert place.read("mine/large") == large == fs.cat_file("kept/mine/large")
        assert place.read("moved") == b"local"
        assert fs.cat_file("kept/mine/large", 5, 9) == large[5:9]
        with pytest.raises(NotADirectoryError):
            fs.rmdir("kept/moved")
        fs.rm_file("kept/moved")
        for remove in (fs.rm_file, fs.rm):
            with pytest.raises(FileNotFoundError):
                remove("kept/moved")
        fs.rm("kept/mine", recursive=True)
        assert place.keys("mine") == set()
        assert not fs.exists("kept/mine")

    def test_trees_are_put_and_got(
        self, fs: AbstractFileSystem, place: Place, tree: Path, tmp_path: Path
    ) -> None:
        blobfs.upload(tree, store=NAME, name="n")
        fs.get("kept/n:1", tmp_path / "got", recursive=True)
        assert content(tmp_path / "got") == content(tree)
        fs.put(tree / "sub", "kept/mine/", recursive=True)
        assert place.keys("mine") == {
            "mine/sub/b.txt",
            "mine/sub/empty",
            "mine/sub/deep/é ü.bin",
        }
        fs.get("kept/mine/sub", tmp_path / "back", recursive=True)
        assert content(tmp_path / "back") == content(tree / "sub")

    def test_what_must_not_be_there_is_not_overwritten(
        self, fs: AbstractFileSystem, place: Place
    ) -> None:
        fs.pipe_file("kept/mine/a", b"1", mode="create")
        with pytest.raises(FileExistsError):
            fs.pipe_file("kept/mine/a", b"2", mode="create")
        with pytest.raises(FileExistsError):
            fs.open("kept/mine/a", "xb")
        with suppress(ZeroDivisionError), fs.open("kept/mine/b", "wb") as file:
            file.write(b"half")
            raise ZeroDivisionError
        assert place.keys("mine") == {"mine/a"}

    def test_nothing_published_can_be_changed(
        self, fs: AbstractFileSystem, place: Place, tree: Path
    ) -> None:
        artifact = blobfs.upload(tree, store=NAME, name="n")
        before = place.around.snapshot()
        inside = f"kept/LocalUpload/{hex_of(artifact.digest)}/tree/a.txt"
        assert fs.cat_file(inside) == b"same"
        for path in ("kept/n:1/a.txt", "kept/n:1/new", inside, "kept/.blobfs/x", "kept/n@x/y"):
            for change in (
                lambda p: fs.pipe_file(p, b""),
                lambda p: fs.open(p, "wb"),
                lambda p: fs.open(p, "ab"),
                fs.touch,
                fs.rm_file,
                lambda p: fs.put_file(tree / "a.txt", p),
                lambda p: fs.cp_file("kept/n:1/a.txt", p),
                fs.makedirs,
                fs.rmdir,
            ):
                with pytest.raises((AccessError, ValueError)) as caught:
                    change(path)
                if "@x" not in path:
                    assert isinstance(caught.value, PermissionError)
                    assert "blobfs.upload" in str(caught.value)
        for path in ("kept", "kept/n:1", "kept/LocalUpload"):
            with pytest.raises(AccessError):
                fs.rm(path, recursive=True)
        assert place.around.snapshot() == before
        fs.cp_file("kept/n:1/a.txt", "kept/mine/copy")
        assert place.read("mine/copy") == b"same"

    def test_directories_are_kept_where_the_store_keeps_them(
        self, fs: AbstractFileSystem, place: Place
    ) -> None:
        keeps = place.open().backend.keeps_directories
        fs.makedirs("kept/mine/empty")
        assert fs.isdir("kept/mine/empty") is keeps
        if keeps:
            with pytest.raises(FileExistsError):
                fs.mkdir("kept/mine/empty")
        fs.makedirs("kept/mine/empty", exist_ok=True)
        fs.pipe_file("kept/mine/empty/f", b"")
        with pytest.raises(FileExistsError):
            fs.rmdir("kept/mine/empty") if keeps else fs.pipe_file(
                "kept/mine/empty/f", b"", mode="create"
            )
        fs.rm_file("kept/mine/empty/f")
        fs.rmdir("kept/mine/empty")
        assert not fs.exists("kept/mine/empty")

    def test_a_piece_tells_the_object_as_a_look_and_a_listing_do(self, place: Place) -> None:
        backend = place.open().backend
        backend.put("mine/sub/f", b"0123456789")
        backend.put("mine/g", b"")
        piece = backend.piece("mine/sub/f", 2, 5)
        assert (bytes(piece.data), piece.size) == (b"234", 10)
        (listed,) = backend.level("mine/sub")
        assert piece.token == backend.head("mine/sub/f").token == listed.token
        assert (listed.key, listed.size) == ("mine/sub/f", 10)
        assert {(o.key, o.size) for o in backend.level("mine")} == {
            ("mine/sub/", 0),
            ("mine/g", 0),
        }
        assert backend.level("none") == []
        assert [name for name in backend.names("") if not name.startswith(".")] == ["mine/"]
        with pytest.raises(FileNotFoundError):
            backend.piece("mine/none", 0, 1)
