"""The source is formatted, linted, typed and layered: `pytest` alone says that all is well."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "command", ["ruff format --check", "ruff check", "mypy", "lint-imports --no-cache"]
)
def test_source(command: str) -> None:
    tool, *arguments = command.split()
    result = subprocess.run(
        [Path(sys.executable).parent / tool, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
