"""How much is asked of a store, and sent to it: counted at a proxy before a real server."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import blobfs
from tests.places import Place, content, hex_of, write_tree
from tests.remote import REMOTE, remotes
from tests.servers.proxy import Proxy, Request

MANY, FEW = 5000, 100
"""Files of the tree that changes; 1 % of them do."""

SIZE = 1000
"""Bytes of each."""

OVERHEAD = 10_000
"""Bytes of bodies beside files and manifest: assets, and what lists and copies say."""


class Counted:
    """A store behind a proxy."""

    def __init__(self, place: Callable[..., Place], proxy: Proxy, *, copies: bool) -> None:
        self._place = place
        self.copies = copies
        self.proxy = proxy

    def __call__(self, **options: object) -> Place:
        return self._place(**options)

    def taken(self) -> list[Request]:
        """Return the requests since the last look.

        One that only redirects leads to a server that no proxy stands before, so each counts.
        """
        taken, self.proxy.requests = self.proxy.requests, []
        return taken


@pytest.fixture(params=remotes(http=True))
def counted(request: pytest.FixtureRequest) -> Iterator[Counted]:
    remote = REMOTE[request.param]
    server = request.getfixturevalue(remote.server)
    port = getattr(server, "http_port", server.port)
    with Proxy(server.host, port) as proxy:

        def place(**options: object) -> Place:
            return remote.place(server, url=proxy.url, **options)

        yield Counted(place, proxy, copies=remote.copies)


@pytest.mark.parametrize("version", [None, "7"])
def test_a_repeated_upload_takes_three_requests(
    counted: Counted, version: str | None, tmp_path: Path
) -> None:
    place = counted()
    source = write_tree(tmp_path / "m", {f"d{n % 7}/{n}": f"{n}" for n in range(100)})
    blobfs.upload(source, store=place.open(), name="n", version=version)
    counted.taken()
    again = blobfs.upload(source, store=place.open(), name="n", version=version)
    requests = counted.taken()
    assert again.reused
    assert len(requests) <= 3, list(map(str, requests))
    assert sum(request.sent for request in requests) == 0
    assert blobfs.upload(source, store=place.open()).version == again.version
    requests = counted.taken()
    assert len(requests) <= 3, list(map(str, requests))


def test_held_content_under_a_new_name_takes_six_requests(
    counted: Counted, tmp_path: Path
) -> None:
    place = counted()
    source = write_tree(tmp_path / "m", {f"{n}": f"{n}" for n in range(50)})
    blobfs.upload(source, store=place.open(), name="n")
    for name, version in (("other", None), ("another", "5")):
        counted.taken()
        again = blobfs.upload(source, store=place.open(), name=name, version=version)
        requests = counted.taken()
        assert (again.reused, again.name) == (True, name)
        assert len(requests) <= 6, list(map(str, requests))


@pytest.mark.parametrize("delta", ["copy", "reference"])
def test_a_hundredth_that_changed_is_a_hundredth_that_is_sent(
    counted: Counted, delta: str, tmp_path: Path
) -> None:
    if delta == "copy" and not counted.copies:
        return  # all is sent: tests/test_delta.py
    _change_a_hundredth(counted(delta=delta), counted, FEW, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("delta", ["copy", "reference"])
def test_a_hundredth_of_many_on_every_store(
    counted: Counted, delta: str, tmp_path: Path
) -> None:
    if delta == "copy" and not counted.copies:
        return
    _change_a_hundredth(counted(delta=delta), counted, MANY, tmp_path)


@pytest.mark.parametrize(
    "counted", [pytest.param("s3", marks=pytest.mark.store("s3"))], indirect=True
)
def test_a_hundredth_of_many_is_named_in_seventy_requests(
    counted: Counted, tmp_path: Path
) -> None:
    _change_a_hundredth(counted(delta="reference"), counted, MANY, tmp_path)


def _change_a_hundredth(place: Place, counted: Counted, files: int, tmp_path: Path) -> None:
    changed = files // 100
    bytes_of = random.Random(4).randbytes
    names = [f"d{n % 50}/{n}.bin" for n in range(files)]
    source = write_tree(tmp_path / "m", {name: bytes_of(SIZE) for name in names})
    first = blobfs.upload(source, store=place.open(), name="n")
    assert (first.sent_files, first.sent_bytes) == (files, files * SIZE)
    for name in names[::100]:
        (source / name).write_bytes(bytes_of(SIZE))
    counted.taken()
    second = blobfs.upload(source, store=place.open(), name="n")
    requests = counted.taken()
    assert (second.sent_files, second.sent_bytes) == (changed, changed * SIZE)
    assert (second.copied_files, second.copied_bytes) == (
        files - changed,
        (files - changed) * SIZE,
    )
    manifest = len(place.around.read(f"LocalUpload/{hex_of(second.digest)}/_manifest.jsonl"))
    sent = sum(request.sent for request in requests)
    if counted.copies:
        assert changed * SIZE <= sent - manifest <= changed * SIZE * 1.1 + OVERHEAD
    if place.config["blob_manager_config"]["delta"] == "reference":
        # Directories are listed one by one where a listing does not go deep.
        assert len(requests) <= changed + (20 if counted.copies else 80), len(requests)
    where = blobfs.download("n:2", tmp_path / "out", store=place.open())
    assert content(where) == content(source)
    assert blobfs.verify("n:2", store=place.open()).ok
    assert len(blobfs.diff("n:1", "n:2", store=place.open()).changed) == changed
