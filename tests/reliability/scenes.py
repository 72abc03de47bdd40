"""What is done while something goes wrong, and what must hold then, whatever it was.

Each scene prepares a directory of its own, can be run again and again, and is looked at from
outside. `SCENES` lists them all.
"""

import os
import shutil
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import blobfs
from blobfs.errors import BlobfsError
from blobfs.transfer import raised
from tests.reliability import checker

FILES: Mapping[str, bytes] = {
    ".gitignore": b"*.tmp\n",
    "left.tmp": b"never part of it",
    "data/large.bin": bytes(range(256)) * 24,
    "data/small.txt": b"small",
    "data/deep/er/twin.txt": b"small",
    "empty": b"",
    "run.sh": b"#!/bin/sh\n",
}
"""Six files, of which `large.bin` is a large one where `small_limits` lowered the bounds."""

KEPT = {path: data for path, data in FILES.items() if path != "left.tmp"}


def write_tree(root: Path, files: Mapping[str, bytes] = FILES) -> Path:
    for path, data in files.items():
        there = root / path
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(data)
        there.chmod(0o755 if path.endswith(".sh") else 0o644)
    (root / "hollow").mkdir(parents=True, exist_ok=True)
    return root


def content(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def open_store(root: Path, **options: object) -> blobfs.Store:
    """Open a store anew, as another process would."""
    config = {"root_directory": str(root), **options}
    return blobfs.open_store({"blob_manager_class": "local", "blob_manager_config": config})


def untyped(error: Exception | None) -> list[str]:
    """What of an error, or of what a group of them holds, is none of blobfs's own."""
    if error is None:
        return []
    if not isinstance(error, BlobfsError):
        return [_told(error)]
    return [_told(one) for one in raised(error) if not isinstance(one, BlobfsError)]


def _told(error: BaseException) -> str:
    """An error, and where in blobfs it passed by last."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/blobfs/" in f.filename]
    at = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {at}: {error}"


class Scene(ABC):
    """One operation on one store."""

    options: Mapping[str, object] = {}

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.root = directory / "store"
        self.source = directory / "source"
        write_tree(self.source)
        self.prepare()

    def store(self) -> blobfs.Store:
        return open_store(self.root, **self.options)

    def publish(self, name: str, version: str) -> str:
        return blobfs.upload(self.source, name=name, version=version, store=self.store()).digest

    def prepare(self) -> None:  # noqa: B027 - most have nothing to prepare
        """Make what must be there before."""

    @abstractmethod
    def run(self) -> None:
        """Do it."""

    @abstractmethod
    def lacking(self) -> list[str]:
        """What is not as it must be once `run` has returned."""

    def broken(self) -> list[str]:
        """What must never be, whatever happened."""
        return checker.problems(self.root)

    def go_on(self) -> None:
        """The next thing that somebody does here, which clears up after the dead."""
        (self.source / "next").write_text("next")
        self.publish("next", "1")

    def left(self) -> list[str]:
        """What nobody needs any more."""
        return checker.leftovers(self.root)


class FirstUpload(Scene):
    """Nothing is there, not even the store."""

    expected = ("model", "1")

    def run(self) -> None:
        artifact = self.upload()
        assert (artifact.name, artifact.version) == self.expected

    def upload(self) -> blobfs.Artifact:
        return blobfs.upload(self.source, name="model", version="1", store=self.store())

    def lacking(self) -> list[str]:
        digest = checker.assets(self.root).get(self.expected)
        if digest is None or digest not in checker.artifacts(self.root):
            return [f"no artifact behind {self.expected}"]
        plain = content(self.root / "LocalUpload" / digest / "source")
        return [] if plain == self.kept() else [f"{sorted(plain)} was published"]

    def kept(self) -> dict[str, bytes]:
        return dict(KEPT)


class GroupUpload(FirstUpload):
    """The store is shared by a group."""

    options: Mapping[str, object] = {"mode": "group"}


class NextUpload(FirstUpload):
    """A version after another one, with which it shares files."""

    expected = ("model", "2")

    def prepare(self) -> None:
        self.publish("model", "1")
        (self.source / "data" / "small.txt").write_bytes(b"changed")

    def upload(self) -> blobfs.Artifact:
        return blobfs.upload(self.source, name="model", store=self.store())

    def kept(self) -> dict[str, bytes]:
        return {**KEPT, "data/small.txt": b"changed"}


class HeldUpload(FirstUpload):
    """The content is there under another name."""

    expected = ("other", "1")

    def prepare(self) -> None:
        self.publish("model", "1")

    def upload(self) -> blobfs.Artifact:
        return blobfs.upload(self.source, name="other", store=self.store())


class BrokenUpload(FirstUpload):
    """Where the artifact goes lies something without a manifest."""

    def prepare(self) -> None:
        digest = self.publish("gone", "1").removeprefix("sha256:")
        there = self.root / "LocalUpload" / digest
        shutil.rmtree(self.root / ".blobfs" / "assets")
        (there / checker.MANIFEST).unlink()

    def broken(self) -> list[str]:
        wrong = super().broken()
        return [] if len(wrong) == 1 and "no readable manifest" in wrong[0] else wrong

    def left(self) -> list[str]:
        return [path for path in super().left() if not path.endswith("-broken")]


class AzureMLUpload(FirstUpload):
    """AzureML's layout, in which the mark comes last."""

    options: Mapping[str, object] = {"layout": "azureml"}

    def lacking(self) -> list[str]:
        if self.expected not in checker.assets(self.root):
            return [f"no asset {self.expected}"]
        (digest,) = checker.artifacts(self.root)
        plain = content(self.root / "LocalUpload" / digest / "source")
        return [] if plain == self.kept() else [f"{sorted(plain)} was published"]

    def broken(self) -> list[str]:
        return checker.azureml_problems(self.root)


class Adoption(Scene):
    """Files that lie in the store become artifacts there."""

    places: Mapping[str, bytes] = {
        "w.bin": bytes(range(256)) * 24,
        "small.txt": b"small",
        "runs/1/out": b"out",
        "runs/1/deep/out": b"small",
    }

    def prepare(self) -> None:
        for path, data in self.places.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_bytes(data)

    def run(self) -> None:
        found = blobfs.adopt(store=self.store())
        found += blobfs.adopt("runs/1", store=self.store(), name="run")
        for one in found:
            if one.error:
                raise one.error

    def lacking(self) -> list[str]:
        there = checker.assets(self.root)
        wanted = [(name, "1") for name in ("w.bin", "small.txt", "run")]
        return [f"no artifact behind {asset}" for asset in wanted if not there.get(asset)]

    def broken(self) -> list[str]:
        moved = [p for p, data in self.places.items() if (self.root / p).read_bytes() != data]
        return super().broken() + [f"{path} was written" for path in moved]


class Remove(Scene):
    """A version is taken away."""

    def prepare(self) -> None:
        self.publish("model", "1")

    def run(self) -> None:
        try:
            blobfs.remove("model:1", store=self.store())
        except blobfs.ArtifactNotFoundError:
            if self.lacking():
                raise

    def lacking(self) -> list[str]:
        there = self.root / ".blobfs" / "assets" / "model" / "1" / "removed.json"
        return [] if there.is_file() else ["no tombstone"]


class Download(Scene):
    """To where nothing is."""

    ref = "model:1"
    before: Mapping[str, bytes] = {}
    overwrite = False
    complete: Mapping[str, bytes] = KEPT

    def prepare(self) -> None:
        self.publish("model", "1")
        self.target = self.directory / "there" / "out"
        for path, data in self.before.items():
            (self.target / path).parent.mkdir(parents=True, exist_ok=True)
            (self.target / path).write_bytes(data)

    def run(self) -> None:
        blobfs.download(self.ref, self.target, store=self.store(), overwrite=self.overwrite)

    def lacking(self) -> list[str]:
        found = self.visible()
        return [] if found == {**self.before, **self.complete} else [f"{sorted(found)} arrived"]

    def broken(self) -> list[str]:
        found = self.visible()
        if not self.before:
            return super().broken() + (self.lacking() if self.target.exists() else [])
        wrong = [
            path
            for path, data in found.items()
            if data not in (self.before.get(path), self.complete.get(path))
        ]
        wrong += [f"no {path}" for path in self.before if path not in found]
        return super().broken() + wrong

    def visible(self) -> dict[str, bytes]:
        found = content(self.target)
        return {path: data for path, data in found.items() if not path.startswith(".blobfs-")}

    def go_on(self) -> None:
        super().go_on()
        self.complete = {"next": b"next", "data/small.txt": b"small"}
        self.overwrite = True
        blobfs.download("next:1", self.target, store=self.store(), overwrite=True)

    def left(self) -> list[str]:
        places = [p for p in (self.target.parent, self.target) if p.is_dir()]
        hidden = [n for place in places for n in os.listdir(place) if ".blobfs-" in n]
        return super().left() + hidden


class MergeDownload(Download):
    """Into a directory with one equal file and one of the user's own."""

    before: Mapping[str, bytes] = {"data/small.txt": b"small", "data/mine": b"mine"}


class OverwriteDownload(Download):
    """Into a directory with another file, which gives way."""

    before: Mapping[str, bytes] = {"data/small.txt": b"another", "data/mine": b"mine"}
    overwrite = True


class FileDownload(Download):
    """One file."""

    ref = "model:1/data/large.bin"

    def lacking(self) -> list[str]:
        return [] if self.whole() else ["no file arrived"]

    def broken(self) -> list[str]:
        return checker.problems(self.root) + (self.lacking() if self.target.exists() else [])

    def whole(self) -> bool:
        return self.target.is_file() and self.target.read_bytes() == KEPT["data/large.bin"]

    def go_on(self) -> None:
        Scene.go_on(self)
        blobfs.download(
            "next:1/next", self.directory / "there" / "out", store=self.store(), overwrite=True
        )


UPLOADS = (FirstUpload, GroupUpload, NextUpload, HeldUpload, BrokenUpload, AzureMLUpload)
DOWNLOADS = (Download, MergeDownload, OverwriteDownload, FileDownload)
SCENES: tuple[type[Scene], ...] = (*UPLOADS, Adoption, Remove, *DOWNLOADS)
