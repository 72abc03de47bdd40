"""The README's example of each store, tried on a server of its kind."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import blobfs
from tests.places import content
from tests.test_readme import section

EXAMPLES = {
    re.findall(r"blob_manager_class: (\w+)", block)[0]: block
    for block in re.findall(r"```yaml\n(.*?)```", section("Stores"), re.DOTALL)
}

Variables = dict[str, str]


def _s3(request: pytest.FixtureRequest, _: Path) -> Variables:
    server = request.getfixturevalue("versitygw")
    server.bucket("ml-artifacts")
    return {
        "BLOBFS_S3_ENDPOINT": server.url,
        "AWS_ACCESS_KEY_ID": server.key,
        "AWS_SECRET_ACCESS_KEY": server.secret,
    }


def _azure(request: pytest.FixtureRequest, _: Path) -> Variables:
    server = request.getfixturevalue("azurite")
    server.container("ml-artifacts")
    return {"AZURE_STORAGE_CONNECTION_STRING": server.connection_string}


def _oss(request: pytest.FixtureRequest, _: Path) -> Variables:
    server = request.getfixturevalue("oss_server")
    server.bucket("ml-artifacts")
    return {
        "BLOBFS_OSS_ENDPOINT": server.url,
        "OSS_ACCESS_KEY_ID": server.key,
        "OSS_ACCESS_KEY_SECRET": server.secret,
    }


def _webhdfs(request: pytest.FixtureRequest, _: Path) -> Variables:
    server = request.getfixturevalue("hdfs")
    return {"BLOBFS_HDFS_URL": f"http://{server.host}:{server.http_port}"}


CASES: dict[str, tuple[str, Callable[..., Variables]]] = {
    "s3": ("s3", _s3),
    "azure_blob": ("azure_blob", _azure),
    "adls_gen2": ("adls_gen2", _azure),
    "oss": ("oss", _oss),
    "hdfs": ("hdfs", _webhdfs),
    "local": ("local", lambda *_: {}),
    "fsspec": ("fsspec", lambda *_: {}),
}


def test_every_store_has_an_example() -> None:
    shown = {*EXAMPLES, "adls_gen2"}  # which has the same keys as azure_blob
    assert shown == {*CASES}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.store(one[0])) for kind, one in CASES.items()]
)
def test_the_example_uploads_and_downloads_a_tree(
    kind: str,
    request: pytest.FixtureRequest,
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in CASES[kind][1](request, tmp_path).items():
        monkeypatch.setenv(name, value)
    example = EXAMPLES.get(kind, EXAMPLES["azure_blob"])
    example = example.replace("azure_blob ", f"{kind} ") if kind == "adls_gen2" else example
    if kind == "hdfs":
        example = example.replace("hdfs_user: ml", "hdfs_user: root")
    if kind == "local":
        example = example.replace("/data/artifacts", str(tmp_path / "store"))
    (tmp_path / "project.yaml").write_text(example)
    monkeypatch.setenv("BLOBFS_PROJECT", str(tmp_path / "project.yaml"))
    artifact = blobfs.upload(tree, name="resnet")
    assert artifact.store == "project"
    assert blobfs.upload(tree, name="resnet").reused
    where = blobfs.download("resnet:1", tmp_path / "out")
    assert content(where) == content(tree)
    assert blobfs.verify("resnet", deep=True).ok
