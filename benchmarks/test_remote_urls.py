"""The bounds of `blobfs://` beside s3fs on the same objects: `-k "remote and urls"`."""

import os

import pytest

from benchmarks.arena import Arena
from benchmarks.harness import MIB, Runs, Table, check
from benchmarks.peers import script
from benchmarks.remote import BUCKET
from tests.servers.s3 import S3Server

pytestmark = pytest.mark.bounds

UPLOAD = ("upload", "--name", "bench")
MEGABYTE = 1e6 / MIB
LARGE = 1 << 30
FILES = 100_000
COLUMNS, ROWS = 12, 1_000_000
"""Of a parquet file of 100 MB of random numbers."""

READ_PARQUET = """
import sys, pandas
options = {"anon": False} if sys.argv[1].startswith("s3:") else None  # else pandas asks pyarrow
frame = pandas.read_parquet(sys.argv[1], storage_options=options)
assert frame.shape == (%d, %d), frame.shape
"""

SEEK = """
import sys, fsspec
with fsspec.open(sys.argv[1]) as file:
    file.seek(500 << 20)
    assert len(file.read(64 << 10)) == 64 << 10
"""

FIND = """
import sys, fsspec
filesystem, path = fsspec.url_to_fs(sys.argv[1])
assert len(filesystem.find(path)) == %d
"""


def published(arena: Arena, path: str) -> tuple[str, str, str]:
    """Publish a path; return where, its digest, and the URL of its root at the storage."""
    place = arena.service.fresh()
    arena.run(arena.blobfs(*UPLOAD, path), place)
    server = arena.service.server
    assert isinstance(server, S3Server)
    below = f"{place}/LocalUpload/"
    found = server.client().list_objects_v2(Bucket=BUCKET, Prefix=below, Delimiter="/")
    directory = found["CommonPrefixes"][0]["Prefix"]
    url = f"s3://{BUCKET}/{directory}{os.path.basename(path)}"
    return place, f"sha256:{directory.removeprefix(below).rstrip('/')}", url


def race(arena: Arena, code: str, place: str, ours: str, theirs: str) -> tuple[Runs, Runs]:
    """Run the same code with our URL and with the storage's own."""
    contestants = {
        "blobfs": arena.script(*script(code, ours)),
        "s3fs": arena.peer(*script(code, theirs)),
    }
    times = arena.race(contestants, dict.fromkeys(contestants, place))
    return times["blobfs"], times["s3fs"]


def test_a_parquet_file_is_read(arena: Arena, table: Table) -> None:
    import numpy as np
    import pandas as pd

    numbers = np.random.default_rng(1)
    directory = arena.workbench.new("parquet")
    os.makedirs(directory)
    columns = {f"c{number}": numbers.random(ROWS) for number in range(COLUMNS)}
    pd.DataFrame(columns).to_parquet(f"{directory}/p.parquet")
    place, _, native = published(arena, directory)
    ours = "blobfs://bench/bench:1/p.parquet"
    runs = race(arena, READ_PARQUET % (ROWS, COLUMNS), place, ours, f"{native}/p.parquet")
    check([table.compare("S3: read_parquet of 100 MB", *runs, 0.8)])


def test_a_range_of_a_large_file_is_read(arena: Arena, table: Table) -> None:
    place, _, native = published(arena, arena.workbench.file(LARGE))
    runs = race(arena, SEEK, place, "blobfs://bench/bench:1", native)
    limit = 80 * MEGABYTE
    check([table.compare("S3: seek, 64 KiB of 1 GiB", *runs, 0.6, memory_bound=limit)])


def test_many_files_are_found(arena: Arena, table: Table) -> None:
    place, digest, native = published(arena, arena.workbench.tree(FILES, 16))
    runs = race(arena, FIND % FILES, place, f"blobfs://bench/{digest}", native)
    check([table.compare("S3: find of 100,000 files", *runs, 0.3, request_bound=2)])
