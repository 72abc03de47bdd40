"""One process beside two Dask workers, on the same cores: `--bounds -k "remote and dask"`."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import spread
from benchmarks.arena import Arena
from benchmarks.harness import MEMORY_UNIT, Run, Runs, Table, check
from benchmarks.remote import S3, Services, Target, temporary_files_in
from benchmarks.workbench import Workbench
from tests.clusters import CommandLineCluster
from tests.servers.cache import Unavailable

MANY, SMALL = 20_000, 4096

ROOT = str(Path(__file__).parent.parent)


@pytest.fixture
def arena(workbench: Workbench) -> Iterator[Arena]:
    with temporary_files_in(workbench.directory):
        services = Services()
        try:
            yield Arena(workbench, services.get(S3))
        except Unavailable as missing:
            pytest.fail(str(missing))
        finally:
            services.close()


@pytest.mark.bounds
def test_20000_files_up_to_s3_by_two_dask_workers(arena: Arena, table: Table) -> None:
    tree = arena.workbench.tree(MANY, SMALL)
    alone: list[Run] = []
    callers: list[Run] = []
    workers: list[Run] = []
    directory = Path(arena.workbench.new("dask"))
    directory.mkdir()
    environment = arena.workbench.environment(arena.workbench.new("home"))
    environment["PYTHONPATH"] = ROOT
    with CommandLineCluster(directory, environment, direct=True) as cluster:
        for number in range(arena.workbench.rounds + 1):
            one, spread_out = timed(arena, tree), timed(arena, tree, cluster.direct)
            if number:  # the first one imports what the workers need
                alone.append(one[0])
                callers.append(spread_out[0])
                workers.append(spread_out[1])
    case, ours = f"S3: {MANY:,} x {SMALL:,} B up, two Dask workers", Runs("caller", callers)
    check(
        [
            table.compare(case, ours, Runs("one process", alone), 1.1),
            table.compare(case, ours, Runs("the workers", workers), 0.25, what="cpu"),
        ]
    )


def timed(arena: Arena, source: str, address: str = "") -> tuple[Run, Run]:
    """Upload to a place of its own; return what the caller took, and what the workers did."""
    prepared = arena.blobfs()(Target(arena.service.url, arena.service.fresh()))
    environment = {**prepared.environment, "PYTHONPATH": ROOT}
    command = [sys.executable, spread.__file__, source, *([address] if address else [])]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout
    wall, cpu, theirs, memory = json.loads(done)
    return Run(wall, cpu, int(memory * MEMORY_UNIT)), Run(wall, theirs, 0)
