"""Servers of the S3 protocol."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.servers.cache import installed, package, program, run
from tests.servers.process import free_ports, listening, running
from tests.servers.server import Server
from tests.servers.wsgi import OneAtATime, serving

VERSITYGW = "v1.8.0"


class S3Server(Server):
    """A server with one account, reached with the bucket in the path."""

    key = "testkey"
    secret = "testsecret"
    region = "us-east-1"

    def client(self, *, url: str | None = None, secret: str | None = None) -> Any:  # noqa: ANN401
        """Return boto3's client.

        Args:
            url: where the server is reached, if not directly.
            secret: another one than is right.
        """
        config = package("botocore.config", "an S3 client").Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            max_pool_connections=32,
        )
        # A session of one's own: boto3's shared one is not for several threads.
        session = package("boto3.session", "an S3 client").Session(
            aws_access_key_id=self.key,
            aws_secret_access_key=secret or self.secret,
            region_name=self.region,
        )
        return session.client("s3", endpoint_url=url or self.url, config=config)

    def bucket(self, name: str) -> str:
        """Return the name of a bucket that is there and empty."""
        client = self.client()
        if name in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            self._empty(client, name)
        else:
            client.create_bucket(Bucket=name)
        client.close()
        return name

    def _empty(self, client: Any, name: str) -> None:  # noqa: ANN401 - boto3 has no types
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            for found in page.get("Contents", []):
                client.delete_object(Bucket=name, Key=found["Key"])
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=name):
            for upload in page.get("Uploads", []):
                client.abort_multipart_upload(
                    Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"]
                )


class Moto(S3Server):
    """moto in this process: quick, any key, conditions; wrong secrets and checksums pass.

    What it holds belongs to the process, not to the object: two of them share their buckets.
    """

    def _start(self, stack: ExitStack, directory: Path) -> None:  # noqa: ARG002 - in memory
        application = package("moto.server", "moto").create_backend_app("s3")
        self.port = stack.enter_context(serving(OneAtATime(application)))


class VersityGateway(S3Server):
    """A gateway to a directory, which checks signatures, checksums and conditions.

    It cannot hold `a//b`, `d/` with data, or `f` beside `f/x`.
    """

    def _start(self, stack: ExitStack, directory: Path) -> None:
        program_path = installed(f"versitygw-{VERSITYGW}", _build) / "versitygw"
        (self.port,) = free_ports(1)
        root = directory / "root"
        root.mkdir()
        # Without --keep-alive a 412 before the body is read would reset the connection.
        listen = ["--port", f"{self.host}:{self.port}", "--keep-alive", "--quiet"]
        process = running(
            [str(program_path), *listen, "posix", str(root)],
            log=directory / "log",
            answers=lambda: listening(self.port),
            environment={"ROOT_ACCESS_KEY": self.key, "ROOT_SECRET_KEY": self.secret},
        )
        stack.enter_context(process)


def _build(directory: Path) -> None:
    go = program("go", "versitygw")
    run(
        go,
        "install",
        "-ldflags=-s -w",
        f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}",
        cwd=directory,
        GOBIN=str(directory),
        CGO_ENABLED="0",
        GOFLAGS="-buildvcs=false -trimpath -modcacherw",
    )
