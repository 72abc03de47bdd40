"""Commands as a shell runs them: processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCRIPT = str(Path(sys.executable).parent / "blobfs")


def run(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Return how a command ended, and what it printed where."""
    return subprocess.run(
        [SCRIPT, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def ok(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Return what a command printed, which succeeded and had nothing to complain about."""
    result = run(*arguments, cwd=cwd, env=env)
    assert (result.returncode, result.stderr) == (0, ""), result
    return result.stdout


def document(*arguments: str | Path, cwd: Path | None = None, status: int = 0) -> Any:  # noqa: ANN401 - what JSON can say
    """Return the one JSON document that a command printed."""
    result = run(*arguments, "--json", cwd=cwd)
    assert result.returncode == status, result
    return json.loads(result.stdout)


def store_root() -> Path:
    """Where the embedded store lies."""
    return Path(os.environ["BLOBFS_DATA_DIR"]) / "store"


def write_project(directory: Path, manager: str, **options: str) -> Path:
    """Write a project.yaml that describes a store."""
    file = directory / "project.yaml"
    blob = {"blob_manager_class": manager, "blob_manager_config": options}
    file.write_text(json.dumps({"blob": blob}))
    return file


def store_object(digest: str, name: str) -> Path:
    """Where something of an artifact lies in the embedded store; it may be written now."""
    path = store_root() / "LocalUpload" / digest.partition(":")[2] / name
    path.chmod(0o644)
    return path
