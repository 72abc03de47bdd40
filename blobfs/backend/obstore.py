"""S3 and Azure by obstore: many small requests at a tenth of the processor time.

It holds the whole body of what it creates exclusively in memory (only manifests are), makes no
large object under a condition (none needs one), and tells a status only in its text.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar

from blobfs.backend.base import UNLISTABLE, Backend, Data, Object, Piece
from blobfs.backend.failure import Advice, answered, fitting, passing, unreachable
from blobfs.backend.parts import at_once, part_size
from blobfs.errors import AccessError, ConfigError, StoreUnavailableError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

COPIED = 5 << 30
"""Bytes up to which one request copies an object on S3.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""

REQUEST = 120
"""Seconds for a request of a few MiB, its body included."""

SLOWEST = 128 << 10
"""Bytes a second below which a larger request is given up."""

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_MESSAGE = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)
_KIND = re.compile(r"kind: (\w+)")

Opening = Callable[[int, int], "ObjectStore"]
"""Opens the storage, with seconds for a request and tries for each."""


class ObstoreBackend(Backend):
    """What lies below a prefix of a bucket or container."""

    forbidden = "?" + UNLISTABLE
    checks_copies = False
    continues_listings = True
    keeps_metadata = True
    jobs = 32
    read_ahead = 50 << 20

    used_in: ClassVar[int | None] = None
    """Of the process whose threads its runtime has; they are gone in a child."""

    def __init__(
        self,
        opening: Opening,
        prefix: str,
        advice: Advice,
        other: Callable[[], Backend],
        *,
        copies: bool,
    ) -> None:
        """Use what `opening` opens.

        Args:
            opening: see `Opening`.
            prefix: of all keys.
            advice: for messages.
            other: gives a backend that does what obstore cannot.
            copies: whether a copy is done when obstore says so; not on Azure, where the
                storage may only have begun.
        """
        ObstoreBackend.used_in = ObstoreBackend.used_in or os.getpid()
        if ObstoreBackend.used_in != os.getpid():
            raise StoreUnavailableError(
                "obstore was used before this process was forked, and does not survive that:"
                " start children by spawn, or set `transport: fsspec`"
            )
        self._opening = opening
        self._prefix = prefix
        self._advice = advice
        self._other_opening = other
        self._copies = copies
        self._longer: dict[int, ObjectStore] = {}
        """By how many times as long their requests may take."""
        with self._telling("opening", ""):
            self._store = opening(REQUEST, 0)

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        import obstore

        if end is not None:
            return bytes(self.view(key, start, end))
        try:
            with self._telling("reading", key) as path:
                options: Any = {"range": {"offset": start}} if start else None
                return bytes(obstore.get(self._store, path, options=options).bytes())
        except _PastEndError:
            return b""

    def view(self, key: str, start: int, end: int) -> Data:
        import obstore

        if end <= start:
            return b""
        try:
            with self._telling("reading", key) as path:
                store = self._fetching(end - start)
                return memoryview(obstore.get_range(store, path, start=start, end=end))
        except _PastEndError:
            return b""

    def piece(self, key: str, start: int, end: int) -> Piece:
        import obstore

        with self._telling("reading", key) as path:
            options: Any = {"range": (start, end)}
            answer = obstore.get(self._fetching(end - start), path, options=options)
            found = self._object(answer.meta)
            return Piece(memoryview(answer.bytes()), found.size, found.token)

    def stream(
        self, key: str, part_size: int, start: int = 0, size: int | None = None
    ) -> Iterator[bytes]:
        size = self.head(key).size if size is None else size
        for at in range(start, size, part_size):
            yield self.read(key, at, min(at + part_size, size))

    def head(self, key: str) -> Object:
        import obstore

        with self._telling("looking at", key) as path:
            return self._object(obstore.head(self._store, path))

    def objects(self, prefix: str, after: str = "") -> Iterator[Object]:
        import obstore

        offset = self._path(after) if after else None
        pages = iter(obstore.list(self._store, self._path(prefix), offset=offset))
        while True:
            with self._telling("listing", prefix):
                page = next(pages, None)
            if page is None:
                return
            yield from map(self._object, page)

    def exactly(self, prefix: str) -> Iterable[Object]:
        found = list(self.objects(prefix))
        if all(one.size for one in found):
            return found
        return self._other.exactly(prefix)  # obstore drops a `/` at the end

    def metadata(self, key: str) -> dict[str, str]:
        return self._other.metadata(key)  # obstore changes none of what is there

    def add_metadata(self, key: str, metadata: Mapping[str, str]) -> None:
        self._other.add_metadata(key, metadata)

    def level(self, prefix: str) -> list[Object]:
        import obstore

        with self._telling("listing", prefix) as path:
            found = obstore.list_with_delimiter(self._store, path)
        skip = len(self._prefix) + 1 if self._prefix else 0
        below = [Object(f"{key[skip:]}/", 0, "") for key in found["common_prefixes"]]
        return [*below, *map(self._object, found["objects"])]

    def put(
        self, key: str, data: bytes, *, fresh: bool = False, executable: bool = False
    ) -> None:
        import obstore

        with self._telling("writing", key) as path:
            obstore.put(self._store, path, data, use_multipart=False)

    def create(self, key: str, data: bytes) -> None:
        import obstore

        with self._telling("creating", key) as path:
            obstore.put(self._store, path, data, mode="create")

    def upload(
        self, key: str, size: int, *, fresh: bool = False, executable: bool = False
    ) -> "ObstoreUpload":
        return ObstoreUpload(self, key, size)

    def writer(self, key: str, part: int) -> Any:  # noqa: ANN401 - obstore.WritableFile
        """Open an object to be written by parts, each tried several times."""
        import obstore

        with self._telling("writing", key) as path:
            store = self._opening(REQUEST + part // SLOWEST, 8)
            return obstore.open_writer(
                store, path, buffer_size=part, max_concurrency=at_once(part)
            )

    def copy(
        self, source: str, key: str, size: int, digest: str, *, executable: bool = False
    ) -> bool:
        import obstore

        if not self._copies or size > COPIED:
            return self._other.copy(source, key, size, digest, executable=executable)
        try:
            with self._telling("copying", source):
                obstore.copy(self._store, self._path(source), self._path(key))
        except FileNotFoundError:
            return False
        return True

    def delete(self, key: str) -> None:
        import obstore

        with suppress(FileNotFoundError), self._telling("deleting", key) as path:
            obstore.delete(self._store, path)

    def sign(self, key: str, seconds: int) -> str:
        from datetime import timedelta

        import obstore

        with self._telling("signing", key) as path:
            signing: Any = self._store  # of those that it may be, S3's signs
            return str(obstore.sign(signing, "GET", path, timedelta(seconds=seconds)))

    def _fetching(self, size: int) -> "ObjectStore":
        """Return the storage with as much time as so many bytes may take."""
        if size <= REQUEST * SLOWEST:
            return self._store
        longer = -(-size // (REQUEST * SLOWEST))
        if longer not in self._longer:
            self._longer[longer] = self._opening(REQUEST * longer, 0)
        return self._longer[longer]

    @property
    def _other(self) -> Backend:
        if not hasattr(self, "_opened_other"):
            self._opened_other = self._other_opening()
        return self._opened_other

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{key}".strip("/")

    def _object(self, meta: Any) -> Object:  # noqa: ANN401 - obstore.ObjectMeta
        key = meta["path"][len(self._prefix) + 1 if self._prefix else 0 :]
        etag = meta["e_tag"]
        modified = meta["last_modified"].timestamp()
        token = f"etag:{etag}" if etag else f"mtime:{round(modified * 1e6) * 1000}"
        return Object(key, meta["size"], token, modified)

    @contextmanager
    def _telling(self, operation: str, key: str) -> Iterator[str]:
        """Yield the path of `key`, and give what goes wrong with it one of our types."""
        path = self._path(key)
        try:
            yield path
        except Exception as error:  # noqa: BLE001 - classified here, whatever it is
            found = self._classified(error, f"{operation} {path}")
            raise fitting(found, operation) from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # of Rust, and no Exception
                raise
            raise StoreUnavailableError(f"{operation} {path}: obstore failed") from None

    def _classified(self, error: Exception, what: str) -> Exception:
        text = str(error)
        if status := _STATUS.search(text):
            if int(status[1]) == 416:
                return _PastEndError()
            code, message = _CODE.search(text), _MESSAGE.search(text)
            said = message[1] if message else text.partition(status[0])[2].partition("\n")[0]
            return self._meaning(
                int(status[1]), code[1] if code else "", said.strip(": "), what
            )
        if isinstance(error, FileNotFoundError):  # a directory, of which it tells no status
            return FileNotFoundError(f"{what}: {self._advice.redact(text)}")
        return self._unanswered(error, text, what)

    def _unanswered(self, error: Exception, text: str, what: str) -> Exception:
        """Return what an error means that is no answer of the storage, or no whole one."""
        if "Wanted range starting at" in text:  # an answer, but with nothing in it
            return _PastEndError()
        said = self._advice.redact(text.partition("\n\nDebug source")[0])
        if "BareRedirect" in text:
            return self._meaning(301, "", said, what)
        if type(error).__name__ == "UnauthenticatedError":  # who was asked for credentials
            return AccessError(f"{what}: {said}" + self._advice.see(self._advice.credentials))
        kinds = _KIND.findall(text)
        if "InvalidCertificate" in text:
            said += ": its certificate is not trusted"
        elif "Connect" in kinds:  # refused, or no such host
            return unreachable(said, what, self._advice)
        elif kinds or "HTTP error" in text:
            return passing(f"{what}: {said}")
        return ConfigError(f"{what}: {said}" + self._advice.see(self._advice.endpoint))

    def _meaning(self, status: int, code: str, text: str, what: str) -> Exception:
        return answered(status, code, text, what, self._advice)


class _PastEndError(Exception):
    """Nothing lies where a range begins."""


class ObstoreUpload:
    """A large object, by parts that obstore itself sends, and sends again."""

    parallel = 1

    def __init__(self, backend: ObstoreBackend, key: str, size: int) -> None:
        self.part_size = part_size(size)
        self._backend = backend
        self._key = key
        self._size = size
        self._writer = backend.writer(key, self.part_size)
        self._writer.__enter__()

    def write(self, number: int, data: Data) -> None:
        """Write the next part; they come in order, one at a time, and once."""
        with self._telling():
            self._writer.write(data)

    def adopt(self, file: int, advance: Callable[[int], object]) -> None:
        """Do nothing: what is local goes there by parts."""

    def complete(self) -> None:
        """Make the object visible."""
        try:
            with self._telling():
                self._writer.close()
        except (FileNotFoundError, StoreUnavailableError):
            # It may have been completed, and only the answer was lost. Only what equals the
            # plan ever becomes visible under a key, so its size is proof.
            with suppress(FileNotFoundError):
                if self._backend.head(self._key).size == self._size:
                    return
            raise

    def abort(self) -> None:
        """Forget it: leaving the writer by an error is how it is told."""
        with suppress(Exception):  # the error that led here is the one to tell
            self._writer.__exit__(ValueError, ValueError("aborted"), None)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            with self._backend._telling("writing", self._key):  # noqa: SLF001 - one module
                yield
        except StoreUnavailableError as error:
            error.passing = False  # what was written cannot be written again
            raise
