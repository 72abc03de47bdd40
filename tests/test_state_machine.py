"""Any order of calls, against a dict that says what a store must hold (T7)."""

import itertools
import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

import blobfs
from blobfs import ArtifactConflictError, ArtifactNotFoundError, ConfigError, IntegrityError
from tests.places import PLACES, Content, Directory, Place, content, hex_of, write_tree

NAMES = st.sampled_from(["n", "m"])
VERSIONS = st.sampled_from(["1", "2", "3", "v1"])
PATHS = ["a", "b", "d/a", "d/e/b", "x.sh", "%\n"]
TREES = st.dictionaries(
    st.sampled_from(PATHS), st.sampled_from([b"", b"x", b"yy", b"z" * 5000]), min_size=1
)


class Store(RuleBasedStateMachine):
    """Upload, download, verify, remove, damage and repair, in any order."""

    kind = "local"
    options: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed

    trees = Bundle[Path]("trees")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="blobfs-test-"))
        self.place: Place = PLACES[self.kind](self.directory, **self.options)
        self.number = itertools.count()
        self.artifacts: dict[str, Content] = {}
        self.assets: dict[tuple[str, str], str] = {}
        self.removed: set[tuple[str, str]] = set()
        self.damaged: set[str] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.directory)

    def fresh(self, kind: str) -> Path:
        return self.directory / f"{kind}{next(self.number)}"

    def versions(self, name: str) -> list[str]:
        return [version for one, version in self.assets if one == name]

    # ---- trees -----------------------------------------------------------------------------

    @initialize(target=trees)
    def first_tree(self) -> Path:
        return write_tree(self.fresh("tree"), {"a": "first"})

    @rule(target=trees, files=TREES)
    def make_tree(self, files: dict[str, bytes]) -> Path:
        root = write_tree(self.fresh("tree"), files)
        if (root / "x.sh").exists():
            (root / "x.sh").chmod(0o755)
        return root

    @rule(tree=trees, path=st.sampled_from(PATHS), data=st.binary(max_size=3))
    def change_tree(self, tree: Path, path: str, data: bytes) -> None:
        write_tree(tree, {path: data})

    # ---- calls -----------------------------------------------------------------------------

    def note(self, artifact: blobfs.Artifact, tree: Path) -> None:
        known = artifact.digest in self.artifacts
        assert artifact.reused == known
        assert self.artifacts.setdefault(artifact.digest, content(tree)) == content(tree)

    @rule(tree=trees)
    def upload(self, tree: Path) -> None:
        self.note(blobfs.upload(tree, store=self.place.open()), tree)

    @rule(tree=trees, name=NAMES, version=VERSIONS)
    def upload_version(self, tree: Path, name: str, version: str) -> None:
        digest = blobfs.plan_upload(tree, store=self.place.open()).digest
        held = self.assets.get((name, version))
        if (name, version) in self.removed or (held and held != digest):
            with pytest.raises(ArtifactConflictError):
                blobfs.upload(tree, store=self.place.open(), name=name, version=version)
            return
        artifact = blobfs.upload(tree, store=self.place.open(), name=name, version=version)
        assert (artifact.digest, artifact.version) == (digest, version)
        self.note(artifact, tree)
        self.assets[name, version] = digest

    @rule(tree=trees, name=NAMES)
    def upload_next(self, tree: Path, name: str) -> None:
        digest = blobfs.plan_upload(tree, store=self.place.open(), name=None).digest
        live = sorted(self.versions(name), key=lambda v: (not v.isdigit(), int(v.strip("v"))))
        latest = live[-1] if live else None
        if latest and not latest.isdigit() and self.assets[name, latest] != digest:
            with pytest.raises(ConfigError):
                blobfs.upload(tree, store=self.place.open(), name=name)
            return
        artifact = blobfs.upload(tree, store=self.place.open(), name=name)
        if latest and self.assets[name, latest] == digest:
            assert artifact.version == latest
        else:
            used = [*live, *(version for one, version in self.removed if one == name)]
            numbers = [int(version) for version in used if version.isdigit()]
            assert artifact.version == str(1 + max(numbers, default=0))
        self.note(artifact, tree)
        assert artifact.version
        self.assets[name, artifact.version] = digest

    @rule(name=NAMES, version=VERSIONS)
    def remove(self, name: str, version: str) -> None:
        if (name, version) not in self.assets:
            with pytest.raises(ArtifactNotFoundError):
                blobfs.remove(f"{name}:{version}", store=self.place.open())
            return
        blobfs.remove(f"{name}:{version}", store=self.place.open())
        del self.assets[name, version]
        self.removed.add((name, version))

    @rule(name=NAMES, version=VERSIONS)
    def download(self, name: str, version: str) -> None:
        target = self.fresh("out")
        digest = self.assets.get((name, version))
        if digest is None:
            with pytest.raises(ArtifactNotFoundError):
                blobfs.download(f"{name}:{version}", target, store=self.place.open())
        elif digest in self.damaged:
            with pytest.raises(blobfs.BlobfsError):
                blobfs.download(f"{name}:{version}", target, store=self.place.open())
        else:
            blobfs.download(f"{name}:{version}", target, store=self.place.open())
            assert content(target) == self.artifacts[digest]
            return
        assert not target.exists()

    @precondition(lambda self: self.artifacts)
    @rule(number=st.integers(0, 99))
    def verify(self, number: int) -> None:
        digest = sorted(self.artifacts)[number % len(self.artifacts)]
        report = blobfs.verify(digest, store=self.place.open(), deep=True)
        assert report.ok == (digest not in self.damaged)

    # ---- damage ----------------------------------------------------------------------------

    @precondition(lambda self: self.artifacts.keys() - self.damaged)
    @rule(number=st.integers(0, 99), how=st.sampled_from(["flip", "cut", "delete"]))
    def damage(self, number: int, how: str) -> None:
        whole = sorted(self.artifacts.keys() - self.damaged)
        digest = whole[number % len(whole)]
        below = f"LocalUpload/{hex_of(digest)}/"
        found = sorted((k, v) for k, v in self.place.around.snapshot().items() if below in k)
        blobs = [(k, v) for k, v in found if not k.endswith("_manifest.jsonl")]
        if self.options.get("delta") == "reference" or not blobs:
            return  # what lies elsewhere may be another's, too
        key, data = blobs[number % len(blobs)]
        if how == "delete" or not data:
            self.place.around.delete(key)
        else:
            at = number % len(data)
            flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            self.place.around.write(key, flipped if how == "flip" else data[:-1])
        self.damaged.add(digest)

    @rule(tree=trees)
    def check(self, tree: Path) -> None:
        """What is missing or short is mended; a flipped bit has the right size and stays."""
        before = blobfs.plan_upload(tree, store=self.place.open()).digest
        artifact = blobfs.upload(tree, store=self.place.open(), check=True)
        assert artifact.digest == before
        self.artifacts.setdefault(artifact.digest, content(tree))
        if artifact.sent_files and artifact.digest in self.damaged:
            self.damaged.remove(artifact.digest)
            assert blobfs.verify(before, store=self.place.open(), deep=True).ok

    # ---- always ----------------------------------------------------------------------------

    @invariant()
    def the_store_lists_what_it_must_hold(self) -> None:
        store = self.place.open()
        assert {header.digest for header in blobfs.artifacts(store)} == set(self.artifacts)
        listed = {(a.name, a.version): a.digest for a in blobfs.assets(store)}
        assert listed == self.assets

    @invariant()
    def nothing_is_left_in_the_stage(self) -> None:
        assert not self.place.keys(".blobfs/stage/")
        if isinstance(self.place.around, Directory):
            stage = self.place.around.root / ".blobfs" / "stage"
            assert not stage.exists() or os.listdir(stage) == []


class StoreInMemory(Store):
    kind = "memory"


class StoreOfReferences(Store):
    options = {"delta": "reference"}  # noqa: RUF012


FEW = settings(
    max_examples=200,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

TestLocal = Store.TestCase
TestLocal.settings = FEW

TestMemory = StoreInMemory.TestCase
TestMemory.settings = settings(FEW, max_examples=10)

TestReferences = StoreOfReferences.TestCase
TestReferences.settings = settings(FEW, max_examples=10)


class Long(Store):
    """The same machine, for hours."""


TestLong = pytest.mark.soak(Long.TestCase)
TestLong.settings = settings(FEW, max_examples=2000, stateful_step_count=50)


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_never_gets_out(seed: int, store_place: Place, tmp_path: Path) -> None:
    """Refused each time, and delivered again when it is mended."""
    dice = random.Random(seed)
    source = write_tree(tmp_path / "m", {f"f{n}": dice.randbytes(50) for n in range(5)})
    blobfs.upload(source, store=store_place.open(), name="n")
    good = store_place.around.snapshot()
    blobs = sorted(k for k in good if "/m/" in k)
    for trial in range(15):
        key, at = dice.choice(blobs), dice.randrange(50)
        bad = bytearray(good[key])
        bad[at] ^= 1 << dice.randrange(8)
        store_place.around.write(key, bytes(bad))
        with pytest.raises(IntegrityError):
            blobfs.download("n:1", tmp_path / f"out{trial}", store=store_place.open())
        store_place.around.write(key, good[key])
    blobfs.download("n:1", tmp_path / "out", store=store_place.open())
