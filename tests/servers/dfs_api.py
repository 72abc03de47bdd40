"""The DFS API of Azure Data Lake Storage Gen2, carried out on blobs.

A file is a blob, whose blocks are named by where they begin; a directory is an empty blob whose
metadata say so, which is how a hierarchical namespace shows it by the Blob API. There are the
calls of azure-ai-ml's client and of the SDK's uploads; no rename, no deletion, no access lists.
Format: https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import format_datetime
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, BlobProperties, BlobServiceClient

FOLDER = "hdi_isfolder"
"""The key of metadata that makes a blob a directory."""

DFS_PARAMETERS = frozenset({"resource", "action", "mode", "recursive"})
"""The Blob API has none of them, and every request of the DFS API but HEAD and GET has one."""


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    """Path and query as they were sent, quoted; the path begins with the account."""
    headers: list[tuple[str, str]]
    """With names as they were sent."""
    body: bytes

    @cached_property
    def query(self) -> Mapping[str, str]:
        pairs = [one.partition("=") for one in self.target.partition("?")[2].split("&")]
        return {unquote(name): unquote(value) for name, _, value in pairs if name}

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """The headers with names in lower case."""
        return {name.lower(): value for name, value in self.headers}

    @cached_property
    def container(self) -> str:
        return self._parts[1]

    @cached_property
    def name(self) -> str:
        """The path in the container; empty for the container itself."""
        return self._parts[2]

    @property
    def is_dfs(self) -> bool:
        """Whether the Blob API has no such request."""
        return self.method == "PATCH" or not DFS_PARAMETERS.isdisjoint(self.query)

    @cached_property
    def _parts(self) -> list[str]:
        path = unquote(self.target.partition("?")[0]).strip("/")
        return [*path.split("/", 2), "", ""]


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


class Paths:
    """The files and directories of an account."""

    def __init__(self, account: BlobServiceClient) -> None:
        self._account = account
        self._turn = threading.Lock()
        """Held while a path is created, so that what is looked at first stays as it was."""

    def answer(self, request: Request) -> Reply:
        """Carry out a request of the DFS API, whoever it comes from.

        Raises:
            Refused: if it cannot be; the error of a request behind is raised as it is.
        """
        what = request.query.get("resource") or request.query.get("action")
        match request.method, what:
            case "PUT", "file" | "directory":
                return self._create(request, what)
            case "PATCH", "append":
                return self._append(request)
            case "PATCH", "flush":
                return self._flush(request)
            case "GET", "filesystem":
                return self._list(request)
        raise Refused(501, "NotImplemented")

    def kind(self, container: str, name: str) -> str | None:
        """Return `file`, `directory`, or None if there is neither."""
        try:
            found = self._account.get_blob_client(container, name).get_blob_properties()
        except ResourceNotFoundError:
            return None
        return "directory" if FOLDER in found.metadata else "file"

    def is_empty(self, container: str, name: str) -> bool:
        """Whether nothing is below a path."""
        names = self._account.get_container_client(container).list_blob_names(
            name_starts_with=f"{name}/"
        )
        with suppress(ResourceNotFoundError):  # no container
            return next(iter(names), None) is None
        return True

    def missing_above(self, container: str, name: str) -> list[str]:
        """Return the directories above a path that are not there, the highest one first."""
        missing: list[str] = []
        while name := name.rpartition("/")[0]:
            kind = self.kind(container, name)
            if kind == "file":
                raise Refused(409, "ResourceTypeMismatch")
            if kind == "directory":  # and so are those above it
                break
            missing.insert(0, name)
        return missing

    def make(self, container: str, directories: Iterable[str]) -> None:
        """Make directories, unless somebody else has made them meanwhile."""
        for name in directories:
            blob = self._account.get_blob_client(container, name)
            with suppress(ResourceExistsError):
                blob.upload_blob(b"", metadata={FOLDER: "true"})

    def _create(self, request: Request, kind: str) -> Reply:
        """Make an empty file, or a directory; one that is there keeps what is in it."""
        metadata = _properties(request.fields.get("x-ms-properties", ""))
        if kind == "directory":
            metadata[FOLDER] = "true"
        with self._turn:
            there = self.kind(request.container, request.name)
            if there and request.fields.get("if-none-match") == "*":
                raise Refused(409, "PathAlreadyExists")
            if there not in (None, kind):
                raise Refused(409, "ResourceTypeMismatch")
            missing = self.missing_above(request.container, request.name)
            self.make(request.container, missing)
            done = self._blob(request).upload_blob(b"", overwrite=True, metadata=metadata)
        return Reply(201, _version(done))

    def _append(self, request: Request) -> Reply:
        """Keep bytes until they are flushed."""
        self._properties_of_file(request)
        digest = base64.b64encode(hashlib.md5(request.body).digest()).decode()  # noqa: S324
        if request.fields.get("content-md5", digest) != digest:
            raise Refused(400, "Md5Mismatch")
        position = int(request.query["position"])
        self._blob(request).stage_block(f"{position:020}", request.body)
        return Reply(202, [])

    def _flush(self, request: Request) -> Reply:
        """Make a file of what it was and what was appended since."""
        found, blob = self._properties_of_file(request), self._blob(request)
        committed, staged = blob.get_block_list("all")
        blocks = {one.id: one for one in [*committed, *staged]}
        if sum(one.size for one in blocks.values()) != int(request.query["position"]):
            raise Refused(400, "InvalidFlushPosition")
        condition: dict[str, Any] = {}
        if wanted := request.fields.get("if-match"):
            condition = {"etag": wanted, "match_condition": MatchConditions.IfNotModified}
        done = blob.commit_block_list(
            [BlobBlock(one) for one in sorted(blocks)],
            content_settings=found.content_settings,
            metadata=found.metadata,
            **condition,
        )
        return Reply(200, _version(done))

    def _list(self, request: Request) -> Reply:
        """Return what is below a directory, in one page; of a file, itself."""
        directory = request.query.get("directory", "").strip("/")
        recursive = request.query["recursive"].lower() == "true"
        container = self._account.get_container_client(request.container)
        found: Iterable[BlobProperties]
        match self.kind(request.container, directory) if directory else "directory":
            case None:
                container.get_container_properties()  # which is what may be missing
                raise Refused(404, "PathNotFound")
            case "file":
                found = [container.get_blob_client(directory).get_blob_properties()]
            case _:
                below = f"{directory}/" if directory else ""
                all_below = container.list_blobs(below, include=["metadata"])
                depth = below.count("/")
                found = (one for one in all_below if recursive or one.name.count("/") == depth)
        body = json.dumps({"paths": [_path(one) for one in found]}).encode()
        return Reply(200, [("Content-Type", "application/json")], body)

    def _blob(self, request: Request) -> BlobClient:
        return self._account.get_blob_client(request.container, request.name)

    def _properties_of_file(self, request: Request) -> BlobProperties:
        found = self._blob(request).get_blob_properties()
        if FOLDER in found.metadata:
            raise Refused(409, "ResourceTypeMismatch")
        return found


def _properties(text: str) -> dict[str, str]:
    """Return metadata as this API sends them: `name=base64,name=base64`."""
    pairs = [one.strip().partition("=") for one in text.split(",") if one.strip()]
    return {name: base64.b64decode(value).decode() for name, _, value in pairs}


def _version(done: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the headers that tell a writer what is there now."""
    when = format_datetime(done["last_modified"], usegmt=True)
    return [("ETag", done["etag"]), ("Last-Modified", when)]


def _path(found: BlobProperties) -> dict[str, str]:
    told = {
        "name": found.name,
        "contentLength": str(found.size),
        "etag": found.etag.strip('"'),
        "lastModified": format_datetime(found.last_modified, usegmt=True),
    }
    return {**told, "isDirectory": "true"} if FOLDER in (found.metadata or {}) else told
