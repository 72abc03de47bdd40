"""HDFS: the conformance suite by libhdfs and by WebHDFS, and what only HDFS does."""

import getpass
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from requests.adapters import HTTPAdapter

import blobfs
from blobfs import (
    AccessError,
    ConfigError,
    MissingDependencyError,
    StorageFullError,
    StoreUnavailableError,
    UnsafeNameError,
)
from blobfs.backend import libhdfs, patient
from blobfs.backend.base import Backend
from blobfs.backend.hadoop import PART_SIZE
from blobfs.backend.webhdfs import WebHdfsBackend
from blobfs.backend.webhdfs_call import Caller
from tests.azureml_conformance import AzureMLTests
from tests.conformance import ManagerTests
from tests.places import Place, content, hex_of, write_tree
from tests.reliability.calls import in_child
from tests.remote import HdfsFiles, hdfs_place, large_round_trip, libhdfs_place
from tests.servers.fixtures import proxied
from tests.servers.hdfs import Hdfs

pytestmark = pytest.mark.store("hdfs")

ABSENT = "sha256:" + "0" * 64

WAYS = {"libhdfs": libhdfs_place, "webhdfs": hdfs_place}


class TestHDFSBlobManager(ManagerTests, AzureMLTests):
    """libhdfs, by pyarrow, in a JVM of this process."""

    manager = "hdfs"
    decides_races = True
    publishes_by_rename = True
    tick = 1.1

    @pytest.fixture
    def place(self, hdfs: Hdfs) -> Place:
        return libhdfs_place(hdfs)


class TestHDFSBlobManagerByWebHdfs(ManagerTests, AzureMLTests):
    manager = "hdfs"
    decides_races = True
    publishes_by_rename = True

    @pytest.fixture
    def place(self, hdfs: Hdfs) -> Place:
        return hdfs_place(hdfs)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(way: str, hdfs: Hdfs) -> Place:
    return WAYS[way](hdfs)


@pytest.fixture
def around(place: Place) -> HdfsFiles:
    assert isinstance(place.around, HdfsFiles)
    return place.around


@pytest.fixture
def backend(place: Place) -> Backend:
    return place.manager().bare_backend()


@pytest.fixture
def gateway(hdfs: Hdfs, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """WebHDFS by a gateway that ignores options of a rename, and counts no children."""

    class Ignorant(HTTPAdapter):
        def send(
            self,
            request: requests.PreparedRequest,
            *args: Any,  # noqa: ANN401 - passed on
            **options: Any,  # noqa: ANN401 - passed on
        ) -> requests.Response:
            request.url = (request.url or "").replace("renameoptions", "ignored")
            answer = super().send(request, *args, **options)
            if b"childrenNum" in answer.content:
                answer._content = answer.content.replace(b"childrenNum", b"ignored")  # noqa: SLF001 - as if it came so
            return answer

    class Opening:
        def __init__(self, open_: Callable[[], Any]) -> None:
            self.open = open_

        def __call__(self) -> Any:  # noqa: ANN401 - fsspec has no types
            filesystem = self.open()
            filesystem.session.mount("http://", Ignorant())
            return filesystem

    original = Caller.__init__
    monkeypatch.setattr(Caller, "__init__", lambda s, open_: original(s, Opening(open_)))
    return hdfs_place(hdfs).manager().bare_backend()


# ---- publishing ----------------------------------------------------------------------------


def test_of_sixteen_renames_exactly_one_wins_and_nothing_lands_inside(
    backend: Backend, around: HdfsFiles
) -> None:
    for turn in range(3):
        _race(backend, around, f"LocalUpload/{turn}")


def test_a_gateway_that_moves_inside_publishes_no_less_safely(
    gateway: Backend, hdfs: Hdfs
) -> None:
    assert isinstance(gateway, WebHdfsBackend)
    around = HdfsFiles(hdfs, gateway._root.strip("/"))  # noqa: SLF001 - where it was told to
    for turn in range(2):
        _race(gateway, around, f"LocalUpload/{turn}")
    gateway.create("c", b"1")
    with pytest.raises(FileExistsError):
        gateway.create("c", b"2")
    gateway.put("c", b"3")
    assert around.read("c") == b"3"
    with pytest.raises(FileNotFoundError):
        gateway.rename(".blobfs/stage/none", "LocalUpload/none")
    assert gateway.counts("LocalUpload") is None, "it does not tell"


def _race(backend: Backend, around: HdfsFiles, key: str) -> None:
    ready = threading.Barrier(16)
    for number in range(16):
        for name in ("a", "d/b"):
            stage = f".blobfs/stage/{key}-{number}"
            backend.put(f"{stage}/{name}", str(number).encode(), fresh=True)

    def rename(number: int) -> bool:
        ready.wait()
        try:
            backend.rename(f".blobfs/stage/{key}-{number}", key)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(rename, range(16)))
    assert sum(won) == 1
    winner = str(won.index(True)).encode()
    there = {k: d for k, d in around.snapshot().items() if k.startswith(f"{key}/")}
    assert there == {f"{key}/a": winner, f"{key}/d/b": winner}
    assert sorted(backend.names(key)) == ["a", "d/"]


def test_a_rename_says_what_is_missing_and_what_is_there(backend: Backend) -> None:
    with pytest.raises(FileNotFoundError):
        backend.rename(".blobfs/stage/x", "LocalUpload/x")
    backend.put(".blobfs/stage/x/f", b"1", fresh=True)
    backend.rename(".blobfs/stage/x", "LocalUpload/x")
    backend.put(".blobfs/stage/y/f", b"2", fresh=True)
    with pytest.raises(FileExistsError):
        backend.rename(".blobfs/stage/y", "LocalUpload/x")
    assert backend.read("LocalUpload/x/f") == b"1"
    assert backend.read(".blobfs/stage/y/f") == b"2", "the loser's is the loser's to remove"


def test_what_is_not_completed_is_never_there(backend: Backend, around: HdfsFiles) -> None:
    for size in (1, PART_SIZE * 2):
        for fresh in (False, True):
            upload = backend.upload("d/large", size, fresh=fresh)
            for number, start in enumerate(range(0, size, upload.part_size)):
                upload.write(number, b"x" * min(size - start, upload.part_size))
            upload.abort()
            assert around.snapshot() == {}


def test_a_file_that_is_put_again_is_replaced(backend: Backend, around: HdfsFiles) -> None:
    for data in (b"1", b"22", b""):
        backend.put("d/f", data)
        assert around.snapshot() == {"d/f": data}
        upload = backend.upload("d/f", 0)
        upload.write(0, data + b"+")
        upload.complete()
        assert around.snapshot() == {"d/f": data + b"+"}


# ---- reading -------------------------------------------------------------------------------


def test_ranges_end_where_the_file_does(backend: Backend) -> None:
    backend.put("empty", b"")
    backend.put("f", b"0123456789")
    assert backend.read("empty") == backend.read("empty", 0, 10) == b""
    assert backend.read("f", 3, 5) == b"34"
    assert backend.read("f", 8, 50) == backend.read("f", 8) == b"89"
    for start in (10, 11, 1 << 40):
        assert backend.read("f", start, start + 5) == b""
    for key in ("none", "d", "f/below"):
        with pytest.raises(FileNotFoundError):
            backend.read(key)
        with pytest.raises(FileNotFoundError):
            backend.head(key)
    assert (backend.names("none"), backend.names("f")) == ([], [])
    assert list(backend.objects("f")) == []


def test_a_name_is_the_same_by_either_way(hdfs: Hdfs) -> None:
    """WebHDFS's redirects are in NFC and end at `;`, Java's strings are UTF-16."""
    names = [
        *("e\u0301", "é", "a;", "a;b", ";", "a+b c%20", "🙂", "\U0010ffff", "\ufffe", "\u212a"),
        *("K", "\u1112\u1161\u11ab", "한", "%41", "A", "'\"", "[a]*?#&="),
    ]
    first = libhdfs_place(hdfs)
    second = hdfs_place(
        hdfs, root_directory=first.config["blob_manager_config"]["root_directory"]
    )
    one, two = (each.manager().bare_backend() for each in (first, second))
    for name in names:
        one.put(f"one/{name}/{name}", name.encode())
        two.put(f"two/{name}/{name}", name.encode())
    for backend in (one, two):
        for directory in ("one", "two"):
            keys = {found.key for found in backend.objects(directory)}
            assert keys == {f"{directory}/{name}/{name}" for name in names}
            for name in names:
                assert backend.read(f"{directory}/{name}/{name}") == name.encode(), name
                assert backend.names(f"{directory}/{name}") == [name]


def test_an_artifact_is_the_same_by_either_way(hdfs: Hdfs, tree: Path, tmp_path: Path) -> None:
    first = libhdfs_place(hdfs)
    second = hdfs_place(
        hdfs, root_directory=first.config["blob_manager_config"]["root_directory"]
    )
    for number, (here, there) in enumerate(((first, second), (second, first))):
        (tree / "a.txt").write_text(f"{number}")
        artifact = blobfs.upload(tree, store=here.open(), name="n")
        assert blobfs.upload(tree, store=there.open(), name="n").reused
        where = blobfs.download("n", tmp_path / f"{number}", store=there.open())
        assert content(where) == content(tree)
        scheme, _, path = artifact.path.partition("://")
        assert scheme == ("hdfs", "webhdfs")[number]
        assert path.endswith(
            f"{first.config['blob_manager_config']['root_directory']}/LocalUpload/{hex_of(artifact.digest)}/tree"
        )


def test_a_name_that_hdfs_keeps_to_itself_is_refused(place: Place, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "m", {"d/.snapshot": "1", "a": "2"})
    with pytest.raises(UnsafeNameError, match="reserved"):
        blobfs.upload(source, store=place.open())
    assert not place.keys("LocalUpload/") | place.keys(".blobfs/stage/")


# ---- what goes wrong -----------------------------------------------------------------------


def test_a_user_without_permission_never_hears_not_found(
    place: Place, around: HdfsFiles, tree: Path, tmp_path: Path
) -> None:
    artifact = blobfs.upload(tree, store=place.open(), name="n")
    around.ask("PUT", "SETPERMISSION", permission="700")
    store = place.with_options(hdfs_user="somebody").open()
    for look in (
        lambda: store.probe(artifact.digest),
        lambda: store.probe(ABSENT),
        lambda: list(blobfs.assets(store)),
        lambda: list(blobfs.artifacts(store)),
        lambda: store.backend.head("LocalUpload/x"),
        lambda: store.backend.names("LocalUpload"),
        lambda: list(store.backend.objects("")),
        lambda: blobfs.download("n:1", tmp_path / "out", store=store),
        lambda: blobfs.upload(tree, store=store, name="other"),
        lambda: store.backend.put("f", b"1"),
        lambda: store.backend.create("f", b"1"),
        lambda: store.backend.rename("LocalUpload", "x"),
        lambda: store.backend.remove_tree("LocalUpload"),
        lambda: store.backend.delete("LocalUpload/x"),
        lambda: store.backend.make_directory("LocalUpload/x"),
    ):
        with pytest.raises(AccessError, match=r"[Pp]ermission denied") as caught:
            look()
        assert "hdfs_user" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_safe_mode_is_told_at_once(
    hdfs: Hdfs, place: Place, tree: Path, tmp_path: Path
) -> None:
    store = place.open()
    blobfs.upload(tree, store=store, name="n")
    hdfs.safe_mode(on=True)
    try:
        began = time.monotonic()
        (tree / "a.txt").write_text("other")
        for act in (
            lambda: blobfs.upload(tree, store=store, name="n"),
            lambda: blobfs.remove("n:1", store=store),
            lambda: store.backend.rename("LocalUpload", "x"),
        ):
            with pytest.raises(StoreUnavailableError, match="safe mode"):
                act()
        blobfs.download("n:1", tmp_path / "out", store=store)
        assert time.monotonic() - began < 15
    finally:
        hdfs.safe_mode(on=False)
    assert blobfs.upload(tree, store=store, name="n").version == "2"


def test_a_quota_is_no_space_left(
    hdfs: Hdfs, place: Place, around: HdfsFiles, tree: Path
) -> None:
    store = place.open()
    blobfs.upload(tree, store=store)
    before = around.snapshot()
    hdfs.set_quota(f"/{around.root}", 1000)
    try:
        write_tree(tree, {"large": b"x" * (20 << 20)})
        for source in (tree, tree / "large", tree / "run.sh"):
            with pytest.raises(StorageFullError, match="quota"):
                blobfs.upload(source, store=store)
    finally:
        hdfs.set_quota(f"/{around.root}", None)
    assert around.snapshot() == before


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient, "FIRST_ANSWER", 2.0)
    monkeypatch.setattr(libhdfs, "ANSWER", 1.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("scheme", ["hdfs", "http"])
def test_a_namenode_that_is_not_there_is_told_soon(
    scheme: str, place: Place, tree: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        silent = mute.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as other:
            closed = other.getsockname()[1]
        for host, port in (("127.0.0.1", closed), ("127.0.0.1", silent), ("x.invalid", 1)):
            store = place.with_options(hdfs_url=f"{scheme}://{host}:{port}").open()
            for look in (
                lambda s=store: s.probe(ABSENT),
                lambda s=store: blobfs.upload(tree, store=s, name="n"),
            ):
                began = time.monotonic()
                with pytest.raises(StoreUnavailableError, match=host):
                    look()
                assert time.monotonic() - began < 15


def test_a_url_of_the_other_kind_is_blamed(hdfs: Hdfs, place: Place, tree: Path) -> None:
    for url, right in (
        (f"http://{hdfs.host}:{hdfs.port}", "RPC port"),
        (f"https://{hdfs.host}:{hdfs.port}", "SSL"),
        (f"https://{hdfs.host}:{hdfs.http_port}", "SSL"),
        (f"hdfs://{hdfs.host}:{hdfs.http_port}", f"http://{hdfs.host}:{hdfs.http_port}"),
    ):
        store = place.with_options(hdfs_url=url).open()
        for look in (
            lambda s=store: s.probe(ABSENT),
            lambda s=store: blobfs.upload(tree, store=s, name="n"),
        ):
            with pytest.raises(ConfigError, match="`hdfs_url`") as caught:
                look()
            assert right in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://h:1",
            "http://h",
            "https://h",
            "hdfs://",
            "hdfs://h:x",
            "h:8020",
            "webhdfs://h:1",
        ),
        *(
            "http://user:hunter2@h:1",
            "http://h:1/gateway",
            "http://h:1?op=x",
            "hdfs://h:1/d",
            "",
        ),
    ],
)
def test_a_url_of_no_kind_is_refused(url: str) -> None:
    config = {"hdfs_url": url, "root_directory": "/r"}
    with pytest.raises(ConfigError, match="`hdfs_url`") as caught:
        blobfs.HDFSBlobManager(config).open()
    assert "hunter2" not in str(caught.value)


def test_opening_asks_nobody(way: str, hdfs: Hdfs) -> None:
    with proxied(hdfs) as proxy:
        options = {"url": proxy.url} if way == "webhdfs" else {"hdfs_url": "hdfs://x.invalid:1"}
        store = WAYS[way](hdfs, **options).open()
        assert store.location.url.startswith(("webhdfs://127", "hdfs://x.invalid:1/tmp/"))
        assert proxy.connections == 0


def test_options_of_hadoop_reach_it(place: Place, around: HdfsFiles) -> None:
    conf = {"dfs.replication": 2, "fs.permissions.umask-mode": "002", "dfs.blocksize": 1 << 20}
    backend = place.with_options(hdfs_conf=conf).manager().bare_backend()
    backend.put("d/f", b"1")
    backend.make_directory("e")
    status = around.ask("GET", "GETFILESTATUS", "d/f").json()["FileStatus"]
    assert (status["replication"], status["blockSize"]) == (2, 1 << 20)
    assert status["permission"] == "664"
    assert around.ask("GET", "GETFILESTATUS", "e").json()["FileStatus"]["permission"] == "775"


# ---- libhdfs -------------------------------------------------------------------------------


def test_what_is_usual_prints_no_stack_trace(
    hdfs: Hdfs, tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = libhdfs_place(hdfs)
    blobfs.upload(tree, store=place.open(), name="n")
    (tree / "a.txt").write_text("other")
    blobfs.upload(tree, store=place.open(), name="n")
    blobfs.download("n", tmp_path / "out", store=place.open())
    blobfs.remove("n:1", store=place.open())
    with pytest.raises(blobfs.ArtifactNotFoundError):
        blobfs.download("none", tmp_path / "none", store=place.open())
    assert "Exception" not in capfd.readouterr().err


@pytest.mark.usefixtures("heard")
def test_a_jvm_leaves_this_processs_signals_alone(hdfs: Hdfs) -> None:
    libhdfs_place(hdfs).open().probe(ABSENT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_after_a_fork_a_jvm_is_not_asked_and_webhdfs_is(hdfs: Hdfs) -> None:
    by_jvm, by_web = libhdfs_place(hdfs), hdfs_place(hdfs)
    old, web = by_jvm.open(), by_web.open()
    assert old.probe(ABSENT) is web.probe(ABSENT) is None

    def child() -> None:
        for store in (old, by_jvm.open()):
            with pytest.raises(StoreUnavailableError, match="spawn"):
                store.probe(ABSENT)
        for store in (web, by_web.open()):
            assert store.probe(ABSENT) is None

    assert in_child(child) == 0


LOOK = """
import sys, blobfs
for _ in range(2):
    try:
        blobfs.open_store({"blob_manager_class": "hdfs", "blob_manager_config": {
            "hdfs_url": sys.argv[1], "root_directory": "/r"}}).backend.names("x")
    except blobfs.MissingDependencyError as error:
        print(error)
"""


@pytest.mark.parametrize(
    "wrong",
    [
        {"CLASSPATH": ""},
        {"CLASSPATH": "/"},
        {"ARROW_LIBHDFS_DIR": "/"},
        {"JAVA_HOME": "/"},
    ],
)
def test_a_missing_jvm_says_what_must_be_set(hdfs: Hdfs, wrong: dict[str, str]) -> None:
    """Twice, for the second try to connect would end the process."""
    environment = {**os.environ, **hdfs.environment, **wrong}
    if "JAVA_HOME" in wrong:  # or the one that libhdfs was compiled for is found
        environment.pop("LD_LIBRARY_PATH", None)
    done = subprocess.run(
        [sys.executable, "-c", LOOK, hdfs.url],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        for name in ("ARROW_LIBHDFS_DIR", "CLASSPATH", "JAVA_HOME", "blobfs[hdfs]"):
            assert name in line


@pytest.mark.soak
def test_a_large_file_needs_little_memory(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIBHDFS_OPTS", raising=False)
    large_round_trip(place, tmp_path)


# ---- WebHDFS -------------------------------------------------------------------------------


def test_each_call_is_one_request(hdfs: Hdfs) -> None:
    with proxied(hdfs) as proxy:
        backend = hdfs_place(hdfs, url=proxy.url).manager().bare_backend()

        def taken(call: Callable[[], object]) -> int:
            proxy.reset()
            call()
            return len(proxy.requests)

        def large() -> None:
            upload = backend.upload("s/large", 0, fresh=True)
            for number in range(3):
                upload.write(number, b"x" * upload.part_size)
            upload.complete()

        assert taken(lambda: backend.put("s/f", b"1", fresh=True)) == 1
        assert taken(large) == 1
        assert taken(lambda: backend.put("s/g", b"1")) == 2
        assert taken(lambda: backend.put("t/g", b"1")) == 4, "no directory for it yet"
        assert taken(lambda: backend.create("s/c", b"1")) == 2
        assert taken(lambda: backend.hold(".blobfs/stage/x")) == 0
        assert taken(lambda: backend.sync("s")) == 0
        for call in (
            lambda: backend.read("s/f"),
            lambda: backend.read("s/f", 0, 100),
            lambda: backend.head("s/f"),
            lambda: backend.names("s"),
            lambda: backend.counts(""),
            lambda: list(backend.objects("s")),
            lambda: backend.delete("s/f"),
            lambda: backend.delete("s/f"),
            lambda: backend.remove_tree("t"),
        ):
            assert taken(call) == 1
        assert taken(lambda: backend.rename("s", "u/s")) == 2
        assert taken(lambda: backend.rename("u/s", "u/t")) == 1
        assert backend.counts("u") == {"t": 3}


class Elsewhere(BaseHTTPRequestHandler):
    """A NameNode that leads to where it is told."""

    where = ""

    def do_GET(self) -> None:
        self.send_response(307)
        self.send_header("Location", self.where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_GET  # noqa: N815 - as http.server calls it

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def leading(hdfs: Hdfs) -> Iterator[Callable[[str], Place]]:
    class Handler(Elsewhere): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def place(where: str) -> Place:
            Handler.where = where
            return hdfs_place(
                hdfs, url=f"http://127.0.0.1:{server.server_port}", token="s3cr3t", hdfs_user=""
            )

        yield place
        server.shutdown()


@pytest.mark.parametrize(
    "host",
    [
        *(
            "169.254.169.254",
            "2852039166",
            "0xA9FEA9FE",
            "[fe80::1]",
            "[::ffff:169.254.169.254]",
        ),
    ],
)
def test_no_redirect_leads_to_a_machines_credentials(
    host: str, leading: Callable[[str], Place]
) -> None:
    backend = leading(f"http://{host}:80/webhdfs/v1/x?op=OPEN").manager().bare_backend()
    for call in (lambda: backend.read("x"), lambda: backend.put("x", b"1")):
        with pytest.raises(StoreUnavailableError, match="not followed") as caught:
            call()
        assert not caught.value.passing


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/x", ""])
def test_a_redirect_stays_with_http_and_ends(
    where: str, leading: Callable[[str], Place]
) -> None:
    backend = leading(where).manager().bare_backend()
    with pytest.raises(StoreUnavailableError, match="redirect"):
        backend.read("x")


def test_a_token_is_in_no_message(leading: Callable[[str], Place]) -> None:
    """Neither the user's nor the one that a redirect carries."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    location = f"http://127.0.0.1:{port}/webhdfs/v1/x?op=OPEN&delegation=0th3rs&offset=0"
    backend = leading(location).manager().bare_backend()
    for call in (partial(backend.read, "x"), partial(backend.put, "x", b"1")):
        with pytest.raises(StoreUnavailableError, match="refused") as caught:
            call()
        assert caught.value.passing, "the next try may be led to another DataNode"
        for secret in ("s3cr3t", "0th3rs"):
            assert secret not in "".join(map(str, (caught.value, caught.value.__dict__)))


def test_kerberos_needs_a_package_more(hdfs: Hdfs) -> None:
    for options in ({"kerberos_ticket": "/none"}, {"storage_options": {"kerberos": True}}):
        place = hdfs_place(hdfs, hdfs_user="", **options)
        with pytest.raises(MissingDependencyError, match="pip install requests-"):
            place.manager().filesystem()


def test_who_asks_is_who_is_named_or_runs_this(place: Place, around: HdfsFiles) -> None:
    around.ask("PUT", "MKDIRS", permission="1777")
    owners = {"given": "somebody", "own": getpass.getuser(), "options": "other"}
    for key, options in (
        ("given", {"hdfs_user": "somebody"}),
        ("own", {"hdfs_user": ""}),
        ("options", {"hdfs_user": "somebody", "storage_options": {"user": "other"}}),
    ):
        place.with_options(**options).manager().bare_backend().put(key, b"1", fresh=True)
        status = around.ask("GET", "GETFILESTATUS", key).json()["FileStatus"]
        assert status["owner"] == owners[key]


def test_a_token_is_for_webhdfs_only(hdfs: Hdfs) -> None:
    with pytest.raises(ConfigError, match="`token`"):
        libhdfs_place(hdfs, token="s3cr3t").open()


def test_the_command_line_speaks_to_hdfs(place: Place, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"stores": {"s": dict(place.config)}}))
    environment = {**os.environ, "BLOBFS_CONFIG": str(tmp_path / "config.yaml")}
    for arguments in (
        ["upload", str(tree), "--name", "n"],
        ["download", "n:1", str(tmp_path / "o")],
    ):
        command = [sys.executable, "-m", "blobfs", *arguments, "--store", "s", "-q"]
        done = subprocess.run(command, env=environment, check=False, capture_output=True)
        assert done.returncode == 0, done.stderr
    assert content(tmp_path / "o") == content(tree)
