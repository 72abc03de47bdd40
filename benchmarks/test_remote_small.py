"""The processes of the remote benchmarks, run once and small, so that they go on to work."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import remote_peers as peers
from benchmarks.arena import Arena
from benchmarks.remote import S3
from benchmarks.workbench import Workbench, write_tree
from tests.servers.cache import Unavailable
from tests.servers.s3 import Moto

FILES = 5


class Installed(Workbench):
    """One that uses the bytecode that is there."""

    def environment(self, home: str) -> dict[str, str]:
        environment = super().environment(home)
        del environment["PYTHONPYCACHEPREFIX"]
        return environment


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    for package in ("s3fs", "obstore"):
        pytest.importorskip(package)
    server = Moto()
    try:
        server.__enter__()
    except Unavailable as missing:
        pytest.skip(str(missing))
    yield Arena(Installed(str(tmp_path), 0), S3(server))
    server.__exit__(None, None, None)


@pytest.mark.store("s3")
def test_what_is_measured_runs(arena: Arena, tmp_path: Path) -> None:
    tree, place = str(tmp_path / "tree"), arena.service.fresh()
    write_tree(tree, FILES, 100)
    file = f"{tree}/00000/0000000.bin"
    requests = {
        label: runs.requests or 0
        for label, runs in arena.race(
            {
                "blobfs": arena.blobfs("upload", "--name", "bench", tree),
                "s3fs": arena.peer(*peers.plain_put("S3", tree)),
                "obstore": arena.peer(*peers.obstore_put(file)),
            },
            dict.fromkeys(("blobfs", "s3fs", "obstore"), place),
        ).items()
    }
    assert FILES < requests["blobfs"] <= FILES + 12
    assert requests["s3fs"] == FILES
    assert requests["obstore"] == 1
    assert arena.count(arena.blobfs("download", "bench", "OUT"), place) == FILES + 3
    assert arena.count(arena.peer(*peers.obstore_get(file.rpartition("/")[2])), place) == 1
