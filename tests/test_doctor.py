"""`blobfs doctor`: what a store can do is measured, and nothing is left behind."""

import json
import os
import pty
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

import blobfs
from blobfs import StoreUnavailableError
from blobfs.backend import patient
from blobfs.backend.base import Object
from blobfs.backend.files import LocalUpload
from blobfs.backend.local import LocalBackend
from blobfs.doctor import Check, Diagnosis, bench, examination, examine, promises
from blobfs.doctor import numbers as measuring
from blobfs.location import Location
from blobfs.store import Store
from tests.command_line import SCRIPT, document, ok, run, store_root, write_project
from tests.places import Place, as_nobody, local_place, memory_place, write_tree
from tests.remote import REMOTE, S3Objects, remotes, s3_place
from tests.servers.fixtures import proxied
from tests.servers.proxy import Proxy, Rule
from tests.servers.s3 import Moto, VersityGateway
from tests.test_cli_completion import offered
from tests.test_cli_signals import interrupt, start

pytestmark = pytest.mark.usefixtures("heard")

FIRST = ("reachable", "credentials", "read", "list")
WRITING = (
    "exclusive create",
    "read after write",
    "list after write",
    "delete",
    "server-side copy",
    "directory rename",
    "parts",
    "case",
    "names",
    "clock skew",
    "throughput",
)

ROWS = (*FIRST, *WRITING[:7], "checksums", *WRITING[7:10], "latency", "throughput", "clean-up")

DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
)

DENIED_BY_HADOOP = (
    b'{"RemoteException":{"exception":"AccessControlException","javaClassName":'
    b'"org.apache.hadoop.security.AccessControlException","message":"Permission denied"}}'
)


def rows(diagnosis: Diagnosis) -> dict[str, Check]:
    return {row.check: row for row in diagnosis.checks}


def falling_short(diagnosis: Diagnosis) -> list[str]:
    return [row.check for row in diagnosis.checks if row.result == "falls short"]


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


# ---- what is measured ----------------------------------------------------------------------


def test_a_new_local_store_does_all_and_is_not_there_afterwards(tmp_path: Path) -> None:
    place = local_place(tmp_path / "not" / "there")
    diagnosis = examine(place.open())
    assert [row.check for row in diagnosis.checks] == list(ROWS)
    assert {row.result for row in diagnosis.checks} == {"ok"}
    assert {row.advice for row in diagnosis.checks} == {None}
    assert (diagnosis.ok, diagnosis.error, diagnosis.store) == (True, None, None)
    assert diagnosis.path == str(tmp_path / "not" / "there" / "store")
    assert names(tmp_path) == []


def test_what_a_store_holds_stays_as_it_was(tree: Path, place: Place) -> None:
    store = place.open()
    blobfs.upload(tree, store=store, name="n")
    before = place.around.snapshot()
    telling: list[str] = []
    found = rows(examine(store, telling=telling.append))
    assert place.around.snapshot() == before
    assert found["clean-up"].result == "ok"
    assert "format.json says the same" in found["exclusive create"].measured
    assert telling == [name for name in found if name not in FIRST[1:]]
    (tree / "new").write_text("x")
    assert blobfs.upload(tree, store=store, name="n").version == "2"


def test_memory_cannot_create_exclusively(tmp_path: Path) -> None:
    place = memory_place(tmp_path)
    diagnosis = examine(place.open())
    assert falling_short(diagnosis) == ["exclusive create"]
    row = rows(diagnosis)["exclusive create"]
    assert row.measured == "a second one replaces the first; of 8 at once 8 won"
    assert "one writer at a time" in str(row.advice)
    assert "not here" in rows(diagnosis)["server-side copy"].measured
    assert "directory rename" not in rows(diagnosis)
    assert place.around.snapshot() == {}


@pytest.mark.parametrize("kind", remotes())
def test_every_store_does_all_and_keeps_nothing(
    kind: str, request: pytest.FixtureRequest
) -> None:
    remote = REMOTE[kind]
    place = remote.place(request.getfixturevalue(remote.server))
    diagnosis = examine(place.open(), identity="key")
    assert falling_short(diagnosis) == []
    assert {row.result for row in diagnosis.checks} == {"ok"}
    assert {row.check for row in diagnosis.checks} >= set(ROWS) - {"directory rename"}
    assert rows(diagnosis)["credentials"].measured == "key: accepted"
    assert place.around.snapshot() == {}
    assert rows(diagnosis)["clean-up"].measured.startswith("nothing is left")
    if isinstance(place.around, S3Objects):
        assert place.around.unfinished() == []
        assert rows(diagnosis)["server-side copy"].measured == "the copy holds the same bytes"
        assert "'a?b' by a code" in rows(diagnosis)["names"].measured


class CreatesTwice(LocalBackend):
    def create(self, key: str, data: bytes) -> None:
        self.put(key, data)


class ReadsOldBytes(LocalBackend):
    """As a cache between would: the first read of what replaced an object is of that."""

    old: dict[str, bytes] = {}  # noqa: RUF012 - one for all is right here

    def put(
        self, key: str, data: bytes, *, fresh: bool = False, executable: bool = False
    ) -> None:
        if os.path.exists(self.path(key)):
            self.old[key] = super().read(key)
        super().put(key, data, fresh=fresh, executable=executable)

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        return self.old.pop(key, None) or super().read(key, start, end)


class ListsLate(LocalBackend):
    looks = 0

    def objects(self, prefix: str, after: str = "") -> Iterator[Object]:
        if prefix.endswith("/listed"):
            self.looks += 1
            return super().objects(prefix, after) if self.looks > 2 else iter(())
        return super().objects(prefix, after)


class KeepsDeleted(LocalBackend):
    def delete(self, key: str) -> None:
        pass


class CopiesOtherBytes(LocalBackend):
    def copy(self, source: str, key: str, size: int, *_: object, **__: object) -> bool:  # noqa: ARG002
        self.put(key, b"?" * size)
        return True


class RenamesTwice(LocalBackend):
    one = Lock()

    def rename(self, source: str, key: str) -> None:
        with self.one:
            self.remove_tree(key)
            super().rename(source, key)


class KeepsAborted(LocalBackend):
    def upload(
        self, key: str, size: int, *, fresh: bool = False, executable: bool = False
    ) -> LocalUpload:
        upload = super().upload(key, size, fresh=fresh, executable=executable)
        if key.endswith("aborted"):
            upload.abort = upload.complete  # type: ignore[method-assign]
        return upload


class FoldsCase(LocalBackend):
    def path(self, key: str) -> str:
        return super().path(key.replace("case/A", "case/a"))


class LosesPlus(LocalBackend):
    def path(self, key: str) -> str:
        return super().path(key.replace("+", " "))


class LivesInThePast(LocalBackend):
    def head(self, key: str) -> Object:
        found = super().head(key)
        return found._replace(modified=found.modified - 16 * 60)


class FlipsBits(LocalBackend):
    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        data = super().read(key, start, end)
        return data if len(data) != measuring.SIZE else data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("kind", "row", "measured"),
    [
        (CreatesTwice, "exclusive create", "a second one replaces the first; of 8 at once 8"),
        (ReadsOldBytes, "read after write", "what replaced an object is not read at once, but"),
        (ListsLate, "list after write", "a new object is not listed at once, but after 1"),
        (KeepsDeleted, "delete", "a deleted object is still read after 0 s either"),
        (CopiesOtherBytes, "server-side copy", "the copy holds other bytes"),
        (RenamesTwice, "directory rename", "of 8 at once 8 won; a later one succeeds, too"),
        (KeepsAborted, "parts", "an upload that was aborted is there"),
        (FoldsCase, "case", "a and A are one object, and it is not known before"),
        (LosesPlus, "names", "these do not come back: 'a b', 'a+b'"),
        (LivesInThePast, "clock skew", "the storage's clock is 16 min behind"),
        (FlipsBits, "throughput", "8 MiB came back as other bytes"),
    ],
)
def test_each_fault_is_found_and_hides_no_other_row(
    kind: type[LocalBackend],
    row: str,
    measured: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(promises, "SOON", 0.4 if kind is not KeepsDeleted else 0.1)
    root = str(tmp_path / "store")
    diagnosis = examine(Store(None, kind(root), Location(root)))
    assert falling_short(diagnosis) == [row]
    assert not diagnosis.ok
    found = rows(diagnosis)
    assert found[row].measured.startswith(measured)
    assert found[row].advice
    if kind is not KeepsDeleted:
        assert {other.result for other in diagnosis.checks} == {"ok", "falls short"}
    else:
        assert found["parts"].result == found["throughput"].result == "not tried"
    assert names(tmp_path) == []


class Raises(LocalBackend):
    """Fails in one call, with an error that no backend should raise."""

    error: Exception = NotImplementedError("not thought of")

    def copy(self, *_: object, **__: object) -> bool:
        raise self.error


@pytest.mark.parametrize(
    ("error", "measured", "advice"),
    [
        (NotImplementedError("no"), "NotImplementedError: no", "report this"),
        (StoreUnavailableError("copying x: 501 No"), "copying x: 501 No", "look whether"),
        (FileNotFoundError("x"), "what was just written is not there: x", "measure again"),
        (blobfs.AccessError("reading x: denied; see `k`"), "reading x: denied", "read and"),
        (blobfs.StorageFullError("writing x: full"), "writing x: full", "make space"),
    ],
)
def test_an_error_is_told_in_its_row(
    error: Exception, measured: str, advice: str, tmp_path: Path
) -> None:
    backend = Raises(str(tmp_path / "store"))
    backend.error = error
    diagnosis = examine(Store(None, backend, Location(backend.root)))
    assert falling_short(diagnosis) == ["server-side copy"]
    row = rows(diagnosis)["server-side copy"]
    assert row.measured == measured
    assert advice in str(row.advice)


class Sleeps(LocalBackend):
    awake, done = threading.Event(), threading.Event()

    def copy(
        self, source: str, key: str, size: int, digest: str, *, executable: bool = False
    ) -> bool:
        self.awake.wait(60)
        try:
            return super().copy(source, key, size, digest, executable=executable)
        finally:
            self.done.set()


def test_a_check_that_takes_too_long_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "PATIENCE", 3.0)
    backend = Sleeps(str(tmp_path / "store"))
    diagnosis = examine(Store(None, backend, Location(backend.root)))
    assert not backend.done.is_set()
    assert falling_short(diagnosis) == ["server-side copy"]
    assert rows(diagnosis)["server-side copy"].measured == "nothing was found out within 3 s"
    last = rows(diagnosis)["clean-up"]
    assert (last.result, "may still write" in last.measured) == ("unknown", True)
    backend.awake.set()
    assert backend.done.wait(60)  # its copy finds no source then
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("data", "measured"),
    [
        (b'{"schema": 1, "exclusive_create": false}', "format.json says not exclusive"),
        (b"junk", "format.json says nothing that can be read"),
        (b'{"schema": 2}', "format.json is of another version"),
    ],
)
def test_what_the_store_says_of_itself_is_held_against_what_it_does(
    data: bytes, measured: str, store_place: Place
) -> None:
    store_place.around.write(".blobfs/format.json", data)
    diagnosis = examine(store_place.open())
    assert falling_short(diagnosis) == ["exclusive create"]
    assert measured in rows(diagnosis)["exclusive create"].measured
    assert store_place.around.snapshot() == {".blobfs/format.json": data}


# ---- who may do what -----------------------------------------------------------------------


def test_who_may_only_read_a_directory_is_told_so(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"root_directory": str(shared / "store")}
    store = blobfs.open_store({"blob_manager_class": "local", "blob_manager_config": config})
    blobfs.upload(shared / "root", store=store)
    (shared / "store").chmod(0o755)
    (shared / "store" / ".blobfs").chmod(0o755)
    before = names(shared / "store")
    with as_nobody(monkeypatch, shared):
        diagnosis = examine(store)
    assert diagnosis.ok
    assert diagnosis.error is None
    found = rows(diagnosis)
    assert {found[name].result for name in FIRST} == {"ok"}
    assert "for reading only: nothing can be published" in found["credentials"].measured
    assert str(found["credentials"].advice).startswith("to publish, give this user")
    tried = {(found[name].result, found[name].measured) for name in WRITING}
    assert tried == {("not tried", "read-only credentials")}
    assert found["latency"].result == "ok"
    assert found["clean-up"].measured == "nothing was written"
    assert names(shared / "store") == before


def test_who_may_not_even_read_is_refused(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid():
        pytest.skip("needs another user")
    (shared / "store" / ".blobfs").mkdir()
    (shared / "store" / ".blobfs").chmod(0o700)
    store = blobfs.open_store(
        {
            "blob_manager_class": "local",
            "blob_manager_config": {"root_directory": str(shared / "store")},
        }
    )
    with as_nobody(monkeypatch, shared):
        diagnosis = examine(store)
    assert falling_short(diagnosis) == ["credentials"]
    assert isinstance(diagnosis.error, blobfs.AccessError)
    assert rows(diagnosis)["throughput"].measured == "everything is refused"


@pytest.fixture
def proxy(versitygw: VersityGateway) -> Iterator[Proxy]:
    with Proxy(versitygw.host, versitygw.port) as between:
        yield between


TRANSPORTS = pytest.mark.parametrize("transport", ["auto", "fsspec"])


ALLOWING = {
    "s3": "to publish, grant s3:PutObject on the objects",
    "azure_blob": "to publish, assign the role Storage Blob Data Contributor, or a SAS token",
    "adls_gen2": "to publish, assign the role Storage Blob Data Contributor, or a SAS token",
    "oss": "to publish, grant oss:PutObject on the objects",
    "hdfs": "to publish, give this user, by hdfs dfs -chmod or -setfacl, write and execute",
}
"""Type of store → what allows to write to it."""


@pytest.mark.parametrize("kind", remotes(http=True))
def test_keys_that_only_read_are_no_fault(kind: str, request: pytest.FixtureRequest) -> None:
    remote = REMOTE[kind]
    with proxied(request.getfixturevalue(remote.server)) as between:
        body = DENIED if remote.store != "hdfs" else DENIED_BY_HADOOP
        between.add(Rule(match=r"^(PUT|POST|DELETE) ", status=403, body=body, times=None))
        place = remote.place(request.getfixturevalue(remote.server), url=between.url)
        diagnosis = examine(place.open(), identity="the key")
    assert diagnosis.ok
    found = rows(diagnosis)
    assert found["credentials"].measured == (
        "the key: accepted, for reading only: nothing can be published"
    )
    assert str(found["credentials"].advice).startswith(ALLOWING[remote.store])
    assert found["exclusive create"].measured == "read-only credentials"
    assert found["latency"].result == "ok"
    assert found["clean-up"].measured == "nothing was written"


@pytest.mark.store("s3")
@TRANSPORTS
@pytest.mark.parametrize(
    ("match", "short", "action"),
    [
        (r"^GET /[^/]+/?\?", ["list"], "s3:ListBucket"),
        (r"^GET /[^?]*/replaced", ["read after write"], "s3:GetObject"),
        (r"^POST .*parts/", ["parts"], "s3:AbortMultipartUpload"),
        (r"^PUT .*copy/target", ["server-side copy"], "s3:GetObject and s3:PutObject"),
        (r"^PUT .*/create", ["exclusive create"], "s3:PutObject"),
    ],
)
def test_the_action_that_is_not_granted_is_named(  # noqa: PLR0913, PLR0917 - what is refused, and what is said
    versitygw: VersityGateway,
    proxy: Proxy,
    transport: str,
    match: str,
    short: list[str],
    action: str,
) -> None:
    proxy.add(Rule(match=match, status=403, body=DENIED, times=None))
    place = s3_place(versitygw, url=proxy.url, transport=transport)
    diagnosis = examine(place.open())
    assert falling_short(diagnosis)[: len(short)] == short
    assert action in str(rows(diagnosis)[short[0]].advice)
    assert place.around.snapshot() == {}


@pytest.mark.store("s3")
@TRANSPORTS
def test_without_delete_the_small_objects_that_are_left_are_named(
    versitygw: VersityGateway, proxy: Proxy, transport: str
) -> None:
    proxy.add(
        Rule(
            match=r"^DELETE (?!.*uploadId)|^POST .*\?delete",
            status=403,
            body=DENIED,
            times=None,
        )
    )
    place = s3_place(versitygw, url=proxy.url, transport=transport)
    diagnosis = examine(place.open())
    assert falling_short(diagnosis) == ["delete", "clean-up"]
    found = rows(diagnosis)
    assert "s3:DeleteObject" in str(found["delete"].advice)
    assert found["parts"].measured == "what it writes could not be removed"
    left = place.around.snapshot()
    assert left
    assert max(map(len, left.values())) < 2000
    assert found["clean-up"].measured.startswith(f"left behind: {min(left)}, ")
    assert place.manager().root + "/.blobfs/doctor-" in str(found["clean-up"].advice)


@pytest.mark.store("s3")
@TRANSPORTS
def test_a_wrong_secret_is_refused(versitygw: VersityGateway, transport: str) -> None:
    place = s3_place(versitygw, access_key_secret="wrong", transport=transport)
    diagnosis = examine(place.open(), identity="access_key_id")
    assert falling_short(diagnosis) == ["credentials"]
    assert isinstance(diagnosis.error, blobfs.AccessError)
    found = rows(diagnosis)
    assert found["reachable"].result == "ok"
    assert "SignatureDoesNotMatch" in found["credentials"].measured
    assert str(found["credentials"].advice).startswith("correct the credentials; see `access_")
    assert found["clean-up"].measured == "nothing was written"


# ---- what cannot be reached ----------------------------------------------------------------


@pytest.mark.store("s3")
def test_a_silent_endpoint_is_given_up(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient, "FIRST_ANSWER", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        diagnosis = examine(s3_place(moto, url=url).open())
    assert falling_short(diagnosis) == ["reachable"]
    assert isinstance(diagnosis.error, StoreUnavailableError)
    found = rows(diagnosis)
    assert "did not answer within" in found["reachable"].measured
    assert "network" in str(found["reachable"].advice)
    assert {
        row.result for name, row in found.items() if name not in ("reachable", "clean-up")
    } == {"not tried"}


@pytest.mark.store("s3")
@TRANSPORTS
def test_a_server_that_is_busy_for_a_moment_falls_short_in_nothing(
    versitygw: VersityGateway, proxy: Proxy, transport: str
) -> None:
    proxy.add(Rule(match=".", status=503, times=2))
    proxy.add(Rule(match=".", status=503, times=4, skip=20))
    place = s3_place(versitygw, url=proxy.url, transport=transport)
    assert examine(place.open()).ok


def s3_project(directory: Path, **options: Any) -> None:  # noqa: ANN401 - options
    """Write a project with a store on S3, where nobody may be."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    defaults = {
        "bucket": "b",
        "root_directory": "r",
        "endpoint_url": f"http://127.0.0.1:{port}",
        "access_key_id": "me",
        "access_key_secret": "hunter2",
    }
    write_project(directory, "s3", **(defaults | options))


def test_a_dead_endpoint_is_told_in_a_table_and_by_the_usual_status(tmp_path: Path) -> None:
    pytest.importorskip("s3fs")
    s3_project(tmp_path)
    began = time.monotonic()
    result = run("doctor", cwd=tmp_path)
    assert time.monotonic() - began < 30
    assert (result.returncode, result.stderr) == (1, "")
    assert "hunter2" not in result.stdout
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert lines[0][:2] == ["reachable", "falls short"]
    assert lines[1] == ["credentials", "not tried", "it cannot be reached"]
    assert lines[-1][0].startswith("reachable: check the address")
    assert "`endpoint_url`" in lines[-1][0]
    found = document("doctor", cwd=tmp_path, status=1)
    assert (found["ok"], found["path"], found["store"]) == (False, "s3://b/r", "project")
    assert found["blob_manager_class"] == "s3"


@pytest.mark.store("s3")
def test_a_bucket_that_is_not_there_is_a_wrong_configuration(
    versitygw: VersityGateway, tmp_path: Path
) -> None:
    config = s3_place(versitygw, bucket="nowhere").config["blob_manager_config"]
    write_project(tmp_path, "s3", **config)
    found = document("doctor", cwd=tmp_path, status=2)
    first = found["checks"][0]
    assert (first["check"], first["result"]) == ("reachable", "falls short")
    assert "NoSuchBucket" in first["measured"]
    assert first["advice"].startswith("make the bucket, or correct the option")
    assert "`bucket`" in first["advice"]


def test_a_missing_package_is_told_in_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = write_tree(tmp_path / "hidden", {})
    for package in ("s3fs", "obstore"):
        write_tree(hidden / package, {"__init__.py": "raise ImportError('hidden')"})
    s3_project(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(hidden))
    found = document("doctor", cwd=tmp_path, status=2)
    assert [row["check"] for row in found["checks"]] == [r for r in ROWS if "rename" not in r]
    assert found["checks"][0] == {
        "check": "reachable",
        "result": "falls short",
        "measured": "s3fs cannot be imported (hidden): pip install 'blobfs[s3]'",
        "advice": "pip install 'blobfs[s3]'",
    }
    assert {row["measured"] for row in found["checks"][1:]} == {"it cannot be opened"}
    text = run("doctor", cwd=tmp_path)
    assert text.returncode == 2
    assert text.stdout.endswith("reachable: pip install 'blobfs[s3]'\n")


# ---- what is left behind by an interruption ------------------------------------------------


@pytest.mark.parametrize("name", [name for name in ROWS if name not in FIRST[1:]])
def test_an_interruption_leaves_nothing(name: str, tmp_path: Path) -> None:
    def telling(check: str) -> None:
        if check == name:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(local_place(tmp_path / "new").open(), telling=telling)
    assert names(tmp_path) == []


@pytest.mark.parametrize("nth", [1, 4, 15])
def test_an_interruption_while_a_thread_starts_leaves_nothing(
    nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        starting(thread)
        if thread.name == "blobfs-call":
            begun.append(thread)
            if len(begun) == nth:  # it runs, and who started it does not know yet
                raise KeyboardInterrupt

    starting = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    put = LocalBackend.put

    def late(self: LocalBackend, key: str, data: bytes, **how: bool) -> None:
        time.sleep(0.05)
        put(self, key, data, **how)

    monkeypatch.setattr(LocalBackend, "put", late)
    with pytest.raises(KeyboardInterrupt):
        examine(local_place(tmp_path / "new").open())
    for thread in begun:
        thread.join()
    assert names(tmp_path) == []


def test_ctrl_c_leaves_nothing_of_a_local_store() -> None:
    chance = random.Random(random.randrange(1 << 32))
    interrupted = 0
    for _ in range(8):
        process = start("doctor", "local")
        time.sleep(chance.random() * 0.4)
        seconds, said = interrupt(process, signal.SIGINT)
        assert process.returncode in (0, 130), said
        assert seconds < 2
        interrupted += process.returncode == 130
        ended = bool(process.returncode) and "interrupted" not in said
        if ended or "may still write below" in said:
            # The disk was too slow for the time that an interrupted process has.
            shutil.rmtree(store_root().parent, ignore_errors=True)
        assert not store_root().parent.exists()
    assert interrupted


@pytest.mark.store("s3")
@TRANSPORTS
@pytest.mark.parametrize(
    "match", ["PUT .*throughput", r"(PUT|POST) .*uploadId=", "GET .*latency"]
)
def test_ctrl_c_leaves_nothing_in_a_bucket(  # noqa: PLR0913, PLR0917 - all of it is needed
    versitygw: VersityGateway,
    proxy: Proxy,
    transport: str,
    match: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    stalled = proxy.add(Rule(match=match, stall=10))
    place = s3_place(versitygw, url=proxy.url, transport=transport)
    write_project(tmp_path, "s3", **place.config["blob_manager_config"])
    process = start("doctor")
    while not stalled.hits and process.poll() is None:
        time.sleep(0.01)
    seconds, said = interrupt(process, signal.SIGINT)
    assert process.returncode == 130
    assert seconds < 2
    *warnings, last = said.splitlines()
    assert last == "blobfs: interrupted"
    assert place.around.snapshot() == {}
    assert isinstance(place.around, S3Objects)
    unfinished = place.around.unfinished()
    assert bool(warnings) >= bool(unfinished)
    if unfinished:  # obstore waits for a request that is on its way
        assert transport == "auto"
        assert "/parts/" in warnings[0]


class Interrupts(bench.Bench):
    """Is interrupted, and cannot remove what it wrote."""

    def remove(self) -> bench.Left:
        return bench.Left(self.noted(), [], [])


def test_what_an_interruption_leaves_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(examination, "Bench", Interrupts)

    def telling(check: str) -> None:
        if check == "read after write":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(local_place(tmp_path).open(), telling=telling)
    assert "not removed from" in caplog.text
    assert "/create, .blobfs/doctor-" in caplog.text


# ---- the command ---------------------------------------------------------------------------


def test_the_command_prints_a_row_for_each_check(tmp_path: Path) -> None:
    lines = [line.split("\t") for line in ok("doctor").splitlines()]
    assert [line[0] for line in lines] == list(ROWS)
    assert {line[1] for line in lines} == {"ok"}
    assert ok("doctor", "local", "-q").splitlines()[0].startswith("reachable\tok\t")
    assert not store_root().parent.exists()
    found = document("doctor", "--store", "local")
    assert list(found) == ["store", "path", "blob_manager_class", "ok", "checks"]
    assert (found["store"], found["path"], found["ok"]) == ("local", str(store_root()), True)
    assert [list(row) for row in found["checks"]] == [
        ["check", "result", "measured", "advice"] for _ in ROWS
    ]
    write_project(tmp_path, "fsspec", url="memory://examined")
    result = run("doctor", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.splitlines()[-1].startswith("exclusive create: let one writer")
    assert document("doctor", cwd=tmp_path, status=1)["ok"] is False


def test_tab_offers_stores(tmp_path: Path) -> None:
    write_project(tmp_path, "local", root_directory="/x")
    assert offered("blobfs doctor ", cwd=tmp_path) == ["project", "local"]
    assert offered("blobfs doct", cwd=tmp_path) == ["doctor"]


def test_wrong_arguments_and_configurations_end_as_elsewhere(tmp_path: Path) -> None:
    for arguments, said in (
        (["doctor", "a", "--store", "b"], "a and --store b name two stores"),
        (["doctor", "nope"], "unknown store 'nope'"),
        (["doctor", "project"], "the blob manager 'smb' cannot be imported"),
    ):
        write_project(tmp_path, "smb", root_directory="/x")
        result = run(*arguments, cwd=tmp_path)
        assert (result.returncode, result.stdout) == (2, ""), result
        assert said in result.stderr


def test_a_manager_that_moves_bytes_itself_cannot_be_examined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(
        tmp_path / "modules",
        {
            "aiflowish.py": "class Manager:\n"
            "    def __init__(self, config): pass\n"
            "    def upload(self, local_file_path): pass\n"
            "    def download(self, remote_file_path, local_dir=None): pass\n"
        },
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    write_project(tmp_path, "aiflowish.Manager")
    result = run("doctor", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "offers upload and download only" in result.stderr


def test_options_that_identify_are_named_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "hunter2")
    options = {"url": "memory://x", "storage_options": {"token": "${KEY}"}}
    project = {"blob": {"blob_manager_class": "fsspec", "blob_manager_config": options}}
    (tmp_path / "project.yaml").write_text(json.dumps(project))
    result = run("doctor", cwd=tmp_path)
    assert "credentials\tok\tstorage_options: accepted\n" in result.stdout
    assert "hunter2" not in result.stdout + result.stderr


def on_terminal(cwd: Path, *arguments: str) -> str:
    """Return what a command shows on a terminal of 80 columns."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [SCRIPT, *arguments],
        stdout=slave,
        stderr=slave,
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 1 << 16)
        except OSError:  # Linux tells the end so
            break
        if not part:
            break
        seen += part
    os.close(master)
    process.wait(timeout=60)
    return seen.decode()


def test_on_a_terminal_it_fits_and_says_what_is_being_done(tmp_path: Path) -> None:
    write_project(tmp_path, "fsspec", url="memory://shown")
    shown = on_terminal(tmp_path, "doctor")
    assert "\r\x1b[2Kparts …\r\x1b[2K" in shown
    lines = shown.rpartition("\x1b[2K")[2].replace("\r", "").splitlines()
    assert lines[0] == "project: memory://shown"
    assert max(map(len, lines[4:])) <= 80
    assert any(line.startswith("exclusive create: let one writer") for line in lines)
    assert "\x1b[2K" not in on_terminal(tmp_path, "doctor", "-q")
