"""A published tree that every reader finds something in, in a named store of each kind."""

import gzip
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

import blobfs
from tests.places import Place, local_place, write_tree
from tests.remote import azure_place, s3_place

NAMES = [f"name {n}" for n in range(40)]
AGES = list(range(40))
"""What every table of the tree holds."""

ODD = "odd ?%# é/x?%# é.csv"
"""A path with what URLs and patterns are made of."""

SECRETS = {"access_key_secret": "READERS_S3_SECRET", "account_key": "READERS_AZURE_KEY"}
"""Options that stand in the configuration as the name of a variable only."""


class Published(NamedTuple):
    """A named store, and in it the tree, as `data:1`."""

    name: str
    kind: str
    config: Path
    """The configuration's file."""

    secrets: Mapping[str, str]
    """The environment that it asks for."""

    place: Place
    source: Path
    digest: str

    def url(self, path: str = "", of: str = "data:1") -> str:
        return f"blobfs://{self.name}/{of}/{path}".rstrip("/")

    def own(self, path: str) -> str:
        """The URL of a place that is in no artifact."""
        return f"blobfs://{self.name}/{path}"

    def publish(self, name: str, ages: Sequence[int]) -> None:
        """Publish the next version of an artifact: a table of one column, in two formats."""
        import pandas as pd

        table = pd.DataFrame({"age": ages})
        source = write_tree(self.config.parent / name, {})
        table.to_csv(source / "t.csv", index=False)
        table.to_parquet(source / "t.parquet", row_group_size=len(ages) // 2)
        blobfs.upload(source, name=name, store=self.name, hash_cache=False)


ALL = ("local", "s3", "azure")
"""What every reader is tried on."""

KINDS: dict[str, tuple[str, str, Callable[..., Place]]] = {
    "local": ("local", "tmp_path_factory", local_place),
    "s3": ("s3", "versitygw", s3_place),
    "s3-fsspec": ("s3", "versitygw", partial(s3_place, transport="fsspec")),
    "azure": ("azure_blob", "azurite", azure_place),
    "azure-fsspec": ("azure_blob", "azurite", partial(azure_place, transport="fsspec")),
}
"""By name: the type of store, the fixture that it takes, and what makes its place."""


def kinds(*named: str) -> list[object]:
    """Return stores to be `published` in, as parameters of a test; none named: `ALL`.

    The local one needs nothing, and is tested wherever anything is.
    """
    return [
        pytest.param(kind, marks=() if kind == "local" else pytest.mark.store(KINDS[kind][0]))
        for kind in named or ALL
    ]


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree: one table in every format, and an array in three."""
    root = tmp_path_factory.mktemp("tables") / "data"
    (root / "parts").mkdir(parents=True)
    write_texts(root)
    write_arrays(root)
    return root


def write_texts(root: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    lines = [f"{name},{age}" for name, age in zip(NAMES, AGES, strict=True)]
    text = "\n".join(["name,age", *lines, ""])
    (root / "t.csv").write_text(text)
    (root / "t.csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    rows = [f'{{"name": "{n}", "age": {a}}}' for n, a in zip(NAMES, AGES, strict=True)]
    (root / "t.jsonl").write_text("\n".join([*rows, ""]))
    (root / ODD).parent.mkdir()
    (root / ODD).write_text(text)
    table = pa.table({"name": NAMES, "age": AGES})
    for number, half in enumerate((table.slice(0, 20), table.slice(20))):
        pq.write_table(half, root / "parts" / f"part-{number}.parquet", row_group_size=10)


def write_arrays(root: Path) -> None:
    import numpy as np
    import zarr

    array = np.arange(24.0).reshape(4, 6)
    np.save(root / "a.npy", array)
    np.savez(root / "a.npz", one=array, two=array * 2)
    grid = zarr.create_array(
        str(root / "grid.zarr"), shape=(4, 6), chunks=(2, 3), dtype="f8", zarr_format=3
    )
    grid[:] = array


@pytest.fixture(scope="session", params=kinds())
def held(
    request: pytest.FixtureRequest,
    tables: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Published:
    """The tree in a store, to which only its configuration leads."""
    kind = request.param
    _, fixture, make = KINDS[kind]
    directory = tmp_path_factory.mktemp(kind)
    place = make(directory if kind == "local" else request.getfixturevalue(fixture))
    options = dict(place.config["blob_manager_config"])
    secrets = {SECRETS[key]: options[key] for key in SECRETS if key in options}
    shown = {key: f"${{{SECRETS[key]}}}" for key in SECRETS if key in options}
    config = directory / "config.yaml"
    name = f"the-{kind}"
    described = {**place.config, "blob_manager_config": {**options, **shown}}
    config.write_text(yaml.safe_dump({"stores": {name: described}}))
    artifact = blobfs.upload(
        tables, name="data", version="1", store=place.config, hash_cache=False
    )
    return Published(name, kind, config, secrets, place, tables, artifact.digest)


@pytest.fixture
def published(held: Published, monkeypatch: pytest.MonkeyPatch) -> Published:
    """The same, with the configuration in force."""
    monkeypatch.setenv("BLOBFS_CONFIG", str(held.config))
    for name, value in held.secrets.items():
        monkeypatch.setenv(name, value)
    return held
