"""The shell's Tab, through the protocol that the shells speak."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command_line import SCRIPT, ok, run, write_project


def offered(line: str, shell: str = "zsh", cwd: Path | None = None) -> list[str]:
    """Return what is offered at the end of `line`."""
    words = line.split(" ")
    result = subprocess.run(
        [SCRIPT],
        env={
            **os.environ,
            "_BLOBFS_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    return lines[1::3] if shell == "zsh" else lines


@pytest.fixture
def assets(tree: Path) -> None:
    """Two names, one of which has two versions."""
    for name, version in (("resnet", "1"), ("resnet", "10"), ("bert", "2")):
        ok("upload", tree, "--name", name, "--version", version)


def test_commands_and_options() -> None:
    assert offered("blobfs che") == ["check-ignore"]
    assert offered("blobfs upload --dry") == ["--dry-run"]


def test_stores(tmp_path: Path) -> None:
    write_project(tmp_path, "local", root_directory="/x")
    assert offered("blobfs ls --store ", cwd=tmp_path) == ["project", "local"]
    assert offered("blobfs ls --store l", cwd=tmp_path) == ["local"]


@pytest.mark.usefixtures("assets")
def test_names_and_then_versions() -> None:
    assert offered("blobfs show ") == ["bert", "resnet"]
    assert offered("blobfs show b") == ["bert:2"]
    unescaped = [ref.replace("\\", "") for ref in offered("blobfs download resnet:1")]
    assert unescaped == ["resnet:1", "resnet:10"]
    assert offered("blobfs show resnet@") == ["resnet@latest"]
    assert offered("blobfs diff resnet:1 b") == ["bert:2"]
    assert offered("blobfs verify bert:2 b") == ["bert:2"]


@pytest.mark.usefixtures("assets")
def test_names_are_of_the_store_that_was_named(tmp_path: Path) -> None:
    write_project(tmp_path, "local", root_directory=str(tmp_path / "empty"))
    assert offered("blobfs show ", cwd=tmp_path) == []
    assert offered("blobfs show --store local b", cwd=tmp_path) == ["bert:2"]


def test_nothing_is_said_when_something_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text("blob: [")
    assert offered("blobfs show ", cwd=tmp_path) == []
    assert offered("blobfs ls --store ", cwd=tmp_path) == []


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@needs_bash
@pytest.mark.usefixtures("assets")
@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (["blobfs", "show", "b"], "bert:2"),
        (["blobfs", "show", "resnet", ":"], "1 10"),
        (["blobfs", "show", "resnet", ":", "10"], "10"),
        (["blobfs", "show", "resnet", "@", "la"], "latest"),
        (["blobfs", "diff", "resnet", ":", "1", "bert", ":"], "2"),
    ],
)
def test_bash_completes_a_word_that_it_took_apart(words: list[str], reply: str) -> None:
    script = (
        f'PATH="{Path(SCRIPT).parent}:$PATH"\n'
        'eval "$(_BLOBFS_COMPLETE=bash_source blobfs)"\n'
        f"COMP_WORDS=({' '.join(words)})\n"
        f"COMP_CWORD={len(words) - 1}\n"
        '_blobfs_completion blobfs\necho "${COMPREPLY[*]}"\n'
    )
    result = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, check=False
    )
    assert (result.stdout.strip(), result.stderr) == (reply, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_its_script(shell: str) -> None:
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("needs bash")
    result = run(env={"_BLOBFS_COMPLETE": f"{shell}_source"})
    assert result.returncode == 0
    assert "_blobfs_completion" in result.stdout
