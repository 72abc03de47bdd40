"""What blob managers are for, by AIFlow's page, done by processes that share only project.yaml.

Every process has a copy of that file, a home, and a working directory of its own; nothing but a
handle is passed on.
https://github.com/flink-extended/ai-flow/blob/34331a81e5e06ce13fb27d56807bef4815b06403/docs/content/plugins/blob_manager_plugin.md
"""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
import yaml

from tests.places import Place, content, local_place, sha256, write_tree
from tests.remote import s3_place

SCRIPT = """
import hashlib, os, sys
from blobfs import BlobConfig, BlobManagerFactory, WorkflowPropertyKeys
from blobfs import current_project_config, init_project_context

init_project_context(".")
config = BlobConfig(current_project_config().get(WorkflowPropertyKeys.BLOB))
manager = BlobManagerFactory.create_blob_manager(
    config.blob_manager_class(), config.blob_manager_config()
)
verb, *arguments = sys.argv[1:]
if verb == "upload":
    print(manager.upload(local_file_path=arguments[0]))
else:
    path = manager.download(remote_file_path=arguments[0], local_dir=arguments[1])
    print(path)
    if os.path.isfile(path):
        with open(path, "rb") as file:
            print("sha256:" + hashlib.file_digest(file, "sha256").hexdigest())
"""

_numbers = count(1)


class Cluster:
    """Starts processes, each as if on a machine of its own."""

    def __init__(self, place: Place, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self._project = yaml.safe_dump({"blob": dict(place.config)})
        self._stack = stack

    def start(self, *arguments: object) -> "subprocess.Popen[str]":
        home = self.directory / f"machine-{next(_numbers)}"
        write_tree(home, {"project.yaml": self._project})
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("BLOBFS_", "AWS_"))}
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *map(str, arguments)],
            cwd=home,
            env={**kept, "HOME": str(home)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        return process

    def run(self, *arguments: object) -> list[str]:
        """Return the lines that a process prints."""
        return printed(self.start(*arguments))


def printed(process: "subprocess.Popen[str]") -> list[str]:
    lines = process.communicate(timeout=60)[0].splitlines()
    assert process.returncode == 0, lines
    return lines


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.store("s3"))])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    if request.param == "local":
        place = local_place(tmp_path)
    else:
        place = s3_place(request.getfixturevalue("versitygw"))
    with ExitStack() as stack:
        yield Cluster(place, tmp_path, stack)


def test_a_client_submits_artifacts_to_a_server(cluster: Cluster) -> None:
    project = write_tree(cluster.directory / "c", {"workflow.zip": "code"}) / "workflow.zip"
    (handle,) = cluster.run("upload", project)
    assert project.read_text() == "code", "a copy was sent"
    project.unlink()
    path, _ = cluster.run("download", handle, cluster.directory / "server")
    assert path == str(cluster.directory / "server" / "workflow.zip")
    assert Path(path).read_text() == "code"


def test_a_server_distributes_artifacts_among_workers(cluster: Cluster) -> None:
    """At once, and all into one directory; each finds the whole file when it is told so."""
    data = random.Random(4).randbytes(9 << 20)
    source = write_tree(cluster.directory / "s", {"job.zip": data}) / "job.zip"
    (handle,) = cluster.run("upload", source)
    target = cluster.directory / "workers"
    workers = [cluster.start("download", handle, target) for _ in range(3)]
    expected = [str(target / "job.zip"), sha256(data)]
    assert [printed(worker) for worker in workers] == [expected] * 3
    assert os.listdir(target) == ["job.zip"], "no locks, no parts"


def test_an_earlier_execution_is_restored_after_later_ones(cluster: Cluster) -> None:
    """All under one name, and into a directory that holds the latest."""
    handles = []
    for version in ("one", "two"):
        source = write_tree(cluster.directory / version, {"model.bin": version})
        handles += cluster.run("upload", source / "model.bin")
    target = cluster.directory / "restored"
    for handle, version in ((handles[1], "two"), (handles[0], "one")):
        path, _ = cluster.run("download", handle, target)
        assert Path(path).read_text() == version


def test_a_job_hands_files_to_another_job(cluster: Cluster) -> None:
    tree = write_tree(cluster.directory / "out" / "features", {"a.csv": "1", "b/c.csv": "2"})
    (handle,) = cluster.run("upload", tree)
    (path,) = cluster.run("download", handle, cluster.directory / "in")
    assert path == str(cluster.directory / "in" / "features")
    assert content(Path(path)) == content(tree)
    path, _ = cluster.run("download", f"{handle}/b/c.csv", cluster.directory / "in")
    assert Path(path).read_text() == "2"
