"""Work that is spread over executors and clusters: what arrives, what travels, what breaks."""

import os
import pickle
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import yaml

import blobfs
from blobfs import errors
from blobfs.artifact import worker
from blobfs.artifact.worker import Fetching, Hashing, Sending, run, sendable
from blobfs.errors import (
    AccessError,
    ArtifactConflictError,
    BlobfsError,
    ConfigError,
    ExecutorError,
    IntegrityError,
    SourceChangedError,
    StoreUnavailableError,
    TransferError,
)
from blobfs.lent import Lent, LentStage
from blobfs.lent_tree import LentTree
from blobfs.manifest import Entry, Header
from blobfs.resolve import reopening
from blobfs.scan import scan
from tests.clusters import DASK, At, CommandLineCluster, kill, quiet, worker_pids
from tests.command_line import ok
from tests.command_line import run as shell
from tests.places import Place, as_nobody, content, local_place, memory_place, write_tree
from tests.remote import REMOTE, remotes, s3_place
from tests.servers.process import free_ports, listening, running
from tests.servers.s3 import VersityGateway
from tests.test_readme import section

FILES = 900
LARGE = 40 << 20
WRONG_SECRET = "anothersecret"
MANY, HUGE = 20_000, 2 << 30


def kinds(*names: str) -> list[Any]:
    """Return some of the kinds of remote stores as parameters."""
    return [found for found in remotes() if found.values[0] in names]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small files, a large one, an executable one, empty ones, and an empty directory."""
    return make_source(tmp_path_factory.mktemp("shared") / "source", FILES, LARGE)


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with fewer bytes, for stores that take long; the large file goes by parts."""
    return make_source(tmp_path_factory.mktemp("shared") / "little", 60, 9 << 20)


def make_source(root: Path, files: int, large: int) -> Path:
    bytes_of = random.Random(files).randbytes
    write_tree(root, {f"d{n % 9}/{n}.bin": bytes_of(100 + n % 900) for n in range(files)})
    write_tree(root, {"run.sh": "#!/bin/sh\n", "empty": "", "hollow/": "", "sub/é ü": "x"})
    (root / "run.sh").chmod(0o755)
    with (root / "large").open("wb") as file:
        for _ in range(large >> 20):
            file.write(bytes_of(1 << 20))
    return root


@pytest.fixture(scope="module")
def digest(source: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a single process makes of it."""
    place = local_place(tmp_path_factory.mktemp("alone"))
    return blobfs.upload(source, store=place.open(), hash_cache=False).digest


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The client of a LocalCluster of two processes."""
    from distributed import Client, LocalCluster

    where = str(tmp_path_factory.mktemp("dask"))
    with (
        quiet(),
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2, threads_per_worker=1, dashboard_address=":0", local_directory=where
        ) as cluster,
        Client(cluster, set_as_default=False) as client,  # type: ignore[no-untyped-call]
    ):
        yield client


@pytest.fixture(scope="module")
def command_line(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[CommandLineCluster]:
    """A scheduler and two workers, as a shell starts them, that log all they can."""
    environment = {
        "BLOBFS_TEST_CLUSTER_KEY": VersityGateway.key,
        "BLOBFS_TEST_CLUSTER_SECRET": VersityGateway.secret,
        "BLOBFS_TEST_CLUSTER_OTHER": WRONG_SECRET,
    }
    directory = tmp_path_factory.mktemp("command-line")
    with CommandLineCluster(directory, environment, debug=True) as cluster:
        yield cluster


@pytest.fixture(params=["threads", "processes", "dask", "command-line"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with ExitStack() as stack:
        if request.param == "threads":
            yield request.getfixturevalue("threads")
        elif request.param == "processes":
            yield stack.enter_context(processes())
        elif request.param == "dask":
            yield request.getfixturevalue("dask").get_executor()
        else:
            cluster = request.getfixturevalue("command_line")
            yield stack.enter_context(cluster.client()).get_executor()


def named(place: Place, directory: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a place into the user's configuration, secrets and all; return its name."""
    file = directory / "config.yaml"
    file.write_text(yaml.safe_dump({"stores": {"shared": dict(place.config)}}))
    monkeypatch.setenv("BLOBFS_CONFIG", str(file))
    return "shared"


def nothing_left(place: Place) -> bool:
    """Whether a local store holds nothing that is not published."""
    return not place.keys(".blobfs/stage")


# ---- what arrives --------------------------------------------------------------------------


def test_an_executor_publishes_what_one_process_publishes(
    executor: Executor, source: Path, digest: str, store_place: Place, tmp_path: Path
) -> None:
    store = store_place.open()
    artifact = blobfs.upload(source, store=store, executor=executor, name="n")
    assert (artifact.digest, artifact.reused) == (digest, False)
    assert artifact.sent_files == artifact.files == FILES + 4
    assert blobfs.verify("n:1", store=store, deep=True).ok
    assert nothing_left(store_place)
    out = blobfs.download("n:1", tmp_path / "out", store=store, executor=executor)
    assert content(out) == content(source)
    assert sorted(os.listdir(tmp_path)) == ["out", "store"]
    assert blobfs.upload(source, store=store, executor=executor, name="n").reused


@pytest.mark.parametrize("kind", kinds("s3", "azure", "oss", "hdfs", "webhdfs"))
def test_processes_fill_every_store(
    kind: str,
    request: pytest.FixtureRequest,
    little: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remote = REMOTE[kind]
    place = remote.place(request.getfixturevalue(remote.server))
    store = named(place, tmp_path, monkeypatch)
    alone = blobfs.plan_upload(little, store=store)
    with processes() as executor:
        artifact = blobfs.upload(little, store=store, executor=executor, hash_cache=False)
        assert artifact.digest == alone.digest
        assert blobfs.verify(alone.digest, store=store, deep=True).ok
        out = blobfs.download(alone.digest, tmp_path / "out", store=store, executor=executor)
    assert content(out) == content(little)
    assert not [key for key in place.keys(".blobfs/stage") if "parts" in key]


@pytest.mark.parametrize("kind", kinds("s3", "azure"))
def test_a_cluster_fills_a_store_whose_keys_only_the_configuration_holds(  # noqa: PLR0913, PLR0917 - fixtures
    kind: str,
    request: pytest.FixtureRequest,
    dask: Any,  # noqa: ANN401 - a distributed.Client
    source: Path,
    digest: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remote = REMOTE[kind]
    place = remote.place(request.getfixturevalue(remote.server))
    store, executor = named(place, tmp_path, monkeypatch), dask.get_executor()
    first = blobfs.upload(source, store=store, executor=executor, name="n")
    assert first.digest == digest
    assert blobfs.verify("n:1", store=store, deep=True).ok
    out = blobfs.download("n:1", tmp_path / "out", store=store, executor=executor)
    assert content(out) == content(source)


def test_a_single_file_and_parts_of_an_artifact(
    threads: Executor, source: Path, store_place: Place, tmp_path: Path
) -> None:
    store = store_place.open()
    file = blobfs.upload(source / "large", store=store, executor=threads)
    assert file.digest == blobfs.upload(source / "large", store=store).digest
    fetched = blobfs.download(file.digest, tmp_path / "f", store=store, executor=threads)
    assert fetched.read_bytes() == (source / "large").read_bytes()
    blobfs.upload(source, store=store, executor=threads, name="n")
    part = blobfs.download("n:1/d3", tmp_path / "d3", store=store, executor=threads)
    assert content(part) == content(source / "d3")
    one = blobfs.download("n:1/run.sh", tmp_path / "r/", store=store, executor=threads)
    assert one.read_text() == "#!/bin/sh\n"
    assert os.access(one, os.X_OK)
    again = blobfs.download("n:1", tmp_path / "d3", store=store, executor=threads)
    assert {**content(source), **content(source / "d3")} == content(again)


def test_references_and_what_is_no_artifact(
    threads: Executor, store_place: Place, tmp_path: Path
) -> None:
    store = store_place.open()
    outside = write_tree(tmp_path / "outside", {"a": "1", "b/c": "22"})
    blobfs.upload(f"file://{outside}", store=store, name="outside")
    got = blobfs.download("outside:1", tmp_path / "o", store=store, executor=threads)
    assert content(got) == content(outside)
    jobs = write_tree(tmp_path / "store" / "jobs" / "run", {"x": "1", "y/z": "2"})
    got = blobfs.download(str(jobs), tmp_path / "p", store=store, executor=threads)
    assert content(got) == content(jobs)
    got = blobfs.download(f"{jobs}/x", tmp_path / "x", store=store, executor=threads)
    assert got.read_text() == "1"
    (outside / "a").write_text("other")
    with pytest.raises(IntegrityError, match=r"changed|bytes"):
        blobfs.download("outside:1", tmp_path / "o2", store=store, executor=threads)


def test_what_changed_is_sent_and_the_rest_is_copied(
    threads: Executor, store_place: Place, tmp_path: Path
) -> None:
    store, source = store_place.open(), write_tree(tmp_path / "s", {"a": "1", "b": "2"})
    blobfs.upload(source, store=store, name="n", executor=threads)
    (source / "b").write_text("3")
    second = blobfs.upload(source, store=store, name="n", executor=threads)
    assert (second.sent_files, second.copied_files) == (1, 1)
    assert blobfs.verify("n:2", store=store, deep=True).ok


def test_what_workers_hashed_is_remembered(store_place: Place, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "s", {str(n): str(n) for n in range(30)})
    for path in source.iterdir():
        os.utime(path, (1, 1))
    time.sleep(2.1)  # what changed within two seconds is not
    with ThreadPoolExecutor(2) as executor:
        blobfs.upload(source, store=store_place.open(), executor=executor)
    again = blobfs.upload(source, store=store_place.open(), executor=executor)
    assert again.reused, "nobody was asked: this executor was shut down"
    with pytest.raises(ExecutorError, match="shutdown"):
        blobfs.upload(
            source, store=store_place.open(), executor=executor, hash_cache=False, name="n"
        )


def test_bytes_are_counted(threads: Executor, source: Path, store_place: Place) -> None:
    class Counter(At):
        def __init__(self) -> None:
            super().__init__("", lambda: None)
            self.sizes: dict[str, int] = {}
            self.done: dict[str, int] = {}

        def set_size(self, size: int) -> None:
            self.sizes[self.phase] = size

        def relative_update(self, inc: int = 1) -> None:
            self.done[self.phase] = self.done.get(self.phase, 0) + inc

    counter = Counter()
    artifact = blobfs.upload(
        source, store=store_place.open(), executor=threads, callback=counter, hash_cache=False
    )
    assert counter.sizes == counter.done == dict.fromkeys(["hashing", "sending"], artifact.size)


# ---- what breaks ---------------------------------------------------------------------------


def test_a_killed_worker_is_made_up_for(
    dask: Any,  # noqa: ANN401 - a distributed.Client
    source: Path,
    digest: str,
    store_place: Place,
    tmp_path: Path,
) -> None:
    store, executor = store_place.open(), dask.get_executor()
    for phase in ("hashing", "sending"):
        dask.wait_for_workers(2, timeout=60)
        place = local_place(tmp_path / phase)
        artifact = blobfs.upload(
            source,
            store=place.open(),
            executor=executor,
            callback=At(phase, kill(worker_pids(dask)[0])),
            hash_cache=False,
        )
        assert artifact.digest == digest
        assert blobfs.verify(digest, store=place.open(), deep=True).ok
        root = place.keys(f"LocalUpload/{digest[7:]}/")
        assert len(root) == FILES + 5, "nothing half written is published"
        assert nothing_left(place)
    dask.wait_for_workers(2, timeout=60)
    blobfs.upload(source, store=store)
    out = blobfs.download(
        digest,
        tmp_path / "out",
        store=store,
        executor=executor,
        callback=At("fetching", kill(worker_pids(dask)[0])),
    )
    assert content(out) == content(source)


@pytest.mark.store("s3")
def test_a_machine_that_is_gone_is_made_up_for(  # noqa: PLR0913, PLR0917 - fixtures
    command_line: CommandLineCluster,
    versitygw: VersityGateway,
    source: Path,
    digest: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = named(s3_place(versitygw), tmp_path, monkeypatch)
    lost = command_line.workers.pop()
    with command_line.client() as client:
        artifact = blobfs.upload(
            source,
            store=store,
            executor=client.get_executor(),
            callback=At("sending", lost.kill),
            hash_cache=False,
        )
    command_line.workers.append(command_line.start_worker())
    assert artifact.digest == digest
    assert blobfs.verify(digest, store=store, deep=True).ok


def test_a_broken_pool_is_a_typed_error_and_nothing_is_visible(
    source: Path, digest: str, store_place: Place
) -> None:
    store = store_place.open()
    with processes() as executor:
        pid = executor.submit(os.getpid).result()
        with pytest.raises(ExecutorError, match=r"a worker died.*can be made again"):
            blobfs.upload(
                source, store=store, executor=executor, callback=At("sending", kill(pid))
            )
    assert not store_place.keys("LocalUpload")
    assert nothing_left(store_place)
    with processes() as executor:
        assert blobfs.upload(source, store=store, executor=executor).digest == digest


class Deadly(Executor):
    """Whatever it is given kills the worker that takes it."""

    def __init__(self, inner: Executor) -> None:
        self._inner = inner

    def submit(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - as Executor has it
        return self._inner.submit(os._exit, 1)


def test_work_that_kills_every_worker_is_given_up(
    dask: Any,  # noqa: ANN401 - a distributed.Client
    source: Path,
    store_place: Place,
) -> None:
    scheduler = dask.cluster.scheduler
    scheduler.allowed_failures, before = 0, scheduler.allowed_failures
    with pytest.raises(ExecutorError, match="KilledWorker"):
        blobfs.upload(source, store=store_place.open(), executor=Deadly(dask.get_executor()))
    scheduler.allowed_failures = before
    assert not store_place.keys("LocalUpload")


def test_a_scheduler_that_is_gone_is_a_typed_error(
    source: Path, store_place: Place, tmp_path: Path
) -> None:
    with quiet(), CommandLineCluster(tmp_path, {}) as cluster, cluster.client() as client:
        with pytest.raises(ExecutorError, match="the cluster is gone"):
            blobfs.upload(
                source,
                store=store_place.open(),
                executor=client.get_executor(),
                callback=At("sending", cluster.scheduler.kill),
                hash_cache=False,
            )
        assert not store_place.keys("LocalUpload")
        assert nothing_left(store_place)
        client.close(1)


def test_a_caller_that_dies_leaves_nothing_visible(
    command_line: CommandLineCluster,
    source: Path,
    digest: str,
    store_place: Place,
    tmp_path: Path,
) -> None:
    root = str(tmp_path / "store")
    command = [sys.executable, "-m", "tests.clusters", str(tmp_path), str(source), root]
    caller = subprocess.Popen(
        [*command, command_line.address],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    assert caller.stdout
    assert caller.stdout.readline() == b"sending\n"
    caller.kill()
    caller.wait()
    caller.stdout.close()
    assert store_place.keys(".blobfs/stage")
    assert not store_place.keys("LocalUpload")
    with command_line.client() as client:
        executor = client.get_executor()
        artifact = blobfs.upload(source, store=store_place.open(), executor=executor)
    assert artifact.digest == digest
    assert blobfs.verify(digest, store=store_place.open(), deep=True).ok
    assert nothing_left(store_place)


def test_an_interrupt_cancels_what_has_not_begun(
    source: Path, store_place: Place, threads: Executor
) -> None:
    class Noting(ThreadPoolExecutor):
        def submit(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
            futures.append(super().submit(*arguments, **options))
            return futures[-1]

    def interrupt() -> None:
        raise KeyboardInterrupt

    futures: list[Any] = []
    with Noting(1) as executor, pytest.raises(KeyboardInterrupt):
        blobfs.upload(
            source,
            store=store_place.open(),
            executor=executor,
            callback=At("sending", interrupt),
            hash_cache=False,
        )
    assert any(future.cancelled() for future in futures)
    assert not store_place.keys("LocalUpload")
    assert blobfs.upload(source, store=store_place.open(), executor=threads).sent_files


def test_a_source_that_changes_is_read_again(
    threads: Executor, store_place: Place, tmp_path: Path
) -> None:
    source = write_tree(tmp_path / "s", {str(n): str(n) for n in range(150)})

    def change() -> None:
        (source / "7").write_text("other")

    at = At("sending", change, begun=False)
    store = store_place.open()
    artifact = blobfs.upload(source, store=store, executor=threads, callback=at, name="n")
    out = blobfs.download("n:1", tmp_path / "out", store=store)
    assert content(out) == content(source)
    assert artifact.digest == blobfs.upload(source, store=store, hash_cache=False).digest


def test_a_source_that_keeps_changing_is_given_up(
    threads: Executor, store_place: Place, tmp_path: Path
) -> None:
    source = write_tree(tmp_path / "s", {"a": "1", "b": "2"})
    count = iter(range(100))

    class Changing(At):
        def call(self, hook_name: str | None = None, **_: object) -> None:
            if hook_name == "sending":
                (source / "b").write_text(f"other {next(count)}")

    with pytest.raises(SourceChangedError, match="b changed"):
        blobfs.upload(
            source,
            store=store_place.open(),
            executor=threads,
            callback=Changing("", lambda: None),
        )
    assert not store_place.keys("LocalUpload")
    assert nothing_left(store_place)


def test_all_files_that_cannot_be_read_are_told(
    shared: Path, monkeypatch: pytest.MonkeyPatch, threads: Executor
) -> None:
    for name in ("a", "d/b"):
        (shared / "root" / name).chmod(0)
    store = {
        "blob_manager_class": "local",
        "blob_manager_config": {"root_directory": f"{shared}/store"},
    }
    with as_nobody(monkeypatch, shared), pytest.raises(AccessError) as caught:
        blobfs.upload(shared / "root", store=store, executor=threads)
    assert all(f"  {name}: " in str(caught.value) for name in ("a", "d/b"))


def test_damage_is_found_by_workers_and_told_once_for_each_file(
    dask: Any,  # noqa: ANN401 - a distributed.Client
    source: Path,
    store_place: Place,
    tmp_path: Path,
) -> None:
    store = store_place.open()
    artifact = blobfs.upload(source, store=store)
    for name in ("d1/1.bin", "run.sh"):
        file = Path(artifact.path) / name
        file.chmod(0o644)
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(TransferError) as caught:
        blobfs.download(
            artifact.digest, tmp_path / "out", store=store, executor=dask.get_executor()
        )
    damaged = caught.value.exceptions
    assert [type(error) for error in damaged] == [IntegrityError] * 2
    notes = [error.__notes__ for error in damaged]
    assert sorted(map(str, notes)) == [
        "['while transferring d1/1.bin']",
        "['while transferring run.sh']",
    ]
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way_is_a_conflict(
    threads: Executor, source: Path, store_place: Place, tmp_path: Path
) -> None:
    store = store_place.open()
    blobfs.upload(source, store=store, name="n", executor=threads)
    write_tree(tmp_path / "out", {"run.sh": "mine", "other": "stays"})
    with pytest.raises(ArtifactConflictError):
        blobfs.download("n:1", tmp_path / "out", store=store, executor=threads)
    blobfs.download("n:1", tmp_path / "out", store=store, executor=threads, overwrite=True)
    assert content(tmp_path / "out") == {**content(source), "other": (b"stays", False)}


# ---- machines that do not share what they must -----------------------------------------------


def test_a_store_of_one_process_alone_is_found_out(source: Path, tmp_path: Path) -> None:
    place = memory_place(tmp_path)
    with processes() as executor, pytest.raises(ConfigError, match="not to where this process"):
        blobfs.upload(source, store=place.config, executor=executor)
    assert not place.keys("LocalUpload")


def test_a_worker_that_does_not_see_the_source_says_so(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "s", {"a": "1", "b": "2"})
    found = scan(source)
    (source / "a").unlink()
    with pytest.raises(SourceChangedError, match="not there for a worker on"):
        Hashing(found)()
    (source / "b").unlink()
    source.rmdir()
    with pytest.raises(errors.SourceError, match=r"does not see .* all workers share"):
        Hashing(found)()


def test_a_worker_that_does_not_see_the_store_or_the_target_says_so(
    store_place: Place, tmp_path: Path
) -> None:
    backend = store_place.open().backend
    with pytest.raises(ConfigError, match=r"does not see .* all workers share"):
        LentStage(Lent(".blobfs/stage/x", ".blobfs/stage/x-parts"), backend)
    for location in (tmp_path / "absent", tmp_path):
        with (
            pytest.raises(ConfigError, match=r"does not see .* all workers share"),
            LentTree(str(location), ".blobfs-mark").opened(),
        ):
            pass


def test_a_worker_on_another_machine_writes_out_what_it_wrote(
    source: Path, store_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.reliability.calls import names_of

    store = store_place.open()

    def upload() -> None:
        with ThreadPoolExecutor(1) as executor:
            blobfs.upload(source, store=store, executor=executor, hash_cache=False)

    monkeypatch.setattr(worker, "machine", lambda: "elsewhere")
    assert names_of(upload).count("syncfs") > 1
    digest = blobfs.upload(source, store=store).digest

    def download() -> None:
        with ThreadPoolExecutor(1) as executor:
            blobfs.download(digest, tmp_path / "out", store=store, executor=executor)

    assert names_of(download).count("syncfs") > 1


# ---- tasks that run twice ------------------------------------------------------------------


def entries_of(digest: str, store: blobfs.Store) -> tuple[Header, list[Entry]]:
    manifest = store.manifest(digest)
    return manifest.header, [e for e in manifest.entries if not e.is_directory]


@pytest.mark.parametrize("kind", ["local", *kinds("s3", "hdfs", "webhdfs")])
def test_sending_twice_at_a_time_leaves_whole_files(
    kind: str,
    request: pytest.FixtureRequest,
    little: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if kind == "local":
        place = local_place(tmp_path)
    else:
        remote = REMOTE[kind]
        place = remote.place(request.getfixturevalue(remote.server))
    store = blobfs.open_store(named(place, tmp_path, monkeypatch))
    blobfs.upload(little, store=store, name="n")
    header, entries = entries_of(blobfs.find("n:1", store=store).header.digest, store)  # type: ignore[union-attr] # it is an artifact
    from blobfs.commit import stage_for

    stage = stage_for(store, "sha256:" + "0" * 64)
    lent = stage.lend()
    found = scan(little)._replace(files=[], empty=[])
    share = entries[:10] + [e for e in entries if e.path == "large"]
    task = Sending(reopening(store), found, lent, header, share, 4, "elsewhere")
    sent = pickle.dumps(task)
    with ThreadPoolExecutor(3) as pool:
        outcomes = [pool.submit(run, sent, str(n)).result() for n in range(3)]
    assert {pickle.loads(outcome).error for outcome in outcomes} == {None}  # noqa: S301
    for entry in share:
        data = store.backend.read(f"{lent.directory}/{header.name}/{entry.path}")
        assert data == (little / entry.path).read_bytes()
    stage.take_back()
    found_there = {o.key for o in store.backend.objects(lent.directory)}
    assert found_there == {f"{lent.directory}/{header.name}/{e.path}" for e in share}
    if lent.parts:
        assert not list(store.backend.objects(lent.parts))
        late = pickle.loads(run(sent, "late"))  # noqa: S301
        assert isinstance(late.error, ConfigError), "nobody waits for it any more"
    stage.discard()


def test_fetching_twice_at_a_time_leaves_whole_files(
    source: Path, store_place: Place, tmp_path: Path
) -> None:
    store = store_place.open()
    digest = blobfs.upload(source, store=store).digest
    header, entries = entries_of(digest, store)
    tree = write_tree(tmp_path / "tree", {".blobfs-mark": ""})
    lent = LentTree(str(tree), ".blobfs-mark")
    task = Fetching(reopening(store), header, "", True, {}, lent, entries, 4, "elsewhere")
    sent = pickle.dumps(task)
    with ThreadPoolExecutor(3) as pool:
        outcomes = [pool.submit(run, sent, str(n)) for n in range(3)]
    assert {pickle.loads(o.result()).error for o in outcomes} == {None}  # noqa: S301
    (tree / ".blobfs-mark").unlink()
    assert {k: v for k, v in content(source).items() if v} == content(tree)
    assert isinstance(pickle.loads(run(sent, "late")).error, ConfigError)  # noqa: S301


def test_a_task_stops_when_what_it_writes_to_is_taken_back(
    store_place: Place, tmp_path: Path
) -> None:
    from blobfs.commit import stage_for

    store = store_place.open()
    stage = stage_for(store, "")
    lent = LentStage(stage.lend(), store.backend)
    lent.put("a", b"1", executable=False)
    stage.recall()
    with pytest.raises(StoreUnavailableError, match="not written any more"):
        lent.put("b", b"2", executable=False)
    stage.take_back()
    assert store_place.keys() == {f"{stage.lend().directory}/a"} | store_place.keys("x")
    stage.take_back()
    stage.discard()
    tree = write_tree(tmp_path / "tree", {".blobfs-mark": ""})
    entry = Entry("d/a", 1, "sha256:" + "0" * 64)
    with LentTree(str(tree), ".blobfs-mark").opened() as sink:
        sink.put(entry, b"1")
        (tree / ".blobfs-mark").unlink()
        with pytest.raises(errors.DestinationError, match="not fetched into any more"):
            sink.put(entry._replace(path="d/b"), b"1")
    assert content(tree) == {"d/a": (b"1", False)}


# ---- what travels --------------------------------------------------------------------------


@pytest.mark.store("s3")
def test_no_key_is_in_messages_or_logs_of_a_cluster(
    command_line: CommandLineCluster,
    versitygw: VersityGateway,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLOBFS_TEST_CLUSTER_KEY", versitygw.key)
    for name in ("SECRET", "OTHER"):
        monkeypatch.setenv(f"BLOBFS_TEST_CLUSTER_{name}", versitygw.secret)
    literal = named(s3_place(versitygw), tmp_path, monkeypatch)
    variable, wrong_there = (
        s3_place(
            versitygw,
            access_key_id="${BLOBFS_TEST_CLUSTER_KEY}",
            access_key_secret=f"${{BLOBFS_TEST_CLUSTER_{name}}}",
        ).config
        for name in ("SECRET", "OTHER")
    )
    with command_line.client() as client:
        executor = client.get_executor()
        for store in (literal, variable):
            artifact = blobfs.upload(source, store=store, executor=executor, hash_cache=False)
            out = tmp_path / str(time.time_ns())
            blobfs.download(artifact.digest, out, store=store, executor=executor)
        with pytest.raises(TransferError) as caught:
            blobfs.upload(source, store=wrong_there, executor=executor, hash_cache=False)
    assert {type(error) for error in caught.value.exceptions} == {AccessError}
    shown = f"{caught.value} {caught.value.exceptions}"
    passed, said = command_line.wire.passed, command_line.said()
    assert b"blobfs.artifact.worker" in passed, "else this would prove nothing"
    assert str(source).encode() in passed
    assert "DEBUG" in said
    for secret in (versitygw.secret, versitygw.key, WRONG_SECRET):
        assert secret.encode() not in passed
        assert secret not in said
        assert secret not in shown


def test_written_out_secrets_are_refused_before_anything_is_sent(
    source: Path, tmp_path: Path, threads: Executor
) -> None:
    (tmp_path / "file").touch()
    config = {"url": f"file://{tmp_path}", "storage_options": {"password": "hunter2"}}
    store = blobfs.open_store({"blob_manager_class": "fsspec", "blob_manager_config": config})
    refused = (
        lambda: blobfs.upload(source, store=store, executor=threads),
        lambda: blobfs.download(
            f"file://{tmp_path}/file", tmp_path / "out", store=store, executor=threads
        ),
    )
    for call in refused:
        with pytest.raises(ConfigError, match=r"\$\{VARIABLE\}") as caught:
            call()
        assert "hunter2" not in str(caught.value)
    assert os.listdir(tmp_path) == ["file"]


def test_urls_are_not_spread(threads: Executor, tmp_path: Path, store_place: Place) -> None:
    url = f"file://{write_tree(tmp_path / 's', {'a': '1'})}"
    for copy in (True, False):
        with pytest.raises(ConfigError, match="local path"):
            blobfs.upload(url, store=store_place.open(), copy=copy, executor=threads)


ERRORS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, BlobfsError) and kind is not TransferError
]


@pytest.mark.parametrize("kind", ERRORS)
def test_errors_survive_the_way_back(kind: type[BlobfsError]) -> None:
    error = kind("what went wrong")
    error.add_note("while transferring a")
    sent = pickle.loads(pickle.dumps(sendable(error)))  # noqa: S301
    assert type(sent) is kind
    assert (str(sent), sent.__notes__) == ("what went wrong", ["while transferring a"])
    group = TransferError("2 files failed", [error, KeyError("hunter2")])
    group.add_note("in all")
    sent = pickle.loads(pickle.dumps(sendable(group)))  # noqa: S301
    assert (type(sent), sent.__notes__) == (TransferError, ["in all"])
    assert type(sent.exceptions[0]) is kind
    assert sent.exceptions[0].__notes__ == ["while transferring a"]


def test_what_a_storage_said_of_trying_again_comes_back() -> None:
    error = StoreUnavailableError("x")
    error.passing, error.retry_after = True, 3.0
    sent = pickle.loads(pickle.dumps(sendable(error)))  # noqa: S301
    assert (sent.passing, sent.retry_after) == (True, 3.0)


def test_errors_of_others_come_back_without_their_text() -> None:
    class UnpicklableError(Exception):
        pass

    def fail() -> None:
        raise UnpicklableError("hunter2", lambda: None)

    with pytest.raises(UnpicklableError) as caught:
        fail()
    caught.value.add_note("while transferring a")
    sent = pickle.loads(pickle.dumps(sendable(caught.value)))  # noqa: S301
    assert "UnpicklableError (in a worker, at test_cluster.py:" in str(sent)
    assert "hunter2" not in str(sent)
    assert sent.__notes__ == ["while transferring a"]


# ---- the command line ----------------------------------------------------------------------


def test_the_commands_of_a_shell(
    command_line: CommandLineCluster, source: Path, digest: str, tmp_path: Path
) -> None:
    dask = "--dask", command_line.address
    assert digest in ok("upload", source, "--name", "set", *dask)
    assert "nothing sent" in ok("upload", source, "--name", "set", *dask)
    ok("download", "set", tmp_path / "out", *dask)
    assert content(tmp_path / "out") == content(source)
    ok("verify", "--deep", "set")


def test_commands_say_what_is_wrong_with_a_cluster(source: Path, tmp_path: Path) -> None:
    for address, status, said in (
        ("tcp://127.0.0.1:9", 1, "no Dask scheduler answers at tcp://127.0.0.1:9"),
        ("nonsense://x", 2, "nonsense://x is no address"),
    ):
        result = shell("upload", source, "--dask", address)
        assert result.returncode == status, result
        assert said in result.stderr
        assert result.stderr.count("\n") <= 2, result.stderr
    write_tree(tmp_path, {"distributed.py": "raise ImportError('none')"})
    result = shell("upload", source, "--dask", "x", env={"PYTHONPATH": str(tmp_path)})
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "pip install 'blobfs[dask]'" in result.stderr


def test_the_lines_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import Client

    text = section("On a cluster").partition("```sh\n")[2].partition("```")[0]
    (port,) = free_ports(1)
    scheduler, worker_line, *rest = text.replace("8786", str(port)).splitlines()
    source = write_tree(tmp_path / "data", {f"{n}": f"{n}" for n in range(20)})
    monkeypatch.chdir(tmp_path)
    with started(scheduler, tmp_path), started(worker_line, tmp_path):
        with Client(f"tcp://127.0.0.1:{port}", set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(1, timeout=60)
        for line in rest:
            name, *arguments = shlex.split(line)
            assert name == "blobfs"
            ok(*arguments)
    assert content(tmp_path / "fetched") == content(source)


@contextmanager
def started(line: str, directory: Path) -> Iterator[None]:
    """Run a line that goes on until it is ended; what comes next waits for it by itself."""
    name, *arguments = shlex.split(line)
    port = int(line.rpartition(":" if ":" in line else " ")[2])
    assert name == "dask"
    with running(
        [DASK, *arguments],
        log=directory / f"{arguments[0]}.log",
        answers=lambda: listening(port),
        environment={"PYTHONWARNINGS": "ignore"},
    ):
        yield


# ---- the large numbers ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def large_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("shared") / "source", MANY, HUGE)


@contextmanager
def local_cluster(dask: Any) -> Iterator[tuple[Any, Callable[[], object]]]:  # noqa: ANN401
    dask.wait_for_workers(2, timeout=60)
    yield dask.get_executor(), kill(worker_pids(dask)[0])


@contextmanager
def shell_cluster(
    cluster: CommandLineCluster,
) -> Iterator[tuple[Any, Callable[[], object]]]:
    lost = cluster.workers.pop()
    with cluster.client() as client:
        yield client.get_executor(), lost.kill
    cluster.workers.append(cluster.start_worker())


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["local", pytest.param("s3", marks=pytest.mark.store("s3"))])
@pytest.mark.parametrize("started", ["dask", "command_line"])
def test_20000_files_and_2_gib_with_a_worker_killed(  # noqa: PLR0913, PLR0917 - fixtures
    kind: str,
    started: str,
    request: pytest.FixtureRequest,
    large_source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = (
        local_place(tmp_path)
        if kind == "local"
        else s3_place(request.getfixturevalue("versitygw"))
    )
    store = named(place, tmp_path, monkeypatch)
    cluster = request.getfixturevalue(started)
    entering = local_cluster if started == "dask" else shell_cluster
    with entering(cluster) as (executor, die):
        artifact = blobfs.upload(
            large_source,
            store=store,
            executor=executor,
            callback=At("sending", die),
            hash_cache=False,
        )
    assert (artifact.files, artifact.sent_files) == (MANY + 4, MANY + 4)
    assert artifact.digest == blobfs.plan_upload(large_source, store=store).digest
    ok("verify", "--deep", artifact.digest, "--store", store)
