"""What `layout: azureml` must do on every kind of store, by every way to write metadata."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

import blobfs
from blobfs import ArtifactConflictError, ConfigError
from blobfs.compat.azureml import object_hash, upload_list
from tests.places import Described, Place, content, write_tree

FILES: dict[str, bytes | str] = {
    ".amlignore": "*.log\n",
    "Z.txt": "z",
    "a/b.bin": bytes(range(256)),
    "a/%41 é.": "kept raw",
    "empty": "",
    "left.log": "stays behind",
}

STATUS = "upload_status"


class AzureMLTests:
    """Beside `ManagerTests`; give `azureml` where the layout takes more than an option."""

    decides_races: ClassVar[bool] = False

    @pytest.fixture
    def azureml(self, place: Place) -> Place:
        return place.with_options(layout="azureml")

    @pytest.fixture
    def proj(self, tmp_path: Path) -> Path:
        return write_tree(tmp_path / "proj", FILES)

    def marks(self, place: Place, key: str) -> Mapping[str, str]:
        """AzureML's marks on an upload, around blobfs: in a file of their own by default."""
        if isinstance(place.around, Described):
            told = place.around.metadata(key)  # in moto every _ is a -
            return {name.replace("-", "_"): value for name, value in told.items()}
        top, digest, name = key.split("/")[:3]
        assert top == "LocalUpload"
        found: dict[str, str] = json.loads(place.read(f".blobfs/azureml/{digest}/{name}.json"))
        return found

    def test_azureml_an_upload_lies_and_is_marked_as_azureml_does_it(
        self, azureml: Place, proj: Path, tmp_path: Path
    ) -> None:
        store, digest = azureml.open(), object_hash(proj)
        artifact = blobfs.upload(proj, store=store, name="n", version="7")
        assert (artifact.reused, artifact.sent_files, artifact.name) == (False, 5, "n")
        expected = {
            f"LocalUpload/{digest}/{name}": Path(local).read_bytes()
            for name, local in upload_list(proj)
        }
        stored = azureml.keys("LocalUpload/")
        assert {key: azureml.read(key) for key in stored} == expected
        first = f"LocalUpload/{digest}/{upload_list(proj)[0][0]}"
        marks = self.marks(azureml, first)
        assert (marks[STATUS], marks["name"], marks["version"]) == ("completed", "n", "7")
        again = blobfs.upload(proj, store=azureml.open())
        assert (again.reused, again.name, again.version) == (True, "n", "7")
        assert again.path == artifact.path == store.location.handle(first.rpartition("/")[0])
        kept = {path: data for path, data in content(proj).items() if path != "left.log"}
        for number, ref in enumerate(("n:7", artifact.digest, artifact.path)):
            where = blobfs.download(ref, tmp_path / str(number), store=store)
            assert content(where) == kept
        assert blobfs.verify("n:7", store=store, deep=True).ok
        assert [header.digest for header in blobfs.artifacts(store)] == [artifact.digest]

    def test_azureml_a_single_file(self, azureml: Place, proj: Path, tmp_path: Path) -> None:
        store, file = azureml.open(), proj / "a" / "b.bin"
        artifact = blobfs.upload(file, store=store)
        key = f"LocalUpload/{object_hash(file)}/b.bin"
        assert azureml.keys("LocalUpload/") == {key}
        assert artifact.path == store.location.handle(key)
        assert self.marks(azureml, key)[STATUS] == "completed"
        again = blobfs.upload(file, store=store)
        assert (again.reused, again.name, again.path) == (True, None, artifact.path)
        assert (
            Path(azureml.manager().download(artifact.path, str(tmp_path))).read_bytes()
            == file.read_bytes()
        )

    def test_azureml_what_did_not_end_is_finished(
        self, azureml: Place, proj: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def end(*_: Any, **__: Any) -> None:  # noqa: ANN401
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("blobfs.artifact.azureml.Marks.write", end)
            with pytest.raises(KeyboardInterrupt):
                blobfs.upload(proj, store=azureml.open(), name="n", version="1")
        assert blobfs.upload(proj, store=azureml.open(), name="n", version="1").sent_files == 5
        assert blobfs.upload(proj, store=azureml.open(), name="n", version="1").reused
        where = blobfs.download("n:1", tmp_path / "out", store=azureml.open())
        assert len(content(where)) == 5

    def test_azureml_other_content_under_the_same_hash_is_a_conflict(
        self, place: Place, azureml: Place, tmp_path: Path
    ) -> None:
        one = write_tree(tmp_path / "1" / "proj", {"ab": "c"})
        other = write_tree(tmp_path / "2" / "proj", {"a": "bc"})
        assert object_hash(one) == object_hash(other)
        store = azureml.open()
        first = blobfs.upload(one, store=store, name="n", version="1")
        before = azureml.around.snapshot()
        with pytest.raises(ArtifactConflictError, match="layout: hashed"):
            blobfs.upload(other, store=store, name="n", version="2")
        assert azureml.around.snapshot() == before
        assert blobfs.verify(first.digest, store=store, deep=True).ok
        assert not blobfs.upload(other, store=place.open()).reused

    def test_azureml_of_two_contents_with_one_hash_exactly_one_wins(
        self, azureml: Place, tmp_path: Path
    ) -> None:
        rules = "build\n!build/keep.txt\n"
        trees = [
            write_tree(tmp_path / n / "p", {".amlignore": rules, "build/keep.txt": n})
            for n in ("1", "2")
        ]
        assert object_hash(trees[0]) == object_hash(trees[1])

        def upload(number: int) -> str | None:
            try:
                return blobfs.upload(trees[number % 2], store=azureml.open()).digest
            except ArtifactConflictError:
                return None

        writers = 8 if self.decides_races else 1  # else the last one wins
        with ThreadPoolExecutor(writers) as pool:
            digests = {digest for digest in pool.map(upload, range(8)) if digest}
        (winner,) = digests
        store = azureml.open()
        assert [header.digest for header in blobfs.artifacts(store)] == [winner]
        assert blobfs.verify(winner, store=store, deep=True).ok

    def test_azureml_what_is_there_and_not_known_is_taken_over(
        self, azureml: Place, proj: Path, tmp_path: Path
    ) -> None:
        first = blobfs.upload(proj, store=azureml.open(), name="n", version="1")
        for key in azureml.keys(".blobfs/"):
            if not (key.startswith(".blobfs/azureml/") and key.endswith(".json")):
                azureml.around.delete(key)
        store = azureml.open()
        again = blobfs.upload(proj, store=store, name="m", version="2")
        assert (again.reused, again.digest, again.sent_bytes) == (True, first.digest, 0)
        where = blobfs.download("m:2", tmp_path / "out", store=store)
        assert len(content(where)) == 5
        assert blobfs.upload(proj, store=store).name == "m"
        blobfs.remove("m:2", store=store)
        assert blobfs.upload(proj, store=store).name == "n"  # as the marks say

    def test_azureml_what_was_removed_is_a_conflict_and_sent_again_when_checked(
        self, azureml: Place, proj: Path
    ) -> None:
        store = azureml.open()
        artifact = blobfs.upload(proj, store=store, name="n", version="1")
        azureml.around.delete(f"LocalUpload/{object_hash(proj)}/proj/a/b.bin")
        assert not blobfs.verify("n:1", store=store).ok
        with pytest.raises(ArtifactConflictError, match=r"a/b\.bin is not there"):
            blobfs.upload(proj, store=store)
        again = blobfs.upload(proj, store=store, check=True)
        assert (again.digest, again.sent_files) == (artifact.digest, 1)
        assert blobfs.verify("n:1", store=store, deep=True).ok

    def test_azureml_takes_nothing_that_would_be_another_upload(
        self, azureml: Place, proj: Path
    ) -> None:
        store = azureml.open()
        for options in ({"ignore": False}, {"links": "skip"}):
            with pytest.raises(ConfigError, match="layout: hashed"):
                blobfs.upload(proj, store=store, **options)
        assert azureml.keys() == set()
