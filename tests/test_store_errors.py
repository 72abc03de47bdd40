"""What a store's answers become: the exact error, and "not found" only of what is not there."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import blobfs
from blobfs import AccessError, BlobfsError, ConfigError, StoreUnavailableError
from blobfs.backend import patient
from tests.places import Place, write_tree
from tests.remote import REMOTE, remotes
from tests.servers.proxy import Proxy, Rule

ABSENT = "sha256:" + "0" * 64

NOT_THERE = {
    "oss": b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>No.</Message></Error>",
    "webhdfs": b'{"RemoteException":{"exception":"FileNotFoundException","message":"No.",'
    b'"javaClassName":"java.io.FileNotFoundException"}}',
}
"""What these say with a 404 of an object that is not there; else something else is not."""


class Behind:
    """A store behind a proxy."""

    def __init__(self, kind: str, server: Any, proxy: Proxy) -> None:  # noqa: ANN401 - any server
        self.kind = kind
        self.server = server
        self.proxy = proxy

    def place(self, **options: object) -> Place:
        return REMOTE[self.kind].place(self.server, url=self.proxy.url, **options)


@pytest.fixture(params=remotes(http=True))
def behind(request: pytest.FixtureRequest) -> Iterator[Behind]:
    server = request.getfixturevalue(REMOTE[request.param].server)
    with Proxy(server.host, getattr(server, "http_port", server.port)) as proxy:
        yield Behind(request.param, server, proxy)


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked again is asked again soon."""
    monkeypatch.setattr(patient, "LEAST", 0.01)


@pytest.fixture
def soon_tired(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was answered once is asked again for a moment only."""
    monkeypatch.setattr(patient, "CHAIN", 0.3)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What never answered is not waited for long."""
    monkeypatch.setattr(patient, "FIRST_ANSWER", 1.5)


@pytest.mark.usefixtures("soon_tired")
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, AccessError),
        (403, AccessError),
        (404, None),
        (409, StoreUnavailableError),
        (412, StoreUnavailableError),
        (429, StoreUnavailableError),
        (500, StoreUnavailableError),
        (503, StoreUnavailableError),
    ],
)
def test_a_status_becomes_its_error_when_reading(
    behind: Behind, status: int, expected: type[BlobfsError] | None
) -> None:
    store = behind.place().open()
    assert store.probe(ABSENT) is None
    body = NOT_THERE.get(behind.kind, b"") if status == 404 else b""
    kind = {"Content-Type": "application/json" if body.startswith(b"{") else "application/xml"}
    rule = Rule(match="^(GET|HEAD) ", status=status, headers=kind, body=body, times=None)
    behind.proxy.add(rule)
    if expected is None:
        assert store.probe(ABSENT) is None
        return
    with pytest.raises(expected) as caught:
        store.probe(ABSENT)
    assert type(caught.value) is expected
    assert str(status) in str(caught.value)
    with pytest.raises(expected):
        list(store.backend.objects("LocalUpload"))


@pytest.mark.usefixtures("soon_tired")
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, AccessError),
        (403, AccessError),
        (404, (StoreUnavailableError, ConfigError)),
        (500, StoreUnavailableError),
        (503, StoreUnavailableError),
    ],
)
def test_a_status_becomes_its_error_when_writing(
    behind: Behind, status: int, expected: type[BlobfsError], tmp_path: Path
) -> None:
    place = behind.place()
    source = write_tree(tmp_path / "m", {"a": "1"})
    behind.proxy.add(Rule(match="^(PUT|POST) ", status=status, times=None))
    with pytest.raises(expected) as caught:
        blobfs.upload(source, store=place.open(), name="n")
    assert not isinstance(caught.value, FileNotFoundError)
    behind.proxy.reset()
    assert place.keys("LocalUpload/") == set()
    assert blobfs.upload(source, store=place.open(), name="n").version == "1"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_asked_again(behind: Behind, status: int, tmp_path: Path) -> None:
    place = behind.place()
    source = write_tree(tmp_path / "m", {"a": "1", "b": "2"})
    for verb in ("GET", "PUT"):
        behind.proxy.add(Rule(match=f"^{verb} ", status=status, skip=1, times=2))
    assert blobfs.upload(source, store=place.open(), name="n").version == "1"
    assert blobfs.verify("n:1", store=place.open(), deep=True).ok


@pytest.mark.usefixtures("impatient")
def test_a_refused_connection_names_the_endpoint(behind: Behind) -> None:
    store = behind.place().open()
    behind.proxy.down()
    with pytest.raises(StoreUnavailableError, match=r"see `\w+`"):
        store.probe(ABSENT)


def test_an_unknown_host_names_the_endpoint(behind: Behind) -> None:
    place = REMOTE[behind.kind].place(behind.server, url="http://nowhere.invalid:9")
    with pytest.raises(StoreUnavailableError, match=r"see `\w+`"):
        place.open().probe(ABSENT)


@pytest.mark.usefixtures("impatient")
def test_who_never_answers_is_given_up(behind: Behind) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        place = REMOTE[behind.kind].place(behind.server, url=url)
        with pytest.raises(StoreUnavailableError, match=r"did not answer|cannot be reached"):
            place.open().probe(ABSENT)


def test_a_reset_connection_is_made_again(behind: Behind, tmp_path: Path) -> None:
    place = behind.place()
    source = write_tree(tmp_path / "m", {"a": "1", "b": "2"})
    behind.proxy.add(Rule(match="^(GET|PUT) ", reset=True, skip=1, times=3))
    assert blobfs.upload(source, store=place.open(), name="n").version == "1"
    assert blobfs.verify("n:1", store=place.open(), deep=True).ok


def test_a_lost_answer_is_no_conflict(behind: Behind, tmp_path: Path) -> None:
    for number in range(6):
        place = behind.place()
        source = write_tree(tmp_path / str(number), {"a": f"{number}", "b": "2"})
        rule = Rule(match="^(PUT|POST) ", lose_reply=True, skip=number, times=2)
        behind.proxy.add(rule)
        artifact = blobfs.upload(source, store=place.open(), name="n", version="1")
        behind.proxy.reset()
        assert (artifact.name, artifact.version) == ("n", "1")
        assert blobfs.verify("n:1", store=place.open(), deep=True).ok


def test_a_flipped_byte_is_fetched_again(behind: Behind, tmp_path: Path) -> None:
    place = behind.place()
    source = write_tree(tmp_path / "m", {"a": b"0123456789" * 100})
    blobfs.upload(source, store=place.open(), name="n")
    for n, what in enumerate(("asset.json", "_manifest.jsonl", "m(/|%2F)a")):
        armed = behind.proxy.add(Rule(match=f"^GET .*{what}", flip_byte=30))
        where = blobfs.download("n:1", tmp_path / f"out{n}", store=place.open())
        assert (where / "a").read_bytes() == b"0123456789" * 100
        assert armed.hits == 1 or "hdfs" in behind.kind, "its data pass no proxy"
    behind.proxy.reset()


def test_a_wrong_secret_names_the_keys_and_not_the_secret(behind: Behind) -> None:
    wrong = {
        "s3": {"access_key_secret": "wrong-secret"},
        "oss": {"access_key_secret": "wrong-secret"},
    }.get(behind.kind.partition("-")[0])
    if wrong is None:
        return  # tried where the way to say who one is, is: tests/test_azure.py, test_hdfs.py
    with pytest.raises(AccessError, match="`access_key_id`") as caught:
        behind.place(**wrong).open().probe(ABSENT)
    assert "wrong-secret" not in str(caught.value)


def test_a_missing_container_is_a_wrong_configuration(behind: Behind, tmp_path: Path) -> None:
    option = {"azure": "container", "gen2": "container", "webhdfs": None}.get(
        behind.kind.partition("-")[0], "bucket"
    )
    if option is None:
        return  # HDFS has none
    place = behind.place(**{option: "no-such-container"})
    with pytest.raises(ConfigError, match=f"`{option}`"):
        place.open().probe(ABSENT)
    source = write_tree(tmp_path / "m", {"a": "1"})
    with pytest.raises(ConfigError, match=f"`{option}`"):
        blobfs.upload(source, store=place.open(), name="n")
