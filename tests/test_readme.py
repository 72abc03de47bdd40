"""The README is true: its blocks run, its tables are complete, its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import blobfs
from blobfs import errors
from blobfs.managers import MANAGERS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def section(title: str) -> str:
    return re.split(r"^## ", README.partition(f"## {title}\n")[2], flags=re.MULTILINE)[0]


def rows(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


def test_python_blocks_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "readme"}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), namespace)  # noqa: S102


def test_the_reader_checks_real_artifacts_and_notices_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    block = next(block for block in BLOCKS if "def check(" in block)
    namespace: dict[str, object] = {"Path": Path}
    exec(compile(block.partition("\n\n\nfor ")[0], "README.md", "exec"), namespace)  # noqa: S102
    check = namespace["check"]
    assert callable(check)
    tree = tmp_path / "träe"
    (tree / "empty").mkdir(parents=True)
    (tree / "a\\b").write_bytes(b"x" * 70_000)
    (tree / "run.sh").touch(mode=0o755)
    config = {"root_directory": str(tmp_path / "store"), "delta": "reference"}
    store = blobfs.open_store({"blob_manager_class": "local", "blob_manager_config": config})
    first = blobfs.upload(tree, name="t", store=store)
    (tree / "new").write_bytes(b"new")
    second = blobfs.upload(tree, name="t", store=store)
    third = blobfs.upload(tree / "new", store=store)
    found = [Path(a.path).parent for a in (first, second, third)]
    assert check(found[0]) == ["a\\b", "empty/", "run.sh"]
    assert check(found[1]) == ["a\\b", "empty/", "new", "run.sh"]
    assert second.copied_files == 1
    assert check(found[2]) == ["new"]
    damaged = found[2] / "new"
    damaged.chmod(0o600)
    damaged.write_bytes(b"old")
    with pytest.raises(AssertionError):
        check(found[2])


def test_every_manager_has_a_row() -> None:
    assert set(rows(section("Stores"))) == set(MANAGERS)


def test_every_error_has_a_row() -> None:
    table = section("Use it as a library")
    shown = [name for name in rows(table) if name.endswith("Error")]
    there = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.BlobfsError)
    }
    assert set(shown) == there - {"BlobfsError"}


def test_every_public_function_is_named() -> None:
    text = section("Use it as a library")
    functions = [name for name in blobfs.__all__ if name.islower()]
    assert functions
    for name in functions:
        assert f"`{name}(" in text or f"{name}(" in section("Configuration"), name


def test_every_command_has_a_row_and_every_option_of_it_is_there() -> None:
    table = section("Command line")
    helps = _help()
    commands = re.findall(r"^  ([a-z-]+) ", helps.partition("Commands:")[2], re.MULTILINE)
    assert commands
    shown = {row.split()[1]: row for row in rows(table) if row.startswith("blobfs ")}
    assert sorted(shown) == sorted(commands)
    for command in commands:
        options = set(re.findall(r"(--[a-z-]+)", _help(command).partition("Options:")[2]))
        line = next(line for line in table.splitlines() if f"`blobfs {command}" in line)
        common = set(re.findall(r"(--[a-z-]+)", table.partition("Every command takes")[2]))
        missing = options - common - set(re.findall(r"(--[a-z-]+)", line))
        assert not missing, f"{command}: {missing}"


def test_links_lead_to_headings_and_files() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("#"):
            assert target[1:] in headings
        elif "://" not in target:
            assert (ROOT / target).exists(), target


def _help(*command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "blobfs", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"},
    ).stdout
