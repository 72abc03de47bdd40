"""blobfs's managers inside the real AIFlow, in processes of their own that import it.

Its client hands a workflow in, and its worker fetches and extracts it, by AIFlow's own code and
configuration file. Only what needs its running servers is left out: the client's entry of the
handle in their database, and the beginning of the worker's constructor, which connects to two.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.places import Place, local_place, write_tree
from tests.remote import s3_place
from tests.servers.aiflow import aiflow
from tests.servers.cache import Unavailable

CLIENT = """
import json, sys
from ai_flow.common.util.workflow_utils import upload_workflow_snapshot

handles = [upload_workflow_snapshot(f"{version}/flow.py", [f"{version}/resources"])[1]
           for version in sys.argv[1:]]
print(json.dumps(handles))
"""

WORKER = """
import json, sys
from ai_flow.cli.commands.task_manager_command import TaskManager
from ai_flow.model.task_execution import TaskExecutionKey

found = []
for number, handle in enumerate(sys.argv[1:]):
    manager = TaskManager.__new__(TaskManager)  # as its constructor begins
    manager.workflow_name = "flow"
    manager.task_execution_key = TaskExecutionKey(number, "task", 1)
    manager.workflow_snapshot_path = handle
    found.append(manager._extract_workflow().config)
print(json.dumps(found))
"""

FACTORY = """
import json, sys
from pathlib import Path
from ai_flow.blob_manager.blob_manager_interface import BlobManagerConfig, BlobManagerFactory
from ai_flow.common.configuration import config_constants

made = [BlobManagerFactory.create_blob_manager(BlobManagerConfig(config_constants.BLOB_MANAGER))
        for _ in range(2)]
assert made[0] is not made[1]
kind = type(made[0])
handle = made[0].upload(local_file_path=Path(sys.argv[1]))
again = made[1].upload(local_file_path=sys.argv[1])
path = made[1].download(remote_file_path=handle, local_dir=sys.argv[2])
try:
    made[0].download(remote_file_path=f"{made[0].root_dir}_evil/x", local_dir=sys.argv[2])
except Exception as error:
    refused = str(error)
print(json.dumps([f"{kind.__module__}.{kind.__name__}", handle == again, path, refused]))
"""

FLOW = """
from pathlib import Path
from ai_flow.model.workflow import Workflow

told = Path(__file__).with_name("resources").joinpath("version.txt").read_text()
with Workflow(name="flow", told=told, code="{version}") as workflow:
    pass
"""


@pytest.fixture(scope="session")
def installation() -> Path:
    try:
        return aiflow()
    except Unavailable as missing:
        pytest.skip(str(missing))


class AIFlow:
    """A machine with AIFlow and a configuration that names a manager of blobfs."""

    def __init__(self, installation: Path, directory: Path, place: Place, manager: str) -> None:
        self.directory = directory
        section = {**place.config, "blob_manager_class": manager}
        text = yaml.safe_dump({"server_address": "localhost:1", "blob_manager": section})
        self._home = write_tree(directory / "aiflow", {"aiflow_client.yaml": text})
        paths = [str(installation), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "AIFLOW_HOME": str(self._home),
        }

    def run(self, script: str, *arguments: object) -> list[object]:
        """Return what a script prints last, as JSON; AIFlow logs before it."""
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)],
            cwd=self.directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: list[object] = json.loads(done.stdout.splitlines()[-1])
        return found


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.store("s3"))])
def machine(request: pytest.FixtureRequest, installation: Path, tmp_path: Path) -> AIFlow:
    if request.param == "local":
        place, manager = local_place(tmp_path), "blobfs.LocalBlobManager"
    else:
        place, manager = s3_place(request.getfixturevalue("moto")), "blobfs.S3BlobManager"
    return AIFlow(installation, tmp_path, place, manager)


def test_its_worker_restores_version_1_after_version_2(machine: AIFlow) -> None:
    """Two workflows of one name: by AIFlow's own managers the second replaces the first."""
    for version in ("one", "two"):
        files = {"flow.py": FLOW.format(version=version), "resources/version.txt": version}
        write_tree(machine.directory / version, files)
    first, second = machine.run(CLIENT, "one", "two")
    assert str(first).endswith("/flow.zip")
    assert str(second).endswith("/flow.zip")
    assert machine.run(WORKER, second, first) == [
        {"told": "two", "code": "two"},
        {"told": "one", "code": "one"},
    ]


def test_its_factory_makes_them(machine: AIFlow) -> None:
    source = write_tree(machine.directory, {"file.txt": "text"}) / "file.txt"
    kind, same, path, refused = machine.run(FACTORY, source, machine.directory / "got")
    assert str(kind).startswith("blobfs.managers.")
    assert same
    assert path == str(machine.directory / "got" / "file.txt")
    assert Path(str(path)).read_text() == source.read_text() == "text"
    assert "Cannot download" in str(refused)
