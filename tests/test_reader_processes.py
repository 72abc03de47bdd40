"""Readers in threads, event loops and other processes; what hangs is ended after a minute."""

import asyncio
import copy
import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import cloudpickle
import fsspec
import pandas as pd
import pytest

from blobfs import StoreUnavailableError
from blobfs.filesystem import BlobFileSystem
from tests.published import AGES, ALL, Published, kinds
from tests.reliability.calls import in_child
from tests.spawned import SECONDS, in_process, read, read_file, read_rest

THREADS = 8


def pickled(what: object) -> Any:  # noqa: ANN401 - the same again
    return pickle.loads(pickle.dumps(what))  # noqa: S301 - our own


def cloudpickled(what: object) -> Any:  # noqa: ANN401 - the same again
    return pickle.loads(cloudpickle.dumps(what))  # noqa: S301 - our own


COPIES: list[Callable[[Any], Any]] = [pickled, cloudpickled, copy.copy, copy.deepcopy]


@pytest.fixture
def text(published: Published) -> bytes:
    return (published.source / "t.csv").read_bytes()


# ---- threads and event loops ---------------------------------------------------------------


def test_threads_share_a_filesystem(published: Published) -> None:
    filesystem, root = fsspec.url_to_fs(published.url())
    _all_threads_read(lambda: filesystem, root, published)


def test_threads_have_a_filesystem_each(published: Published) -> None:
    _, root = fsspec.url_to_fs(published.url())
    _all_threads_read(lambda: BlobFileSystem(skip_instance_cache=True), root, published)


def _all_threads_read(
    make: Callable[[], BlobFileSystem], root: str, published: Published
) -> None:
    wanted = {
        path.relative_to(published.source).as_posix(): path.read_bytes()
        for path in published.source.rglob("*")
        if path.is_file()
    }

    def act(number: int) -> None:
        filesystem = make()
        paths = sorted(wanted)[number:] + sorted(wanted)[:number]
        for path in paths:
            assert filesystem.cat_file(f"{root}/{path}") == wanted[path]
            with filesystem.open(f"{root}/{path}", block_size=200) as file:
                file.seek(number)
                assert file.read(150) == wanted[path][number : number + 150]
        assert len(filesystem.find(root)) == len(wanted)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(act, range(THREADS)))


def test_threads_share_an_open_file_if_they_take_turns(
    published: Published, text: bytes
) -> None:
    with fsspec.open(published.url("t.csv")) as file, ThreadPoolExecutor(1) as pool:
        assert file.read(10) + pool.submit(file.read).result() == text


@pytest.mark.parametrize("held", kinds(*ALL, "s3-fsspec", "azure-fsspec"), indirect=True)
def test_a_coroutine_reads(published: Published, text: bytes) -> None:
    async def main() -> bytes:
        with fsspec.open(published.url("t.csv")) as file:
            found: bytes = file.read()
        assert pd.read_parquet(published.url("parts"))["age"].sum() == sum(AGES)
        assert fsspec.filesystem("blobfs").ls(published.url())
        return found

    assert asyncio.run(main()) == text
    assert asyncio.run(main()) == text  # another event loop
    assert fsspec.open(published.url("t.csv")).open().read() == text  # and none


@pytest.mark.parametrize("held", kinds(*ALL, "s3-fsspec", "azure-fsspec"), indirect=True)
def test_coroutines_read_in_threads(published: Published, text: bytes) -> None:
    async def main() -> list[bytes]:
        urls = [published.url("t.csv")] * THREADS
        return await asyncio.gather(*(asyncio.to_thread(read, url) for url in urls))

    assert asyncio.run(main()) == [text] * THREADS


# ---- copies --------------------------------------------------------------------------------


@pytest.mark.parametrize("again", COPIES)
def test_a_copy_of_a_filesystem_reads(
    published: Published, text: bytes, again: Callable[[Any], Any]
) -> None:
    for filesystem in (fsspec.filesystem("blobfs"), BlobFileSystem(skip_instance_cache=True)):
        same = again(filesystem)
        assert same == filesystem
        assert hash(same) == hash(filesystem)
        assert same.cat_file(published.url("t.csv")) == text


@pytest.mark.parametrize("again", COPIES)
def test_a_copy_of_a_file_to_be_opened_reads(
    published: Published, text: bytes, again: Callable[[Any], Any]
) -> None:
    assert read_file(again(fsspec.open(published.url("t.csv")))) == text


@pytest.mark.parametrize("again", [pickled, cloudpickled])
def test_a_copy_of_an_open_file_reads_on(
    published: Published, text: bytes, again: Callable[[Any], Any]
) -> None:
    with fsspec.open(published.url("t.csv")) as file:
        begun = file.read(10)
        with again(file) as same:
            assert begun + same.read() == text
        assert begun + file.read() == text


def test_a_filesystem_passes_through_json(published: Published, text: bytes) -> None:
    told = fsspec.filesystem("blobfs").to_json()
    assert json.loads(told)["protocol"] == "blobfs"
    same = fsspec.AbstractFileSystem.from_json(told)
    assert same.cat_file(published.url("t.csv")) == text


def test_no_secret_travels(published: Published) -> None:
    filesystem = fsspec.filesystem("blobfs")
    with fsspec.open(published.url("t.csv")) as file:
        told = [
            pickle.dumps(file),
            pickle.dumps(filesystem),
            filesystem.to_json().encode(),
            repr(filesystem).encode(),
            repr(file).encode(),
        ]
    for secret in published.secrets.values():
        assert not any(secret.encode() in each for each in told)


# ---- other processes -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_another_process_reads(
    published: Published, text: bytes, method: Literal["spawn", "forkserver"]
) -> None:
    file = fsspec.open(published.url("t.csv"))
    assert read_file(file) == text  # what was used here does not disturb it there
    assert in_process(method, read, published.url("t.csv")) == text
    assert in_process(method, read_file, file) == text
    with file as opened:
        begun = opened.read(10)
        assert begun + in_process(method, read_rest, pickle.dumps(opened)) == text


def test_a_forked_child_reads_or_is_told_that_it_cannot(
    published: Published, text: bytes
) -> None:
    url = published.url("t.csv")
    told = published.kind != "local"
    assert read(url) == text
    with fsspec.open(url) as file:
        _forked(lambda: _reads(file.read, text, told=told))
    _forked(lambda: _reads(lambda: read(url), text, told=told))
    fresh = BlobFileSystem(skip_instance_cache=True)
    _forked(lambda: _reads(lambda: fresh.cat_file(url), text, told=told))
    assert read(url) == text  # and nothing is wrong here


@pytest.mark.parametrize("held", kinds("s3-fsspec", "azure-fsspec"), indirect=True)
def test_a_forked_child_reads_by_fsspecs_own_drivers(published: Published, text: bytes) -> None:
    """What it opens itself, that is; the connections of its parent are none of its."""
    url = published.url("t.csv")
    assert read(url) == text
    with fsspec.open(url) as file:
        _forked(lambda: _reads(file.read, text, told=True))
    _forked(lambda: _reads(lambda: read(url), text, told=False))
    assert read(url) == text


def _forked(act: Callable[[], None]) -> None:
    assert in_child(act, seconds=SECONDS) == 0


def _reads(read: Callable[[], bytes], text: bytes, *, told: bool) -> None:
    """Read; `told`: an error says that a fork is to blame."""
    if told:
        with pytest.raises(StoreUnavailableError, match="fork"):
            read()
    else:
        assert read() == text
