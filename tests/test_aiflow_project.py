"""What AIFlow's documentation shows runs on real storages, with only its imports changed.

Each `project.yaml` is the one of its page, with the addresses and names of the test's own.
https://github.com/flink-extended/ai-flow/blob/34331a81e5e06ce13fb27d56807bef4815b06403/docs/content/plugins/blob_manager_plugin.md
"""

import json
import os
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pytest

import blobfs
from blobfs import (
    BlobConfig,
    BlobManagerFactory,
    ConfigError,
    UnsafeNameError,
    WorkflowPropertyKeys,
    current_project_config,
)
from tests.places import write_tree
from tests.remote import HDFS_USER, HdfsFiles, OssObjects
from tests.servers.s3 import VersityGateway
from tests.servers.tls import encrypted

if TYPE_CHECKING:
    from tests.servers.hdfs import Hdfs
    from tests.servers.oss import OssServer

_numbers = count(1)

BUCKET = "ai-flow"

LOCAL = """
blob:
  blob_manager_class: ai_flow_plugins.blob_manager_plugins.local_blob_manager.LocalBlobManager
  blob_manager_config:
    root_directory: {root}
"""

OSS = """
blob:
  blob_manager_class: ai_flow_plugins.blob_manager_plugins.oss_blob_manager.OssBlobManager
  blob_manager_config:
        access_key_id: {key}
        access_key_secret: {secret}
        endpoint: {endpoint}
        bucket: ai-flow
        root_directory: {root}
"""

HDFS = """
blob:
  blob_manager_class: ai_flow_plugins.blob_manager_plugins.hdfs_blob_manager.HDFSBlobManager
  blob_manager_config:
    hdfs_url: {url}
    hdfs_user: {user}
    root_directory: {root}
"""

# From the page's earlier version, which has S3: without a root, and with all that boto3 takes.
S3 = """
blob:
  blob_manager_class: ai_flow_plugins.blob_manager_plugins.s3_blob_manager.S3BlobManager
  blob_manager_config:
        service_name: s3
        region_name: us-east-1
        api_version:
        use_ssl: false
        verify: false
        endpoint_url: {url}
        access_key_id: {key}
        secret_access_key: {secret}
        session_token:
        config:
        bucket_name: ai-flow
"""


class Writer(Protocol):
    def write(self, key: str, data: bytes) -> None:
        """Put an object below the root, around blobfs."""


class Documented(NamedTuple):
    """A project as the documentation has it."""

    text: str
    handle: Callable[[str], list[str]]
    """What AIFlow's managers of all versions return for a file of that name."""
    outside: list[str]
    """Handles that lie elsewhere."""
    around: Writer


class Files:
    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, key: str, data: bytes) -> None:
        write_tree(self.root, {key: data})


def local(request: pytest.FixtureRequest, directory: Path) -> Documented:
    del request
    root = directory / "root"
    outside = [f"{root}_evil/x", f"{root}/../x", "/etc/passwd", "root/x", "x"]
    text = LOCAL.format(root=root)
    return Documented(text, lambda name: [f"{root}/{name}"], outside, Files(root))


def oss(request: pytest.FixtureRequest, directory: Path) -> Documented:
    server: OssServer = request.getfixturevalue("oss_server")
    root = f"tmp/{next(_numbers)}"
    client = server.client(BUCKET)
    client.create_bucket()
    encryption = encrypted(server.port, directory)  # where no scheme is written, it is https
    port, authority = encryption.__enter__()
    request.addfinalizer(partial(encryption.__exit__, None, None, None))
    request.getfixturevalue("monkeypatch").setenv("REQUESTS_CA_BUNDLE", str(authority))
    endpoint = f"{server.host}:{port}"
    text = OSS.format(root=root, key=server.key, secret=server.secret, endpoint=endpoint)
    return Documented(
        text,
        lambda name: [
            f"{BUCKET}.{endpoint}/{root}/{name}",
            f"{BUCKET}.https://{endpoint}/{root}/{name}",
            f"{root}/{name}",
        ],
        [
            f"{BUCKET}.{endpoint}/{root}_evil/x",
            f"{BUCKET}.{endpoint}/{root}/../x",
            f"other.{endpoint}/{root}/x",
            f"{BUCKET}.oss-cn-beijing.aliyuncs.com/{root}/x",
            f"oss://other/{root}/x",
            "x",
        ],
        OssObjects(client, root),
    )


def hdfs(request: pytest.FixtureRequest, directory: Path) -> Documented:
    del directory
    server: Hdfs = request.getfixturevalue("hdfs")
    root = f"/tmp/{HDFS_USER}/ai-flow-{next(_numbers)}"  # noqa: S108 - on HDFS
    url = f"http://{server.host}:{server.http_port}"
    return Documented(
        HDFS.format(url=url, user=HDFS_USER, root=root),
        lambda name: [f"{root}/{name}", f"{root}//{name}"],
        [f"{root}_evil/x", f"{root}/../x", "hdfs://other:8020/x", f"webhdfs://other{root}/x"],
        HdfsFiles(server, root.lstrip("/")),
    )


def s3(request: pytest.FixtureRequest, directory: Path) -> Documented:
    del directory
    server: VersityGateway = request.getfixturevalue("versitygw")
    server.bucket(BUCKET)
    return Documented(
        S3.format(url=server.url, key=server.key, secret=server.secret),
        lambda name: [name],
        ["s3://other/x", "../x", f"{BUCKET}.example.com://x"],
        BucketTop(server),
    )


class BucketTop:
    def __init__(self, server: VersityGateway) -> None:
        self.client = server.client()

    def write(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)


KINDS: dict[str, Callable[[pytest.FixtureRequest, Path], Documented]] = {
    "local": local,
    "oss": oss,
    "hdfs": hdfs,
    "s3": s3,
}


@pytest.fixture(params=[pytest.param(k, marks=pytest.mark.store(k)) for k in KINDS])
def documented(request: pytest.FixtureRequest, tmp_path: Path) -> Documented:
    project = KINDS[request.param](request, tmp_path)
    write_tree(tmp_path / "project", {"project.yaml": project.text})
    blobfs.init_project_context(tmp_path / "project")
    return project


def manager_of_the_example() -> Any:  # noqa: ANN401 - any manager
    """Do what the page's example does, whose imports are this module's from `ai_flow`."""
    blob_config = BlobConfig(current_project_config().get(WorkflowPropertyKeys.BLOB))
    return BlobManagerFactory.create_blob_manager(
        blob_config.blob_manager_class(), blob_config.blob_manager_config()
    )


@pytest.mark.usefixtures("documented")
def test_the_documented_project_and_example_run(tmp_path: Path) -> None:
    file = write_tree(tmp_path, {"file": "first"}) / "file"
    handle = manager_of_the_example().upload(local_file_path=str(file))
    assert isinstance(handle, str)
    assert os.path.basename(handle) == "file"
    assert len(handle) <= 1024
    file.write_text("second")
    second = manager_of_the_example().upload(local_file_path=file)
    for stored, text in ((handle, "first"), (second, "second"), (handle, "first")):
        got = manager_of_the_example().download(
            remote_file_path=json.loads(json.dumps(stored)), local_dir=str(tmp_path / "out")
        )
        assert got == str(tmp_path / "out" / "file")
        assert Path(got).read_text() == text
    assert str(blobfs.upload(file).uri).startswith("blobfs://project/")
    json.dumps(current_project_config())


def test_handles_of_aiflows_own_managers_are_read(
    documented: Documented, tmp_path: Path
) -> None:
    documented.around.write("workflow.zip", b"of AIFlow")
    for handle in documented.handle("workflow.zip"):
        got = manager_of_the_example().download(
            remote_file_path=handle, local_dir=str(tmp_path / "out")
        )
        assert got == str(tmp_path / "out" / "workflow.zip"), handle
        assert Path(got).read_bytes() == b"of AIFlow"
        os.remove(got)


def test_what_lies_elsewhere_is_refused_in_aiflows_words(
    documented: Documented, tmp_path: Path
) -> None:
    for handle in documented.outside:
        with pytest.raises(UnsafeNameError, match="Cannot download"):
            manager_of_the_example().download(handle, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_relative_root_reads_the_handles_that_begin_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_tree(tmp_path / "here", {}))
    for root in ("artifacts", "../beside", "./a/"):
        write_tree(tmp_path / "here" / root, {"w.zip": root})
        manager = blobfs.LocalBlobManager({"root_directory": root})
        got = manager.download(os.path.join(root, "w.zip"), tmp_path / "out")
        assert Path(got).read_text() == root
        for outside in ("w.zip", f"{root}/../w.zip", "../../beside/../w.zip"):
            with pytest.raises(UnsafeNameError, match="Cannot download"):
                manager.download(outside, tmp_path / "out")


@pytest.mark.store("s3")
def test_a_name_alone_is_at_the_top_of_the_bucket_where_aiflow_puts_it(
    versitygw: VersityGateway, tmp_path: Path
) -> None:
    """Its S3 manager ignores `root_directory`, so its handles say nothing of it."""
    server = versitygw
    server.bucket(BUCKET)
    config = {
        "bucket_name": BUCKET,
        "repo_name": "team",
        "endpoint_url": server.url,
        "region_name": server.region,
        "access_key_id": server.key,
        "secret_access_key": server.secret,
    }
    for key in ("old.zip", "team/new.zip", "other/x.zip", "both.zip", "team/both.zip"):
        server.client().put_object(Bucket=BUCKET, Key=key, Body=key.encode())

    def read(handle: str) -> str:
        return Path(blobfs.S3BlobManager(config).download(handle, tmp_path)).read_text()

    assert read("old.zip") == "old.zip"
    assert read("new.zip") == read("team/new.zip") == "team/new.zip"
    assert read("both.zip") == "team/both.zip"
    with pytest.raises(blobfs.ArtifactNotFoundError, match="Cannot download none"):
        read("none.zip")
    with pytest.raises(UnsafeNameError, match=r"Cannot download other: .* is a directory"):
        read("other")
    for outside in (f"s3://{BUCKET}/old.zip", "other/x.zip", "team/../old.zip", "..", "./old"):
        with pytest.raises(UnsafeNameError, match="Cannot download"):
            read(outside)


def test_a_missing_root_is_told_in_aiflows_words() -> None:
    configs: list[tuple[str, dict[str, str]]] = [
        ("local", {}),
        ("oss", {"bucket": "b", "endpoint": "e"}),
        ("hdfs", {"hdfs_url": "http://h:1"}),
        ("s3", {"bucket": "b"}),
    ]
    for kind, config in configs:
        with pytest.raises(ConfigError) as caught:
            BlobManagerFactory.create_blob_manager(kind, config)
        told = "`root_directory` option of blob manager config is not configured."
        assert told in str(caught.value)


def test_leftovers_of_aiflow_do_not_count_as_downloaded(tmp_path: Path) -> None:
    """Neither an empty file of that name, nor a lock that nobody holds any more."""
    manager = blobfs.LocalBlobManager({"root_directory": str(tmp_path / "root")})
    handle = manager.upload(write_tree(tmp_path, {"w.zip": "whole"}) / "w.zip")
    target = write_tree(tmp_path / "got", {"w.zip": "", "w.zip.lock": ""})
    assert Path(manager.download(handle, target)).read_text() == "whole"
    before = (target / "w.zip").stat().st_ino
    manager.download(handle, target)
    assert (target / "w.zip").stat().st_ino == before, "equal files are not fetched again"
