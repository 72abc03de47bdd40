"""T14: fork, spawn and many threads on one manager; what hangs is ended after ten seconds."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import blobfs
from blobfs.transfer import Silent
from tests.reliability import checker
from tests.reliability.calls import in_child
from tests.reliability.scenes import KEPT, content, open_store, write_tree

SECONDS = 10
"""After which something hangs."""


def test_64_threads_share_one_store(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    sources = [
        write_tree(tmp_path / f"s{n}", {**KEPT, "n": b"%d" % (n % 8)}) for n in range(64)
    ]

    def act(number: int) -> None:
        blobfs.upload(sources[number], name=f"m{number}", version="1", store=store)
        blobfs.download(f"m{number}:1", tmp_path / "out" / str(number), store=store)

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(act, range(64)))
    for number in range(64):
        wanted = {**KEPT, "n": b"%d" % (number % 8)}
        assert content(tmp_path / "out" / str(number)) == wanted
    assert checker.problems(tmp_path / "store") == []
    assert checker.leftovers(tmp_path / "store") == []


def test_a_store_works_in_a_forked_child_even_in_the_middle_of_transfers(
    tmp_path: Path,
) -> None:
    _forks(tmp_path, 20)


@pytest.mark.soak
def test_500_forks_in_the_middle_of_transfers(tmp_path: Path) -> None:
    _forks(tmp_path, 500)


def test_a_manager_works_in_a_spawned_process(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source")
    store = {
        "blob_manager_class": "local",
        "blob_manager_config": {"root_directory": str(tmp_path / "store")},
    }
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_spawned, args=(str(source), store))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert checker.assets(tmp_path / "store").keys() == {("spawned", "1")}


def test_a_child_that_was_forked_in_the_middle_and_unwinds_takes_nothing_away(
    tmp_path: Path,
) -> None:
    """Its `finally` clauses are the parent's, and so is the stage."""
    root, parent = tmp_path / "store", os.getpid()

    class Forking(Silent):
        forked = False

        def call(self, hook_name: str | None = None, **_: object) -> None:
            self.sending = hook_name == "sending"

        def relative_update(self, inc: int = 1) -> None:
            if self.sending and inc and not self.forked:
                self.forked = True
                child = os.fork()
                if not child:
                    raise SystemExit
                assert os.waitpid(child, 0)[1] == 0

    source = write_tree(tmp_path / "source")
    try:
        blobfs.upload(source, name="m", version="1", store=open_store(root), callback=Forking())
    finally:
        if os.getpid() != parent:
            os._exit(0)
    assert checker.problems(root) == []
    assert checker.assets(root).keys() == {("m", "1")}


def test_a_download_that_waits_for_another_process_can_be_interrupted(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    blobfs.upload(write_tree(tmp_path / "source"), name="m", version="1", store=store)
    begun, hold = threading.Event(), threading.Event()

    class Holding(Silent):
        def call(self, hook_name: str | None = None, **_: object) -> None:
            if hook_name == "fetching":
                begun.set()
                assert hold.wait(60)

    thread = threading.Thread(
        target=blobfs.download,
        args=("m:1", tmp_path / "out"),
        kwargs={"store": store, "callback": Holding()},
    )
    thread.start()
    assert begun.wait(60)
    try:
        status = in_child(lambda: _interrupted(tmp_path), seconds=SECONDS)
    finally:
        hold.set()
        thread.join()
    assert status == 0
    assert content(tmp_path / "out") == KEPT


def _interrupted(directory: Path) -> None:
    """Download to where another process is at it, and press Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    me = os.getpid()
    if not os.fork():
        time.sleep(0.5)
        os.kill(me, signal.SIGINT)
        os._exit(0)
    with pytest.raises(KeyboardInterrupt):
        blobfs.download("m:1", directory / "out", store=open_store(directory / "store"))


def _forks(directory: Path, times: int) -> None:
    """Fork while two threads transfer; each child uses the same store."""
    store = open_store(directory / "store")
    source = write_tree(directory / "source")
    blobfs.upload(source, name="m", version="1", store=store)
    stop = threading.Event()

    def transfer(name: str) -> None:
        mine = write_tree(directory / name)
        number = 0
        while not stop.is_set():
            number += 1
            (mine / "n").write_text(str(number))
            blobfs.upload(mine, name=name, version=str(number), store=store)
            blobfs.download(
                f"{name}:{number}", directory / "to" / name, store=store, overwrite=True
            )

    def child(number: int) -> None:
        blobfs.download("m:1", directory / "out" / str(number), store=store)
        blobfs.upload(directory / "out" / str(number), name="child", store=store)

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(transfer, name) for name in ("a", "b")]
        try:
            statuses = [
                in_child(lambda n=number: child(n), seconds=SECONDS)  # type: ignore[misc]
                for number in range(times)
            ]
        finally:
            stop.set()
        for future in futures:
            future.result()
    assert statuses == [0] * times
    assert checker.problems(directory / "store") == []
    for number in range(times):
        assert content(directory / "out" / str(number)) == KEPT


def _spawned(source: str, store: dict[str, object]) -> None:
    blobfs.upload(source, name="spawned", version="1", store=store)
