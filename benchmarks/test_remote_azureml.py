"""AzureML's layout beside azure-ai-ml itself: `--bounds -k "remote and azureml"`."""

import pytest

from benchmarks import remote_peers as peers
from benchmarks.arena import Arena
from benchmarks.harness import MIB, Runs, Table, check
from benchmarks.remote import Azure
from benchmarks.test_remote_bounds import DOWNLOAD, FEW, UPLOAD, above, on

pytestmark = pytest.mark.bounds

SIZE = 10 << 10
LARGE = 500 * MIB
MEMORY = 250 * 1e6 / MIB
"""MiB that a large file may take, either way."""

REQUESTS = 3
"""Of azure-ai-ml's own unchanged upload 2, and one for each page of 5,000 blobs."""


@on(Azure)
def test_azureml_small_files_up(arena: Arena, table: Table) -> None:
    tree = arena.workbench.tree(FEW, SIZE)
    ours, theirs = raced(arena, tree)
    check([table.compare("AzureML: 1,000 x 10 KiB up", ours, theirs, 0.5)])


@on(Azure)
def test_azureml_small_files_down(arena: Arena, table: Table) -> None:
    tree = arena.workbench.tree(FEW, SIZE)
    ours, theirs = fetched(arena, tree)
    check([table.compare("AzureML: 1,000 x 10 KiB down", ours, theirs, 0.4)])


@on(Azure)
def test_azureml_a_large_file_up(arena: Arena, table: Table) -> None:
    file = arena.workbench.file(LARGE)
    ours, theirs = raced(arena, file)
    check([table.compare("AzureML: 500 MiB up", ours, theirs, 0.75, memory_bound=MEMORY)])


@on(Azure)
def test_azureml_a_large_file_down(arena: Arena, table: Table) -> None:
    file = arena.workbench.file(LARGE)
    ours, theirs = fetched(arena, file)
    check([table.compare("AzureML: 500 MiB down", ours, theirs, 0.45, memory_bound=MEMORY)])


@on(Azure)
@pytest.mark.parametrize("files", [FEW, 10 * FEW])
def test_azureml_unchanged(arena: Arena, table: Table, files: int) -> None:
    tree, home = arena.workbench.tree(files, SIZE), arena.workbench.new("home")
    azure_ml = peers.environment("azure-ai-ml", above(arena.workbench))
    contestants = {"blobfs": arena.blobfs(*UPLOAD, tree, home=home, layout="azureml")}
    if files == FEW:  # it takes minutes to upload many files a first time
        contestants["azure-ai-ml"] = arena.peer(*peers.azure_ml_upload(azure_ml, tree))
    places = {label: arena.service.fresh() for label in contestants}
    for label, upload in contestants.items():
        arena.run(upload, places[label])
    times = arena.race(contestants, places)
    bound = REQUESTS + (files - 1) // 5000
    case = f"AzureML: {files:,} x 10 KiB, unchanged"
    runs = times["blobfs"], times.get("azure-ai-ml")
    check([table.compare(case, *runs, request_bound=bound)])


def raced(arena: Arena, source: str) -> tuple[Runs, Runs]:
    """Upload by both, each to a container of its own."""
    azure_ml = peers.environment("azure-ai-ml", above(arena.workbench))
    times = arena.race(
        {
            "blobfs": arena.blobfs(*UPLOAD, source, layout="azureml"),
            "azure-ai-ml": arena.peer(*peers.azure_ml_upload(azure_ml, source)),
        },
        few=True,
    )
    return times["blobfs"], times["azure-ai-ml"]


def fetched(arena: Arena, source: str) -> tuple[Runs, Runs]:
    """Download by both what each has uploaded."""
    azure_ml = peers.environment("azure-ai-ml", above(arena.workbench))
    places = {label: arena.service.fresh() for label in ("blobfs", "azure-ai-ml")}
    upload = arena.blobfs(*UPLOAD, source, layout="azureml")
    arena.run(upload, places["blobfs"])
    arena.run(arena.peer(*peers.azure_ml_upload(azure_ml, source)), places["azure-ai-ml"])
    times = arena.race(
        {
            "blobfs": arena.blobfs(*DOWNLOAD, layout="azureml"),
            "azure-ai-ml": arena.peer(*peers.azure_ml_download(azure_ml)),
        },
        places,
    )
    return times["blobfs"], times["azure-ai-ml"]
