"""The bounds on real servers, beside peers in the same run: `--bounds -k remote`."""

import os
import random
import time
from dataclasses import dataclass

import pytest

from benchmarks import remote_peers as peers
from benchmarks.arena import Arena
from benchmarks.harness import MIB, Row, Runs, Table, check
from benchmarks.remote import (
    BUCKET,
    S3,
    Azure,
    LibHdfs,
    Oss,
    Service,
    WebHdfs,
)
from benchmarks.workbench import SETTLED, Workbench, write_tree

pytestmark = pytest.mark.bounds

LARGE = 1 << 30
MEGABYTE = 1e6 / MIB
UPLOAD = ("upload", "--name", "bench")
DOWNLOAD = ("download", "bench", "OUT")
MANY, SMALL = 10_000, 4096
FEW, MEDIUM = 1000, 10_000
LARGE_MEMORY = {"S3": 250, "Azure": 250, "OSS": 300, "HDFS": 300}
"""Megabytes at most while a large file is moved, on each service."""


def on(*kinds: type[Service]) -> pytest.MarkDecorator:
    names = [kind.__name__.lower() for kind in kinds]
    return pytest.mark.parametrize("kind", kinds, indirect=True, ids=names)


def above(workbench: Workbench) -> str:
    """Where environments of peers are kept."""
    return os.path.dirname(workbench.directory)


@pytest.mark.parametrize("files", [FEW, MANY])
def test_small_files_up_to_s3(arena: Arena, table: Table, files: int) -> None:
    size, bound, memory = {FEW: (MEDIUM, 1, 80), MANY: (SMALL, 0.8, 100)}[files]
    tree = arena.workbench.tree(files, size)
    rclone = peers.environment("rclone", above(arena.workbench))
    contestants = {
        "blobfs": arena.blobfs(*UPLOAD, tree),
        "rclone": arena.peer(*peers.rclone(rclone, tree, peers.remote())),
    }
    if files == FEW:
        contestants["s3fs"] = arena.peer(*peers.plain_put("S3", tree))
    times = arena.race(contestants)
    case, ours = f"S3: {files:,} x {size:,} B up", times["blobfs"]
    limit = memory * MEGABYTE
    rows = [table.compare(case, ours, times["rclone"], bound, memory_bound=limit)]
    if files == FEW:
        rows.append(table.compare(case, ours, times["s3fs"], 0.3))
    check(rows)


@pytest.mark.parametrize(("files", "size"), [(FEW, MEDIUM), (MANY, SMALL)])
def test_small_files_down_from_s3(arena: Arena, table: Table, files: int, size: int) -> None:
    tree, place = arena.workbench.tree(files, size), arena.service.fresh()
    rclone = peers.environment("rclone", above(arena.workbench))
    arena.run(arena.blobfs(*UPLOAD, tree), place)
    contestants = {
        "blobfs": arena.blobfs(*DOWNLOAD),
        "rclone": arena.peer(*peers.rclone(rclone, peers.remote("/LocalUpload"), "OUT")),
    }
    times = arena.race(contestants, dict.fromkeys(contestants, place))
    case = f"S3: {files:,} x {size:,} B down"
    check([table.compare(case, times["blobfs"], times["rclone"], 1.3)])


@on(Azure)
def test_small_files_up_to_azure(arena: Arena, table: Table) -> None:
    tree = arena.workbench.tree(FEW, MEDIUM)
    azure_ml = peers.environment("azure-ai-ml", above(arena.workbench))
    times = arena.race(
        {
            "blobfs": arena.blobfs(*UPLOAD, tree),
            "azure-ai-ml": arena.peer(*peers.azure_ml_upload(azure_ml, tree)),
            "adlfs": arena.peer(*peers.plain_put("Azure", tree)),
        },
        few=True,
    )
    case, ours = f"Azure: {FEW:,} x {MEDIUM:,} B up", times["blobfs"]
    check(
        [
            table.compare(case, ours, times["azure-ai-ml"], 0.45),
            table.compare(case, ours, times["adlfs"], 0.3, what="cpu"),
            table.compare(case, ours, times["adlfs"]),
        ]
    )


def test_one_large_file_up_to_s3(arena: Arena, table: Table) -> None:
    file = arena.workbench.file(LARGE)
    times = arena.race(
        {
            "blobfs": arena.blobfs(*UPLOAD, file),
            "obstore": arena.peer(*peers.obstore_put(file)),
        },
        few=True,
    )
    check([compare_large(table, "S3: 1 GiB up", times, 1.4)])


def test_one_large_file_down_from_s3(arena: Arena, table: Table) -> None:
    file, place = arena.workbench.file(LARGE), arena.service.fresh()
    arena.run(arena.blobfs(*UPLOAD, file), place)
    arena.run(arena.peer(*peers.obstore_put(file)), place)
    contestants = {
        "blobfs": arena.blobfs(*DOWNLOAD),
        "obstore": arena.peer(*peers.obstore_get(os.path.basename(file))),
    }
    times = arena.race(contestants, dict.fromkeys(contestants, place))
    check([compare_large(table, "S3: 1 GiB down", times, 1.8)])


@on(Azure)
def test_one_large_file_up_to_azure(arena: Arena, table: Table) -> None:
    file = arena.workbench.file(LARGE)
    azure_ml = peers.environment("azure-ai-ml", above(arena.workbench))
    times = arena.race(
        {
            "blobfs": arena.blobfs(*UPLOAD, file),
            "azure-ai-ml": arena.peer(*peers.azure_ml_upload(azure_ml, file)),
        },
        few=True,
    )
    check([compare_large(table, "Azure: 1 GiB up", times, 0.7)])


@on(Azure)
def test_one_large_file_down_from_azure(arena: Arena, table: Table) -> None:
    file = arena.workbench.file(LARGE)
    azure_ml = peers.environment("azure-ai-ml", above(arena.workbench))
    places = {label: arena.service.fresh() for label in ("blobfs", "azure-ai-ml")}
    arena.run(arena.blobfs(*UPLOAD, file), places["blobfs"])
    arena.run(arena.peer(*peers.azure_ml_upload(azure_ml, file)), places["azure-ai-ml"])
    times = arena.race(
        {
            "blobfs": arena.blobfs(*DOWNLOAD),
            "azure-ai-ml": arena.peer(*peers.azure_ml_download(azure_ml)),
        },
        places,
    )
    check([compare_large(table, "Azure: 1 GiB down", times, 0.4)])


@on(Oss, LibHdfs)
def test_one_large_file_up(arena: Arena, table: Table) -> None:
    file, name = arena.workbench.file(LARGE), arena.service.name
    library = peers.plain(name)
    times = arena.race(
        {
            "blobfs": arena.blobfs(*UPLOAD, file),
            library: arena.peer(*peers.plain_put(name, file)),
        },
        few=True,
    )
    check([compare_large(table, f"{name}: 1 GiB up", times, 1.2)])


@on(Oss, LibHdfs)
def test_one_large_file_down(arena: Arena, table: Table) -> None:
    file, name = arena.workbench.file(LARGE), arena.service.name
    library, place = peers.plain(name), arena.service.fresh()
    arena.run(arena.blobfs(*UPLOAD, file), place)
    arena.run(arena.peer(*peers.plain_put(name, file)), place)
    contestants = {
        "blobfs": arena.blobfs(*DOWNLOAD),
        library: arena.peer(*peers.plain_get(name, os.path.basename(file))),
    }
    times = arena.race(contestants, dict.fromkeys(contestants, place))
    check([compare_large(table, f"{name}: 1 GiB down", times, 1.2)])


def compare_large(table: Table, case: str, times: dict[str, Runs], bound: float) -> Row:
    """Compare blobfs with the other one; the case begins with the service."""
    ours, theirs = times.values()
    memory = LARGE_MEMORY[case.partition(":")[0]] * MEGABYTE
    return table.compare(case, ours, theirs, bound, memory_bound=memory)


@on(S3, Azure, Oss, LibHdfs, WebHdfs)
def test_small_files_up_by_fsspec(arena: Arena, table: Table) -> None:
    tree, name = arena.workbench.tree(FEW, MEDIUM), arena.service.name
    library = peers.plain(name)
    times = arena.race(
        {
            "blobfs": arena.blobfs(*UPLOAD, tree, transport="fsspec"),
            library: arena.peer(*peers.plain_put(name, tree)),
        }
    )
    case = f"{name}, fsspec: {FEW:,} x {MEDIUM:,} B up"
    check([table.compare(case, times["blobfs"], times[library], 1.15)])


@on(S3, Azure, Oss, WebHdfs)
def test_unchanged_upload_of_10000_files(arena: Arena, table: Table) -> None:
    tree, home = arena.workbench.tree(MANY, SMALL), arena.workbench.new("home")
    place = arena.service.fresh()
    upload = arena.blobfs(*UPLOAD, tree, home=home)
    arena.run(upload, place)
    contestants, places = {"blobfs": upload}, {"blobfs": place}
    if arena.service.name == "S3":
        kept = arena.workbench.new("home")
        backup = "restic", "--quiet", "backup", tree
        contestants["restic"] = arena.peer(*backup, home=kept)
        places["restic"] = arena.service.fresh()
        first = arena.peer(*peers.restic_init_and_backup(tree), home=kept)
        arena.run(first, places["restic"])
    times = arena.race(contestants, places)
    case, theirs = f"{arena.service.name}: {MANY:,} files, unchanged", times.get("restic")
    bound = 0.5 if theirs else None
    check([table.compare(case, times["blobfs"], theirs, bound, request_bound=3)])


def test_10000_files_of_which_a_hundredth_changed(arena: Arena, table: Table) -> None:
    workbench, service = arena.workbench, arena.service
    repository = workbench.new("dvc")
    trees = Changing([workbench.new("changing"), f"{repository}/tree"])
    ours = trees.places[0]
    programs = peers.environment("dvc", above(workbench))
    again = ["add", "tree"], ["push"]
    begin = ["init", "--no-scm"], ["remote", "add", "-d", "bench", f"s3://{BUCKET}/PLACE"]
    firsts = {
        "blobfs, copy": arena.blobfs(*UPLOAD, ours, home=workbench.new("home")),
        "blobfs, reference": arena.blobfs(
            *UPLOAD, ours, home=workbench.new("home"), delta="reference"
        ),
    }
    contestants = dict(firsts)
    kept = workbench.new("home")
    firsts["restic"] = arena.peer(*peers.restic_init_and_backup(ours), home=kept)
    contestants["restic"] = arena.peer("restic", "--quiet", "backup", ours, home=kept)
    kept = workbench.new("home")
    firsts["DVC"] = arena.peer(*peers.dvc(programs, repository, *begin, *again), home=kept)
    contestants["DVC"] = arena.peer(*peers.dvc(programs, repository, *again), home=kept)
    places = {label: service.fresh() for label in firsts}
    for label, first in firsts.items():
        arena.run(first, places[label])
    times = arena.race(contestants, places, before=trees.change)
    case = f"S3: {MANY:,} files, 1 % changed"
    copy, reference = times["blobfs, copy"], times["blobfs, reference"]
    table.compare(f"{case}, copy", copy, times["restic"])
    table.compare(f"{case}, reference", reference, times["DVC"])
    check(
        [
            table.compare(f"{case}, copy", copy, times["DVC"], 0.6),
            table.compare(
                f"{case}, reference", reference, times["restic"], 1, request_bound=120
            ),
        ]
    )


@dataclass
class Changing:
    """Trees that are alike, and of whose files a hundredth changes now and then."""

    places: list[str]
    times: int = 0

    def __post_init__(self) -> None:
        for place in self.places:
            write_tree(place, MANY, SMALL)
        time.sleep(SETTLED)

    def change(self) -> None:
        self.times += 1
        for place in self.places:
            numbers = random.Random(self.times)
            for number in range(self.times % 100, MANY, 100):
                path = f"{place}/{number // 100:05}/{number:07}.bin"
                with open(path, "wb") as file:
                    file.write(numbers.randbytes(SMALL))
        time.sleep(SETTLED)
