"""OSS: the conformance suite, and what only OSS does."""

import gzip
import hashlib
import hmac
import json
import logging
import random
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

import pytest

import blobfs
from blobfs import AccessError, ArtifactConflictError, BlobfsError, ConfigError, IntegrityError
from blobfs.backend.crc64 import joined_crc
from blobfs.backend.oss import OssBackend, OssUpload
from blobfs.backend.oss_body import sealed
from blobfs.errors import StoreUnavailableError, UnsafeNameError
from blobfs.managers.oss import region_of
from tests.azureml_conformance import AzureMLTests
from tests.conformance import ManagerTests
from tests.places import Place, write_tree
from tests.remote import BUCKET, OssObjects, oss_place
from tests.servers.cache import package
from tests.servers.oss import OssServer
from tests.servers.oss_adapter import OssOverS3
from tests.servers.oss_signature import Account
from tests.servers.proxy import Proxy, Rule
from tests.servers.wsgi import Environ, serving

pytestmark = pytest.mark.store("oss")


class TestOssBlobManager(ManagerTests, AzureMLTests):
    signs = True
    manager = "oss"
    decides_races = True
    tick = 1.1

    @pytest.fixture
    def place(self, oss_server: OssServer) -> Place:
        return oss_place(oss_server)


@pytest.fixture
def place(oss_server: OssServer) -> Place:
    return oss_place(oss_server)


@pytest.fixture
def backend(place: Place) -> OssBackend:
    """The calls of a store of its own, each made once."""
    return bare(place)


@pytest.fixture
def proxy(oss_server: OssServer) -> Iterator[Proxy]:
    with Proxy(oss_server.host, oss_server.port) as proxy:
        yield proxy


@pytest.fixture
def proxied(oss_server: OssServer, proxy: Proxy) -> Place:
    return oss_place(oss_server, url=proxy.url)


def around(place: Place) -> OssObjects:
    assert isinstance(place.around, OssObjects)
    return place.around


def bare(place: Place) -> OssBackend:
    found = place.manager().bare_backend()
    assert isinstance(found, OssBackend)
    return found


# ---- configuration ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("oss-cn-hangzhou.aliyuncs.com", "https://oss-cn-hangzhou.aliyuncs.com"),
        (" oss.example.com:8443 ", "https://oss.example.com:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("https://oss-cn-hangzhou.aliyuncs.com/", "https://oss-cn-hangzhou.aliyuncs.com"),
    ],
)
def test_an_endpoint_needs_no_scheme(place: Place, written: str, meant: str) -> None:
    assert bare(place.with_options(endpoint=written)).endpoint == meant


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
        ("https://OSS-us-west-1-internal.aliyuncs.com:443/", "us-west-1"),
        ("http://vpc100-oss-cn-beijing.aliyuncs.com", "cn-beijing"),
        ("cn-hangzhou.oss.aliyuncs.com", "cn-hangzhou"),
        ("oss-accelerate.aliyuncs.com", None),
        ("oss-accelerate-overseas.aliyuncs.com", None),
        ("oss-cn-hangzhou.aliyuncs.com.example.com", None),
        ("http://127.0.0.1:9000", None),
    ],
)
def test_an_endpoint_tells_the_region(endpoint: str, region: str | None) -> None:
    assert region_of(endpoint) == region


def test_handles_and_listings_are_of_oss(place: Place, tree: Path) -> None:
    handle = place.manager().upload(tree)
    assert handle.startswith(f"oss://{BUCKET}/{around(place).prefix}/LocalUpload/")
    filesystem = place.manager().filesystem()
    assert filesystem.cat_file(f"{handle}/a.txt") == b"same", "it is of use by itself, too"


@pytest.mark.parametrize(
    "endpoint", ["http://", "https://a b", "http://x:port", "http://[::1]"]
)
def test_an_endpoint_that_is_none_is_a_config_error(place: Place, endpoint: str) -> None:
    with pytest.raises(ConfigError, match="`endpoint`"):
        place.with_options(endpoint=endpoint).open()


def test_keys_come_from_the_environment(
    oss_server: OssServer, monkeypatch: pytest.MonkeyPatch, tree: Path
) -> None:
    place = oss_place(oss_server, access_key_id=None, access_key_secret=None)
    for name in ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", oss_server.key)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", oss_server.secret)
    assert not blobfs.upload(tree, store=place.open()).reused
    store = place.open()
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "another")
    with pytest.raises(AccessError, match="SignatureDoesNotMatch"):
        blobfs.upload(tree, store=store)
    monkeypatch.delenv("OSS_ACCESS_KEY_SECRET")
    with pytest.raises(AccessError, match="Secret access key"):
        blobfs.upload(tree, store=store)


def test_keys_come_from_the_chain_of_alibaba_cloud(
    oss_server: OssServer, monkeypatch: pytest.MonkeyPatch, tree: Path
) -> None:
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")  # nobody else is asked
    pytest.importorskip("alibabacloud_credentials")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", oss_server.token_key)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", oss_server.token_secret)
    monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", oss_server.token)
    place = oss_place(oss_server, access_key_id=None, access_key_secret=None)
    assert not blobfs.upload(tree, store=place.open()).reused


def test_without_keys_it_is_said_where_they_may_be(
    oss_server: OssServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials.client", None)
    place = oss_place(oss_server, access_key_id=None, access_key_secret=None)
    with pytest.raises(ConfigError, match=r"`access_key_id`.*OSS_ACCESS_KEY_ID"):
        place.open()
    with pytest.raises(ConfigError, match="`access_key_secret`"):
        place.with_options(access_key_id="k").open()
    with pytest.raises(ConfigError, match="`access_key_id`"):
        place.with_options(security_token="t").open()


def test_a_security_token_goes_with_its_key(oss_server: OssServer, tree: Path) -> None:
    lent = oss_place(
        oss_server,
        access_key_id=oss_server.token_key,
        access_key_secret=oss_server.token_secret,
        security_token=oss_server.token,
    )
    assert not blobfs.upload(tree, store=lent.open()).reused
    for token in (None, "another"):
        with pytest.raises(AccessError, match="`security_token`"):
            blobfs.upload(tree, store=lent.with_options(security_token=token).open())


# ---- errors ----------------------------------------------------------------------------------


def test_what_is_wrong_is_named_by_its_option(place: Place, tree: Path) -> None:
    wrong: list[tuple[str, dict[str, str], type[Exception]]] = [
        ("`bucket`", {"bucket": "not-there"}, ConfigError),
        ("`bucket`", {"bucket": "No_Bucket"}, ConfigError),
        ("`access_key_id`", {"access_key_id": "nobody"}, AccessError),
        ("`access_key_secret`", {"access_key_secret": "wrong"}, AccessError),
        ("`access_key_id`", {"access_key_id": "nobödy\n"}, AccessError),
        ("`access_key_id`", {"access_key_id": "日本"}, ConfigError),
        ("`endpoint`", {"endpoint": "http://127.0.0.1:9"}, StoreUnavailableError),
        ("`endpoint`", {"endpoint": "http://no.such.host.invalid"}, StoreUnavailableError),
        ("`endpoint`", {"endpoint": bare(place).endpoint[7:]}, ConfigError),  # no TLS there
    ]
    for option, options, kind in wrong:
        other = place.with_options(**options)
        with pytest.raises(kind, match=option) as caught:
            blobfs.upload(tree, store=other.open())
        assert "testsecret" not in str(caught.value)
        with pytest.raises(kind, match=option):
            bare(other).head("x")


ELSEWHERE = (
    b"<Error><Code>AccessDenied</Code><Message>The bucket you are attempting to access must"
    b" be addressed using the specified endpoint. Please send all future requests to this"
    b" endpoint."
    b"</Message><Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint></Error>"
)


AGAIN = "[0-9]"
"""In the message of every answer that may be another one in a moment."""

ANSWERS: list[tuple[int, str | bytes, type[Exception], str]] = [
    (403, ELSEWHERE, ConfigError, r"reached by oss-cn-beijing.aliyuncs.com.*`endpoint`"),
    (403, "SecondLevelDomainForbidden", ConfigError, "`endpoint`"),
    (307, "TemporaryRedirect", ConfigError, "`endpoint`"),
    (301, "", ConfigError, "`endpoint`"),
    (404, "NoSuchBucket", ConfigError, "`bucket`"),
    (400, "InvalidBucketName", ConfigError, "`bucket`"),
    (401, "", AccessError, "`access_key_id`"),
    (403, "AccessDenied", AccessError, "`access_key_id`"),
    (403, "InvalidAccessKeyId", AccessError, "`access_key_id`"),
    (403, "RequestTimeTooSkewed", AccessError, "RequestTimeTooSkewed"),
    (404, "", StoreUnavailableError, "`endpoint`"),
    (404, "SymlinkTargetNotExist", StoreUnavailableError, "SymlinkTargetNotExist"),
    (409, "OperationAborted", StoreUnavailableError, AGAIN),
    (400, "RequestTimeout", StoreUnavailableError, AGAIN),
    (400, "InvalidObjectName", UnsafeNameError, "1,023"),
    (418, "", StoreUnavailableError, "`endpoint`"),
    (429, "", StoreUnavailableError, AGAIN),
    (500, "InternalError", StoreUnavailableError, AGAIN),
    (503, "", StoreUnavailableError, AGAIN),
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_means_what_it_says(
    proxied: Place, proxy: Proxy, answer: tuple[int, str | bytes, type[Exception], str]
) -> None:
    status, body, kind, says = answer
    code = f"<Error><Code>{body!s}</Code><Message>m</Message></Error>" if body else "<html>no"
    data = body if isinstance(body, bytes) else code.encode()
    headers = {"Retry-After": "7", "Location": "http://127.0.0.1:9/"}
    proxy.add(Rule(match=".", times=None, status=status, headers=headers, body=data))
    backend = bare(proxied)
    calls: list[Callable[[], object]] = [
        lambda: backend.read("k"),
        lambda: backend.put("k", b"x"),
        lambda: backend.create("k", b"x"),
    ]
    for number, call in enumerate(calls):
        with pytest.raises(kind, match=says) as caught:
            call()
        assert len(proxy.requests) == number + 1
        assert passing(caught.value) == (says == AGAIN)
        if says == AGAIN and isinstance(caught.value, StoreUnavailableError):
            assert caught.value.retry_after == 7


def test_what_is_there_or_not_is_said_where_it_matters(proxied: Place, proxy: Proxy) -> None:
    backend = bare(proxied)

    def told(call: Callable[[], object], status: int, code: str) -> type[Exception]:
        body = f"<Error><Code>{code}</Code></Error>".encode()
        proxy.add(Rule(match=".", status=status, body=body))
        with pytest.raises((OSError, BlobfsError), match=code) as caught:
            call()
        assert not passing(caught.value)
        return caught.type

    calls = [
        lambda: backend.read("k"),
        lambda: backend.put("k", b"x"),
        lambda: backend.create("k", b"x"),
    ]
    absent = [told(call, 404, "NoSuchKey") for call in calls]
    assert absent == [FileNotFoundError, StoreUnavailableError, StoreUnavailableError]
    there = [told(call, 409, "FileAlreadyExists") for call in calls]
    assert there == [StoreUnavailableError, StoreUnavailableError, FileExistsError]


def passing(error: Exception) -> bool:
    return isinstance(error, StoreUnavailableError) and error.passing


BREAKS: list[tuple[str, dict[str, Any]]] = [
    ("put", {"reset": True}),
    ("put", {"lose_reply": True}),
    ("put", {"cut_upload": 2}),
    ("read", {"reset": True}),
    ("read", {"lose_reply": True}),
    ("read", {"cut_reply": 3}),
    ("range", {"cut_reply": 3}),
    ("objects", {"cut_reply": 90}),
]


@pytest.mark.parametrize(("call", "fault"), BREAKS)
def test_a_connection_that_breaks_may_be_good_in_a_moment(
    proxied: Place, proxy: Proxy, call: str, fault: dict[str, Any]
) -> None:
    backend = bare(proxied)
    calls: dict[str, Callable[[], object]] = {
        "put": lambda: backend.put("k", b"0123456789"),
        "read": lambda: backend.read("k"),
        "range": lambda: backend.read("k", 2, 9),
        "objects": lambda: list(backend.objects("")),
    }
    calls["put"]()
    proxy.add(Rule(match=".", **fault))
    with pytest.raises(StoreUnavailableError) as caught:
        calls[call]()
    assert caught.value.passing
    calls[call]()


def test_a_silent_server_is_given_up(
    proxied: Place, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blobfs.backend.oss.READ", 0.3)
    proxy.add(Rule(match=".", stall=2))
    with pytest.raises(StoreUnavailableError) as caught:
        bare(proxied).read("k")
    assert caught.value.passing


def test_a_missing_bucket_is_no_missing_object(place: Place) -> None:
    backend = bare(place)
    with pytest.raises(FileNotFoundError, match="NoSuchKey"):
        backend.head("nothing")
    elsewhere = bare(place.with_options(bucket="not-there"))
    for call in (elsewhere.head, elsewhere.read, elsewhere.names, elsewhere.delete):
        with pytest.raises(ConfigError, match="`bucket`"):
            call("nothing")


def test_what_is_asked_goes_nowhere_else(proxied: Place, proxy: Proxy) -> None:
    """The server that a redirect names would get the body and a signature."""
    backend = bare(proxied)
    backend.put("k", b"x")
    there = f"{proxy.url}/{BUCKET}/other"
    proxy.add(Rule(match=".", times=None, status=307, headers={"Location": there}))
    with pytest.raises(ConfigError, match="`endpoint`"):
        backend.read("k")
    assert not any("other" in request.target for request in proxy.requests)


def test_a_password_for_the_host_is_not_sent(
    place: Place, hermetic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = hermetic / "passwords"
    netrc.write_text("default login me password mine\n")
    netrc.chmod(0o600)
    with monkeypatch.context() as patch:
        patch.setenv("NETRC", str(netrc))
        bare(place).put("k", b"x")
    assert place.read("k") == b"x"


# ---- reading ---------------------------------------------------------------------------------


def test_a_range_is_exact(backend: OssBackend) -> None:
    backend.put("k", b"0123456789")
    backend.put("empty", b"")
    for start, end in [
        (0, 3),
        (3, 4),
        (3, 3),
        (5, None),
        (8, 99),
        (10, 12),
        (99, None),
        (0, 10),
    ]:
        assert backend.read("k", start, end) == b"0123456789"[start:end], (start, end)
    assert backend.read("empty", 0, 4096) == backend.read("empty") == b""
    with pytest.raises(FileNotFoundError):
        backend.read("nothing", 0, 4096)


def test_an_object_comes_as_it_is_stored(place: Place, backend: OssBackend) -> None:
    """Even if it calls itself compressed."""
    packed = gzip.compress(b"x" * 1000)
    key = f"{around(place).prefix}/k"
    around(place).client.put_object(key, packed, headers={"Content-Encoding": "gzip"})
    assert backend.read("k") == packed
    assert backend.read("k", 0, 4096) == packed


def test_a_damaged_answer_is_asked_for_again(proxied: Place, proxy: Proxy) -> None:
    backend = bare(proxied)
    backend.put("k", b"0123456789")
    proxy.add(Rule(match="GET", flip_byte=4))
    with pytest.raises(StoreUnavailableError, match="CRC64") as caught:
        backend.read("k")
    assert caught.value.passing
    assert backend.read("k") == b"0123456789"


def test_a_listing_of_many_pages_is_whole(
    backend: OssBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blobfs.backend.oss.PAGE", 3)
    keys = sorted([f"d/{n} +%&é" for n in range(8)] + ["d/s/x", "d2/y", "z"])
    for key in reversed(keys):
        backend.put(key, key.encode())
    below = [key for key in keys if key.startswith("d/")]
    assert [o.key for o in backend.objects("d")] == below
    assert [o.key for o in backend.objects("d", after=below[4])] == below[5:]
    assert [o.key for o in backend.objects("")] == keys
    assert sorted(backend.names("d")) == sorted([key[2:] for key in below[:-1]] + ["s/"])
    assert sorted(backend.names("")) == ["d/", "d2/", "z"]
    assert backend.names("nothing") == []
    assert list(backend.objects("nothing")) == []


def test_a_listing_and_a_look_agree(backend: OssBackend) -> None:
    backend.put("d/k", b"abc")
    (listed,) = backend.objects("d")
    assert listed == backend.head("d/k")
    assert (listed.size, listed.token[:5]) == (3, "etag:")


# ---- writing ---------------------------------------------------------------------------------


def test_one_call_is_one_request_on_few_connections(proxied: Place, proxy: Proxy) -> None:
    """A connection is used again only if the answer before was read to its end."""
    backend = bare(proxied)
    calls: list[Callable[[], object]] = [
        lambda: backend.put("a", b"x"),
        lambda: backend.create("b", b"x"),
        lambda: backend.copy("a", "c", 1, ""),
        lambda: backend.head("c"),
        lambda: backend.read("c"),
        lambda: backend.read("c", 0, 1),
        lambda: backend.read("c", 7, 9),
        lambda: list(backend.objects("")),
        lambda: backend.names(""),
        lambda: backend.delete("c"),
        lambda: backend.delete("c"),
        lambda: backend.copy("c", "d", 1, ""),
    ]
    for number, call in enumerate(calls):
        call()
        assert len(proxy.requests) == number + 1
    assert proxy.connections == 1


def test_of_many_who_create_one_wins(backend: OssBackend) -> None:
    def create(number: int) -> int:
        try:
            backend.create("k", b"%d" % number)
        except FileExistsError:
            return 0
        return 1

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(create, range(16))) == 1


def test_a_create_whose_answer_is_lost_is_no_conflict(
    proxied: Place, proxy: Proxy, tree: Path
) -> None:
    for lost in ("_manifest", "asset.json", "format.json"):
        proxy.add(Rule(match=f"PUT .*{lost}", lose_reply=True))
    artifact = blobfs.upload(tree, store=proxied.open(), name="n")
    assert (artifact.version, artifact.reused) == ("1", False)
    assert json.loads(proxied.read(".blobfs/format.json"))["exclusive_create"] is True


def test_a_bucket_that_overwrites_all_the_same_is_noticed(
    oss_server: OssServer, tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with versioned(oss_server) as url:
        place = oss_place(oss_server, url=url)
        caplog.set_level(logging.WARNING, "blobfs")
        blobfs.upload(tree, store=place.open(), name="n")
        assert "cannot create exclusively" in caplog.text
        assert json.loads(place.read(".blobfs/format.json"))["exclusive_create"] is False
        (tree / "a.txt").write_text("other")
        with pytest.raises(ArtifactConflictError):
            blobfs.upload(tree, store=place.open(), name="n", version="1")


@contextmanager
def versioned(server: OssServer) -> Iterator[str]:
    """Serve the same objects as a versioned bucket: what is there is no obstacle."""
    accounts = {server.key: Account(server.secret)}
    application = OssOverS3(package("moto.server", "moto").create_backend_app("s3"), accounts)

    def ignoring(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "PUT" and "HTTP_X_OSS_FORBID_OVERWRITE" in environ:
            path = unquote(environ["REQUEST_URI"].partition("?")[0])
            server.client(BUCKET).delete_object(path.removeprefix(f"/{BUCKET}/"))
        return application(environ, start)

    with serving(ignoring) as port:
        yield f"http://{server.host}:{port}"


def test_what_was_damaged_on_the_way_is_never_there(backend: OssBackend) -> None:
    with pytest.raises(StoreUnavailableError) as caught, backend.telling("writing", "k"):
        backend.ask("put_object", backend.key("k"), b"damaged", headers=sealed(b"sent"))
    assert caught.value.passing
    assert not list(backend.objects(""))


# ---- large objects ---------------------------------------------------------------------------

MIB = 1 << 20


def started(backend: OssBackend, key: str, data: bytes) -> OssUpload:
    """Send a large object but for its completion, its parts at once and out of order."""
    upload = backend.upload(key, len(data))
    parts = [data[at : at + upload.part_size] for at in range(0, len(data), upload.part_size)]
    with ThreadPoolExecutor(upload.parallel) as pool:
        list(pool.map(upload.write, reversed(range(len(parts))), reversed(parts)))
    return upload


@pytest.fixture(scope="module")
def data() -> bytes:
    return random.Random(1).randbytes(20 * MIB + 1)


def test_a_large_object_goes_by_parts(place: Place, backend: OssBackend, data: bytes) -> None:
    upload = started(backend, "big", data)
    assert not place.keys(), "it is not there before it is whole"
    upload.complete()
    assert place.read("big") == data
    assert backend.head("big").size == len(data)
    assert around(place).unfinished() == []


def test_an_upload_that_is_given_up_leaves_nothing(
    place: Place, backend: OssBackend, data: bytes
) -> None:
    upload = started(backend, "big", data)
    assert around(place).unfinished() == [backend.key("big")]
    upload.abort()
    upload.abort()
    assert (around(place).unfinished(), place.keys()) == ([], set())


NO_UPLOAD = b"<Error><Code>NoSuchUpload</Code></Error>"
"""What OSS answers if an upload was completed or aborted; moto has other words."""


def test_a_completion_whose_answer_is_lost_is_made_again(
    proxied: Place, proxy: Proxy, tmp_path: Path, data: bytes
) -> None:
    source = write_tree(tmp_path / "big", {"w.bin": data})
    proxy.add(Rule(match="POST .*uploadId", lose_reply=True))
    again = proxy.add(Rule(match="POST .*uploadId", status=404, body=NO_UPLOAD))
    artifact = blobfs.upload(source, store=proxied.open())
    assert again.hits == 1
    assert blobfs.verify(artifact.digest, store=proxied.open(), deep=True).ok


def test_an_upload_that_is_gone_was_not_completed(
    proxied: Place, proxy: Proxy, data: bytes
) -> None:
    proxy.add(Rule(match="uploadId=", times=None, status=404, body=NO_UPLOAD))
    for there in (None, b"another", bytes(len(data))):
        if there:
            proxied.around.write("big", there)
        upload = bare(proxied).upload("big", len(data))
        with pytest.raises(StoreUnavailableError, match="NoSuchUpload"):
            upload.write(0, b"x")
        with pytest.raises(StoreUnavailableError, match="NoSuchUpload"):
            upload.complete()
        assert proxied.keys() == ({"big"} if there else set())


def test_a_completed_object_that_is_not_what_was_sent_is_told(
    place: Place, backend: OssBackend, data: bytes
) -> None:
    for _ in range(2):
        upload = started(backend, "big", data)
        upload._parts[1].part_crc ^= 1  # noqa: SLF001 - no server here puts parts together wrongly
        with pytest.raises(IntegrityError, match=r"/big: it is not what was sent.*delete it"):
            upload.complete()
        assert place.keys() == {"big"}, "another writer's may lie there by now"


def test_the_sum_of_parts_is_that_of_the_whole(data: bytes) -> None:
    for cuts in ([], [1], [8 * MIB, 16 * MIB], [5, 6, 7 * MIB]):
        edges = [0, *cuts, len(data)]
        parts = [data[a:b] for a, b in pairwise(edges)]
        assert joined_crc((crc64(part), len(part)) for part in parts) == crc64(data)
    assert joined_crc([(1, 1), (None, 1)]) is None
    assert joined_crc([]) == crc64(b"") == 0


def crc64(data: bytes) -> int:
    from oss2.utils import Crc64

    crc = Crc64()
    crc(data)
    return int(crc.crc)


def test_a_copy_goes_by_parts_where_it_must(
    place: Place, backend: OssBackend, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.around.write("é %+?/source", data)
    source = "é %+?/source"
    assert backend.copy(source, "whole", len(data), "")
    monkeypatch.setattr("blobfs.backend.oss.COPIED_WHOLE", MIB)
    monkeypatch.setattr("blobfs.backend.oss.COPIED_PART", 8 * MIB)
    assert backend.copy(source, "parts", len(data), "")
    assert place.read("whole") == place.read("parts") == data
    assert not backend.copy(source, "short", len(data) - 1, "")
    for size in (1, len(data)):
        assert not backend.copy("gone", "nothing", size, "")
    assert place.keys() == {source, "whole", "parts"}
    assert around(place).unfinished() == []


def test_a_copy_that_fails_in_the_middle_leaves_nothing(
    proxied: Place, proxy: Proxy, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blobfs.backend.oss.COPIED_WHOLE", MIB)
    monkeypatch.setattr("blobfs.backend.oss.COPIED_PART", 8 * MIB)
    proxied.around.write("source", data)
    proxy.add(Rule(match="PUT .*partNumber=2", status=503))
    with pytest.raises(StoreUnavailableError):
        bare(proxied).copy("source", "target", len(data), "")
    assert proxied.keys() == {"source"}
    assert around(proxied).unfinished() == []


# ---- signatures of version 4 -----------------------------------------------------------------


class Regional:
    """A bucket in a region: it wants signatures of version 4, and keeps whole objects.

    Format: https://www.alibabacloud.com/help/en/oss/developer-reference/recommend-to-use-signature-version-4
    """

    def __init__(self, region: str, key: str, secret: str) -> None:
        self.region, self.key, self.secret = region, key, secret
        self.objects: dict[str, bytes] = {}

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer; it is asked as a proxy, so by the whole URL."""
        url = urlsplit(environ["REQUEST_URI"])
        body = environ["wsgi.input"].read()
        if environ.get("HTTP_AUTHORIZATION") != self._signed(environ, url):
            start("403 X", [])
            return [b"<Error><Code>SignatureDoesNotMatch</Code></Error>"]
        if environ["REQUEST_METHOD"] == "PUT":
            self.objects[unquote(url.path)] = body
            start("200 X", [("Content-Length", "0")])
            return [b""]
        found = self.objects[unquote(url.path)]
        start("200 X", [("Content-Length", str(len(found)))])
        return [found]

    def _signed(self, environ: Environ, url: SplitResult) -> str:
        headers = {
            name.removeprefix("HTTP_").lower().replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith(("HTTP_X_OSS_", "HTTP_CONTENT_MD5", "CONTENT_TYPE")) and value
        }
        bucket = (url.hostname or "").partition(".")[0]
        path = quote(f"/{bucket}{unquote(url.path)}", safe="/~")
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = f"{environ['REQUEST_METHOD']}\n{path}\n\n{lines}\n\nUNSIGNED-PAYLOAD"
        when = headers["x-oss-date"]
        scope = f"{when[:8]}/{self.region}/oss/aliyun_v4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        key = f"aliyun_v4{self.secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = f"OSS4-HMAC-SHA256\n{when}\n{scope}\n{digest}"
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return f"OSS4-HMAC-SHA256 Credential={self.key}/{scope}, Signature={signature}"


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # of oss2
def test_where_the_region_is_known_version_4_signs(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No new bucket takes version 1."""
    regional = Regional("cn-hangzhou", "testkey", "testsecret")
    key, data = "é +%&?#~/a b.json", b"{}"
    with serving(regional) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        there = place.with_options(endpoint="http://oss-cn-hangzhou-internal.aliyuncs.com")
        for backend in (bare(there), bare(there.with_options(security_token="t"))):
            backend.create(key, data)
            assert backend.read(key) == data
        assert there.manager().filesystem().cat_file(f"{BUCKET}/{backend.key(key)}") == data
        elsewhere = there.with_options(endpoint="http://oss-cn-beijing.aliyuncs.com")
        with pytest.raises(AccessError, match="SignatureDoesNotMatch"):
            bare(elsewhere).read(key)


# ---- secrets ---------------------------------------------------------------------------------


def test_secrets_show_nowhere(
    proxied: Place, proxy: Proxy, tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = {n: f"hunter2-{n}" for n in ("access_key_id", "access_key_secret")}
    told = proxied.with_options(**secrets, security_token="hunter2-token")
    reply = f"<Error><Code>AccessDenied</Code><Message>{secrets}</Message></Error>".encode()
    proxy.add(Rule(match="PUT", times=None, status=403, body=reply))
    store, manager = told.open(), told.manager()
    with pytest.raises(BlobfsError) as caught:
        blobfs.upload(tree, store=store)
    with pytest.raises(BlobfsError) as written:
        manager.bare_backend().put("k", b"x")
    shown = [repr(manager), repr(store), caplog.text]
    for error in (caught.value, written.value):
        shown += traceback.format_exception(error)
    assert "hunter2" not in "".join(shown)
