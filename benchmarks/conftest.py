"""Options and fixtures of the benchmarks."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.arena import Arena
from benchmarks.harness import Table
from benchmarks.remote import S3, Service, Services, temporary_files_in
from benchmarks.workbench import Workbench
from tests.servers.cache import Unavailable

TABLE = pytest.StashKey[Table]()

BY_NAME = ("million", "remote")
"""What runs only if `-k` names it; what is remote needs servers, and installs its peers."""

_NO_DISK = {"tmpfs", "ramfs"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("bounds")
    group.addoption("--bounds", action="store_true", help="measure, and hold against bounds")
    group.addoption("--bounds-json", metavar="FILE", help="write the table there, too")
    group.addoption("--bounds-rounds", metavar="N", type=int, help="runs of each contestant")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "bounds: compares with a bound (opt in with --bounds)")
    config.stash[TABLE] = Table()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Measure only when asked to, and what takes minutes only when it is asked for by name."""
    measured = [item for item in items if item.get_closest_marker("bounds")]
    if config.getoption("bounds", default=False):
        unasked = [name for name in BY_NAME if name not in config.option.keyword]
        unwanted = [item for item in measured if any(name in item.nodeid for name in unasked)]
    else:
        unwanted = measured
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in unwanted]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    table = config.stash[TABLE]
    if not table.rows:
        return
    terminalreporter.section("bounds: medians (least-most), whole processes")
    for line in table.lines():
        terminalreporter.write_line(line)
    if path := config.getoption("bounds_json", default=None):
        Path(path).write_text(table.document(), encoding="utf-8")


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Table:
    return request.config.stash[TABLE]


@pytest.fixture(scope="session")
def workbench(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A directory on a disk; everything in it is removed at the end, not before."""
    above = Path(os.environ.get("BLOBFS_BENCH_DIR") or Path.home() / ".cache/blobfs-benchmarks")
    above.mkdir(parents=True, exist_ok=True)
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", above], capture_output=True, text=True, check=True
    ).stdout.strip()
    if kind in _NO_DISK:
        pytest.fail(f"{above} is a {kind}: name a directory on a disk in BLOBFS_BENCH_DIR")
    directory = tempfile.mkdtemp(dir=above)
    try:
        yield Workbench(directory, request.config.getoption("bounds_rounds") or 5)
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def services(workbench: Workbench) -> Iterator[Services]:
    with temporary_files_in(workbench.directory):
        found = Services()
        yield found
        found.close()


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> type[Service]:
    chosen: type[Service] = getattr(request, "param", S3)
    return chosen


@pytest.fixture
def arena(kind: type[Service], services: Services, workbench: Workbench) -> Arena:
    try:
        return Arena(workbench, services.get(kind))
    except Unavailable as missing:
        pytest.fail(str(missing))
