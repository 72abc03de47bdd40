"""OSS by oss2: the session and the keys of an ossfs filesystem, requests of our own choosing.

ossfs's verbs list where one request would do, delete before they append, read a byte too many,
and drop conditions; what is sent here is exactly one request for each call. A body carries its
MD5, so that OSS refuses what was damaged on the way before it keeps it. oss2's own CRC64 would
find out when it is there, and holds the GIL; that of a whole upload is compared in the end.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from blobfs.backend.base import UNLISTABLE, Data, Object, Piece
from blobfs.backend.crc64 import joined_crc
from blobfs.backend.failure import Advice, passing
from blobfs.backend.fsspec import FsspecBackend
from blobfs.backend.oss_body import check_length, check_whole, sealed
from blobfs.backend.oss_error import NoUploadError, PastEndError, UnsaidError, meaning
from blobfs.backend.parts import at_once, part_size
from blobfs.errors import ConfigError, IntegrityError, StoreUnavailableError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

COPIED_WHOLE = 1 << 30
"""Bytes up to which one request copies an object; more are copied by parts.
https://www.alibabacloud.com/help/en/oss/developer-reference/uploadpartcopy"""

COPIED_PART = 512 << 20
"""Bytes of a part that is copied, at least: few requests, and none that takes long."""

CONNECT = 10
"""Seconds to wait for a connection, and for it to take more of a first request."""

READ = 60
"""Seconds to wait for more of an answer."""

PAGE = 1000
"""Objects of one page of a listing; the most that there may be."""

NEW = {"x-oss-forbid-overwrite": "true"}
"""Of a request that fails if the object is there; a versioned bucket ignores it.
https://www.alibabacloud.com/help/en/oss/developer-reference/putobject"""

EXACT = {"x-oss-range-behavior": "standard"}
"""Without it a range that goes past the end is answered with the whole object.
https://www.alibabacloud.com/help/en/oss/developer-reference/getobject"""

META = "x-oss-meta-"
"""What the headers of an object's metadata begin with.
https://www.alibabacloud.com/help/en/oss/user-guide/manage-object-metadata-10"""

PARTIAL = 206


class OssBackend(FsspecBackend):
    """What lies below `root`, which is `<bucket>/<prefix>`, on an `ossfs.OSSFileSystem`."""

    forbidden = UNLISTABLE
    checks_copies = False
    continues_listings = True
    keeps_metadata = True
    jobs = 16

    def __init__(
        self,
        filesystem: "AbstractFileSystem",
        root: str,
        advice: Advice = Advice(),  # noqa: B008 - it is immutable
    ) -> None:
        super().__init__(filesystem, root, advice)
        self._bucket, _, self._prefix = self._root.partition("/")
        self._client = self._open()
        self.creates_exclusively = True
        self.survives_forks = False  # parent and child would share connections

    def _open(self) -> Any:  # noqa: ANN401 - oss2 has no types
        import oss2

        try:
            return oss2.Bucket(
                self._fs._auth,  # noqa: SLF001 - there is no other way to it; so for the others
                self._fs._endpoint,  # noqa: SLF001
                self._bucket,
                session=self._fs._session,  # noqa: SLF001
                connect_timeout=(CONNECT, READ),
                enable_crc=False,  # every body carries its MD5
            )
        except (oss2.exceptions.ClientError, ValueError, TypeError) as error:
            told = self._advice.redact(str(getattr(error, "body", error)))
            see = self._advice.see(self._advice.container, self._advice.endpoint)
            raise ConfigError(f"opening {self._root}: {told}{see}") from None

    @property
    def endpoint(self) -> str:
        """Where requests go, with the scheme."""
        return str(self._client.endpoint)

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        if end is not None and end <= start:
            return b""
        asked = (start, None if end is None else end - 1) if start or end is not None else None
        try:
            with self.telling("reading", key):
                answer = self._client.get_object(self.key(key), asked, headers=EXACT)
                # As it is stored: requests would unpack what calls itself compressed.
                data = bytes(answer.resp.response.raw.read())
                if answer.status != PARTIAL:
                    check_whole(data, answer.server_crc)
                    return data[start:end]
                check_length(data, answer.content_range, start, end)
                return data
        except PastEndError:
            return b""

    def piece(self, key: str, start: int, end: int) -> Piece:
        with self.telling("reading", key):
            answer = self._client.get_object(self.key(key), (start, end - 1), headers=EXACT)
            data = bytes(answer.resp.response.raw.read())
            check_length(data, answer.content_range, start, end)
            size = int(answer.content_range.rpartition("/")[2])
            return Piece(data, size, f"etag:{answer.etag}")

    def head(self, key: str) -> Object:
        told = self._head(key)
        return Object(key, told.content_length, f"etag:{told.etag}", told.last_modified)

    def objects(self, prefix: str, after: str = "") -> Iterator[Object]:
        skip = len(self.key(""))
        begin = {"start_after": self.key(after)} if after else {}
        for page in self._pages(prefix, **begin):
            for o in page.object_list:
                yield Object(o.key[skip:], o.size, f"etag:{o.etag}", o.last_modified)

    def metadata(self, key: str) -> dict[str, str]:
        names = ((name.lower(), value) for name, value in self._head(key).headers.items())
        return {n.removeprefix(META): value for n, value in names if n.startswith(META)}

    def _head(self, key: str) -> Any:  # noqa: ANN401 - what oss2 answers
        try:
            with self.telling("looking at", key):
                return self.ask("head_object", self.key(key))
        except UnsaidError as error:
            self.read(key, 0, 1)  # an answer with a body says what it is that is not there
            raise passing(str(error)) from error  # it is there now

    def add_metadata(self, key: str, metadata: Mapping[str, str]) -> None:
        # An object's metadata changes only by a copy of it onto itself.
        found, there = self.head(key), self.metadata(key)
        beside = {META + name: value for name, value in (there | dict(metadata)).items()}
        if found.size > COPIED_WHOLE:
            if not self._copy_by_parts(key, key, found.size, beside):
                raise StoreUnavailableError(f"{self._path(key)} changed while it was marked")
            return
        with self.telling("marking", key):
            self.ask("update_object_meta", self.key(key), beside)

    def level(self, prefix: str) -> list[Object]:
        skip, itself = len(self.key("")), len(self._below(prefix))
        level: list[Object] = []
        for page in self._pages(prefix, delimiter="/"):
            level += [Object(name[skip:], 0, "") for name in page.prefix_list]
            level += [
                Object(o.key[skip:], o.size, f"etag:{o.etag}", o.last_modified)
                for o in page.object_list
                if len(o.key) > itself
            ]
        return level

    def _pages(self, prefix: str, **asked: str) -> Iterator[Any]:
        token = ""
        while True:
            with self.telling("listing", prefix):
                page = self.ask(
                    "list_objects_v2",
                    self._below(prefix),
                    continuation_token=token,
                    max_keys=PAGE,
                    **asked,
                )
            yield page
            if not page.is_truncated:
                return
            token = page.next_continuation_token

    def put(
        self, key: str, data: bytes, *, fresh: bool = False, executable: bool = False
    ) -> None:
        with self.telling("writing", key):
            self.ask("put_object", self.key(key), data, headers=sealed(data))

    def create(self, key: str, data: bytes) -> None:
        with self.telling("creating", key):
            self.ask("put_object", self.key(key), data, headers=NEW | sealed(data))

    def upload(
        self, key: str, size: int, *, fresh: bool = False, executable: bool = False
    ) -> "OssUpload":
        return self._begin(key, size, {})

    def _begin(self, key: str, size: int, beside: dict[str, str]) -> "OssUpload":
        with self.telling("writing", key):
            answer = self.ask("init_multipart_upload", self.key(key), headers=beside)
        return OssUpload(self, key, size, answer.upload_id)

    def copy(
        self, source: str, key: str, size: int, digest: str, *, executable: bool = False
    ) -> bool:
        try:
            if size > COPIED_WHOLE:
                return self._copy_by_parts(source, key, size, {})
            with self.telling("copying", source):
                self.ask("copy_object", self._bucket, self.key(source), self.key(key))
        except FileNotFoundError:
            return False
        return True

    def _copy_by_parts(self, source: str, key: str, size: int, beside: dict[str, str]) -> bool:
        if self.head(source).size != size:
            return False
        upload = self._begin(key, size, beside)
        step = max(COPIED_PART, upload.part_size)
        try:
            for number, start in enumerate(range(0, size, step)):
                upload.copy(number, source, start, min(start + step, size))
            upload.complete()
        except BaseException:
            upload.abort()
            raise
        return True

    def sign(self, key: str, seconds: int) -> str:
        with self.telling("signing", key):
            return str(self._client.sign_url("GET", self.key(key), seconds, slash_safe=True))

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError), self.telling("deleting", key):
            self.ask("delete_object", self.key(key))

    def ask(self, method: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - oss2 has no types
        """Make one request in the bucket, and read all of its answer.

        Only then is its connection free for the next request, which oss2 leaves to its caller.
        """
        answer = getattr(self._client, method)(*args, **options)
        answer.resp.read()
        return answer

    def ask_copy(self, source: str, start: int, end: int, *where: Any) -> Any:  # noqa: ANN401
        """Copy the bytes from `start` up to `end` of an object to a part of an upload."""
        return self.ask(
            "upload_part_copy", self._bucket, self.key(source), (start, end - 1), *where
        )

    def key(self, key: str) -> str:
        """Return the key in the bucket."""
        return f"{self._prefix}/{key}" if self._prefix else key

    def _below(self, prefix: str) -> str:
        return self.key(prefix).rstrip("/") + "/" if self.key(prefix) else ""

    def _classified(self, error: Exception, what: str) -> Exception:
        return meaning(error, what, self._advice) or super()._classified(error, what)


class OssUpload:
    """A multipart upload."""

    def __init__(self, backend: OssBackend, key: str, size: int, upload_id: str) -> None:
        self.part_size = part_size(size)
        self.parallel = at_once(self.part_size)
        self._backend = backend
        self._key = key
        self._size = size
        self._which = backend.key(key), upload_id
        self._parts: dict[int, Any] = {}

    def write(self, number: int, data: Data) -> None:
        """Send part `number`, from 0."""
        data = bytes(data)
        with self._backend.telling("writing", self._key):
            answer = self._backend.ask(
                "upload_part", *self._which, number + 1, data, headers=sealed(data)
            )
        self._keep(number, answer, len(data))

    def copy(self, number: int, source: str, start: int, end: int) -> None:
        """Copy part `number` from another object."""
        with self._backend.telling("copying", source):
            answer = self._backend.ask_copy(source, start, end, *self._which, number + 1)
        self._keep(number, answer, end - start)

    def _keep(self, number: int, answer: Any, size: int) -> None:  # noqa: ANN401 - oss2 has no types
        from oss2.models import PartInfo

        self._parts[number] = PartInfo(number + 1, answer.etag, size, part_crc=answer.crc)

    def adopt(self, file: int, advance: Callable[[int], object]) -> None:
        """Do nothing: what is local goes there by parts."""

    def complete(self) -> None:
        """Make the object visible.

        Raises:
            IntegrityError: if the storage put the parts together wrongly.
        """
        parts = [self._parts[number] for number in sorted(self._parts)]
        expected = joined_crc((part.part_crc, part.size) for part in parts)
        try:
            with self._backend.telling("completing", self._key):
                answer = self._backend.ask("complete_multipart_upload", *self._which, parts)
        except NoUploadError as error:
            # It was completed before, and only the answer was lost, if what lies there is it.
            if not self._is_there(expected):
                raise StoreUnavailableError(str(error)) from error
        else:
            if _differ(answer.crc, expected) and not self._is_there(expected):
                # It is not deleted: by now another writer's may lie there, and be committed.
                raise IntegrityError(
                    f"completing {self._backend.key(self._key)}: it is not what was sent,"
                    " though every part was: delete it before anything is uploaded again"
                )

    def _is_there(self, crc: int | None) -> bool:
        """Look whether the object is there as it was sent."""
        try:
            with self._backend.telling("looking at", self._key):
                there = self._backend.ask("head_object", self._which[0])
        except (FileNotFoundError, UnsaidError):
            return False
        return there.content_length == self._size and not _differ(there.server_crc, crc)

    def abort(self) -> None:
        """Forget it."""
        with suppress(Exception):  # the error that led here is the one to tell
            self._backend.ask("abort_multipart_upload", *self._which)


def _differ(one: int | None, other: int | None) -> bool:
    """Whether two checksums are known, and are not the same."""
    return one is not None and other is not None and one != other
