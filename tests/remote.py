"""Stores on real servers, and the ways around blobfs to what they hold."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import pytest

from tests.places import Place

_numbers = count(1)

BUCKET = "blobfs-tests"


class S3Objects:
    """What lies below a prefix of a bucket, by boto3."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:  # noqa: ANN401 - boto3 has no types
        self.client = client
        self.bucket = bucket
        self.prefix = prefix

    def snapshot(self) -> dict[str, bytes]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix + "/"
        )
        keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
        below = len(self.prefix) + 1
        return {key[below:]: self.read(key[below:]) for key in keys}

    def read(self, key: str) -> bytes:
        answer = self.client.get_object(Bucket=self.bucket, Key=f"{self.prefix}/{key}")
        data = answer["Body"].read()
        assert isinstance(data, bytes)
        return data

    def write(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{key}", Body=data)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"{self.prefix}/{key}")

    def unfinished(self) -> list[str]:
        """Return the keys of multipart uploads that were neither completed nor aborted."""
        found = self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())
        return [upload["Key"] for upload in found if upload["Key"].startswith(self.prefix)]


def s3_place(server: Any, *, url: str | None = None, **options: object) -> Place:  # noqa: ANN401 - any S3 server
    """A store of its own on an S3 server; `url`: of a proxy before it."""
    if not getattr(server, "tests_bucket", None):
        server.tests_bucket = server.bucket(BUCKET)
        server.tests_client = server.client()
    prefix = f"team/{next(_numbers)}"
    config = {
        "bucket": BUCKET,
        "root_directory": prefix,
        "endpoint_url": url or server.url,
        "region_name": server.region,
        "access_key_id": server.key,
        "access_key_secret": server.secret,
        **options,
    }
    around = S3Objects(server.tests_client, BUCKET, prefix)
    return Place({"blob_manager_class": "s3", "blob_manager_config": config}, around)


class Remote(NamedTuple):
    """One way to a store on a server."""

    store: str
    """Its type, as the `store` marker and `BLOBFS_TEST_REQUIRE` name it."""

    server: str
    """The fixture that runs its server."""

    place: Callable[..., Place]
    """Makes a place of its own: from the server, `url` of a proxy before it, and options."""

    http: bool = True
    """Whether a proxy can stand before it."""


REMOTE: dict[str, Remote] = {
    "s3": Remote("s3", "versitygw", s3_place),
    "s3-fsspec": Remote("s3", "versitygw", partial(s3_place, transport="fsspec")),
}
"""By what a test calls it."""


def remotes(*, http: bool = False) -> list[Any]:
    """The kinds above as parameters of a test, each marked with its type of store."""
    return [
        pytest.param(kind, marks=pytest.mark.store(remote.store))
        for kind, remote in REMOTE.items()
        if remote.http or not http
    ]
