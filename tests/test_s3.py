"""S3: the conformance suite on two servers and by two libraries, and what only S3 does."""

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest

import blobfs
from blobfs import (
    AccessError,
    ConfigError,
    MissingDependencyError,
    SourceChangedError,
    StoreUnavailableError,
    transfer,
)
from blobfs.backend import obstore, s3
from tests.azureml_conformance import AzureMLTests
from tests.conformance import ManagerTests
from tests.places import Place, content, hex_of, write_tree
from tests.remote import BUCKET, S3Objects, large_round_trip, s3_place
from tests.servers.proxy import Proxy, Rule
from tests.servers.s3 import Moto, VersityGateway

pytestmark = pytest.mark.store("s3")


class TestS3BlobManager(ManagerTests, AzureMLTests):
    """obstore against moto, which holds any key."""

    signs = True
    manager = "s3"
    decides_races = True
    tick = 1.1

    @pytest.fixture
    def place(self, moto: Moto) -> Place:
        return s3_place(moto)


@pytest.mark.soak
class TestS3BlobManagerByFsspec(ManagerTests):
    """s3fs against moto; by default it runs against a real server."""

    signs = True
    manager = "s3"
    decides_races = True
    tick = 1.1

    @pytest.fixture
    def place(self, moto: Moto) -> Place:
        return s3_place(moto, transport="fsspec")


class TestS3BlobManagerOnRealServer(ManagerTests):
    """obstore against a server that checks signatures, checksums and conditions."""

    signs = True
    manager = "s3"
    decides_races = True
    tick = 1.1

    @pytest.fixture
    def place(self, versitygw: VersityGateway) -> Place:
        return s3_place(versitygw)


class TestS3BlobManagerOnRealServerByFsspec(ManagerTests, AzureMLTests):
    signs = True
    manager = "s3"
    decides_races = True
    tick = 1.1

    @pytest.fixture
    def place(self, versitygw: VersityGateway) -> Place:
        return s3_place(versitygw, transport="fsspec")


BOTH = pytest.mark.parametrize("transport", ["auto", "fsspec"])


def _without_keys(place: Place) -> Place:
    config = dict(place.config["blob_manager_config"])
    for name in ("access_key_id", "access_key_secret"):
        del config[name]
    return Place({**place.config, "blob_manager_config": config}, place.around)


def _round_trip(place: Place, tree: Path, tmp_path: Path) -> None:
    blobfs.upload(tree, store=place.open(), name="n")
    where = blobfs.download("n:1", tmp_path / "out", store=place.open())
    assert content(where) == content(tree)


@BOTH
def test_keys_come_from_the_environment(
    versitygw: VersityGateway,
    transport: str,
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", versitygw.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", versitygw.secret)
    place = _without_keys(s3_place(versitygw, transport=transport))
    _round_trip(place, tree, tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(AccessError, match="`access_key_id`"):
        place.open().probe("sha256:" + "0" * 64)


@BOTH
def test_keys_come_from_a_profile(
    versitygw: VersityGateway,
    transport: str,
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text(
        f"[team]\naws_access_key_id = {versitygw.key}\n"
        f"aws_secret_access_key = {versitygw.secret}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "not this one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nor that")
    place = s3_place(versitygw, transport=transport, profile="team")
    _round_trip(_without_keys(place), tree, tmp_path)


@BOTH
def test_no_keys_anywhere_is_told_with_where_they_go(
    versitygw: VersityGateway, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    place = _without_keys(s3_place(versitygw, transport=transport))
    with pytest.raises(AccessError, match="`access_key_id`"):
        place.open().probe("sha256:" + "0" * 64)


@BOTH
def test_written_keys_are_not_mixed_with_a_token_of_the_environment(
    versitygw: VersityGateway,
    transport: str,
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    _round_trip(s3_place(versitygw, transport=transport), tree, tmp_path)


@BOTH
def test_nobody_may_read_and_write_where_everybody_may(
    moto: Moto, transport: str, tree: Path, tmp_path: Path
) -> None:
    place = _without_keys(s3_place(moto, transport=transport, anonymous=True))
    policy = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    client, document = moto.client(), json.dumps({"Statement": [policy]})
    client.put_bucket_policy(Bucket=BUCKET, Policy=document)
    try:
        _round_trip(place, tree, tmp_path)
    finally:
        client.delete_bucket_policy(Bucket=BUCKET)
    with pytest.raises(AccessError):
        blobfs.upload(tree, store=place.open(), name="other")


@BOTH
def test_an_endpoint_needs_no_scheme(
    versitygw: VersityGateway, transport: str, tree: Path, tmp_path: Path
) -> None:
    bare = versitygw.url.removeprefix("http://")
    place = s3_place(versitygw, url=bare, use_ssl=False, transport=transport)
    _round_trip(place, tree, tmp_path)


def test_the_endpoint_may_stand_in_the_environment(
    versitygw: VersityGateway, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", versitygw.url)
    place = s3_place(versitygw)
    config = dict(place.config["blob_manager_config"])
    del config["endpoint_url"]
    _round_trip(
        Place({**place.config, "blob_manager_config": config}, place.around), tree, tmp_path
    )


def test_a_wrong_region_is_a_wrong_configuration(versitygw: VersityGateway) -> None:
    place = s3_place(versitygw, region_name="eu-west-1")
    with pytest.raises(ConfigError, match="`region_name`"):
        place.open().probe("sha256:" + "0" * 64)


def test_botocore_finds_the_right_region_by_itself(
    versitygw: VersityGateway, tree: Path, tmp_path: Path
) -> None:
    place = s3_place(versitygw, transport="fsspec", region_name="eu-west-1")
    _round_trip(place, tree, tmp_path)


@BOTH
def test_tls_where_there_is_none_is_told_soon(
    versitygw: VersityGateway, transport: str
) -> None:
    url = versitygw.url.replace("http://", "https://")
    place = s3_place(versitygw, url=url, transport=transport)
    with pytest.raises((StoreUnavailableError, ConfigError), match="`endpoint_url`"):
        place.open().probe("sha256:" + "0" * 64)


def test_a_token_goes_with_its_keys() -> None:
    manager = blobfs.S3BlobManager(
        {
            "bucket": "b",
            "root_directory": "r",
            "access_key_id": "k",
            "access_key_secret": "s",
            "session_token": "t",
        }
    )
    given = manager._credentials()()  # noqa: SLF001 - what obstore is given
    assert (given["access_key_id"], given["secret_access_key"], given["token"]) == (
        "k",
        "s",
        "t",
    )
    assert manager.filesystem().storage_options["token"] == "t"
    assert "'t'" not in repr(manager)


def test_wrong_options_are_all_told_without_a_connection() -> None:
    with pytest.raises(ConfigError) as caught:
        blobfs.S3BlobManager({"buket": "b", "anonymous": "perhaps"})
    told = str(caught.value)
    assert "`bucket` option" in told
    assert "`root_directory` option" in told
    assert "did you mean `bucket`" in told
    assert "`anonymous` must be true or false" in told


def test_a_missing_package_is_told_with_its_extra(
    moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingDependencyError, match=r"blobfs\[s3\]"):
        s3_place(moto, transport="fsspec").open()


def test_without_obstore_s3fs_does_all(
    moto: Moto, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    _round_trip(s3_place(moto), tree, tmp_path)


@BOTH
def test_what_is_too_large_for_one_copy_is_copied_by_parts(
    versitygw: VersityGateway, transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "COPIED_WHOLE", 6 << 20)
    monkeypatch.setattr(s3, "COPIED_PART", 5 << 20)
    monkeypatch.setattr(obstore, "COPIED", 6 << 20)
    place = s3_place(versitygw, transport=transport)
    data = random.Random(1).randbytes(12 << 20)
    source = write_tree(tmp_path / "m", {"large": data, "small": "1"})
    blobfs.upload(source, store=place.open(), name="n")
    (source / "small").write_text("2")
    second = blobfs.upload(source, store=place.open(), name="n")
    assert (second.sent_bytes, second.copied_bytes) == (1, len(data))
    assert place.read(f"LocalUpload/{hex_of(second.digest)}/m/large") == data


@BOTH
def test_a_large_file_that_changes_leaves_no_parts(
    versitygw: VersityGateway, transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = s3_place(versitygw, transport=transport)
    source = write_tree(tmp_path / "m", {"large": bytes(20 << 20)})
    pump, left = transfer.pump, iter(range(3))

    def changing(*arguments: Any) -> Any:  # noqa: ANN401
        if (number := next(left, None)) is not None:
            with (source / "large").open("r+b") as file:
                file.seek(15 << 20)
                file.write(b"%d" % (number + 1))
        return pump(*arguments)

    monkeypatch.setattr(transfer, "pump", changing)
    with pytest.raises(SourceChangedError):
        blobfs.upload(source, store=place.open(), name="n")
    assert place.keys("LocalUpload/") == set()
    assert isinstance(place.around, S3Objects)
    assert place.around.unfinished() == []
    assert blobfs.upload(source, store=place.open(), name="n").version == "1"


@BOTH
def test_a_repeated_complete_finds_what_the_first_one_made(
    versitygw: VersityGateway, transport: str, tmp_path: Path
) -> None:
    data = random.Random(2).randbytes(17 << 20)
    source = write_tree(tmp_path / "m", {"large": data})
    with Proxy(versitygw.host, versitygw.port) as proxy:
        place = s3_place(versitygw, url=proxy.url, transport=transport)
        armed = proxy.add(Rule(match=r"^POST .*uploadId=", lose_reply=True))
        artifact = blobfs.upload(source, store=place.open(), name="n")
        assert armed.hits == 1
    assert place.read(f"LocalUpload/{hex_of(artifact.digest)}/m/large") == data


def test_obstore_in_a_forked_child_is_an_error_and_no_hang(moto: Moto, tree: Path) -> None:
    place = s3_place(moto)
    blobfs.upload(tree, store=place.open())
    child = os.fork()
    if not child:
        try:
            place.open()
        except StoreUnavailableError as error:
            os._exit(0 if "forked" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.soak
@BOTH
def test_a_file_of_1200_mib_goes_and_comes(
    versitygw: VersityGateway, transport: str, tmp_path: Path
) -> None:
    large_round_trip(s3_place(versitygw, transport=transport), tmp_path)


@pytest.mark.parametrize("transport", ["auto", "fsspec"])
def test_what_consoles_put_there_for_directories_is_no_file(
    moto: Moto, transport: str, tmp_path: Path
) -> None:
    place = s3_place(moto, transport=transport)
    for key in ("job/out/", "job/out/sub/", "job/out/hollow/"):
        place.around.write(key, b"")
    place.around.write("job/out/sub/a", b"a")
    place.around.write("job/output", b"another")
    where = blobfs.download(
        place.open().location.handle("job/out"), tmp_path / "out", store=place.open()
    )
    assert content(where)["sub/a"] == (b"a", False)
    assert sorted(path.name for path in where.iterdir()) in (["hollow", "sub"], ["sub"])
