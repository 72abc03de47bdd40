"""A server of Alibaba Cloud's OSS: its protocol, in front of moto's memory."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.servers.cache import package
from tests.servers.oss_adapter import OssOverS3
from tests.servers.oss_signature import Account
from tests.servers.server import Server
from tests.servers.wsgi import serving


class OssServer(Server):
    """Checks signatures of version 1, in headers and in URLs, and security tokens.

    As with Moto, what it holds belongs to the process.
    """

    key = "testkey"
    secret = "testsecret"

    token_key = "STS.testkey"
    """A key that was lent, and is good for nothing without `token`."""
    token_secret = "STS.testsecret"
    token = "STS.testtoken"

    def client(self, bucket: str, *, url: str | None = None, secret: str | None = None) -> Any:  # noqa: ANN401 - oss2 has no types
        """Return the SDK's `Bucket`.

        Args:
            bucket: its name; it need not exist.
            url: where the server is reached, if not directly.
            secret: another one than is right.
        """
        oss2 = package("oss2", "an OSS client")
        return oss2.Bucket(oss2.Auth(self.key, secret or self.secret), url or self.url, bucket)

    def bucket(self, name: str) -> str:
        """Return the name of a bucket that is there and empty."""
        oss2 = package("oss2", "an OSS client")
        client = self.client(name)
        client.create_bucket()  # answers the same if it is there already
        for found in oss2.ObjectIteratorV2(client):
            client.delete_object(found.key)
        for upload in oss2.MultipartUploadIterator(client):
            client.abort_multipart_upload(upload.key, upload.upload_id)
        return name

    def _start(self, stack: ExitStack, directory: Path) -> None:  # noqa: ARG002 - in memory
        behind = package("moto.server", "the OSS server").create_backend_app("s3")
        accounts = {
            self.key: Account(self.secret),
            self.token_key: Account(self.token_secret, self.token),
        }
        self.port = stack.enter_context(serving(OssOverS3(behind, accounts)))
