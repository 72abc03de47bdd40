"""Azure: the conformance suite by two libraries, and what only Azure does."""

import base64
import gc
import http.server
import json
import logging
import os
import pickle
import random
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, time
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

import blobfs
from blobfs import AccessError, ConfigError, StoreUnavailableError
from blobfs.backend import azure as azure_backend
from blobfs.backend import obstore as obstore_backend
from blobfs.backend.base import Backend
from blobfs.backend.patient import Patient
from blobfs.managers.azure import AdlsGen2BlobManager, AzureBlobManager, Tokens
from blobfs.managers.azure_account import account_of
from tests.azureml_conformance import AzureMLTests
from tests.conformance import ManagerTests
from tests.places import Place, content, write_tree
from tests.remote import CONTAINER, AzureBlobs, azure_place, gen2_account_place
from tests.servers.azure import Azurite
from tests.servers.dfs import DataLake
from tests.servers.fixtures import proxied, started
from tests.servers.proxy import Rule
from tests.servers.tls import certified

ABSENT = "sha256:" + "0" * 64

TRANSPORTS = ["auto", "fsspec"]

azure_blob = pytest.mark.store("azure_blob")


@azure_blob
class TestAzureBlobManager(ManagerTests, AzureMLTests):
    """obstore."""

    signs = True
    manager = "azure_blob"
    decides_races = True
    tick = 1.1

    @pytest.fixture
    def place(self, azurite: Azurite) -> Place:
        return azure_place(azurite)


@azure_blob
class TestAzureBlobManagerByFsspec(ManagerTests, AzureMLTests):
    signs = True
    manager = "azure_blob"
    decides_races = True
    tick = 1.1

    @pytest.fixture
    def place(self, azurite: Azurite) -> Place:
        return azure_place(azurite, transport="fsspec")


@pytest.fixture
def hierarchical(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A store where whatever is written makes the directories above it, as blobs."""
    place = azure_place(azurite, manager="adls_gen2")
    around = around_of(place)

    def marking(name: str, which: int) -> Callable[..., object]:
        original = getattr(Patient, name)

        def call(self: Patient, *args: object, **options: object) -> object:
            done: object = original(self, *args, **options)
            around.mark_directories(str(args[which]))
            return done

        return call

    for name, which in (("put", 0), ("create", 0), ("upload", 0), ("copy", 1)):
        monkeypatch.setattr(Patient, name, marking(name, which))
    return place


@pytest.mark.store("adls_gen2")
class TestAdlsGen2BlobManager(ManagerTests, AzureMLTests):
    signs = True
    manager = "adls_gen2"
    decides_races = True
    tick = 1.1

    @pytest.fixture
    def place(self, request: pytest.FixtureRequest) -> Iterator[Place]:
        for place in gen2_account_place():
            yield place or request.getfixturevalue("hierarchical")

    @pytest.fixture
    def azureml(self, data_lake: DataLake) -> Place:
        return azure_place(data_lake, manager="adls_gen2", layout="azureml")

    def marks(self, place: Place, key: str) -> Mapping[str, str]:
        return super().marks(place, "/".join(key.split("/")[:2]))


def around_of(place: Place) -> AzureBlobs:
    assert isinstance(place.around, AzureBlobs)
    return place.around


def backend_of(place: Place) -> Backend:
    """What makes each request once."""
    return place.manager().bare_backend()


@pytest.fixture(params=TRANSPORTS)
def place(request: pytest.FixtureRequest, azurite: Azurite) -> Place:
    return azure_place(azurite, transport=request.param)


# ---- who asks ------------------------------------------------------------------------------


def sas(
    server: Azurite, permission: str = "racwdl", hours: float = 1, container: str = CONTAINER
) -> str:
    """A shared access signature for the container that tests use."""
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    signature = generate_container_sas(
        server.account,
        container,
        server.key,
        permission=ContainerSasPermissions.from_string(permission),
        start=datetime.now(UTC) - timedelta(days=1),
        expiry=datetime.now(UTC) + timedelta(hours=hours),
    )
    assert isinstance(signature, str)
    return signature


def without_key(place: Place, **options: object) -> Place:
    return place.with_options(account_key=None, **options)


def round_trip(place: Place, tmp_path: Path) -> None:
    """Two versions go and come back, of which one file is not sent again."""
    source = write_tree(tmp_path / "m", {"a": "1", "d/b": "22", "c": "333"})
    blobfs.upload(source, store=place.open(), name="n")
    (source / "a").write_text("other")
    second = blobfs.upload(source, store=place.open(), name="n")
    assert (second.version, second.copied_files, second.sent_files) == ("2", 2, 1)
    where = blobfs.download("n:2", tmp_path / "out", store=place.open())
    assert content(where) == content(source)


@azure_blob
def test_a_connection_string_says_it_all(
    azurite: Azurite, place: Place, tmp_path: Path
) -> None:
    string = azurite.connection_string
    round_trip(
        without_key(place, connection_string=string, account_name=None, endpoint=None), tmp_path
    )


@azure_blob
def test_a_connection_string_may_hold_a_signature(
    azurite: Azurite, place: Place, tmp_path: Path
) -> None:
    string = f"BlobEndpoint={azurite.url};SharedAccessSignature={sas(azurite)}"
    round_trip(
        without_key(place, connection_string=string, account_name=None, endpoint=None), tmp_path
    )


@azure_blob
@pytest.mark.parametrize("mark", ["", "?"])
def test_a_signature_is_enough_also_for_copies(
    azurite: Azurite, place: Place, tmp_path: Path, mark: str
) -> None:
    round_trip(without_key(place, sas_token=mark + sas(azurite)), tmp_path)


@azure_blob
def test_an_expired_signature_is_named_with_its_time(azurite: Azurite, place: Place) -> None:
    token = sas(azurite, hours=-1)
    with pytest.raises(AccessError, match=r"`sas_token` \(which expires at 20") as caught:
        without_key(place, sas_token=token).open().probe(ABSENT)
    (signature,) = parse_qs(token)["sig"]
    assert signature not in str(caught.value)


@azure_blob
def test_a_signature_that_only_reads_does_not_write(
    azurite: Azurite, place: Place, tmp_path: Path
) -> None:
    source = write_tree(tmp_path / "m", {"a": "1"})
    blobfs.upload(source, store=place.open(), name="n")
    reading = without_key(place, sas_token=sas(azurite, "rl"))
    assert blobfs.verify("n:1", store=reading.open(), deep=True).ok
    (source / "a").write_text("other")
    with pytest.raises(AccessError, match="`sas_token`"):
        blobfs.upload(source, store=reading.open(), name="n")


@azure_blob
def test_a_wrong_key_is_named_and_not_told(place: Place) -> None:
    wrong = base64.b64encode(b"wrong key").decode()
    with pytest.raises(AccessError, match="`account_key`") as caught:
        place.with_options(account_key=wrong).open().probe(ABSENT)
    assert wrong not in str(caught.value)


@azure_blob
def test_a_public_container_is_read_without_a_name(
    azurite: Azurite, place: Place, tmp_path: Path
) -> None:
    client = azurite.client()
    name = azurite.container("blobfs-public")
    client.get_container_client(name).set_container_access_policy({}, public_access="container")
    public = place.with_options(container=name)
    source = write_tree(tmp_path / "m", {"a": "1", "d/b": "22"})
    blobfs.upload(source, store=public.open(), name=f"n{time():.0f}", version="1")
    anonymous = without_key(public, anonymous=True)
    (asset,) = blobfs.assets(anonymous.open())
    where = blobfs.download(asset.digest, tmp_path / "out", store=anonymous.open())
    assert content(where) == content(source)
    with pytest.raises(AccessError, match="`anonymous`"):
        blobfs.upload(source / "a", store=anonymous.open())
    client.close()


@azure_blob
@pytest.mark.parametrize("encrypted", [False, True])
def test_nothing_is_taken_from_the_environment_beside_what_is_configured(
    azurite: Azurite,
    place: Place,
    encrypted: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    if encrypted:
        key = base64.b64encode(b"k" * 32).decode()
        monkeypatch.setenv("AZURE_STORAGE_ENCRYPTION_KEY", key)
    wrong = base64.b64encode(b"wrong key").decode()
    for prefix in ("AZURE_STORAGE_", "AZURE_"):
        for name, value in {
            "ACCOUNT_NAME": "another",
            "ACCOUNT_KEY": wrong,
            "SAS_TOKEN": "sv=2020&sig=wrong",
            "CONNECTION_STRING": "AccountName=another",
            "CLIENT_ID": "another",
            "ENDPOINT": "http://127.0.0.1:1",
            "TOKEN": "wrong",
            "USE_EMULATOR": "true",
            "USE_FABRIC_ENDPOINT": "true",
            "SKIP_SIGNATURE": "true",
            "ANON": "true",
        }.items():
            monkeypatch.setenv(prefix + name, value)
    (tmp_path / "netrc").write_text("default login somebody password something\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    round_trip(place, tmp_path / "key")
    another = azure_place(azurite, transport=place.config["blob_manager_config"]["transport"])
    round_trip(without_key(another, sas_token=sas(azurite)), tmp_path / "sas")


@azure_blob
def test_no_log_tells_a_secret(
    azurite: Azurite, place: Place, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    token = sas(azurite)
    round_trip(place, tmp_path / "key")
    another = without_key(azure_place(azurite), sas_token=token)
    round_trip(another, tmp_path / "sas")
    (signature,) = parse_qs(token)["sig"]
    told = caplog.text + repr(another.manager()) + repr(another.open())
    for secret in (azurite.key, signature, quote(signature, safe="")):
        assert secret not in told


@azure_blob
def test_tokens_of_the_machine_are_enough(tmp_path: Path) -> None:
    """In a process of its own, which trusts the server's certificate from its beginning."""
    with started(Certified(https=True)) as server, _identity(server.token()) as identity:
        for transport in TRANSPORTS:
            place = without_key(azure_place(server, transport=transport))
            environment = {
                "SSL_CERT_FILE": str(server.certificate),
                "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
                "IDENTITY_ENDPOINT": identity,
                "IDENTITY_HEADER": "x",
            }
            told = _in_a_process(
                "blobfs.upload(sys.argv[2], store=store, name='n')\n"
                "print(blobfs.verify('n:1', store=store, deep=True).ok)",
                place,
                write_tree(tmp_path / transport, {"a": "1", "d/b": bytes(9 << 20)}),
                **environment,
            )
            assert told.stdout.split() == ["True"], told.stderr


@azure_blob
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nobody_to_ask_for_a_token_is_no_access(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    options = {"account_name": "account", "container": "container", "transport": transport}
    manager = AzureBlobManager({**options, "root_directory": "r"})
    with pytest.raises(AccessError, match=r"(?s)EnvironmentCredential.*see `connection"):
        manager.bare_backend().read("a")


def _in_a_process(
    code: str, place: Place, *args: object, **environment: str
) -> "subprocess.CompletedProcess[str]":
    opening = (
        "import json, os, sys, time, blobfs\n"
        "store = blobfs.open_store(json.loads(sys.argv[1]))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", opening + code, json.dumps(place.config), *map(str, args)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class Certified(Azurite):
    """One whose certificate was signed by an authority, as every library wants it."""

    def _security(self, directory: Path) -> list[str]:
        certificate = certified(self.host, directory)
        self.certificate = certificate.authority
        files = ["--cert", str(certificate.chain), "--key", str(certificate.key)]
        return [*files, "--oauth", "basic"]


class _Identity(http.server.BaseHTTPRequestHandler):
    """What gives tokens to who runs on a machine of Azure's App Service.

    Format: https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
    """

    token = ""

    def do_GET(self) -> None:
        told = {"access_token": self.token, "expires_on": str(int(time()) + 3600)}
        body = json.dumps({**told, "resource": "r", "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


class _identity:  # noqa: N801 - used like a function
    """Run it, and give its URL."""

    def __init__(self, token: str) -> None:
        handler = type("Handler", (_Identity,), {"token": token})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/token"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


# ---- configurations ------------------------------------------------------------------------

HERE = {"account_name": "account", "container": "box", "root_directory": "/team/a/"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"container": None}, ["`container`"]),
        ({"account_name": None}, ["`account_name`"]),
        (
            {"account_name": None, "container": "", "acount_key": "x"},
            ["name`", "iner`", "acou"],
        ),
        ({"account_key": "c2VjcmV0", "sas_token": "sig=hidden"}, ["`account_key` and `sas_t"]),
        ({"connection_string": "AccountName=a", "anonymous": True}, ["`anonymous`"]),
        ({"client_id": "i"}, ["`client_secret`", "`tenant_id`"]),
        (
            {"client_id": "i", "account_key": "c2VjcmV0", "container": None},
            ["`container`", "`client_secret`", "`account_key` and `client_id`"],
        ),
    ],
)
def test_all_that_is_wrong_is_told_at_once(options: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        AzureBlobManager({**HERE, **options})
    text = str(caught.value)
    assert all(part in text for part in told), text
    assert "c2VjcmV0" not in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"account_key": "no Base64!"}, "`account_key`.*Base64"),
        ({"endpoint": "http://account.blob.core.windows.net"}, "`endpoint`.*https"),
        ({"endpoint": "https://x/?sig=secret", "anonymous": True}, "`endpoint`"),
        ({"endpoint": "ftp://x", "anonymous": True}, "`endpoint`"),
        ({"connection_string": "secret"}, "`connection_string`"),
        ({"connection_string": "AccountName=b;AccountKey=c2VjcmV0"}, "two accounts"),
        ({"connection_string": "UseDevelopmentStorage=true"}, "emulator"),
        (
            {"connection_string": "AccountKey=c2VjcmV0", "account_name": None},
            "names no account",
        ),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_is_asked(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        AzureBlobManager({**HERE, **options}).backend()
    assert "secret" not in str(caught.value).replace("`client_secret`", "")
    assert "c2VjcmV0" not in str(caught.value)


KEY = {"account_key": "c2VjcmV0"}


@pytest.mark.parametrize(
    ("options", "host", "endpoint"),
    [
        ({}, "account.dfs.core.windows.net", "https://account.blob.core.windows.net"),
        (
            {"endpoint": "account.dfs.core.chinacloudapi.cn/"},
            "account.dfs.core.chinacloudapi.cn",
            "https://account.blob.core.chinacloudapi.cn",
        ),
        (
            {"endpoint": "https://account.z12.blob.storage.azure.net"},
            "account.z12.dfs.storage.azure.net",
            "https://account.z12.blob.storage.azure.net",
        ),
        (
            {"endpoint": "http://127.0.0.1:10000/account", **KEY},
            "account.dfs.127.0.0.1:10000",
            "http://127.0.0.1:10000/account",
        ),
        (
            {"endpoint": "https://data.example.com"},
            "account.dfs.data.example.com",
            "https://data.example.com",
        ),
        (
            {
                "account_name": None,
                "connection_string": "defaultEndpointsProtocol=https;ACCOUNTNAME=account;"
                "AccountKey=c2VjcmV0;EndpointSuffix=core.usgovcloudapi.net",
            },
            "account.dfs.core.usgovcloudapi.net",
            "https://account.blob.core.usgovcloudapi.net",
        ),
        (
            {
                "account_name": None,
                "connection_string": "BlobEndpoint=https://account.blob.core.windows.net/;"
                "SharedAccessSignature=sv=1&sig=x",
            },
            "account.dfs.core.windows.net",
            "https://account.blob.core.windows.net",
        ),
    ],
)
def test_handles_are_those_of_gen2_and_every_spelling_is_read(
    options: dict[str, str], host: str, endpoint: str
) -> None:
    manager = AzureBlobManager({**HERE, **options})
    location = manager.location()
    assert location.handle("k/é") == f"abfss://box@{host}/team/a/k/é"
    blob = host.replace(".dfs.", ".blob.")
    for spelling in (
        f"abfss://box@{host}/team/a/k",
        f"abfs://box@{host}/team/./a//k",
        f"wasbs://box@{blob}/team/a/k",
        f"https://{blob}/box/team/a/k",
        f"{endpoint}/box/team/a/k",
        "az://box/team/a/k",
        "abfs://box/team/a/k",
    ):
        assert location.key(spelling) == "k", spelling
    for other in (
        f"abfss://other@{host}/team/a/k",
        "az://box/team/ab/k",
        "az://box/team/a/../k",
    ):
        assert location.key(other) is None, other
    assert account_of(manager.options).endpoint == endpoint


@pytest.mark.parametrize(
    ("suffix", "authority"),
    [
        ("core.windows.net", "login.microsoftonline.com"),
        ("core.chinacloudapi.cn", "login.chinacloudapi.cn"),
        ("example.com", None),
    ],
)
def test_a_service_principal_asks_its_own_cloud(suffix: str, authority: str | None) -> None:
    pytest.importorskip("azure.identity")
    from azure.identity import ClientSecretCredential

    client = {"client_id": "i", "client_secret": "s", "tenant_id": "t"}
    endpoint = {"endpoint": f"https://account.blob.{suffix}"}
    manager = AzureBlobManager({**HERE, **client, **endpoint})
    account = account_of(manager.options)
    assert account.authority == authority
    assert isinstance(Tokens(account).credential(), ClientSecretCredential)
    assert "'s'" not in repr(account)


def test_a_container_may_be_called_a_filesystem() -> None:
    manager = AdlsGen2BlobManager({**HERE, "container": None, "filesystem": "box"})
    assert manager.location() == AzureBlobManager(HERE).location()
    assert manager.root == "box/team/a"


def test_an_account_that_is_nowhere_names_its_options() -> None:
    for transport in TRANSPORTS:
        options = {"endpoint": "https://no-such-account.blob.invalid", "transport": transport}
        manager = AzureBlobManager(
            {**HERE, **KEY, **options, "account_name": "no-such-account"}
        )
        with pytest.raises(StoreUnavailableError, match="`account_name` and `endpoint`"):
            manager.bare_backend().read("a")


# ---- requests ------------------------------------------------------------------------------


@azure_blob
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_call_is_one_request(azurite: Azurite, transport: str) -> None:
    with proxied(azurite) as proxy:
        place = azure_place(azurite, url=proxy.url, transport=transport)
        backend = backend_of(place)
        data = random.Random(5).randbytes(5 << 20)

        def asked(call: Callable[[], object], *, times: int = 1) -> object:
            proxy.requests = []
            result = call()
            assert len(proxy.requests) == times, list(map(str, proxy.requests))
            return result

        def fails(call: Callable[[], object]) -> type[Exception] | None:
            try:
                call()
            except OSError as error:
                return type(error)
            return None

        asked(lambda: backend.put("d/a", data))
        asked(lambda: backend.put("d/e/none", b""))
        assert asked(lambda: backend.read("d/a")) == data
        assert asked(lambda: backend.read("d/a", 10, 20)) == data[10:20]
        assert asked(lambda: backend.read("d/a", 5)) == data[5:]
        assert asked(lambda: backend.read("d/a", len(data) - 3, len(data) + 1)) == data[-3:]
        assert asked(lambda: backend.read("d/a", len(data))) == b""
        assert asked(lambda: backend.read("d/a", len(data), len(data) + 9)) == b""
        assert asked(lambda: backend.read("d/e/none")) == b""
        assert asked(lambda: backend.read("d/a", 4, 4), times=0) == b""
        assert asked(lambda: fails(lambda: backend.read("d/none"))) is FileNotFoundError
        asked(lambda: backend.head("d/a"))
        asked(lambda: backend.create("d/new", b"1"))
        assert asked(lambda: fails(lambda: backend.create("d/new", b"2"))) is FileExistsError
        assert asked(lambda: backend.copy("d/a", "d/copy", len(data), "")) is True
        assert asked(lambda: backend.copy("d/no", "d/copy2", 1, "")) is False
        assert sorted(asked(lambda: backend.names("d"))) == ["a", "copy", "e/", "new"]  # type: ignore[call-overload]
        asked(lambda: backend.delete("d/a"))
        asked(lambda: backend.delete("d/a"))
        assert asked(lambda: backend.names("nothing")) == []
        found = asked(lambda: list(backend.objects("d")), times=2 - (transport == "fsspec"))
        assert isinstance(found, list)
        assert {one.key: one.size for one in found} == {
            "d/copy": len(data),
            "d/e/none": 0,
            "d/new": 1,
        }
        assert {one.key: one.token for one in found}["d/copy"] == backend.head("d/copy").token


@azure_blob
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("fault", [{"cut_reply": 10}, {"status": 503}, {"status": 429}])
def test_what_fails_in_passing_is_asked_once_and_may_be_again(
    azurite: Azurite, transport: str, fault: dict[str, Any]
) -> None:
    with proxied(azurite) as proxy:
        place = azure_place(azurite, url=proxy.url, transport=transport)
        place.around.write("a", b"0123456789" * 10)
        backend = backend_of(place)
        proxy.add(Rule(match="^GET ", **fault))
        with pytest.raises(StoreUnavailableError) as caught:
            backend.read("a", 0, 100)
        assert caught.value.passing
        assert len(proxy.requests) == 1, list(map(str, proxy.requests))


@azure_blob
def test_a_large_manifest_is_created_at_once_or_not_at_all(place: Place) -> None:
    """What goes by blocks is decided when they are committed."""
    backend = backend_of(place)
    mine, other = b"m" * (65 << 20), b"o" * (65 << 20)
    backend.create("k", mine)
    with pytest.raises(FileExistsError):
        backend.create("k", other)
    assert place.read("k") == mine


@azure_blob
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_one_who_is_deaf_is_asked_once_and_given_up(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obstore_backend, "REQUEST", 1)
    more = {"storage_options": {"read_timeout": 0.5}} if transport == "fsspec" else {}
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        options = {"endpoint": f"http://127.0.0.1:{deaf.getsockname()[1]}/account"}
        manager = AzureBlobManager({**HERE, **KEY, **options, **more})
        backend = manager.bare_backend()
        start = monotonic()
        with pytest.raises(StoreUnavailableError) as caught:
            backend.read("a")
        assert monotonic() - start < 5
        assert caught.value.passing


# ---- copies --------------------------------------------------------------------------------


def _copy(status: str, times: int | None = 1, verb: str = "PUT") -> Rule:
    headers = {"x-ms-copy-status": status, "x-ms-copy-id": "1", "x-ms-request-id": "1"}
    code = 202 if verb == "PUT" else 200
    return Rule(match=f"^{verb} .*copy", status=code, headers=headers, times=times)


@azure_blob
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("end", ["success", "failed", "aborted"])
def test_a_copy_is_waited_for(
    azurite: Azurite, transport: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure_backend, "POLL", (0.01, 0.02))
    with proxied(azurite) as proxy:
        place = azure_place(azurite, url=proxy.url, transport=transport)
        backend = backend_of(place)
        backend.put("a", b"1")
        place.around.write("copy", b"")  # as a copy that has begun is seen
        proxy.add(_copy("pending"))
        proxy.add(_copy("pending", 3, "HEAD"))
        proxy.add(_copy(end, 1, "HEAD"))
        proxy.requests = []
        assert backend.copy("a", "copy", 1, "") is (end == "success")
        looks = [request for request in proxy.requests if request.method == "HEAD"]
        assert len(looks) == 4
        assert place.read("copy") == b"", "and another writer's is not deleted"


@azure_blob
def test_a_copy_that_never_ends_is_given_up(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure_backend, "POLL", (0.01, 0.02))
    monkeypatch.setattr(azure_backend, "COPIED_WITHIN", 0.2)
    with proxied(azurite) as proxy:
        place = azure_place(azurite, url=proxy.url, transport="fsspec")
        backend = backend_of(place)
        backend.put("a", b"1")
        place.around.write("copy", b"")
        proxy.add(_copy("pending"))
        proxy.add(Rule(match="^PUT .*comp=copy", status=204))
        proxy.add(_copy("pending", None, "HEAD"))
        assert backend.copy("a", "copy", 1, "") is False
        assert place.read("copy") == b""
        assert any("comp=copy" in request.target for request in proxy.requests)


@azure_blob
@pytest.mark.parametrize("code", ["CannotVerifyCopySource", "AuthorizationFailure"])
@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_a_source_that_is_refused_is_sent_instead(
    azurite: Azurite, code: str, status: int
) -> None:
    if code == "AuthorizationFailure" and status > 403:
        return
    with proxied(azurite) as proxy:
        backend = backend_of(azure_place(azurite, url=proxy.url))
        backend.put("a", b"1")
        headers = {"x-ms-error-code": code, "Content-Type": "application/xml"}
        told = f"<Code>{code}</Code><Message>no</Message>"
        body = f"<?xml version='1.0'?><Error>{told}</Error>".encode()
        proxy.add(Rule(match="^PUT .*copy", status=status, headers=headers, body=body))
        assert backend.copy("a", "copy", 1, "") is False


# ---- uploads by blocks ---------------------------------------------------------------------

PART = 8 << 20


@azure_blob
def test_blocks_of_two_writers_never_mix(place: Place) -> None:
    backend = backend_of(place)
    size = PART + 1000
    for number in range(4):
        key, order = f"k{number}", random.Random(number)
        uploads = {letter: backend.upload(key, size) for letter in b"AB"}
        steps = [(letter, n) for letter in b"AB" for n in range(2)]
        order.shuffle(steps)
        for letter in b"AB":  # the parts of each in order, as obstore wants them
            mine = [step for step in steps if step[0] == letter]
            for at, step in zip(
                [i for i, one in enumerate(steps) if one[0] == letter],
                sorted(mine),
                strict=True,
            ):
                steps[at] = step
        for letter, n in steps:
            uploads[letter].write(n, bytes([letter]) * (PART if n == 0 else 1000))
        for letter in order.sample(list(b"AB"), 2):
            uploads[letter].complete()
        data = backend.read(key)
        assert len(data) == size
        assert len(set(data)) == 1, "bytes of both"


@azure_blob
def test_racing_writers_of_a_large_blob_all_succeed_and_one_is_seen(place: Place) -> None:
    backend = backend_of(place)

    def write(letter: int) -> None:
        upload = backend.upload("k", 2 * PART)
        for n in range(2):
            upload.write(n, bytes([letter]) * PART)
        upload.complete()

    for _ in range(2):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, b"ABCD"))
        data = backend.read("k")
        assert len(data) == 2 * PART
        assert len(set(data)) == 1, "bytes of several"


@azure_blob
def test_what_another_began_and_gave_up_harms_nobody(place: Place) -> None:
    backend = backend_of(place)
    wrong, right = backend.upload("k", PART + 1), backend.upload("k", PART + 1)
    right.write(0, b"r" * PART)
    wrong.write(0, b"w" * PART)
    right.write(1, b"r")
    wrong.abort()
    right.complete()
    assert set(place.read("k")) == set(b"r")


@azure_blob
def test_completing_again_succeeds(azurite: Azurite) -> None:
    backend = backend_of(azure_place(azurite, transport="fsspec"))
    upload = backend.upload("k", 6)
    upload.write(1, b"456")
    upload.write(0, b"123")
    upload.complete()
    upload.complete()
    assert backend.read("k") == b"123456"
    backend.put("k", b"abcdef")  # somebody else's, of the same plan
    upload.complete()
    backend.put("k", b"something else")
    with pytest.raises(StoreUnavailableError):
        upload.complete()


# ---- directories ---------------------------------------------------------------------------


@pytest.mark.store("adls_gen2")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_marks_a_directory_is_no_object(
    azurite: Azurite, transport: str, tmp_path: Path
) -> None:
    place = azure_place(azurite, manager="adls_gen2", transport=transport)
    around, backend = around_of(place), backend_of(place)
    for key, data in {"d/a": b"1", "d/e/empty": b"", "d/f/g/h": b"2"}.items():
        around.write(key, data)
        around.mark_directories(key)
    around.mark_directories("d/hollow/x")
    assert {one.key for one in backend.objects("d")} == {"d/a", "d/e/empty", "d/f/g/h"}
    assert sorted(backend.names("d")) == ["a", "e/", "f/"]
    assert backend.names("d/hollow") == []
    assert backend.head("d/e/empty").size == 0
    with pytest.raises(FileNotFoundError, match="directory"):
        backend.head("d/e")
    where = place.manager().download(f"{place.open().location.url}/d", tmp_path)
    found = {path: bytes_ for path, (bytes_, _) in _files(Path(where)).items()}
    assert found == {"a": b"1", "e/empty": b"", "f/g/h": b"2"}


@pytest.mark.store("adls_gen2")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_is_said_to_be_a_directory_is_not_found(azurite: Azurite, transport: str) -> None:
    """As an account with a hierarchical namespace answers."""
    with proxied(azurite) as proxy:
        place = azure_place(azurite, url=proxy.url, manager="adls_gen2", transport=transport)
        proxy.add(
            Rule(
                match="^(GET|HEAD) .*d/e",
                status=200,
                headers={
                    "x-ms-resource-type": "directory",
                    "x-ms-meta-hdi_isfolder": "true",
                    "ETag": '"0x1"',
                    "Last-Modified": "Wed, 25 Nov 2026 12:00:00 GMT",
                    "x-ms-blob-type": "BlockBlob",
                },
                times=None,
            )
        )
        with pytest.raises(FileNotFoundError):
            backend_of(place).head("d/e")


def _files(root: Path) -> dict[str, tuple[bytes, bool]]:
    return {path: found for path, found in content(root).items() if found is not None}


@azure_blob
def test_an_empty_container_has_nothing_and_a_missing_one_is_told(place: Place) -> None:
    backend = backend_of(place)
    assert list(backend.objects("LocalUpload")) == []
    missing = backend_of(place.with_options(container="not-there"))
    calls: list[Callable[[], object]] = [
        lambda: missing.read("a"),
        lambda: missing.head("a"),
        lambda: missing.put("a", b""),
        lambda: missing.create("a", b""),
        lambda: list(missing.objects("a")),
        lambda: missing.names("a"),
        lambda: missing.delete("a"),
    ]
    for call in calls:
        with pytest.raises(ConfigError, match="see `container`"):
            call()


# ---- the filesystem ------------------------------------------------------------------------


@azure_blob
def test_the_filesystem_is_adlfs_and_sees_what_others_write(place: Place) -> None:
    import adlfs

    manager = place.manager()
    filesystem = manager.filesystem()
    assert isinstance(filesystem, adlfs.AzureBlobFileSystem)
    place.around.write("d/a", b"1")
    assert filesystem.cat_file(f"{manager.root}/d/a") == b"1"
    place.around.write("d/b", b"22")
    assert len(filesystem.ls(f"{manager.root}/d")) == 2
    again = pickle.loads(pickle.dumps(filesystem))  # noqa: S301 - our own
    assert again.cat_file(f"{manager.root}/d/b") == b"22"
    assert type(again) is type(filesystem)


@azure_blob
def test_a_filesystem_goes_when_nobody_uses_it(azurite: Azurite) -> None:
    place = azure_place(azurite, transport="fsspec")
    filesystem = place.manager().filesystem()
    filesystem.exists(CONTAINER)
    watched = weakref.ref(filesystem)
    del filesystem
    gc.collect()
    assert watched() is None


@azure_blob
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_forked_child_ends(azurite: Azurite, transport: str) -> None:
    """And is told that the store does not survive it, rather than wait forever."""
    told = _in_a_process(
        "store.probe('sha256:' + '0' * 64)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    try: store.probe('sha256:' + '0' * 64)\n"
        "    except blobfs.StoreUnavailableError as error:\n"
        "        sys.exit(7 * ('fork' in str(error)))\n"
        "for _ in range(200):\n"
        "    ended, status = os.waitpid(child, os.WNOHANG)\n"
        "    if ended: break\n"
        "    time.sleep(0.05)\n"
        "else: os.kill(child, 9)\n"
        "print(ended == child, os.waitstatus_to_exitcode(status))",
        azure_place(azurite, transport=transport),
    )
    assert told.stdout.split() == ["True", "7"], told.stderr


@azure_blob
def test_storage_options_go_to_adlfs_and_win(azurite: Azurite, tmp_path: Path) -> None:
    place = azure_place(azurite)
    for number, options in enumerate(
        (
            {"account_key": azurite.key},
            {"sas_token": sas(azurite)},
            {"connection_string": azurite.connection_string},
        )
    ):
        other = without_key(place, storage_options=options, anonymous=True)
        source = write_tree(tmp_path / str(number), {"a": f"{number}"})
        blobfs.upload(source, store=other.open(), name="n")
    assert len(list(blobfs.assets(place.open(), "n"))) == 3


@pytest.fixture(autouse=True)
def no_logged_in_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the machine that it runs on for tokens."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
