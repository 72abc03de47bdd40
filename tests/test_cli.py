"""What each command does and prints; JSON and text, standard output and standard error."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import (
    SCRIPT,
    document,
    ok,
    run,
    store_object,
    store_root,
    write_project,
)
from tests.places import content, write_tree

COMMANDS = (
    "upload",
    "download",
    "ls",
    "show",
    "cat",
    "verify",
    "diff",
    "rm",
    "materialize",
    "adopt",
    "check-ignore",
    "stores",
    "doctor",
)

HOSTILE = "evil\x1b[2J\n\u202etxt"


# ---- starting ------------------------------------------------------------------------------


def imported(*arguments: str) -> set[str]:
    """Return the modules that a process has imported at its end."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = result.stderr.splitlines()
    return {
        line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")
    }


def test_help_imports_nothing_that_only_commands_need() -> None:
    for arguments in (["--help"], ["upload", "-h"]):
        modules = imported("-m", "blobfs", *arguments)
        assert "click" in modules
        assert not modules & {"fsspec", "rich", "yaml", "pathspec", "sqlite3", "hashlib"}


def test_import_of_the_package_imports_no_library() -> None:
    modules = imported("-c", "import blobfs")
    libraries = {"click", "rich", "fsspec", "yaml", "pathspec", "sqlite3", "platformdirs"}
    assert "blobfs" in modules
    assert not modules & libraries


def test_upload_without_a_terminal_does_not_import_rich(tree: Path) -> None:
    assert "rich" not in imported("-m", "blobfs", "upload", str(tree))


def test_module_and_script_are_the_same_command(tree: Path) -> None:
    by_script = ok("upload", tree, "--json")
    by_module = subprocess.run(
        [sys.executable, "-m", "blobfs", "upload", tree, "--json"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(by_script)["path"] == json.loads(by_module)["path"]


def test_version_is_the_package_s() -> None:
    assert ok("--version") == "blobfs 0.1.0\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_every_command_takes_and_ends_with_an_example(command: str) -> None:
    text = ok(command, "-h")
    assert text == ok(command, "--help")
    for option in ("--store", "-j, --jobs", "-v, --verbose", "-q, --quiet", "--json", "-h,"):
        assert option in text
    *_, title, example = text.rstrip().splitlines()
    assert title.strip() == "Example:"
    assert example.strip().startswith(f"blobfs {command}")


def test_help_lists_the_commands() -> None:
    commands = ok("-h").partition("Commands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in commands.splitlines()] == list(COMMANDS)
    assert "..." not in commands


@pytest.mark.parametrize("start", [[SCRIPT], [sys.executable, "-m", "blobfs"]])
def test_class_in_the_working_directory_is_not_imported(
    start: list[str], tmp_path: Path
) -> None:
    (tmp_path / "evil.py").write_text("open('ran', 'w')")
    write_project(tmp_path, "evil.Manager")
    result = subprocess.run(
        [*start, "ls"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "'evil.Manager' cannot be imported" in result.stderr
    assert not (tmp_path / "ran").exists()


# ---- upload --------------------------------------------------------------------------------


def test_upload_says_what_was_sent_and_which_file_chose_the_store(
    tree: Path, tmp_path: Path
) -> None:
    file = write_project(tmp_path, "local", root_directory=str(tmp_path / "its store"))
    first, store, digest, path = ok(
        "upload", tree, "--name", "resnet", cwd=tmp_path
    ).splitlines()
    assert first == "resnet:1 is stored: sent 5 files, 4.0 KiB"
    assert store == f"  store   project ({file})"
    assert digest.startswith("  digest  sha256:")
    assert path.startswith(f"  path    {tmp_path}/its store/LocalUpload/")
    assert path.endswith("/tree")


def test_upload_of_the_same_says_that_nothing_was_sent_and_what_it_was_called(
    tree: Path,
) -> None:
    digest = document("upload", tree)["digest"]
    short = digest[:19] + "…"
    assert f"tree is stored already ({short}): nothing sent\n" in ok("upload", tree)
    named = ok("upload", tree, "--name", "resnet", "--version", "2")
    assert named.startswith(f"resnet:2 is stored already ({short}): nothing sent\n")
    again = ok("upload", tree, "--name", "resnet", "--version", "3")
    assert again.startswith(f"resnet:3 is stored already ({short}): nothing sent\n")
    assert ok("upload", tree).startswith(
        f"tree is stored already ({short}, last registered as resnet:3): nothing sent\n"
    )


def test_upload_says_what_the_store_copied(tree: Path) -> None:
    ok("upload", tree, "--name", "x")
    (tree / "new").write_text("12345")
    text = ok("upload", tree, "--name", "x")
    assert text.startswith(
        "x:2 is stored: sent 2 files, 5 B, copied 4 files, 4.0 KiB in the store\n"
    )


def test_upload_gives_the_fields_of_an_artifact(tree: Path) -> None:
    fields = document("upload", tree, "--name", "x", "--version", "7")
    digest = fields.pop("digest")
    path = fields.pop("path")
    assert fields == {
        "store": "local",
        "uri": "blobfs://local/x:7",
        "kind": "tree",
        "size": sum(file.stat().st_size for file in tree.rglob("*") if file.is_file()),
        "files": 5,
        "name": "x",
        "version": "7",
        "reused": False,
        "sent_files": 5,
        "sent_bytes": fields["size"],
        "copied_files": 0,
        "copied_bytes": 0,
    }
    assert path == f"{store_root()}/LocalUpload/{digest.removeprefix('sha256:')}/tree"
    assert content(Path(path)) == content(tree)


def test_dry_run_says_what_would_be_sent_and_writes_nothing(tree: Path) -> None:
    text = ok("upload", tree, "--name", "x", "--dry-run")
    assert text.startswith("x:1 is not stored: 5 files, 4.0 KiB would be sent; this was a dry")
    plan = document("upload", tree, "--name", "x", "--dry-run")
    assert not store_root().exists()
    assert plan["dry_run"] is True
    assert (plan["reused"], plan["send_files"], plan["version"]) == (False, 5, "1")
    assert [entry["path"] for entry in plan["send"] if entry["size"] == 0] == ["sub/empty"]
    artifact = document("upload", tree, "--name", "x")
    assert (artifact["digest"], artifact["path"]) == (plan["digest"], plan["path"])
    assert document("upload", tree, "--dry-run")["reused"] is True
    assert "nothing would be sent" in ok("upload", tree, "--dry-run")
    assert f"would refer to file://{tree}/" in ok("upload", f"file://{tree}", "--dry-run")


def test_ignore_options_choose_what_stays_behind(tree: Path) -> None:
    (tree / ".gitignore").write_text("*.txt\n")
    (tree / "mine").write_text("sub/\n")
    assert document("upload", tree)["files"] == 5
    assert document("upload", tree, "--no-ignore")["files"] == 7
    assert document("upload", tree, "--ignore-file", "mine")["files"] == 4


def test_links_are_treated_as_asked(tree: Path) -> None:
    (tree / "out").symlink_to("/etc/hostname")
    assert "--links=follow" in run("upload", tree).stderr
    assert document("upload", tree, "--links", "skip")["files"] == 5
    assert run("upload", tree, "--links", "error").returncode == 1


def test_check_sends_what_is_missing_again(tree: Path) -> None:
    artifact = document("upload", tree)
    store_object(artifact["digest"], "tree/a.txt").unlink()
    assert ok("upload", tree).startswith("tree is stored already")
    assert ok("upload", tree, "--check").startswith("tree is stored: sent 1 file, 4 B\n")
    assert ok("verify", "--deep")


def test_url_is_referred_to_or_copied(tree: Path) -> None:
    assert ok("upload", f"file://{tree}", "--name", "r").startswith(
        f"r:1 refers to file://{tree}/: nothing sent\n"
    )
    copied = document("upload", f"file://{tree}/sub/", "--name", "c", "--copy")
    assert (copied["kind"], copied["sent_files"]) == ("tree", 3)


def test_quiet_prints_nothing(tree: Path, tmp_path: Path) -> None:
    assert ok("upload", tree, "--name", "x", "-q") == ""
    assert ok("download", "x:1", tmp_path / "out", "-q") == ""
    assert ok("verify", "-q") == ""
    assert ok("rm", "x:1", "-q") == ""


def test_verbose_says_on_standard_error_what_is_done(tree: Path) -> None:
    result = run("upload", tree, "-v")
    assert result.stdout.startswith("tree is stored")
    assert "blobfs: debug: hashing" in result.stderr


# ---- download, cat -------------------------------------------------------------------------


def test_download_brings_back_what_was_uploaded(tree: Path, tmp_path: Path) -> None:
    ok("upload", tree, "--name", "x")
    text = ok("download", "x", "out", cwd=tmp_path)
    assert text == f"x is in {tmp_path}/out: 5 files, fetched 4.0 KiB from local\n"
    assert content(tmp_path / "out") == content(tree)
    fields = document("download", "x@latest", "out", cwd=tmp_path)
    assert fields["fetched_bytes"] == 0
    assert (fields["path"], fields["files"]) == (f"{tmp_path}/out", 5)


def test_download_of_a_part(tree: Path, tmp_path: Path) -> None:
    digest = document("upload", tree)["digest"]
    ok("download", f"{digest[:15]}/sub/deep", tmp_path / "deep")
    assert content(tmp_path / "deep") == content(tree / "sub/deep")
    (tmp_path / "here").mkdir()
    fields = document("download", f"{digest}/a.txt", f"{tmp_path}/here")
    assert fields["path"] == f"{tmp_path}/here/a.txt"
    assert fields["digest"] == digest


def test_overwrite_replaces_what_is_in_the_way(tree: Path, tmp_path: Path) -> None:
    ok("upload", tree, "--name", "x")
    write_tree(tmp_path / "out", {"a.txt": "mine", "keep": "me"})
    assert run("download", "x", "out", cwd=tmp_path).returncode == 4
    ok("download", "x", "out", "--overwrite", cwd=tmp_path)
    assert (tmp_path / "out/a.txt").read_text() == "same"
    assert (tmp_path / "out/keep").read_text() == "me"


def test_cat_prints_the_bytes(tree: Path) -> None:
    ok("upload", tree, "--name", "x")
    result = subprocess.run(
        [SCRIPT, "cat", "x/sub/deep/é ü.bin"], capture_output=True, check=True
    )
    assert result.stdout == bytes(range(256)) * 16
    assert ok("cat", "x/sub/empty") == ""
    text, binary = document("cat", "x/run.sh"), document("cat", "x/sub/deep/é ü.bin")
    assert (text["content"], text["encoding"]) == ("#!/bin/sh\n", "utf-8")
    assert (text["path"], text["executable"]) == ("run.sh", True)
    assert base64.b64decode(binary["content"]) == bytes(range(256)) * 16


def test_cat_of_damaged_bytes_prints_them_and_fails(tree: Path) -> None:
    digest = document("upload", tree, "--name", "x")["digest"]
    store_object(digest, "tree/a.txt").write_text("SAME")
    result = run("cat", "x/a.txt")
    assert (result.returncode, result.stdout) == (5, "SAME")
    assert "a.txt" in result.stderr
    assert "must not be used" in result.stderr
    assert run("cat", "x/a.txt", "--json").stdout == ""


def test_cat_holds_a_part_of_a_file_at_a_time(tmp_path: Path) -> None:
    size = 300 << 20
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    ok("upload", "large", "--name", "x", cwd=tmp_path)
    script = (
        "import resource, subprocess, sys\n"
        "p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)\n"
        "n = sum(len(part) for part in iter(lambda: p.stdout.read(1 << 20), b''))\n"
        "p.wait()\n"
        "print(n, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, SCRIPT, "cat", "x"],
        capture_output=True,
        text=True,
        check=True,
    )
    read, memory = map(int, result.stdout.split())
    assert read == size
    assert memory << (0 if sys.platform == "darwin" else 10) < 150 << 20


# ---- ls, show ------------------------------------------------------------------------------


def test_ls_lists_assets_and_then_artifacts_without_one(tree: Path, tmp_path: Path) -> None:
    one = document("upload", tree, "--name", "b", "--version", "2")
    document("upload", tree, "--name", "b", "--version", "10")
    (tmp_path / "file").write_text("x" * 1536)
    two = document("upload", "file", cwd=tmp_path)
    rows = [line.split("\t") for line in ok("ls").splitlines()]
    assert [row[:4] for row in rows] == [
        ["b:2", one["digest"], "5", "4.0 KiB"],
        ["b:10", one["digest"], "5", "4.0 KiB"],
        [two["digest"], two["digest"], "1", "1.5 KiB"],
    ]
    listed = document("ls")
    assert [(a["name"], a["version"], a["size"]) for a in listed["assets"]] == [
        ("b", "2", one["size"]),
        ("b", "10", one["size"]),
    ]
    assert {a["digest"]: a["assets"] for a in listed["artifacts"]} == {
        one["digest"]: ["b:2", "b:10"],
        two["digest"]: [],
    }


def test_ls_of_an_empty_store(tmp_path: Path) -> None:
    result = run("ls", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "blobfs: local (the embedded default) holds nothing yet\n"
    assert document("ls") == {"store": "local", "assets": [], "artifacts": [], "damaged": []}


def test_ls_of_a_ref_lists_one_level(tree: Path) -> None:
    ok("upload", tree, "--name", "x")
    assert ok("ls", "x") == "a.txt\t4 B\nhollow/\t0 B\nrun.sh\t10 B\nsub/\t4.0 KiB\n"
    assert ok("ls", "x/sub") == "b.txt\t4 B\ndeep/\t4.0 KiB\nempty\t0 B\n"
    assert ok("ls", "x/sub/b.txt") == "b.txt\t4 B\n"
    run_sh, sub = document("ls", "x")["entries"][2:]
    assert (run_sh["name"], run_sh["kind"], run_sh["executable"]) == ("run.sh", "file", True)
    assert sub == {"name": "sub/", "kind": "directory", "size": 4100, "files": 3}


def test_ls_of_a_directory_that_is_no_artifact(tree: Path) -> None:
    ok("upload", tree)
    write_tree(store_root(), {"jobs/run/out.txt": "1", "jobs/run2/out.txt": "2"})
    assert ok("ls", "blobfs://local/jobs/run") == "out.txt\t1 B\n"
    assert document("ls", "blobfs://local/jobs")["digest"] is None


def test_ls_of_a_damaged_store_lists_the_rest_and_fails(tree: Path) -> None:
    bad = document("upload", tree, "--name", "bad")["digest"]
    (tree / "new").write_text("x")
    ok("upload", tree, "--name", "good")
    store_object(bad, "_manifest.jsonl").write_text("junk\n")
    result = run("ls")
    assert result.returncode == 5
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["bad:1", "good:1"]
    assert bad in result.stderr
    assert document("ls", status=5)["damaged"][0]["what"] == bad


def test_show_tells_all_of_an_artifact(tree: Path) -> None:
    artifact = document("upload", tree, "--name", "x")
    ok("upload", tree, "--name", "y", "--version", "1.0")
    shown = document("show", "x")
    assert {name: shown[name] for name in shown.keys() & artifact.keys()} == {
        name: artifact[name] for name in shown.keys() & artifact.keys()
    }
    assert (shown["root"], shown["registered"]) == ("tree", ["x:1", "y:1.0"])
    by_digest = document("show", artifact["digest"])
    assert (by_digest["name"], by_digest["digest"]) == (None, artifact["digest"])
    lines = dict(line.split(maxsplit=1) for line in ok("show", "x").splitlines())
    assert lines["registered"] == "x:1, y:1.0"
    assert lines["size"] == "4.0 KiB (4,114 bytes)"


# ---- verify, diff --------------------------------------------------------------------------


def test_verify_of_all_names_every_problem(tree: Path, tmp_path: Path) -> None:
    digest = document("upload", tree, "--name", "x")["digest"]
    (tmp_path / "other").write_text("fine")
    ok("upload", "other", "--name", "fine", cwd=tmp_path)
    assert ok("verify") == (
        "".join(
            f"{ref}: {count}, {size}: files and sizes are as published\n"
            for ref, count, size in sorted(
                [("x:1", "5 files", "4.0 KiB"), ("fine:1", "1 file", "4 B")],
                key=lambda row: document("show", row[0])["digest"],
            )
        )
    )
    store_object(digest, "tree/a.txt").write_text("sane")
    store_object(digest, "tree/run.sh").write_text("short")
    shallow, deep = run("verify"), run("verify", "--deep")
    assert (shallow.returncode, deep.returncode) == (5, 5)
    assert "x:1/run.sh has 5 bytes instead of 10\n" in shallow.stdout
    assert "a.txt" not in shallow.stdout
    assert "x:1/a.txt has the digest" in deep.stdout
    assert "fine:1: 1 file, 4 B: every byte is as published\n" in deep.stdout
    report = document("verify", "x", "--deep", status=5)
    assert (report["ok"], report["deep"]) == (False, True)
    assert [p["path"] for p in report["artifacts"][0]["problems"]] == ["a.txt", "run.sh"]


def test_verify_finds_an_asset_that_leads_nowhere(tree: Path) -> None:
    digest = document("upload", tree, "--name", "x")["digest"]
    store_object(digest, "_manifest.jsonl").unlink()
    result = run("verify")
    assert result.returncode == 5
    assert result.stdout == f"x:1: it points at {digest}, which is not there\n"


def test_verify_of_an_empty_store(tmp_path: Path) -> None:
    assert ok("verify", cwd=tmp_path) == "the store holds nothing yet\n"
    assert document("verify") == {"deep": False, "ok": True, "artifacts": []}


def test_verify_of_several_reports_each_and_ends_with_the_worst(tree: Path) -> None:
    digest = document("upload", tree, "--name", "x")["digest"]
    both = run("verify", "nope", "x")
    assert both.returncode == 3
    assert both.stdout.startswith("x: 5 files")
    store_object(digest, "tree/a.txt").unlink()
    both = run("verify", "nope", "x")
    assert both.returncode == 5
    assert "x/a.txt is missing\n" in both.stdout
    assert "nope" in both.stderr
    alone = run("verify", "nope", "--json")
    assert (alone.returncode, alone.stdout) == (3, "")


def test_diff_compares_refs_and_paths(tree: Path, tmp_path: Path) -> None:
    ok("upload", tree, "--name", "x")
    assert ok("diff", "x", "./tree", cwd=tmp_path) == ""
    (tree / "a.txt").unlink()
    (tree / "new").write_text("x")
    (tree / "run.sh").chmod(0o644)
    result = run("diff", "x:1", tree)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout == "removed\ta.txt\nadded\tnew\nchanged\trun.sh\n"
    assert document("diff", tree, "x:1", status=1) == {
        "equal": False,
        "added": ["a.txt"],
        "removed": ["new"],
        "changed": ["run.sh"],
    }
    ok("upload", tree, "--name", "x")
    assert run("diff", "x:1", "x:2").stdout == result.stdout
    assert document("diff", "x", "x:2")["equal"] is True


# ---- rm, stores, check-ignore --------------------------------------------------------------


def test_rm_takes_a_name_away_and_leaves_the_bytes(tree: Path) -> None:
    artifact = document("upload", tree, "--name", "x")
    assert ok("rm", "x:1") == (
        f"x:1 was removed from local; its bytes stay ({artifact['digest']})\n"
    )
    assert run("show", "x:1").returncode == 3
    assert run("upload", tree, "--name", "x", "--version", "1").returncode == 4
    assert document("show", artifact["digest"])["registered"] == []
    second = document("upload", tree, "--name", "x")
    assert second["version"] == "2"
    assert document("rm", "x:2") == {
        "store": "local",
        "name": "x",
        "version": "2",
        "digest": artifact["digest"],
    }


def test_stores_lists_the_default_one_first_and_what_is_wrong_with_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "default_store: b\n"
        "stores:\n"
        "  a: {blob_manager_class: local, blob_manager_config: {rot: /x}}\n"
        "  b: {blob_manager_class: local, blob_manager_config: {root_directory: /b}}\n"
    )
    monkeypatch.setenv("BLOBFS_CONFIG", str(config))
    rows = [line.split("\t") for line in ok("stores").splitlines()]
    assert [row[0] for row in rows] == ["b", "a", "local"]
    assert rows[0] == ["b", "/b", "local", f"{config} (store 'b')", "default"]
    assert "unknown option 'rot'" in rows[1][1]
    one = document("stores")["stores"][0]
    assert one == {
        "name": "b",
        "default": True,
        "path": "/b",
        "blob_manager_class": "local",
        "origin": f"{config} (store 'b')",
        "problem": None,
    }
    assert document("stores", "--store", "local")["stores"][0]["name"] == "local"
    assert run("stores", "--store", "c").returncode == 2


def test_stores_shows_no_secret(tmp_path: Path) -> None:
    write_project(tmp_path, "fsspec", url="https://me:hunter2@host/x?sig=hunter2")
    result = run("stores", cwd=tmp_path)
    assert "hunter2" not in result.stdout + result.stderr
    assert "hunter2" not in run("stores", "--json", cwd=tmp_path).stdout


def test_check_ignore_prints_what_git_prints(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {".gitignore": "*.bin\n!keep.bin\nbuild/\n", "sub/.gitignore": "x\n", "build/a": ""},
    )
    paths = ["a.bin", "keep.bin", "a.txt", "build/a", "sub/x"]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for flags in ([], ["-v"]):
        for some in (paths, ["a.txt"], ["keep.bin"]):
            git = subprocess.run(
                ["git", "check-ignore", "--no-index", *flags, *some],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            ours = run("check-ignore", *flags, *some, cwd=tmp_path)
            assert (ours.returncode, ours.stdout) == (git.returncode, git.stdout)
    (ignored, kept, *_) = document("check-ignore", *paths, cwd=tmp_path)["paths"]
    assert ignored == {
        "path": "a.bin",
        "ignored": True,
        "source": ".gitignore",
        "line": 1,
        "pattern": "*.bin",
    }
    assert (kept["ignored"], kept["pattern"]) == (False, "!keep.bin")
    assert document("check-ignore", "a.txt", cwd=tmp_path, status=1)["paths"][0]["line"] is None


# ---- what is printed where -----------------------------------------------------------------


def test_names_cannot_steer_a_terminal(tree: Path, tmp_path: Path) -> None:
    (tree / HOSTILE).write_text("x")
    (tmp_path / HOSTILE).mkdir()
    ok("upload", tree, "--name", "x")
    result = run("ls", "x")
    assert r"evil\x1b[2J\n\u202etxt" in result.stdout
    assert document("ls", "x")["entries"][1]["name"] == HOSTILE
    lost = run("upload", f"{tree}/nothing{HOSTILE}")
    assert lost.returncode == 3
    printed = result.stdout + lost.stderr + ok("download", "x", tmp_path / HOSTILE)
    assert not {"\x1b", "\u202e"} & set(printed)


def test_output_survives_any_locale(tree: Path) -> None:
    (tree / "日").write_text("x")
    ok("upload", tree, "--name", "x")
    assert "日\t1 B\n" in ok("ls", "x", env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert "\\u65e5\t1 B\n" in ok("ls", "x", env={"PYTHONIOENCODING": "latin-1"})


def test_errors_leave_standard_output_empty_with_json(tmp_path: Path) -> None:
    for arguments in (
        ["upload", "nothing"],
        ["download", "nope", "out"],
        ["ls", "nope"],
        ["show", "nope"],
        ["cat", "nope/x"],
        ["verify", "nope"],
        ["diff", "nope", "nope:2"],
        ["rm", "nope:1"],
        ["check-ignore", "../x"],
        ["stores", "--store", "nope"],
    ):
        result = run(*arguments, "--json", cwd=tmp_path)
        assert result.returncode != 0
        assert result.stdout == ""
        assert result.stderr.startswith("blobfs: ")


def test_warnings_are_plain_lines_unless_quiet(tree: Path, tmp_path: Path) -> None:
    write_project(tmp_path, "fsspec", url="memory://warned")
    loud, quiet = (run("upload", tree, *flags, cwd=tmp_path) for flags in ([], ["-q"]))
    assert loud.returncode == quiet.returncode == 0
    assert "blobfs: warning: project cannot create exclusively" in loud.stderr
    assert quiet.stderr == ""
