"""What is visible would survive a power loss: written out before, and its name after."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.calls import Call, passing
from tests.reliability.scenes import (
    DOWNLOADS,
    Download,
    FirstUpload,
    GroupUpload,
    HeldUpload,
    NextUpload,
    Scene,
)

pytestmark = pytest.mark.usefixtures("small_limits")


class Disk:
    """What a power loss could take: all that was changed since it was written out."""

    def __init__(self) -> None:
        self.dirty: set[str] = set()
        self.wrong: list[str] = []
        self.published: list[str] = []
        self._paths: dict[int, str] = {}

    def act(self, _: int, name: str, args: tuple[Any, ...], call: Call) -> Any:  # noqa: ANN401
        before = self._before(name, args)
        result = call()
        if before is not None:
            return result
        if name == "open":
            self._paths[result] = os.path.realpath(f"/dev/fd/{result}")
            if args[1] & os.O_CREAT:
                self._touch(self._paths[result])
        elif name == "dup":
            self._paths[result] = self._paths[args[0]]
        elif name in ("write", "pwrite", "truncate", "fchmod") and isinstance(args[0], int):
            self.dirty.add(self._paths[args[0]])
        elif name == "mkdir" and not os.path.isabs(args[0]):
            self.dirty.add(os.path.realpath(args[0]))
        elif name == "mkdir" and "/registered" not in args[0]:  # which is for display only
            self._touch(args[0])
        elif name == "fsync":
            self.dirty.discard(self._paths[args[0]])
        elif name == "syncfs" and result == 0:
            self.dirty.clear()
        return result

    def _before(self, name: str, args: tuple[Any, ...]) -> bool | None:
        """Look at a rename before it takes place."""
        if name not in ("rename", "replace", "renameat2"):
            return None
        paths = [os.fsdecode(arg) for arg in args if isinstance(arg, bytes | str)]
        if len(paths) != 2 or not all(map(os.path.isabs, paths)):
            return None
        old, new = paths
        if not os.path.basename(old).startswith(".") or ".blobfs-" in old:
            lost = [p for p in self.dirty if p == old or p.startswith(old + "/")]
            self.wrong += [f"{path} was published before it was written out" for path in lost]
            self.published.append(new)
        self.dirty -= {p for p in self.dirty if p == old or p.startswith(old + "/")}
        self.dirty.add(os.path.dirname(new))
        return True

    def _touch(self, path: str) -> None:
        self.dirty |= {path, os.path.dirname(path)}


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors have no paths here")
@pytest.mark.parametrize(
    "kind", [FirstUpload, GroupUpload, NextUpload, HeldUpload, Download, DOWNLOADS[-1]]
)
def test_all_is_written_out_before_it_becomes_visible_and_its_name_before_the_call_returns(
    kind: type[Scene], tmp_path: Path
) -> None:
    scene, disk = kind(tmp_path / "scene"), Disk()
    (scene.directory / "there").mkdir(exist_ok=True)
    with passing(disk.act):
        scene.run()
    assert disk.wrong == []
    assert disk.published
    parents = {os.path.dirname(path) for path in disk.published if "registered" not in path}
    parents |= {os.path.dirname(parent) for parent in parents if str(scene.directory) in parent}
    assert {parent for parent in parents if parent in disk.dirty} == set()
