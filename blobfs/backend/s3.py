"""S3 by s3fs: its session and its loop, with requests of our own choosing.

s3fs's verbs look first where one request would do, commit what was half written, and cut names
at `?versionId=`; what is sent here is exactly one request for each call.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from blobfs.backend.base import UNLISTABLE, Data, Object, Piece
from blobfs.backend.failure import Advice, answered, passing, seconds, unreachable
from blobfs.backend.fsspec import FsspecBackend
from blobfs.backend.parts import at_once, part_size
from blobfs.errors import AccessError, ConfigError, StoreUnavailableError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

COPIED_WHOLE = 5 << 30
"""Bytes up to which one request copies an object; more are copied by parts.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""

COPIED_PART = 512 << 20
"""Bytes of a part that is copied: large enough for 5 TB in 10,000 parts, small enough for a
server to copy it within a request's time."""

_KEPT = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
)
"""What stands beside an object's bytes, and would go when its metadata is replaced."""

_NO_CREDENTIALS = frozenset(
    {
        *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
        *("SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError"),
        *("NoAuthTokenError", "MetadataRetrievalError", "RefreshWithMFAUnsupportedError"),
    }
)
"""Errors of botocore, by name so that it need not be imported for them."""

_WRONG = frozenset(
    {
        *("ProfileNotFound", "ConfigParseError", "ParamValidationError", "InvalidRegionError"),
        *("InvalidS3AddressingStyleError", "UnknownServiceError", "ValueError", "SSLError"),
        *("InfiniteLoopConfigError", "InvalidEndpointConfigurationError"),
    }
)


class S3Backend(FsspecBackend):
    """What lies below `root`, which is `<bucket>/<prefix>`, on an `s3fs.S3FileSystem`."""

    forbidden = "?" + UNLISTABLE
    checks_copies = False
    continues_listings = True
    keeps_metadata = True
    jobs = 16  # more threads only wait for the one of the loop
    read_ahead = 50 << 20

    def __init__(
        self,
        filesystem: "AbstractFileSystem",
        root: str,
        advice: Advice = Advice(),  # noqa: B008 - it is immutable
    ) -> None:
        super().__init__(filesystem, root, advice)
        self._bucket, _, self._prefix = self._root.partition("/")
        self.creates_exclusively = True

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        if end is not None and end <= start:
            return b""
        asked = {} if not start and end is None else {"Range": f"bytes={start}-{_last(end)}"}
        try:
            with self.telling("reading", key):
                return bytes(self._sync(self._body, self._key(key), asked))
        except _PastEndError:
            return b""

    def piece(self, key: str, start: int, end: int) -> Piece:
        with self.telling("reading", key):
            asked = {"Range": f"bytes={start}-{_last(end)}"}
            return self._sync(self._piece, self._key(key), asked)  # type: ignore[no-any-return] # fsspec has no types

    async def _piece(self, key: str, asked: dict[str, str]) -> Piece:
        answer = await self._fs._call_s3("get_object", Bucket=self._bucket, Key=key, **asked)  # noqa: SLF001 - as below
        size = int(answer["ContentRange"].rpartition("/")[2])
        async with answer["Body"] as body:
            return Piece(bytes(await body.read()), size, f"etag:{answer['ETag']}")

    async def _body(self, key: str, asked: dict[str, str]) -> bytes:
        answer = await self._fs._call_s3("get_object", Bucket=self._bucket, Key=key, **asked)  # noqa: SLF001 - its documented way to make a request, for coroutines
        async with answer["Body"] as body:
            return bytes(await body.read())

    def head(self, key: str) -> Object:
        with self.telling("looking at", key):
            answer = self.call("head_object", Key=self._key(key))
        return _object(key, answer["ContentLength"], answer["ETag"], answer["LastModified"])

    def objects(self, prefix: str, after: str = "") -> Iterator[Object]:
        skip = len(self._key(""))
        begin = {"StartAfter": self._key(after)} if after else {}
        for page in self._pages(prefix, **begin):
            for found in page.get("Contents", ()):
                yield _object(
                    found["Key"][skip:], found["Size"], found["ETag"], found["LastModified"]
                )

    def metadata(self, key: str) -> dict[str, str]:
        with self.telling("looking at", key):
            return dict(self.call("head_object", Key=self._key(key))["Metadata"])

    def add_metadata(self, key: str, metadata: Mapping[str, str]) -> None:
        # An object's metadata changes only by a copy of it onto itself.
        origin = {"Bucket": self._bucket, "Key": self._key(key)}
        with self.telling("marking", key):
            there = self.call("head_object", Key=self._key(key))
            kept = {name: there[name] for name in _KEPT if there.get(name)}
            kept["Metadata"] = there["Metadata"] | dict(metadata)
            if there["ContentLength"] <= COPIED_WHOLE:
                kept["MetadataDirective"] = "REPLACE"
                self.call("copy_object", Key=self._key(key), CopySource=origin, **kept)
                return
        if not self._copy_by_parts(origin, key, key, there["ContentLength"], **kept):
            raise StoreUnavailableError(f"{self._path(key)} changed while it was marked")

    def level(self, prefix: str) -> list[Object]:
        skip, itself = len(self._key("")), len(self._below(prefix))
        level: list[Object] = []
        for page in self._pages(prefix, Delimiter="/"):
            level += [Object(p["Prefix"][skip:], 0, "") for p in page.get("CommonPrefixes", ())]
            level += [
                _object(
                    found["Key"][skip:], found["Size"], found["ETag"], found["LastModified"]
                )
                for found in page.get("Contents", ())
                if len(found["Key"]) > itself
            ]
        return level

    def _pages(self, prefix: str, **asked: str) -> Iterator[dict[str, Any]]:
        while True:
            with self.telling("listing", prefix):
                page = self.call("list_objects_v2", Prefix=self._below(prefix), **asked)
            yield page
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def put(
        self, key: str, data: bytes, *, fresh: bool = False, executable: bool = False
    ) -> None:
        with self.telling("writing", key):
            self.call("put_object", Key=self._key(key), Body=data)

    def create(self, key: str, data: bytes) -> None:
        with self.telling("creating", key):
            self.call("put_object", Key=self._key(key), Body=data, IfNoneMatch="*")

    def upload(
        self, key: str, size: int, *, fresh: bool = False, executable: bool = False
    ) -> "S3Upload":
        return self._begin(key, size)

    def _begin(self, key: str, size: int, **beside: Any) -> "S3Upload":  # noqa: ANN401 - as botocore takes them
        with self.telling("writing", key):
            answer = self.call("create_multipart_upload", Key=self._key(key), **beside)
        return S3Upload(self, key, size, part_size(size), answer["UploadId"])

    def copy(
        self, source: str, key: str, size: int, digest: str, *, executable: bool = False
    ) -> bool:
        origin = {"Bucket": self._bucket, "Key": self._key(source)}
        try:
            with self.telling("copying", source):
                if size <= COPIED_WHOLE:
                    self.call("copy_object", Key=self._key(key), CopySource=origin)
                    return True
        except FileNotFoundError:
            return False
        return self._copy_by_parts(origin, source, key, size)

    def _copy_by_parts(
        self,
        origin: dict[str, str],
        source: str,
        key: str,
        size: int,
        **beside: Any,  # noqa: ANN401 - as botocore takes them
    ) -> bool:
        upload = self._begin(key, size, **beside)
        try:
            if self.head(source).size != size:
                upload.abort()
                return False
            for number, start in enumerate(range(0, size, COPIED_PART)):
                upload.copy(number, origin, start, min(start + COPIED_PART, size))
            upload.complete()
        except FileNotFoundError:
            upload.abort()
            return False
        except BaseException:
            upload.abort()
            raise
        return True

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError), self.telling("deleting", key):
            self.call("delete_object", Key=self._key(key))

    def call(self, method: str, **parameters: Any) -> Any:  # noqa: ANN401 - what botocore answers
        """Make one request in the bucket."""
        return self._fs.call_s3(method, Bucket=self._bucket, **parameters)

    def _sync(self, function: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401 - whatever it gives
        from fsspec.asyn import sync

        return sync(self._fs.loop, function, *args)

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def key(self, key: str) -> str:
        """Return the key in the bucket."""
        return self._key(key)

    def _below(self, prefix: str) -> str:
        return self._key(prefix).rstrip("/") + "/" if self._key(prefix) else ""

    def _classified(self, error: Exception, what: str) -> Exception:
        cause = error if hasattr(error, "response") else error.__cause__
        response = getattr(cause, "response", None)
        if not isinstance(response, dict):
            return _unanswered(error, what, self._advice)
        told = response.get("Error", {})
        meta = response.get("ResponseMetadata", {})
        status, code = int(meta.get("HTTPStatusCode", 0)), str(told.get("Code", ""))
        if status == 416:
            return _PastEndError()
        after = seconds(meta.get("HTTPHeaders", {}).get("retry-after"))
        if code.isdigit():  # of an answer without a body
            code = ""
        return answered(status, code, str(told.get("Message", "")), what, self._advice, after)


class _PastEndError(Exception):
    """Nothing lies where a range begins."""


class S3Upload:
    """A multipart upload."""

    def __init__(
        self, backend: S3Backend, key: str, size: int, part_size: int, upload_id: str
    ) -> None:
        self.part_size = part_size
        self.parallel = at_once(part_size)
        self._backend = backend
        self._key = key
        self._size = size
        self._which = {"Key": backend.key(key), "UploadId": upload_id}
        self._parts: dict[int, dict[str, Any]] = {}

    def write(self, number: int, data: Data) -> None:
        """Send part `number`, from 0."""
        with self._backend.telling("writing", self._key):
            answer = self._backend.call(
                "upload_part", PartNumber=number + 1, Body=bytes(data), **self._which
            )
        self._keep(number, answer)

    def copy(self, number: int, origin: dict[str, str], start: int, end: int) -> None:
        """Copy part `number` from another object."""
        with self._backend.telling("copying", self._key):
            answer = self._backend.call(
                "upload_part_copy",
                PartNumber=number + 1,
                CopySource=origin,
                CopySourceRange=f"bytes={start}-{end - 1}",
                **self._which,
            )
        self._keep(number, answer["CopyPartResult"])

    def _keep(self, number: int, answer: dict[str, Any]) -> None:
        self._parts[number] = {"PartNumber": number + 1, "ETag": answer["ETag"]}

    def adopt(self, file: int, advance: Callable[[int], object]) -> None:
        """Do nothing: what is local goes there by parts."""

    def complete(self) -> None:
        """Make the object visible."""
        parts = [self._parts[number] for number in sorted(self._parts)]
        try:
            with self._backend.telling("completing", self._key):
                self._backend.call(
                    "complete_multipart_upload", MultipartUpload={"Parts": parts}, **self._which
                )
        except FileNotFoundError as error:
            # No such upload: it was completed before, and only the answer was lost. Only what
            # equals the plan ever becomes visible under a key, so its size is proof.
            with suppress(FileNotFoundError):
                if self._backend.head(self._key).size == self._size:
                    return
            raise StoreUnavailableError(str(error)) from error

    def abort(self) -> None:
        """Forget it."""
        with suppress(Exception):  # the error that led here is the one to tell
            self._backend.call("abort_multipart_upload", **self._which)


def _unanswered(error: Exception, what: str, advice: Advice) -> Exception:
    """Return what an error of botocore means that is no answer of the storage."""
    name, text = type(error).__name__, str(error)
    said = advice.redact(f"{what}: {text or name}")
    if name in _NO_CREDENTIALS:
        return AccessError(said + advice.see(advice.credentials))
    if name in _WRONG:
        return ConfigError(said + advice.see(advice.container, advice.endpoint))
    if name == "EndpointConnectionError":
        inner = type(getattr(error, "kwargs", {}).get("error")).__name__
        if inner.startswith("ClientConnector"):  # refused, or no such host
            return unreachable(text, what, advice)
    return passing(said)


def _last(end: int | None) -> str:
    return "" if end is None else str(end - 1)


def _object(key: str, size: int, etag: str, modified: Any) -> Object:  # noqa: ANN401 - a datetime
    return Object(key, int(size), f"etag:{etag}", modified.timestamp())
