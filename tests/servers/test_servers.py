"""The servers do what the tests of stores rely on."""

import multiprocessing
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable

import pytest

from tests.servers.azure import Azurite
from tests.servers.fixtures import proxied, started
from tests.servers.hdfs import Hdfs
from tests.servers.oss import OssServer
from tests.servers.process import ServerError
from tests.servers.s3 import Moto, S3Server, VersityGateway

WRITERS = 16


@pytest.fixture(params=["moto", "versitygw"])
def s3(request: pytest.FixtureRequest) -> S3Server:
    server = request.getfixturevalue(request.param)
    assert isinstance(server, S3Server)
    return server


def winners(create: Callable[[bytes], object], refusal: type[Exception]) -> list[bytes]:
    """What those wrote who were not refused, of many who write at the same moment."""
    wrote: list[bytes] = []
    errors: list[Exception] = []
    start = threading.Barrier(WRITERS)

    def write(data: bytes) -> None:
        start.wait()
        try:
            create(data)
            wrote.append(data)
        except Exception as error:  # noqa: BLE001 - looked at below
            errors.append(error)

    threads = [threading.Thread(target=write, args=(b"%d" % n,)) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [error for error in errors if not isinstance(error, refusal)] == []
    assert len(wrote) + len(errors) == WRITERS
    return wrote


@pytest.mark.store("s3")
class TestS3:
    def test_what_is_put_is_got(self, s3: S3Server) -> None:
        bucket, client = s3.bucket("round-trip"), s3.client()
        client.put_object(Bucket=bucket, Key="d/é ü", Body=b"abc")
        assert client.get_object(Bucket=bucket, Key="d/é ü")["Body"].read() == b"abc"

    def test_a_bucket_is_given_empty(self, s3: S3Server) -> None:
        client = s3.client()
        client.put_object(Bucket=s3.bucket("again"), Key="d/a", Body=b"")
        assert "Contents" not in client.list_objects_v2(Bucket=s3.bucket("again"))

    def test_one_of_many_creates(self, s3: S3Server) -> None:
        bucket, client = s3.bucket("race"), s3.client()
        refusal = client.exceptions.ClientError
        for n in range(5):
            key = f"key-{n}"

            def create(data: bytes, key: str = key) -> None:
                client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")

            (data,) = winners(create, refusal)
            assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == data

    def test_one_of_many_completes(self, s3: S3Server) -> None:
        bucket, client = s3.bucket("race"), s3.client()
        where = {"Bucket": bucket, "Key": "key"}

        def create(data: bytes) -> None:
            upload = {**where, "UploadId": client.create_multipart_upload(**where)["UploadId"]}
            part = client.upload_part(**upload, PartNumber=1, Body=data)["ETag"]
            parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
            client.complete_multipart_upload(**upload, MultipartUpload=parts, IfNoneMatch="*")

        (data,) = winners(create, client.exceptions.ClientError)
        assert client.get_object(**where)["Body"].read() == data

    def test_a_proxy_may_be_before_it(self, s3: S3Server) -> None:
        bucket = s3.bucket("proxied")
        with proxied(s3) as proxy:
            client = s3.client(url=proxy.url)
            client.put_object(Bucket=bucket, Key="a", Body=b"abc")
            assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"abc"
            client.close()
        assert [one.method for one in proxy.requests] == ["PUT", "GET"]

    def test_a_wrong_secret_is_refused(self, versitygw: VersityGateway) -> None:
        client = versitygw.client(secret="wrong")
        with pytest.raises(client.exceptions.ClientError, match="SignatureDoesNotMatch"):
            client.list_buckets()

    def test_a_connection_is_kept(self, moto: Moto) -> None:
        import http.client

        connection = http.client.HTTPConnection(moto.host, moto.port)
        connection.request("GET", "/")
        connection.getresponse().read()
        kept = connection.sock
        connection.request("GET", "/")
        connection.getresponse().read()
        assert connection.sock is kept
        connection.close()


@pytest.mark.store("azure_blob")
class TestAzurite:
    def test_what_is_put_is_got(self, azurite: Azurite) -> None:
        with azurite.client() as client:
            blob = client.get_blob_client(azurite.container("round-trip"), "d/é ü")
            blob.upload_blob(b"abc")
            assert blob.download_blob().readall() == b"abc"

    def test_a_container_is_given_empty(self, azurite: Azurite) -> None:
        with azurite.client() as client:
            client.get_blob_client(azurite.container("again"), "a").upload_blob(b"")
            container = client.get_container_client(azurite.container("again"))
            assert list(container.list_blob_names()) == []

    def test_one_of_many_creates(self, azurite: Azurite) -> None:
        from azure.core.exceptions import ResourceExistsError

        container = azurite.container("race")

        def create(data: bytes) -> None:
            with azurite.client() as client:
                client.get_blob_client(container, "key").upload_blob(data, overwrite=False)

        (data,) = winners(create, ResourceExistsError)
        with azurite.client() as client:
            assert client.get_blob_client(container, "key").download_blob().readall() == data

    def test_a_wrong_key_is_refused(self, azurite: Azurite) -> None:
        from azure.core.exceptions import HttpResponseError

        with (
            azurite.client(key="d3Jvbmc=") as client,
            pytest.raises(HttpResponseError, match="AuthorizationFailure"),
        ):
            list(client.list_containers())

    def test_with_https_a_token_opens_it(self) -> None:
        from azure.core.credentials import AccessToken
        from azure.storage.blob import BlobServiceClient

        class Credential:
            def get_token(self, *_: str, **__: object) -> AccessToken:
                return AccessToken(server.token(), 1 << 40)

        with started(Azurite(https=True)) as server:
            container = server.container("token")
            trust = str(server.certificate)
            with BlobServiceClient(
                server.url, credential=Credential(), connection_verify=trust
            ) as client:
                client.get_blob_client(container, "a").upload_blob(b"abc")
                assert [one.name for one in client.list_containers()] == ["token"]

    def test_a_proxy_may_be_before_it(self, azurite: Azurite) -> None:
        container = azurite.container("proxied")
        with proxied(azurite) as proxy, azurite.client(url=proxy.url) as client:
            client.get_blob_client(container, "a").upload_blob(b"abc")
            assert client.get_blob_client(container, "a").download_blob().readall() == b"abc"
        assert [(one.method, one.sent, one.received) for one in proxy.requests] == [
            ("PUT", 3, 0),
            ("GET", 0, 3),
        ]


@pytest.mark.store("oss")
class TestOss:
    def test_what_is_put_is_got(self, oss_server: OssServer) -> None:
        client = oss_server.client(oss_server.bucket("round-trip"))
        client.put_object("d/é ü", b"abc")
        assert client.get_object("d/é ü").read() == b"abc"

    def test_a_bucket_is_given_empty_and_is_not_one_of_moto(
        self, oss_server: OssServer, moto: Moto
    ) -> None:
        import oss2

        client = oss_server.client(oss_server.bucket("again"))
        client.put_object("a", b"")
        moto.client().put_object(Bucket=moto.bucket("again"), Key="b", Body=b"")
        assert [one.key for one in oss2.ObjectIteratorV2(client)] == ["a"]
        oss_server.bucket("again")
        assert list(oss2.ObjectIteratorV2(client)) == []

    def test_one_of_many_creates(self, oss_server: OssServer) -> None:
        import oss2

        bucket = oss_server.bucket("race")
        once = {"x-oss-forbid-overwrite": "true"}
        for n in range(5):
            key = f"key-{n}"

            def create(data: bytes, key: str = key) -> None:
                oss_server.client(bucket).put_object(key, data, headers=once)

            (data,) = winners(create, oss2.exceptions.ServerError)
            assert oss_server.client(bucket).get_object(key).read() == data

    def test_a_proxy_may_be_before_it(self, oss_server: OssServer) -> None:
        bucket = oss_server.bucket("proxied")
        with proxied(oss_server) as proxy:
            client = oss_server.client(bucket, url=proxy.url)
            client.put_object("a", b"abc")
            assert client.get_object("a").read() == b"abc"
        assert [one.method for one in proxy.requests] == ["PUT", "GET"]

    def test_a_wrong_secret_is_refused(self, oss_server: OssServer) -> None:
        import oss2

        client = oss_server.client(oss_server.bucket("secret"), secret="wrong")
        with pytest.raises(oss2.exceptions.SignatureDoesNotMatch):
            client.put_object("a", b"")

    def test_a_lent_key_needs_its_token(self, oss_server: OssServer) -> None:
        import oss2

        bucket = oss_server.bucket("token")
        key, secret = oss_server.token_key, oss_server.token_secret

        def put(auth: object) -> None:
            oss2.Bucket(auth, oss_server.url, bucket).put_object("a", b"")

        put(oss2.StsAuth(key, secret, oss_server.token))
        with pytest.raises(oss2.exceptions.ServerError, match="InvalidSecurityToken"):
            put(oss2.StsAuth(key, secret, "wrong"))
        with pytest.raises(oss2.exceptions.ServerError, match="InvalidAccessKeyId"):
            put(oss2.Auth(key, secret))

    def test_what_is_appended_is_there(self, oss_server: OssServer) -> None:
        client = oss_server.client(oss_server.bucket("append"))
        assert client.append_object("a", 0, b"ab").next_position == 2
        assert client.append_object("a", 2, b"c").next_position == 3
        assert client.get_object("a").read() == b"abc"


WRITE_AND_READ = """
import sys
from pyarrow.fs import HadoopFileSystem
files = HadoopFileSystem("127.0.0.1", int(sys.argv[1]), user="tester")
with files.open_output_stream(f"/tmp/{sys.argv[2]}") as stream:
    stream.write(b"abc")
with files.open_input_stream(f"/tmp/{sys.argv[2]}") as stream:
    assert stream.read() == b"abc"
"""


def write_and_read(port: int) -> None:
    from pyarrow.fs import HadoopFileSystem

    files = HadoopFileSystem("127.0.0.1", port, user="tester")
    with files.open_output_stream("/tmp/spawned") as stream:  # noqa: S108
        stream.write(b"abc")
    with files.open_input_stream("/tmp/spawned") as stream:  # noqa: S108
        assert stream.read() == b"abc"


@pytest.mark.store("hdfs")
class TestHdfs:
    def write(self, hdfs: Hdfs, name: str) -> "subprocess.CompletedProcess[str]":
        """Run a client that writes /tmp/NAME; a JVM in this process would stay in it."""
        return subprocess.run(
            [sys.executable, "-c", WRITE_AND_READ, str(hdfs.port), name],
            env={**os.environ, **hdfs.environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def web(self, hdfs: Hdfs, path: str, operation: str) -> bytes:
        url = f"http://{hdfs.host}:{hdfs.http_port}/webhdfs/v1{path}?op={operation}"
        with urllib.request.urlopen(f"{url}&user.name=tester", timeout=30) as reply:  # noqa: S310
            return bytes(reply.read())

    def test_what_is_written_by_rpc_is_read_by_http(self, hdfs: Hdfs) -> None:
        done = self.write(hdfs, "round-trip")
        assert done.returncode == 0, done.stderr
        assert self.web(hdfs, "/tmp/round-trip", "OPEN") == b"abc"  # noqa: S108

    def test_a_client_may_be_spawned_where_its_environment_is_set(
        self, hdfs: Hdfs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in hdfs.environment.items():
            monkeypatch.setenv(name, value)
        child = multiprocessing.get_context("spawn").Process(
            target=write_and_read, args=(hdfs.port,)
        )
        child.start()
        child.join()
        assert child.exitcode == 0

    def test_nothing_is_written_in_safe_mode(self, hdfs: Hdfs) -> None:
        hdfs.safe_mode(True)
        refused = self.write(hdfs, "safe")
        hdfs.safe_mode(False)
        assert "SafeModeException" in refused.stderr
        assert self.write(hdfs, "safe").returncode == 0

    def test_nothing_is_written_beyond_a_quota(self, hdfs: Hdfs) -> None:
        hdfs.set_quota("/tmp", 1000)  # noqa: S108
        refused = self.write(hdfs, "quota")
        hdfs.set_quota("/tmp", None)  # noqa: S108
        assert "DSQuotaExceededException" in refused.stderr
        assert self.write(hdfs, "quota").returncode == 0

    def test_what_it_cannot_do_is_an_error(self, hdfs: Hdfs) -> None:
        with pytest.raises(ServerError, match="/nowhere"):
            hdfs.set_quota("/nowhere", 1)
