"""What every blob manager must do. Subclass `ManagerTests`, give `place`, done.

What is stored is looked at around blobfs: by os, or by the storage's own calls.
"""

import json
import logging
import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

import blobfs
from blobfs import (
    ArtifactConflictError,
    ArtifactNotFoundError,
    ConfigError,
    IntegrityError,
    TransferError,
    UnsafeNameError,
)
from tests.names_to_keep import NASTY
from tests.places import Place, content, hex_of, sha256, write_tree
from tests.url_conformance import UrlTests


class ManagerTests(UrlTests):
    """Give `place`; set a flag only where a storage truly differs."""

    decides_races: ClassVar[bool] = False
    """Whether of two that create one object exactly one wins."""

    publishes_by_rename: ClassVar[bool] = False
    """Whether a tree appears by one rename, so that a broken one can be moved away."""

    keeps_executable_bits: ClassVar[bool] = False
    """Whether the stored file itself is marked executable."""

    large: ClassVar[int] = 9 << 20
    """Bytes of a file that goes by parts."""

    tick: ClassVar[float] = 0.02
    """Seconds after which the storage gives another time stamp."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        raise NotImplementedError

    @pytest.fixture
    def store(self, place: Place) -> blobfs.Store:
        return place.open()

    # ---- round trips -----------------------------------------------------------------------

    def test_a_tree_comes_back_as_it_was(
        self, store: blobfs.Store, tree: Path, tmp_path: Path
    ) -> None:
        artifact = blobfs.upload(tree, store=store)
        where = blobfs.download(artifact.digest, tmp_path / "out", store=store)
        assert where == tmp_path / "out"
        assert content(where) == content(tree)

    def test_a_single_file_comes_back_under_the_name_that_is_asked_for(
        self, store: blobfs.Store, tree: Path, tmp_path: Path
    ) -> None:
        artifact = blobfs.upload(tree / "run.sh", store=store)
        assert (artifact.kind, artifact.files, artifact.size) == ("file", 1, 10)
        where = blobfs.download(artifact.digest, tmp_path / "other", store=store)
        assert where == tmp_path / "other"
        assert where.read_bytes() == b"#!/bin/sh\n"
        assert os.access(where, os.X_OK)

    def test_a_file_goes_into_a_directory_under_its_own_name(
        self, store: blobfs.Store, tree: Path, tmp_path: Path
    ) -> None:
        artifact = blobfs.upload(tree / "a.txt", store=store)
        (tmp_path / "there").mkdir()
        for target in (str(tmp_path / "there"), f"{tmp_path}/new/"):
            where = blobfs.download(artifact.digest, target, store=store)
            assert where == Path(target) / "a.txt"
            assert where.read_bytes() == b"same"

    def test_an_empty_file_is_kept(
        self, store: blobfs.Store, tree: Path, tmp_path: Path
    ) -> None:
        artifact = blobfs.upload(tree / "sub" / "empty", store=store)
        where = blobfs.download(artifact.digest, tmp_path / "out", store=store)
        assert where.read_bytes() == b""

    def test_a_large_file_comes_back(self, store: blobfs.Store, tmp_path: Path) -> None:
        data = random.Random(7).randbytes(self.large + 1)
        source = write_tree(tmp_path / "big", {"w.bin": data, "small": "s"})
        artifact = blobfs.upload(source, store=store, name="big")
        assert (artifact.sent_files, artifact.sent_bytes) == (2, self.large + 2)
        where = blobfs.download("big:1", tmp_path / "out", store=store)
        assert (where / "w.bin").read_bytes() == data
        assert blobfs.verify("big:1", store=store, deep=True).ok

    def test_a_part_of_an_artifact_comes_back(
        self, store: blobfs.Store, tree: Path, tmp_path: Path
    ) -> None:
        blobfs.upload(tree, store=store, name="n")
        where = blobfs.download("n:1/sub", tmp_path / "part", store=store)
        assert content(where) == content(tree / "sub")
        where = blobfs.download("n:1/sub/b.txt", tmp_path / "b", store=store)
        assert where.read_bytes() == b"same"
        with pytest.raises(ArtifactNotFoundError, match="su"):
            blobfs.download("n:1/su", tmp_path / "no", store=store)
        assert not (tmp_path / "no").exists()

    def test_nasty_names_come_back_and_none_shares_a_key(
        self, store: blobfs.Store, place: Place, tmp_path: Path
    ) -> None:
        source = tmp_path / "nasty"
        files = {name: f"of {name!r}" for name in NASTY}
        files |= {f"{name}.d/{name}": f"in {name!r}" for name in NASTY[::4] if _short(name)}
        write_tree(source, files)
        artifact = blobfs.upload(source, store=store, ignore=False)
        where = blobfs.download(artifact.digest, tmp_path / "out", store=store)
        assert content(where) == content(source)
        assert len(content(where)) == len(files)
        stored = place.keys(f"LocalUpload/{hex_of(artifact.digest)}/nasty/")
        assert len(stored) == len(files)
        assert not blobfs.verify(artifact.digest, store=store).problems

    def test_a_nasty_name_can_be_the_roots(self, store: blobfs.Store, tmp_path: Path) -> None:
        for number, name in enumerate(NASTY[::16]):
            source = write_tree(tmp_path / str(number) / name, {"f": f"{number}"})
            for one, what in ((source, f"t{number}"), (source / "f", f"f{number}")):
                artifact = blobfs.upload(one, store=store, name=what)
                where = blobfs.download(f"{what}:1", tmp_path / "out" / what, store=store)
                last = os.path.basename(artifact.path)
                assert last == one.name or last.startswith("%")
                assert (where / "f" if where.is_dir() else where).read_text() == f"{number}"

    def test_a_name_that_no_store_can_hold_is_refused_with_all_others(
        self, store: blobfs.Store, place: Place, tmp_path: Path
    ) -> None:
        long = ["%" * 90, "\x01" * 100, "\\" * 86]
        source = write_tree(tmp_path / "long", dict.fromkeys([*long, "plain"], "x"))
        deep = "/".join("d" * 200 for _ in range(6))
        write_tree(source, {f"{deep}/f": "x"})
        with pytest.raises(UnsafeNameError) as caught:
            blobfs.upload(source, store=store)
        assert all(name in str(caught.value) for name in [*long, deep])
        assert "plain " not in str(caught.value)
        assert place.keys() == set()

    # ---- content is stored once ------------------------------------------------------------

    def test_equal_content_is_stored_once(
        self, store: blobfs.Store, place: Place, tree: Path
    ) -> None:
        first = blobfs.upload(tree, store=store, name="n", version="v")
        before = place.around.snapshot()
        again = blobfs.upload(tree, store=store)
        assert (again.digest, again.path) == (first.digest, first.path)
        assert (again.reused, again.sent_files, again.sent_bytes) == (True, 0, 0)
        assert (again.name, again.version) == ("n", "v"), "what it was last registered to"
        assert place.around.snapshot() == before
        assert (first.reused, first.sent_files) == (False, 5)

    def test_what_a_hit_was_registered_to_is_the_last_name(
        self, store: blobfs.Store, tree: Path
    ) -> None:
        assert blobfs.upload(tree, store=store).name is None
        assert blobfs.upload(tree, store=store).name is None
        blobfs.upload(tree, store=store, name="zeta", version="9")
        time.sleep(self.tick)
        blobfs.upload(tree, store=store, name="alpha", version="1")
        again = blobfs.upload(tree, store=store)
        assert (again.name, again.version) == ("alpha", "1")

    def test_another_root_name_is_a_hit_with_the_first_path(
        self, store: blobfs.Store, tree: Path, tmp_path: Path
    ) -> None:
        first = blobfs.upload(tree, store=store)
        shutil.copytree(tree, tmp_path / "other")
        second = blobfs.upload(tmp_path / "other", store=store)
        assert second.reused
        assert second.path == first.path
        assert second.path.endswith("/tree")

    def test_another_file_name_is_another_artifact(
        self, store: blobfs.Store, tree: Path
    ) -> None:
        first = blobfs.upload(tree / "a.txt", store=store)
        second = blobfs.upload(tree / "sub" / "b.txt", store=store)
        assert first.digest != second.digest
        assert second.path.endswith("/b.txt")

    def test_plain_names_lie_under_themselves(
        self, store: blobfs.Store, place: Place, tree: Path
    ) -> None:
        artifact = blobfs.upload(tree, store=store)
        below = f"LocalUpload/{hex_of(artifact.digest)}"
        found = {
            key.removeprefix(below): data
            for key, data in place.around.snapshot().items()
            if key.startswith(below)
        }
        found.pop("/_manifest.jsonl")
        files = {path: data for path, data in content(tree).items() if data is not None}
        assert found == {f"/tree/{path}": data for path, (data, _) in files.items()}

    # ---- names and versions ----------------------------------------------------------------

    def test_the_same_version_with_the_same_content_succeeds(
        self, store: blobfs.Store, tree: Path
    ) -> None:
        blobfs.upload(tree, store=store, name="n", version="1")
        again = blobfs.upload(tree, store=store, name="n", version="1")
        assert (again.name, again.version, again.reused) == ("n", "1", True)

    def test_the_same_version_with_other_content_is_a_conflict_and_changes_nothing(
        self, store: blobfs.Store, place: Place, tree: Path
    ) -> None:
        blobfs.upload(tree, store=store, name="n", version="1")
        before = place.around.snapshot()
        (tree / "a.txt").write_text("other")
        with pytest.raises(ArtifactConflictError, match="n:1"):
            blobfs.upload(tree, store=store, name="n", version="1")
        assert place.around.snapshot() == before

    def test_versions_count_up_and_equal_content_keeps_the_latest(
        self, store: blobfs.Store, tree: Path
    ) -> None:
        def version_of(text: str) -> str | None:
            (tree / "a.txt").write_text(text)
            return blobfs.upload(tree, store=store, name="n").version

        assert [version_of(text) for text in ("x", "x", "y", "y", "x")] == list("11223")
        blobfs.upload(tree, store=store, name="n", version="10")
        assert version_of("z") == "11"

    def test_the_next_version_after_text_must_be_said(
        self, store: blobfs.Store, place: Place, tree: Path
    ) -> None:
        blobfs.upload(tree, store=store, name="n", version="1.0-rc")
        assert blobfs.upload(tree, store=store, name="n").version == "1.0-rc"
        (tree / "a.txt").write_text("other")
        before = place.around.snapshot()
        with pytest.raises(ConfigError, match=r"1\.0-rc"):
            blobfs.upload(tree, store=store, name="n")
        assert place.around.snapshot() == before

    def test_a_removed_version_is_gone_and_never_used_again(
        self, store: blobfs.Store, place: Place, tree: Path, tmp_path: Path
    ) -> None:
        first = blobfs.upload(tree, store=store, name="n")
        (tree / "a.txt").write_text("other")
        second = blobfs.upload(tree, store=store, name="n")
        assert blobfs.remove("n:2", store=store).digest == second.digest
        assert ".blobfs/assets/n/2/removed.json" in place.around.snapshot()
        with pytest.raises(ArtifactNotFoundError, match="removed"):
            blobfs.download("n:2", tmp_path / "out", store=store)
        assert blobfs.find("n", store=store).header == store.probe(first.digest)
        assert [a.version for a in blobfs.assets(store, "n")] == ["1"]
        assert blobfs.upload(tree, store=store).name is None, "not what was taken away"
        assert blobfs.upload(tree, store=store, name="n").version == "3"
        with pytest.raises(ArtifactConflictError, match="removed"):
            blobfs.upload(tree, store=store, name="n", version="2")
        with pytest.raises(ArtifactNotFoundError, match="removed"):
            blobfs.remove("n:2", store=store)

    def test_bytes_of_a_removed_name_stay(
        self, store: blobfs.Store, tree: Path, tmp_path: Path
    ) -> None:
        artifact = blobfs.upload(tree, store=store, name="n")
        blobfs.remove("n:1", store=store)
        where = blobfs.download(artifact.digest, tmp_path / "out", store=store)
        assert content(where) == content(tree)

    def test_what_a_store_holds_is_listed(self, store: blobfs.Store, tree: Path) -> None:
        assert (list(blobfs.assets(store)), list(blobfs.artifacts(store))) == ([], [])
        one = blobfs.upload(tree, store=store, name="b", version="10")
        blobfs.upload(tree, store=store, name="b", version="9")
        two = blobfs.upload(tree / "a.txt", store=store, name="a", version="x")
        found = [(a.name, a.version, a.digest) for a in blobfs.assets(store)]
        assert found == [
            ("a", "x", two.digest),
            ("b", "9", one.digest),
            ("b", "10", one.digest),
        ]
        headers = {header.digest: header for header in blobfs.artifacts(store)}
        assert headers.keys() == {one.digest, two.digest}
        assert headers[one.digest].files == one.files == 5

    def test_one_who_cannot_decide_a_race_says_so(
        self, store: blobfs.Store, place: Place, tree: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, "blobfs")
        blobfs.upload(tree, store=store, name="n")
        warned = "cannot create exclusively" in caplog.text
        assert warned == (not self.decides_races)
        caplog.clear()
        blobfs.upload(tree, store=place.open(), name="n")
        assert not caplog.text, "nothing was committed"

    # ---- what lies where -------------------------------------------------------------------

    def test_a_manifest_is_exactly_as_documented(
        self, store: blobfs.Store, place: Place, tmp_path: Path
    ) -> None:
        odd, odd_key = "%50\n.", "%%2550%0A%2E"
        source = write_tree(
            tmp_path / "m", {"b": "bb", "a/é": "é", "B/": "", odd: "odd", "run": ""}
        )
        (source / "run").chmod(0o700)
        artifact = blobfs.upload(source, store=store)
        empty, two, text = sha256(b""), sha256(b"bb"), sha256("é".encode())
        listing = (
            "blobfs listing 1 tree\n"
            f'{hex_of(sha256(b"odd"))} 3 "%50\\n."\n'
            '- 0 "B/"\n'
            f'{hex_of(text)} 2 "a/é"\n'
            f'{hex_of(two)} 2 "b"\n'
            f'{hex_of(empty)} 0 "run" x\n'
        )
        assert artifact.digest == sha256(listing.encode())
        key = f"LocalUpload/{hex_of(artifact.digest)}/_manifest.jsonl"
        stored = place.read(key).decode()
        header = json.loads(stored.partition("\n")[0])
        assert len(header["commit"]) == 36
        assert len(header["created"]) == 20
        assert stored == (
            f'{{"schema":1,"digest":"{artifact.digest}","kind":"tree","name":"m","files":4,'
            f'"size":7,"created":"{header["created"]}","commit":"{header["commit"]}"}}\n'
            f'{{"path":"%50\\n.","size":3,"digest":"{sha256(b"odd")}","key":"{odd_key}"}}\n'
            '{"path":"B/","size":0,"digest":"-"}\n'
            f'{{"path":"a/é","size":2,"digest":"{text}"}}\n'
            f'{{"path":"b","size":2,"digest":"{two}"}}\n'
            f'{{"path":"run","size":0,"digest":"{empty}","executable":true}}\n'
        )
        assert place.read(f"LocalUpload/{hex_of(artifact.digest)}/m/{odd_key}") == b"odd"

    def test_a_single_files_manifest_is_exactly_as_documented(
        self, store: blobfs.Store, place: Place, tmp_path: Path
    ) -> None:
        source = write_tree(tmp_path, {"_manifest.jsonl": "data"}) / "_manifest.jsonl"
        artifact = blobfs.upload(source, store=store)
        line = f'{hex_of(sha256(b"data"))} 4 "_manifest.jsonl"\n'
        assert artifact.digest == sha256(b"blobfs listing 1 file\n" + line.encode())
        below = f"LocalUpload/{hex_of(artifact.digest)}"
        assert place.read(f"{below}/%_manifest.jsonl") == b"data"
        header, entry = place.read(f"{below}/_manifest.jsonl").decode().splitlines()
        assert json.loads(header)["key"] == "%_manifest.jsonl"
        assert json.loads(entry)["path"] == "_manifest.jsonl"
        where = blobfs.download(artifact.digest, f"{tmp_path}/out/", store=store)
        assert (where.name, where.read_bytes()) == ("_manifest.jsonl", b"data")

    def test_an_asset_is_exactly_as_documented(
        self, store: blobfs.Store, place: Place, tree: Path
    ) -> None:
        artifact = blobfs.upload(tree, store=store, name="n", version="1.0")
        asset = place.read(".blobfs/assets/n/1.0/asset.json").decode()
        created = json.loads(asset)["created"]
        assert asset == (
            f'{{"schema":1,"name":"n","version":"1.0","digest":"{artifact.digest}",'
            f'"manifest":"LocalUpload/{hex_of(artifact.digest)}/_manifest.jsonl",'
            f'"created":"{created}"}}\n'
        )
        assert f".blobfs/registered/{hex_of(artifact.digest)}/n@1.0" in place.around.snapshot()
        format_ = json.loads(place.read(".blobfs/format.json"))
        assert format_["schema"] == 1
        assert not place.keys(".blobfs/stage/")

    # ---- handles ---------------------------------------------------------------------------

    def test_a_handle_ends_in_the_name_and_is_valid_for_a_fresh_manager(
        self, place: Place, tree: Path, tmp_path: Path
    ) -> None:
        for source in (tree, tree / "a.txt"):
            handle = place.manager().upload(str(source))
            assert type(handle) is str
            assert os.path.basename(handle) == source.name
            where = place.manager().download(handle, str(tmp_path / "out"))
            assert where == str(tmp_path / "out" / source.name)
        assert content(tmp_path / "out" / "tree") == content(tree)
        assert (tmp_path / "out" / "a.txt").read_bytes() == b"same"

    def test_a_download_by_handle_replaces_what_was_there(
        self, place: Place, tree: Path, tmp_path: Path
    ) -> None:
        handle = place.manager().upload(tree)
        write_tree(tmp_path / "out" / "tree", {"a.txt": "mine", "extra": "stays"})
        place.manager().download(handle, tmp_path / "out")
        assert (tmp_path / "out" / "tree" / "a.txt").read_bytes() == b"same"
        assert (tmp_path / "out" / "tree" / "extra").read_bytes() == b"stays"

    def test_a_handle_with_more_parts_names_a_part(
        self, place: Place, tree: Path, tmp_path: Path
    ) -> None:
        handle = place.manager().upload(tree)
        where = place.manager().download(f"{handle}/sub", tmp_path / "out")
        assert where == str(tmp_path / "out" / "sub")
        assert content(Path(where)) == content(tree / "sub")

    def test_a_handle_outside_the_root_is_refused(
        self, place: Place, tree: Path, tmp_path: Path
    ) -> None:
        place.manager().upload(tree)
        root = place.open().location.url
        outside = write_tree(tmp_path / "store_evil", {"x": "secret"})
        write_tree(tmp_path, {"x": "secret"})
        for handle in (
            f"{root}_evil/x",
            f"{root}/../x",
            f"{root}/LocalUpload/../../x",
            "/etc/passwd",
            "s3://bucket/x",
            str(outside),
        ):
            with pytest.raises(UnsafeNameError, match="Cannot download"):
                place.manager().download(handle, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_prefix_ends_at_a_slash(
        self, store: blobfs.Store, place: Place, tmp_path: Path
    ) -> None:
        for key in ("runs/run/a", "runs/run/b/c", "runs/run2/d", "runs/running", "runs/ru"):
            place.around.write(key, key.encode())
        root = store.location.url
        where = blobfs.download(f"{root}/runs/run", tmp_path / "out", store=store)
        expected = {"a": (b"runs/run/a", False), "b/c": (b"runs/run/b/c", False)}
        assert content(where) == expected
        copied = place.manager().download(f"{root}/runs/run/", tmp_path / "by-handle")
        assert copied == str(tmp_path / "by-handle" / "run")
        assert content(Path(copied)) == expected
        one = place.manager().download(f"{root}/runs/ru", tmp_path / "one")
        assert Path(one).read_bytes() == b"runs/ru"
        with pytest.raises(ArtifactNotFoundError):
            place.manager().download(f"{root}/runs/r", tmp_path / "none")

    # ---- damage ----------------------------------------------------------------------------

    def test_an_unknown_artifact_is_not_found(
        self, store: blobfs.Store, tmp_path: Path
    ) -> None:
        for ref in (sha256(b"never"), "sha256:12345678", "never:1", "never", "never@latest"):
            with pytest.raises(ArtifactNotFoundError):
                blobfs.download(ref, tmp_path / "out", store=store)
            with pytest.raises(ArtifactNotFoundError):
                blobfs.verify(ref, store=store)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("damage", [b"SAME", b"sam", b"same and more", b"", None])
    def test_damaged_bytes_are_refused_and_found(
        self,
        store: blobfs.Store,
        place: Place,
        tree: Path,
        tmp_path: Path,
        damage: bytes | None,
    ) -> None:
        artifact = blobfs.upload(tree, store=store, name="n")
        key = f"LocalUpload/{hex_of(artifact.digest)}/tree/sub/b.txt"
        if damage is None:
            place.around.delete(key)
        else:
            place.around.write(key, damage)
        with pytest.raises(IntegrityError, match=r"sub/b\.txt"):
            blobfs.download("n:1", tmp_path / "out", store=store)
        assert not (tmp_path / "out").exists()
        with pytest.raises(IntegrityError, match=r"b\.txt"):
            blobfs.download("n:1/sub/b.txt", tmp_path / "file", store=store)
        assert not (tmp_path / "file").exists()
        for deep in (False, True):
            report = blobfs.verify("n:1", store=store, deep=deep)
            found = [problem.path for problem in report.problems]
            assert found == ([] if damage == b"SAME" and not deep else ["sub/b.txt"])
            assert report.ok == (not found)

    def test_a_damaged_large_file_is_refused(
        self, store: blobfs.Store, place: Place, tmp_path: Path
    ) -> None:
        data = random.Random(8).randbytes(9 << 20)
        source = write_tree(tmp_path / "big", {"w.bin": data})
        artifact = blobfs.upload(source, store=store)
        key = f"LocalUpload/{hex_of(artifact.digest)}/big/w.bin"
        for bad in (data[:-1] + bytes([data[-1] ^ 1]), data[:-1], data + b"x"):
            place.around.write(key, bad)
            with pytest.raises(IntegrityError, match=r"w\.bin"):
                blobfs.download(artifact.digest, tmp_path / "out", store=store)
            assert not (tmp_path / "out").exists()

    def test_several_damaged_files_are_all_named(
        self, store: blobfs.Store, place: Place, tree: Path, tmp_path: Path
    ) -> None:
        artifact = blobfs.upload(tree, store=store, name="n")
        for name in ("a.txt", "sub/b.txt"):
            place.around.write(f"LocalUpload/{hex_of(artifact.digest)}/tree/{name}", b"DAMAGED")
        with pytest.raises(TransferError) as caught:
            blobfs.download("n:1", tmp_path / "out", store=store)
        told = sorted(map(str, caught.value.exceptions))
        assert len(told) == 2
        assert "a.txt" in told[0]
        assert "sub/b.txt" in told[1]

    def test_a_corrupted_manifest_is_refused_and_found(
        self, store: blobfs.Store, place: Place, tree: Path, tmp_path: Path
    ) -> None:
        artifact = blobfs.upload(tree, store=store, name="n")
        key = f"LocalUpload/{hex_of(artifact.digest)}/_manifest.jsonl"
        good = place.read(key)
        corrupt = (
            b"",
            good[: len(good) // 2],
            good[:-1],
            good.replace(b'"size":4', b'"size":5', 1),
            good.replace(b"a.txt", b"b.txt"),
            b"\0" * len(good),
            good.partition(b"\n")[0] + b"\n",
            good.replace(artifact.digest.encode(), sha256(b"other").encode(), 1),
        )
        for bad in corrupt:
            place.around.write(key, bad)
            with pytest.raises(IntegrityError):
                blobfs.download("n:1", tmp_path / "out", store=store)
            assert not (tmp_path / "out").exists()
            report = blobfs.verify("n:1", store=store)
            assert [problem.path for problem in report.problems] == [""]

    def test_the_manifest_of_another_artifact_is_not_this_ones(
        self, store: blobfs.Store, place: Place, tree: Path, tmp_path: Path
    ) -> None:
        artifact = blobfs.upload(tree, store=store, name="n")
        other = blobfs.upload(tree / "sub", store=store)
        valid = place.read(f"LocalUpload/{hex_of(other.digest)}/_manifest.jsonl")
        place.around.write(f"LocalUpload/{hex_of(artifact.digest)}/_manifest.jsonl", valid)
        with pytest.raises(IntegrityError, match=other.digest):
            blobfs.download("n:1", tmp_path / "out", store=store)
        assert not blobfs.verify("n:1", store=store).ok
        with pytest.raises(IntegrityError, match=other.digest):
            store.probe(artifact.digest)

    def test_what_an_upload_finds_in_place_of_its_manifest_is_never_taken_for_it(
        self, store: blobfs.Store, place: Place, tree: Path, tmp_path: Path
    ) -> None:
        artifact = blobfs.upload(tree, store=store)
        place.around.write(f"LocalUpload/{hex_of(artifact.digest)}/_manifest.jsonl", b"?")
        if not self.publishes_by_rename:
            with pytest.raises(IntegrityError):
                blobfs.upload(tree, store=store)
            return
        again = blobfs.upload(tree, store=store)
        assert not again.reused
        where = blobfs.download(artifact.digest, tmp_path / "out", store=store)
        assert content(where) == content(tree)
        moved = [key for key in place.keys(".blobfs/stage/") if "-broken/" in key]
        assert any(key.endswith("/_manifest.jsonl") for key in moved), "and nothing is lost"

    def test_check_sends_again_what_is_missing_or_has_another_size(
        self, store: blobfs.Store, place: Place, tree: Path
    ) -> None:
        artifact = blobfs.upload(tree, store=store, name="n")
        good = place.around.snapshot()
        below = f"LocalUpload/{hex_of(artifact.digest)}/tree"
        place.around.delete(f"{below}/a.txt")
        place.around.write(f"{below}/run.sh", b"short")
        assert blobfs.upload(tree, store=store).reused, "a hit trusts the manifest"
        plan = blobfs.plan_upload(tree, store=store, name="n", check=True)
        checked = blobfs.upload(tree, store=store, name="n", check=True)
        assert (len(plan.send), plan.send_bytes) == (checked.sent_files, checked.sent_bytes)
        assert (checked.reused, checked.sent_files, checked.sent_bytes) == (False, 2, 14)
        assert checked.version == "1"
        assert place.around.snapshot() == good
        assert blobfs.verify("n:1", store=store, deep=True).ok
        assert blobfs.upload(tree, store=store, check=True).reused

    # ---- plans and differences -------------------------------------------------------------

    def test_a_plan_says_what_an_upload_does_and_writes_nothing(
        self, store: blobfs.Store, place: Place, tree: Path
    ) -> None:
        plan = blobfs.plan_upload(tree, store=store, name="n")
        assert place.keys() == set()
        artifact = blobfs.upload(tree, store=store, name="n")
        for field in ("store", "digest", "kind", "name", "version", "path", "files", "size"):
            assert getattr(plan, field) == getattr(artifact, field), field
        assert (len(plan.send), plan.send_bytes) == (artifact.sent_files, artifact.sent_bytes)
        before = place.around.snapshot()
        again = blobfs.plan_upload(tree, store=store, name="n")
        assert (again.reused, again.send, again.copy) == (True, (), ())
        (tree / "a.txt").write_text("other")
        assert blobfs.plan_upload(tree, store=store, name="n").version == "2"
        with pytest.raises(ArtifactConflictError):
            blobfs.plan_upload(tree, store=store, name="n", version="1")
        assert place.around.snapshot() == before

    def test_differences_are_told_by_path(self, store: blobfs.Store, tree: Path) -> None:
        blobfs.upload(tree, store=store, name="n")
        (tree / "a.txt").write_text("other")
        (tree / "sub" / "b.txt").unlink()
        (tree / "new").write_text("new")
        (tree / "run.sh").chmod(0o644)
        blobfs.upload(tree, store=store, name="n")
        for second in ("n:2", str(tree)):
            found = blobfs.diff("n:1", second, store=store)
            assert found.added == ("new",)
            assert found.removed == ("sub/b.txt",)
            assert found.changed == ("a.txt", "run.sh")
        assert not blobfs.diff("n@latest", str(tree), store=store)

    # ---- several at once -------------------------------------------------------------------

    def test_sixteen_writers_of_one_content_all_succeed(
        self, place: Place, tree: Path, tmp_path: Path
    ) -> None:
        stores = [place.open(), place.open()]

        def write(number: int) -> blobfs.Artifact:
            return blobfs.upload(tree, store=stores[number % 2], name="n", version="1")

        done = _at_once(write)
        assert [error for error in done if isinstance(error, Exception)] == []
        assert len({artifact.digest for artifact in done}) == 1
        manifests = [key for key in place.keys("LocalUpload/") if "_manifest" in key]
        assert len(manifests) == 1
        where = blobfs.download("n:1", tmp_path / "out", store=place.open())
        assert content(where) == content(tree)

    def test_of_sixteen_writers_of_one_version_exactly_one_wins(
        self, place: Place, tmp_path: Path
    ) -> None:
        if not self.decides_races:
            return  # it says so on each commit: test_one_who_cannot_decide_a_race_says_so
        sources = [write_tree(tmp_path / f"{n}" / "m", {"f": f"{n}"}) for n in range(16)]

        stores = [place.open(), place.open()]

        def write(number: int) -> blobfs.Artifact:
            store = stores[number % 2]
            return blobfs.upload(sources[number], store=store, name="n", version="1")

        done = _at_once(write)
        won = [artifact for artifact in done if isinstance(artifact, blobfs.Artifact)]
        assert len(won) == 1
        lost = [error for error in done if not isinstance(error, blobfs.Artifact)]
        assert {type(error) for error in lost} == {ArtifactConflictError}
        where = blobfs.download("n:1", tmp_path / "out", store=place.open())
        assert content(where) == content(sources[done.index(won[0])])

    def test_sixteen_writers_of_a_name_get_sixteen_versions(
        self, place: Place, tmp_path: Path
    ) -> None:
        if not self.decides_races:
            return
        sources = [write_tree(tmp_path / f"{n}" / "m", {"f": f"{n}"}) for n in range(16)]

        stores = [place.open(), place.open()]

        def write(number: int) -> blobfs.Artifact:
            return blobfs.upload(sources[number], store=stores[number % 2], name="n")

        versions = [str(getattr(one, "version", one)) for one in _at_once(write)]
        assert sorted(versions, key=int) == [str(n) for n in range(1, 17)]

    def test_sixteen_readers_read_one_store(
        self, store: blobfs.Store, tree: Path, tmp_path: Path
    ) -> None:
        (tree / "large").write_bytes(random.Random(9).randbytes((9 << 20) + 5))
        blobfs.upload(tree, store=store, name="n")

        def read(number: int) -> Path:
            return blobfs.download("n:1", tmp_path / f"out-{number}", store=store)

        for where in _at_once(read):
            assert content(where) == content(tree)

    # ---- modes -----------------------------------------------------------------------------

    def test_executable_bits_are_kept(
        self, store: blobfs.Store, tree: Path, tmp_path: Path
    ) -> None:
        artifact = blobfs.upload(tree, store=store)
        where = blobfs.download(artifact.digest, tmp_path / "out", store=store)
        assert os.access(where / "run.sh", os.X_OK)
        assert not (where / "a.txt").stat().st_mode & 0o111
        if self.keeps_executable_bits:
            assert Path(artifact.path, "run.sh").stat().st_mode & 0o111 == 0o111
            assert not Path(artifact.path, "a.txt").stat().st_mode & 0o111

    def test_an_executable_bit_is_content(self, store: blobfs.Store, tree: Path) -> None:
        first = blobfs.upload(tree, store=store)
        (tree / "a.txt").chmod(0o755)
        assert blobfs.upload(tree, store=store).digest != first.digest


def _at_once(act: Callable[[int], Any]) -> list[Any]:
    """Call with 0 to 15 at the same time; return what each call returned or raised."""
    ready = threading.Barrier(16)

    def one(number: int) -> object:
        ready.wait()
        try:
            return act(number)
        except Exception as error:  # noqa: BLE001 - which one it is, is looked at
            return error

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(one, range(16)))


def _short(name: str) -> bool:
    return len(name.encode()) < 80
