"""Azure by adlfs: its client and its loop, with requests of our own choosing.

adlfs's verbs drop and exchange characters of names, look first where one request would do, and
start copies without waiting; what is sent here is one request for each call, but for copies
that the storage does not finish at once, and for a connection that was reset: aiohttp makes
that request a second time, so that one's own blob may be what `create` finds.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from blobfs.backend.azure_error import FORBIDDEN, PastEndError, classified, code_of
from blobfs.backend.base import Data, Object, Piece
from blobfs.backend.failure import Advice
from blobfs.backend.fsspec import FsspecBackend
from blobfs.backend.parts import at_once, part_size
from blobfs.errors import AccessError, StoreUnavailableError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

MOST_BLOCKS = 50_000
"""Blocks of one blob.
https://learn.microsoft.com/azure/storage/blobs/scalability-targets"""

SLOWEST = 128 << 10
"""Bytes a second below which a request is given up."""

COPIED_WITHIN = 600.0
"""Seconds after which a copy inside the storage is given up, and the bytes are sent."""

POLL = 0.1, 5.0
"""Seconds between looks at a copy that is under way, at first and at last."""


class AzureBackend(FsspecBackend):
    """What lies below `root`, which is `<container>/<prefix>`, on an `AzureFileSystem`."""

    forbidden = FORBIDDEN
    checks_copies = False
    keeps_metadata = True
    jobs = 32

    # With a hierarchical namespace the order of a listing is not known to be that of its keys.
    continues_listings = False

    def __init__(
        self,
        filesystem: "AbstractFileSystem",
        root: str,
        advice: Advice = Advice(),  # noqa: B008 - it is immutable
    ) -> None:
        super().__init__(filesystem, root, advice)
        container, _, self._prefix = self._root.partition("/")
        self._container = self._fs.service_client.get_container_client(container)
        self.creates_exclusively = True

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        if end is not None and end <= start:
            return b""
        length = None if end is None else end - start
        try:
            with self.telling("reading", key):
                return bytes(self._sync(self._body, key, start, length))
        except PastEndError:
            return b""

    async def _body(self, key: str, start: int, length: int | None) -> bytes:
        # With a start, for a whole empty blob would be asked for once more.
        download = await self._blob(key).download_blob(offset=start, length=length)
        return bytes(await download.readall())

    def piece(self, key: str, start: int, end: int) -> Piece:
        with self.telling("reading", key):
            return self._sync(self._piece, key, start, end - start)  # type: ignore[no-any-return] # fsspec has no types

    async def _piece(self, key: str, start: int, length: int) -> Piece:
        download = await self._blob(key).download_blob(offset=start, length=length)
        found = download.properties  # whose size is that of the range
        size = int(found.content_range.rpartition("/")[2])
        return Piece(bytes(await download.readall()), size, _object(key, found).token)

    def head(self, key: str) -> Object:
        with self.telling("looking at", key) as path:
            found = self._sync(self._blob(key).get_blob_properties)
        if _is_directory(found):
            raise FileNotFoundError(f"{path} is no object but a directory")
        return _object(key, found)

    def objects(self, prefix: str, after: str = "") -> Iterator[Object]:
        skip = len(self._key(""))
        below = self._below(prefix)
        listing = self._container.list_blobs(below or None, include=["metadata"])
        for page in self._pages(prefix, listing):
            for found in page:
                if not _is_directory(found):
                    yield _object(found.name[skip:], found)

    def metadata(self, key: str) -> dict[str, str]:
        with self.telling("looking at", key):
            return dict(self._sync(self._blob(key).get_blob_properties).metadata)

    def add_metadata(self, key: str, metadata: Mapping[str, str]) -> None:
        there = self.metadata(key)
        with self.telling("marking", key):
            self._sync(self._blob(key).set_blob_metadata, there | dict(metadata))

    def level(self, prefix: str) -> list[Object]:
        skip, below = len(self._key("")), self._below(prefix)
        listing = self._container.walk_blobs(below or None, include=["metadata"])
        return [
            Object(found.name[skip:], 0, "")
            if found.name.endswith("/")
            else _object(found.name[skip:], found)
            for page in self._pages(prefix, listing)
            for found in page
            if len(found.name) > len(below) and not _is_directory(found)
        ]

    def _pages(self, prefix: str, listing: Any) -> Iterator[list[Any]]:  # noqa: ANN401 - an AsyncItemPaged
        pages = listing.by_page()
        while True:
            with self.telling("listing", prefix):
                page = self._sync(_next_page, pages)
            if not page:
                return
            yield page[0]

    def put(
        self, key: str, data: bytes, *, fresh: bool = False, executable: bool = False
    ) -> None:
        with self.telling("writing", key):
            self._upload(key, data, overwrite=True)

    def create(self, key: str, data: bytes) -> None:
        with self.telling("creating", key):
            self._upload(key, data, overwrite=False)

    def _upload(self, key: str, data: bytes, *, overwrite: bool) -> None:
        self._sync(
            self._blob(key).upload_blob,
            data,
            length=len(data),
            overwrite=overwrite,
            **_sending(data),
        )

    def upload(
        self, key: str, size: int, *, fresh: bool = False, executable: bool = False
    ) -> "AzureUpload":
        return AzureUpload(self, key, size)

    def sign(self, key: str, seconds: int) -> str:
        from datetime import UTC, datetime, timedelta

        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        blob = self._blob(key)
        account_key = getattr(blob.credential, "account_key", None)
        if account_key is None:
            raise NotImplementedError(
                f"signing {self._path(key)}: only an account key signs URLs"
                + self._advice.see(self._advice.credentials)
            )
        with self.telling("signing", key):
            signature = generate_blob_sas(
                blob.account_name,
                blob.container_name,
                blob.blob_name,
                account_key=account_key,
                permission=BlobSasPermissions(read=True),
                expiry=datetime.now(UTC) + timedelta(seconds=seconds),
            )
            return f"{blob.url}?{signature}"

    def copy(
        self, source: str, key: str, size: int, digest: str, *, executable: bool = False
    ) -> bool:
        try:
            with self.telling("copying", source):
                return bool(self._sync(self._copy, source, key))
        except (FileNotFoundError, AccessError):
            return False  # refused as a source: what is sent instead finds out what is wrong

    async def _copy(self, source: str, key: str) -> bool:
        import asyncio
        from time import monotonic

        sas = getattr(self._fs, "sas_token", None)
        origin = self._blob(source).url + (f"?{sas.removeprefix('?')}" if sas else "")
        target, until, pause = self._blob(key), monotonic() + COPIED_WITHIN, POLL[0]
        try:
            begun = await target.start_copy_from_url(origin)
        except Exception as error:
            if code_of(error) == "CannotVerifyCopySource":
                return False
            raise
        status = begun["copy_status"]
        while status == "pending" and monotonic() < until:
            await asyncio.sleep(pause)
            pause = min(2 * pause, POLL[1])
            status = (await target.get_blob_properties()).copy.status
        if status == "pending":
            await target.abort_copy(begun["copy_id"])
        # What is left of another one is empty, and nobody's: it is written over when the bytes
        # are sent. By now another writer's may lie there, so it is not deleted.
        return bool(status == "success")

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError), self.telling("deleting", key):
            self._sync(self._blob(key).delete_blob)

    def stage(self, key: str, block: str, data: bytes) -> None:
        """Send one block, which is nowhere before it is committed."""
        with self.telling("writing", key):
            self._sync(
                self._blob(key).stage_block, block, data, length=len(data), **_sending(data)
            )

    def commit(self, key: str, blocks: list[str]) -> None:
        """Make these blocks the blob."""
        from azure.storage.blob import BlobBlock

        with self.telling("completing", key):
            self._sync(self._blob(key).commit_block_list, [BlobBlock(one) for one in blocks])

    def _blob(self, key: str) -> Any:  # noqa: ANN401 - a BlobClient
        return self._container.get_blob_client(self._key(key))

    def _sync(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever it gives
        """Call a coroutine function on the filesystem's loop."""
        from fsspec.asyn import sync

        async def told() -> tuple[Any]:
            return (await function(*args, **options),)

        done = sync(self._fs.loop, told)
        if done is None:  # which is how `sync` says that it was cancelled
            raise StoreUnavailableError("cancelled")
        return done[0]

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _below(self, prefix: str) -> str:
        return self._key(prefix).rstrip("/") + "/" if self._key(prefix) else ""

    def _classified(self, error: Exception, what: str) -> Exception:
        if isinstance(error, PastEndError):
            return error
        return classified(error, what, self._advice, public=bool(self._fs.anon))


class AzureUpload:
    """Blocks that nobody else writes, committed as one blob."""

    def __init__(self, backend: AzureBackend, key: str, size: int) -> None:
        from uuid import uuid4

        self.part_size = part_size(size, MOST_BLOCKS)
        self.parallel = at_once(self.part_size)
        self._backend = backend
        self._key = key
        self._size = size
        self._mark = uuid4().hex
        self._blocks: dict[int, str] = {}

    def write(self, number: int, data: Data) -> None:
        """Send part `number`, from 0."""
        # Of equal length, as all of one blob must be; another writer's are never among them.
        block = f"{self._mark}-{number:05}"
        self._backend.stage(self._key, block, bytes(data))
        self._blocks[number] = block

    def adopt(self, file: int, advance: Callable[[int], object]) -> None:
        """Do nothing: what is local goes there by parts."""

    def complete(self) -> None:
        """Make the object visible."""
        try:
            self._backend.commit(self._key, [self._blocks[n] for n in sorted(self._blocks)])
        except StoreUnavailableError as error:
            if error.passing:
                raise
            # A commit drops all blocks of that name that are in none: somebody else's, or our
            # own, whose answer was lost. Only what equals the plan ever becomes visible under
            # a key, so its size is proof.
            with suppress(FileNotFoundError):
                if self._backend.head(self._key).size == self._size:
                    return
            raise

    def abort(self) -> None:
        """Do nothing: blocks that are not committed vanish after a week."""


async def _next_page(pages: Any) -> tuple[list[Any]] | None:  # noqa: ANN401 - an asynchronous iterator
    try:
        page = await anext(pages)
    except StopAsyncIteration:
        return None
    return ([found async for found in page],)


def _sending(data: bytes) -> dict[str, Any]:
    """Return the options of a request with a body: checked by its MD5, not given up soon."""
    return {"validate_content": True, "read_timeout": 60 + len(data) // SLOWEST}


def _is_directory(found: Any) -> bool:  # noqa: ANN401 - BlobProperties or BlobPrefix
    """Whether it only marks a directory, as Gen2 does, and drivers that imitate one.

    Format: https://learn.microsoft.com/azure/storage/blobs/data-lake-storage-known-issues
    """
    metadata = getattr(found, "metadata", None) or {}
    return any(
        name.lower() == "hdi_isfolder" and value.lower() == "true"
        for name, value in metadata.items()
    )


def _object(key: str, found: Any) -> Object:  # noqa: ANN401 - BlobProperties
    # A listing tells the ETag without the quotes that it has elsewhere.
    token = f"etag:{found.etag.strip(chr(34))}"
    modified = found.last_modified.timestamp()
    return Object(key, int(found.size), token, modified, found.metadata)
