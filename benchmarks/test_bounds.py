"""The bounds that blobfs is to keep: whole processes, beside their peers in the same run."""

import os
import subprocess
from functools import partial

import pytest

from benchmarks import peers
from benchmarks.harness import MIB, Command, Runs, Table, check, race, run
from benchmarks.workbench import Workbench, remove, write_tree

pytestmark = pytest.mark.bounds

FILES, SIZE = 10_000, 4096
LARGE = 1 << 30
STARTS = 15
"""Rounds of what takes some hundredths of a second."""


def test_unchanged_upload_of_10000_files(workbench: Workbench, table: Table) -> None:
    case = "unchanged upload, 10,000 x 4 KiB"
    workbench.need(table, case, "restic")
    tree = workbench.tree(FILES, SIZE)
    home = workbench.new("home")
    backup, upload = peers.restic("backup", tree), peers.upload(tree)
    again = peers.upload(tree, hash_cache=False)
    run(workbench.command(peers.restic("init"), home))
    for first in (backup, upload, again, peers.walk(tree)):
        run(workbench.command(first, home))
    commands = {
        "blobfs": upload,
        "blobfs, no hash cache": again,
        "restic backup": backup,
        "scandir + stat": peers.walk(tree),
    }
    times = race(
        {
            name: partial(_same, workbench.command(command, home))
            for name, command in commands.items()
        },
        max(workbench.rounds, 9),
    )
    ours, uncached = times["blobfs"], times["blobfs, no hash cache"]
    check(
        [
            table.compare(case, ours, times["restic backup"], 0.5),
            table.compare(case, ours, times["scandir + stat"], 5, memory_bound=100e6 / MIB),
            table.compare(f"{case}, no hash cache", uncached, times["restic backup"], 0.8),
        ]
    )


def test_first_upload_of_10000_files(workbench: Workbench, table: Table) -> None:
    case = "first upload, 10,000 x 4 KiB"
    tree = workbench.tree(FILES, SIZE)

    def copied(_: int) -> Command:
        return workbench.command(peers.copytree_and_sync(tree, workbench.new("copy")))

    contestants = {
        "blobfs": lambda _: workbench.command(peers.upload(tree)),
        "copytree + sync -f": copied,
    }
    if peers.absent("restic") is None:
        contestants["restic backup"] = partial(_into_empty_repository, workbench, tree)
    times = race(contestants, workbench.rounds)
    row = table.compare(case, times["blobfs"], times["copytree + sync -f"], 1.5)
    if "restic backup" in times:
        table.compare(case, times["blobfs"], times["restic backup"], None)
    check([row])


def test_first_upload_of_one_large_file(workbench: Workbench, table: Table) -> None:
    case = "first upload, 1 GiB"
    file = workbench.file(LARGE)
    homes, copies = workbench.new("homes"), workbench.new("copy")

    def fresh(_: int) -> Command:
        remove(homes)
        return workbench.command(peers.upload(file), homes)

    def copied(_: int) -> Command:
        remove(copies)
        return workbench.command(peers.cp_and_sync(file, copies))

    contestants = {
        "blobfs": fresh,
        "sha256": lambda _: workbench.command(peers.sha256(file)),
        "cp + sync -f": copied,
    }
    for prepare in contestants.values():  # the first run meets a cold cache
        run(prepare(0))
    times = race(contestants, workbench.rounds)
    remove(homes, copies)
    slower = max(times["sha256"], times["cp + sync -f"], key=Runs.median)
    faster = min(times["sha256"], times["cp + sync -f"], key=Runs.median)
    row = table.compare(case, times["blobfs"], slower, 1.5)
    table.compare(case, times["blobfs"], faster, None)
    check([row])


def test_download_of_10000_files(workbench: Workbench, table: Table) -> None:
    case = "download, 10,000 x 4 KiB"
    tree, home = workbench.tree(FILES, SIZE), workbench.new("home")
    run(workbench.command(peers.upload(tree), home))
    ref = _only_digest(home)

    def fetched(_: int) -> Command:
        return workbench.command(peers.download(ref, workbench.new("out")), home)

    def copied(_: int) -> Command:
        return workbench.command(["cp", "-r", tree, workbench.new("copy")], home)

    def hashed(_: int) -> Command:
        return workbench.command(peers.cp_and_hash(tree, workbench.new("copy")), home)

    def synced(_: int) -> Command:
        return workbench.command(peers.cp_and_sync(tree, workbench.new("copy")), home)

    contestants = {
        "blobfs": fetched,
        "cp -r": copied,
        "cp -r, then sha256": hashed,
        "cp -r + sync -f": synced,
    }
    times = race(contestants, workbench.rounds)
    ours = times.pop("blobfs")
    bounds = {"cp -r, then sha256": 1.5}  # a download verifies, so its peer does
    check([table.compare(case, ours, runs, bounds.get(name)) for name, runs in times.items()])


def test_download_of_one_large_file(workbench: Workbench, table: Table) -> None:
    case = "download, 1 GiB"
    file, home = workbench.file(LARGE), workbench.new("home")
    run(workbench.command(peers.upload(file), home))
    ref, out, copy = _only_digest(home), workbench.new("out"), workbench.new("copy")

    def fetched(_: int) -> Command:
        remove(out)
        return workbench.command(peers.download(ref, out), home)

    def copied(_: int) -> Command:
        remove(copy)
        return workbench.command(peers.cp_and_hash(file, copy), home)

    def synced(_: int) -> Command:
        remove(copy)
        return workbench.command(peers.cp_and_sync(file, copy), home)

    contestants = {"blobfs": fetched, "cp, then sha256": copied, "cp + sync -f": synced}
    times = race(contestants, workbench.rounds)
    remove(out, copy, home)
    ours = times.pop("blobfs")
    bounds = {
        "cp, then sha256": 1.5
    }  # a download is written out, too: how long that takes is shown
    check([table.compare(case, ours, runs, bounds.get(name)) for name, runs in times.items()])


def test_start_up(workbench: Workbench, table: Table) -> None:
    home = workbench.new("home")
    commands = {
        "import blobfs": peers.script("import blobfs"),
        "import fsspec": peers.script("import fsspec"),
        "--help": peers.blobfs("--help"),
    }
    for command in commands.values():
        run(workbench.command(command, home))
    times = race(
        {name: partial(_same, workbench.command(c, home)) for name, c in commands.items()},
        STARTS,
    )
    theirs = times["import fsspec"]
    check(
        [
            table.compare("import blobfs", times["import blobfs"], theirs, 0.5, what="cpu"),
            table.compare("blobfs --help", times["--help"], theirs, 1, what="cpu"),
        ]
    )


PLAN = """
import sys, blobfs
print(blobfs.plan_upload(sys.argv[1], hash_cache=len(sys.argv) < 3).files)
"""
READ = """
import sys, blobfs
store = blobfs.open_store()
header = next(iter(store.artifacts()))
assert len(store.manifest(header.digest).entries) == header.files > 0
"""
WRITE = """
import hashlib, sys
from blobfs.manifest import Entry, Header, Manifest, encode, listing_digest
count = int(sys.argv[1])
entries = [
    Entry(f"{n // 1000:05}/{n:07}.bin", 100, "sha256:" + hashlib.sha256(b"%d" % n).hexdigest())
    for n in range(count)
]
digest = listing_digest("tree", entries)
header = Header(digest, "tree", "tree", count, 100 * count, "2026-01-01T00:00:00Z", "x")
directory = sys.argv[2] + "/LocalUpload/" + digest.partition(":")[2]
import os
os.makedirs(directory)
with open(directory + "/_manifest.jsonl", "wb") as file:
    file.writelines(encode(Manifest(header, entries)))
"""
MANY = 1_000_000
TENTH = MANY // 10
LINEAR = 13
"""How many times the CPU ten times as much may take: what is sorted is not quite linear."""


def test_a_million_files_are_planned_and_their_manifest_written_and_read(
    workbench: Workbench, table: Table
) -> None:
    runs: dict[str, dict[int, Runs]] = {}
    for count in (TENTH, MANY):
        tree, home = workbench.new("many"), workbench.new("home")
        write_tree(tree, count, 100, each=1000)
        run(workbench.command(peers.sha256(tree), home))  # what is measured meets a warm cache
        steps = {
            "plan, no hash cache": peers.script(PLAN, tree, "without"),
            "plan, fills the hash cache": peers.script(PLAN, tree),
            "plan, hash cache": peers.script(PLAN, tree),
            "manifest written": peers.script(WRITE, str(count), f"{home}/data/store"),
            "manifest read": peers.script(READ),
        }
        for step, command in steps.items():
            label = f"{step}, {count:,} files"
            taken = Runs(label, [run(workbench.command(command, home))])
            runs.setdefault(step, {})[count] = taken
    check(
        [
            table.compare(
                f"{step}, {MANY:,} files",
                both[MANY],
                both[TENTH],
                LINEAR,
                what="cpu",
                memory_bound=1024,
            )
            for step, both in runs.items()
        ]
    )


def _same(command: Command, _: int) -> Command:
    return command


def _into_empty_repository(workbench: Workbench, tree: str, _: int) -> Command:
    command = workbench.command(peers.restic("backup", tree))
    environment = dict(command.environment)
    subprocess.run(peers.restic("init"), env=environment, check=True, capture_output=True)
    return command


def _only_digest(home: str) -> str:
    (name,) = os.listdir(f"{home}/data/store/LocalUpload")
    return f"sha256:{name}"
