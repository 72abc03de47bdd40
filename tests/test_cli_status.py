"""The exit status and the message of everything that goes wrong."""

import inspect
import os
import re
import subprocess
from pathlib import Path

import pytest

from blobfs import errors
from blobfs.cli import app, exit_status
from blobfs.cli.exit_status import status_of, worst
from blobfs.errors import BlobfsError, TransferError
from tests.command_line import SCRIPT, document, ok, run, store_object, store_root
from tests.places import as_nobody, content, write_tree

STATUSES = {
    "BlobfsError": 1,
    "ConfigError": 2,
    "MissingDependencyError": 2,
    "SourceError": 1,
    "SourceNotFoundError": 3,
    "SourceChangedError": 1,
    "DestinationError": 1,
    "IgnoreSyntaxError": 2,
    "UnsafeNameError": 1,
    "ArtifactNotFoundError": 3,
    "ArtifactConflictError": 4,
    "IntegrityError": 5,
    "CommitUnknownError": 6,
    "AccessError": 1,
    "StoreUnavailableError": 1,
    "StorageFullError": 1,
    "ExecutorError": 1,
}


def fails(status: int, *arguments: str | Path, cwd: Path | None = None) -> str:
    """Return the message of a command that fails so, without traceback or other output."""
    result = run(*arguments, cwd=cwd)
    assert result.returncode == status, result
    assert result.stdout == ""
    assert result.stderr.startswith("blobfs: ")
    assert "Traceback" not in result.stderr
    assert "bug" not in result.stderr
    return result.stderr


# ---- the table -----------------------------------------------------------------------------


def test_every_error_has_its_status() -> None:
    classes = {
        name: kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, BlobfsError) and kind is not TransferError
    }
    assert {name: status_of(kind("x")) for name, kind in classes.items()} == STATUSES


def test_other_errors_are_plain_failures() -> None:
    for error in (OSError("x"), KeyError("x"), MemoryError(), FileNotFoundError("x")):
        assert status_of(error) == 1


@pytest.mark.parametrize(
    ("causes", "status"),
    [
        ("AccessError", 1),
        ("AccessError ArtifactNotFoundError", 3),
        ("ArtifactNotFoundError ArtifactConflictError", 4),
        ("ArtifactConflictError CommitUnknownError", 6),
        ("CommitUnknownError IntegrityError AccessError", 5),
    ],
)
def test_several_failures_end_with_the_worst(causes: str, status: int) -> None:
    group = TransferError("x", [getattr(errors, name)("x") for name in causes.split()])
    assert status_of(group) == status
    assert status_of(TransferError("x", [TransferError("y", group.exceptions)])) == status


def test_statuses_are_worst_in_the_documented_order() -> None:
    order = [5, 6, 4, 3, 1]
    for number, status in enumerate(order):
        assert worst([0, *order[number:]]) == status


def test_documented_table_is_the_one_that_holds() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", exit_status.__doc__ or "", re.MULTILINE)
    assert [int(status) for status, _ in rows] == [0, 1, 2, 3, 4, 5, 6, 130, 143]


# ---- usage and configuration: 2 ------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("frobnicate", "No such command 'frobnicate'"),
        ("upload", "Missing argument 'PATH|URL'"),
        ("upload x --nam y", "--nam"),
        ("upload x --links sideways", "'sideways' is not one of"),
        ("ls -j 0", "0 is not in the range"),
        ("ls -v -q", "contradict"),
        ("upload x --no-ignore --ignore-file y", "contradict"),
    ],
)
def test_wrong_usage_says_what_and_where_help_is(arguments: str, says: str) -> None:
    message = fails(2, *arguments.split())
    assert says in message
    assert "--help' shows what it takes" in message


def test_no_command_shows_the_help_and_fails() -> None:
    result = run()
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: blobfs")


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("a b", "cannot be used as a name"),
        ("../x", "is a path, not a ref"),
        ("x:latest", "x@latest"),
        ("x@1", "only `latest` is known"),
        ("sha256:123", "8 to 64"),
        ("sha256:ABCDEF0123", "lower-case"),
        ("x/../y", "'..'"),
        ("blobfs://no.such/x:1", "unknown store 'no.such'"),
        ("blobfs://local/sha256:12345678", "whole digest"),
        ("", "is a path, not a ref"),
    ],
)
def test_malformed_ref_is_a_usage_error(ref: str, says: str) -> None:
    assert says in fails(2, "show", ref)


def test_ambiguous_ref_lists_what_it_fits(tree: Path) -> None:
    digest = document("upload", tree)["digest"]
    other = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    (store_root() / "LocalUpload" / other.removeprefix("sha256:")).mkdir()
    message = fails(2, "show", digest[:20])
    assert "fits several artifacts" in message
    assert message.count(digest[:19]) >= 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("blob: [", "project.yaml:2"),
        ("blob: {blob_manager_class: local, blob_manager_class: s3}", "project.yaml:1"),
        ("blob: text", "must be a mapping"),
        ("blob: {blob_manager_config: {root_directory: /x}}", "`blob_manager_class`"),
        (
            "blob: {blob_manager_class: nope}",
            "there are: adls_gen2, azure_blob, fsspec, hdfs, local, oss, s3",
        ),
        ("blob: {blob_manager_class: no.such.Manager}", "cannot be imported"),
        ("blob: {blob_manager_class: local, blob_manager_config: {}}", "`root_directory`"),
        (
            "blob: {blob_manager_class: local, blob_manager_config: {root_dir: /x, jobs: b}}",
            "did you mean `root_directory`",
        ),
        ("blob: !!python/object/apply:os.system [ls]", "project.yaml:1"),
        ("blob: &a [*a]", "project.yaml"),
        ("\0", "project.yaml"),
    ],
)
def test_wrong_yaml_names_the_file_and_what_is_right(
    text: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / "project.yaml").write_text(text)
    assert says in fails(2, "ls", cwd=tmp_path)


def test_missing_package_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(
        "blob: {blob_manager_class: fsspec, blob_manager_config: {url: 'nosuch://x'}}"
    )
    assert "nosuch" in fails(2, "ls", cwd=tmp_path)


def test_ignore_file_that_is_none_is_a_usage_error(tree: Path) -> None:
    (tree / ".gitignore").symlink_to("a.txt")
    (tree / ".amlignore").symlink_to("a.txt")
    assert "is a link" in fails(2, "upload", tree)


# ---- not found: 3, conflict: 4 -------------------------------------------------------------


def test_what_is_not_there_is_not_found(tree: Path, tmp_path: Path) -> None:
    ok("upload", tree, "--name", "x")
    for arguments in (
        "upload nothing",
        "upload nothing --dry-run",
        "upload memory://nothing",
        "download nope out",
        "download x:9 out",
        "download x/nope out",
        "download sha256:0123456789abcdef out",
        "download blobfs://local/no/such/path out",
        "ls nope",
        "show x:9",
        "cat x/nope",
        "verify nope",
        "diff x nope",
        "diff x ./nothing",
        "rm x:9",
        "upload tree --base nope",
        "upload tree --ignore-file nothing",
    ):
        fails(3, *arguments.split(), cwd=tmp_path)
        assert not (tmp_path / "out").exists()


def test_unknown_version_says_which_there_are(tree: Path) -> None:
    ok("upload", tree, "--name", "resnet")
    assert "it has: 1" in fails(3, "show", "resnet:9")
    assert "did you mean resnet" in fails(3, "show", "resnt")


def test_taken_version_is_a_conflict_and_nothing_changes(tree: Path) -> None:
    artifact = document("upload", tree, "--name", "x", "--version", "1")
    (tree / "new").write_text("x")
    assert "choose another version" in fails(4, "upload", tree, "--name", "x", "--version", "1")
    assert document("show", "x:1")["digest"] == artifact["digest"]
    assert len(document("ls")["artifacts"]) == 1


def test_target_with_other_content_is_a_conflict_and_stays(tree: Path, tmp_path: Path) -> None:
    ok("upload", tree, "--name", "x")
    write_tree(tmp_path / "out", {"a.txt": "mine", "more": "x"})
    before = content(tmp_path / "out")
    message = fails(4, "download", "x", "out", cwd=tmp_path)
    assert "--overwrite" in message
    assert "a.txt has other content" in message
    assert content(tmp_path / "out") == before


# ---- integrity: 5 --------------------------------------------------------------------------


@pytest.mark.parametrize("junk", ["", "junk\n", "{}\n", '{"schema":1}\n', '{"schema":99}\n'])
def test_corrupted_manifest_is_told_and_gives_nothing(
    junk: str, tree: Path, tmp_path: Path
) -> None:
    digest = document("upload", tree, "--name", "x")["digest"]
    store_object(digest, "_manifest.jsonl").write_text(junk)
    for command in ("show x", "ls x", "cat x/a.txt", "download x out"):
        assert digest.removeprefix("sha256:") in fails(5, *command.split(), cwd=tmp_path)
    assert not (tmp_path / "out").exists()
    assert run("verify", "x").returncode == 5


@pytest.mark.parametrize("damage", [b"", b"sam", b"sane", b"same and more"])
def test_damaged_blob_is_told_by_name_and_gives_nothing(
    damage: bytes, tree: Path, tmp_path: Path
) -> None:
    digest = document("upload", tree, "--name", "x")["digest"]
    store_object(digest, "tree/a.txt").write_bytes(damage)
    assert "a.txt" in fails(5, "download", "x", "out", cwd=tmp_path)
    assert not (tmp_path / "out").exists()
    result = run("verify", "--deep")
    assert result.returncode == 5
    assert "x:1/a.txt" in result.stdout


# ---- failed: 1 -----------------------------------------------------------------------------


def test_store_root_that_is_a_file_is_named(tree: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.write_text("mine")
    (tmp_path / "project.yaml").write_text(
        f"blob: {{blob_manager_class: local, blob_manager_config: {{root_directory: {root}}}}}"
    )
    message = fails(1, "upload", tree, cwd=tmp_path)
    assert str(root) in message
    assert "run again" not in message
    assert root.read_text() == "mine"


def test_source_that_cannot_be_stored_lists_all_reasons(tree: Path) -> None:
    os.mkfifo(tree / "fifo")
    (tree / "out").symlink_to("/etc")
    (tree / "broken").symlink_to("nowhere")
    message = fails(1, "upload", tree)
    assert "fifo is a FIFO" in message
    assert "--links=follow" in message
    assert "broken is a broken link" in message
    assert not store_root().exists()


def test_empty_source_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no file" in fails(1, "upload", tmp_path / "empty")


def test_unreadable_source_is_an_error_that_names_it(
    shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["blobfs", "upload", "root"])
    assert app.run() == 3  # imports what is needed, while it may be read
    (shared / "root" / "a").chmod(0)
    with as_nobody(monkeypatch, shared):
        assert app.run() == 1
    assert "a: opening" in capsys.readouterr().err


def test_no_room_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (3 << 20))
    result = subprocess.run(
        ["sh", "-c", f"ulimit -f 2048; exec {SCRIPT} upload large"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert "File too large" in result.stderr
    assert "Traceback" not in result.stderr
    assert not [
        path
        for path in store_root().rglob("*")
        if path.is_file() and path.stat().st_size > 1000
    ]


def test_output_that_cannot_be_written_is_a_failure(tree: Path) -> None:
    ok("upload", tree, "--name", "x")
    for command in ("ls", "show x", "cat x/a.txt", "ls --json"):
        with open("/dev/full", "w") as full:
            result = subprocess.run(
                [SCRIPT, *command.split()],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert result.returncode == 1
        assert result.stderr == "blobfs: writing standard output: No space left on device\n"


def test_reader_that_goes_away_is_no_mistake(tree: Path) -> None:
    (tree / "large").write_bytes(bytes(4 << 20))
    ok("upload", tree, "--name", "x")
    for command in ("ls", "cat x/large", "show x --json"):
        reader, writer = os.pipe()
        os.close(reader)
        result = subprocess.run(
            [SCRIPT, *command.split()], stdout=writer, stderr=subprocess.PIPE, check=False
        )
        os.close(writer)
        assert result.stderr == b""


def test_closed_streams_are_no_bug(tree: Path) -> None:
    result = subprocess.run(
        ["sh", "-c", f"{SCRIPT} upload '{tree}' >&- 2>&-"], capture_output=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


# ---- messages ------------------------------------------------------------------------------

BUG = """
from blobfs.managers.local import LocalBlobManager

class Manager(LocalBlobManager):
    keys = None

    def __init__(self, config):
        super().__init__(config)
        self.key = config["account_key"]

    def open(self, *args):
        raise {error}
"""


def broken(directory: Path, error: str, *flags: str) -> "subprocess.CompletedProcess[str]":
    """Run a command on a store whose manager raises `error`."""
    write_tree(directory, {"lib/broken_manager.py": BUG.format(error=error)})
    (directory / "project.yaml").write_text(
        "blob: {blob_manager_class: broken_manager.Manager, blob_manager_config:"
        " {root_directory: /x, account_key: hunter2hunter2}}"
    )
    return run("ls", *flags, cwd=directory, env={"PYTHONPATH": str(directory / "lib")})


def test_bug_is_one_line_that_asks_to_report_it(tmp_path: Path) -> None:
    result = broken(tmp_path, "KeyError('answer')")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert "KeyError: 'answer'" in result.stderr
    assert "please report it" in result.stderr


def test_traceback_needs_verbose_and_has_no_secret(tmp_path: Path) -> None:
    for error in ("KeyError(self.key)", "OSError(5, self.key)", "ConnectionError(self.key)"):
        plain, verbose = broken(tmp_path, error), broken(tmp_path, error, "-v")
        assert plain.returncode == verbose.returncode == 1
        assert "Traceback" not in plain.stderr
        assert "Traceback" in verbose.stderr
        assert "hunter2" not in plain.stderr + verbose.stderr
        assert "***" in plain.stderr


def test_error_of_the_system_is_a_message(tmp_path: Path) -> None:
    result = broken(tmp_path, "OSError(24, 'Too many open files', '/some/file')")
    assert (result.returncode, result.stderr) == (
        1,
        "blobfs: /some/file: Too many open files\n",
    )


@pytest.mark.parametrize(
    ("error", "advised"),
    [
        ("StoreUnavailableError", True),
        ("CommitUnknownError", True),
        ("SourceChangedError", True),
        ("AccessError", False),
        ("IntegrityError", False),
        ("ConfigError", False),
    ],
)
def test_trying_again_is_advised_where_it_may_help(
    error: str, advised: bool, tmp_path: Path
) -> None:
    result = broken(tmp_path, f"__import__('blobfs').{error}('it failed')")
    assert result.stderr.startswith("blobfs: it failed\n")
    assert ("can safely be run again" in result.stderr) is advised


def test_group_lists_its_causes(tree: Path, tmp_path: Path) -> None:
    digest = document("upload", tree, "--name", "x")["digest"]
    store_object(digest, "tree/a.txt").write_text("sane")
    store_object(digest, "tree/run.sh").unlink()
    message = fails(5, "download", "x", "out", cwd=tmp_path)
    assert "2 files failed" in message
    assert "\n  a.txt of tree" in message
    assert "\n  run.sh of tree" in message
