"""The filesystem: paths become artifacts or places of the user's own, and are asked."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from fsspec import AbstractFileSystem
from fsspec.utils import tokenize

from blobfs.config import Places, places
from blobfs.digest import hex_of, is_digest
from blobfs.errors import ConfigError
from blobfs.filesystem.address import address_of, is_latest, spelled
from blobfs.filesystem.artifact import ArtifactPath
from blobfs.filesystem.changing import Changing
from blobfs.filesystem.listing import Listing
from blobfs.filesystem.opened import store_called, tree_of
from blobfs.filesystem.own import OwnPath, read_only
from blobfs.filesystem.reading import ReadFile
from blobfs.ref import SCHEME
from blobfs.resolve import asset_of, digest_of
from blobfs.store import Store

IGNORED = {
    *("use_listings_cache", "listings_expiry_time", "max_paths", "asynchronous", "loop"),
    "anon",
}
"""Options that mean nothing here: fsspec's for any filesystem, and the one with which pandas
tries again what was refused, whose refusal is then told."""


class _Here:
    """Where the configuration lies: a part of what fsspec knows an instance by."""

    def __get__(self, instance: object, owner: type) -> Places | None:
        try:
            return places()
        except ConfigError:  # told when the filesystem is made
            return None


class BlobFileSystem(Listing, Changing, AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """Artifacts, read-only and verified, and the user's own files of every configured store.

    `<store>/<name>:<version>/<path>`, `<store>/<name>@latest/<path>`,
    `<store>/sha256:<64 hex>/<path>`, and `<store>/<path>` for everything else below the root.
    Paths are raw. It takes no options: what a store needs stands in its configuration. It is
    pickled as where that lies, and who opens it elsewhere looks secrets up there; what
    `@latest` was goes with it.

    `@latest` is looked up once for an instance, and stays what it is in its copies elsewhere:
    who wants to see a newer version makes a new one (`skip_instance_cache=True`).
    """

    protocol = "blobfs"
    root_marker = ""
    _here = _Here()
    _extra_tokenize_attributes: ClassVar[tuple[str, ...]] = ("_here",)

    def __init__(
        self,
        places: Sequence[str | None] | None = None,
        latest: Sequence[tuple[str, str]] = (),
        **options: Any,
    ) -> None:
        """Serve the stores of a configuration.

        Args:
            places: where it lies, as another process found it; None: where it is found here.
            latest: what another process found `@latest` to be.
            options: fsspec's own.

        Raises:
            ConfigError: if there are other options.
        """
        if unknown := sorted(options.keys() - IGNORED):
            raise ConfigError(
                f"blobfs:// takes no options, and is chained to nothing: {', '.join(unknown)};"
                " what a store needs stands in its configuration"
            )
        super().__init__(**options)
        self.places = _places(places)
        self._digests: dict[str, str] = {}
        self._latest_versions = dict(latest)
        # fsspec has this as a class method, and others ask an instance for it: what they get
        # is passed on to caches and to other processes, so it names a version.
        self._strip_protocol = self.pinned  # type: ignore[method-assign]

    # ---- what it is ------------------------------------------------------------------------

    @property
    def fsid(self) -> str:
        """Return what it is called."""
        return self.protocol

    @property
    def _fs_token(self) -> str:
        return str(tokenize(type(self), self.places))

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _made, (tuple(self.places), self._pins)

    @property
    def _pins(self) -> tuple[tuple[str, str], ...]:
        """Return what `@latest` was found to be, so that it can be passed on."""
        return tuple(sorted(self._latest_versions.items()))

    def twin(self) -> "BlobFileSystem":
        """Return another instance that stands for the same."""
        made: BlobFileSystem = BlobFileSystem(self.places, self._pins, skip_instance_cache=True)
        return made

    def to_dict(self, *, include_password: bool = True) -> dict[str, Any]:
        """Return what `from_dict` makes it from; there are no secrets in it."""
        del include_password
        kind = f"{type(self).__module__}:{type(self).__name__}"
        where = {"places": [*self.places], "latest": [*map(list, self._pins)]}
        return {"cls": kind, "protocol": self.protocol, "args": (), **where}

    # ---- paths -----------------------------------------------------------------------------

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return [spelled(each) for each in path] if isinstance(path, list) else spelled(path)

    def pinned(self, path: Any) -> Any:
        """Return a path without protocol, in which `@latest` has become the version it is."""
        if isinstance(path, list):
            return [self.pinned(each) for each in path]
        path = spelled(path)
        if not is_latest(path):
            return path
        store, _, rest = path.partition("/")
        head, slash, below = rest.partition("/")
        return f"{store}/{self._pin(store, head)}{slash}{below}"

    def _pin(self, store: str, head: str) -> str:
        """Return `name:version` for `name@latest`, the same as long as this lives."""
        key = f"{store}/{head}"
        if key not in self._latest_versions:
            ref = address_of(key).ref
            if ref is None:
                raise ConfigError(f"{SCHEME}{key} names no asset")
            opened = self._store(store)
            asset = asset_of(opened, ref)
            pinned = f"{asset.name}:{asset.version}"
            self._digests.setdefault(f"{store}/{pinned}", asset.digest)
            pinned = self._latest_versions.setdefault(key, pinned)
        return self._latest_versions[key]

    def located(self, path: Any) -> ArtifactPath | OwnPath:
        """Return what a path stands for; nothing but an asset and a manifest is read.

        Raises:
            ConfigError: if it cannot be a path, or names no store.
            ArtifactNotFoundError: if there is no such asset or artifact.
        """
        name = spelled(path)
        pinned = self.pinned(name)
        address = address_of(pinned)
        store = self._store(address.store)
        if address.ref is None:
            return OwnPath(name, store, address.path)
        head = "/".join(pinned.split("/")[:2])
        if head not in self._digests:
            self._digests[head] = digest_of(store, address.ref)
        return ArtifactPath(name, tree_of(store, self._digests[head]), address.path)

    def own(self, path: Any) -> OwnPath:
        """Return a path that may be written.

        Raises:
            AccessError: if it may not.
        """
        name = spelled(path)
        address = address_of(name)
        if address.ref is not None:
            raise read_only(name)
        located = OwnPath(name, self._store(address.store), address.path)
        located.check_writable()
        return located

    def _store(self, name: str) -> Store:
        return store_called(name, self.places)

    # ---- reading ---------------------------------------------------------------------------

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Open a file: `rb`, and in places of one's own `wb`, `xb`, `ab`."""
        if mode == "rb":
            options.pop("size", None)  # the manifest knows better
            return ReadFile(self, self.located(path), block_size, cache_options, **options)
        return self.writing(path, mode, commits=autocommit)

    def cat_file(
        self,
        path: str,
        start: int | None = None,
        end: int | None = None,
        **_: Any,
    ) -> bytes:
        """Return a file, verified, or the bytes from `start` to `end`, as in a slice."""
        located = self.located(path)
        if start is None and end is None:
            return located.read()
        size = located.info()["size"]
        first, last, _step = slice(start, end).indices(size)
        if first >= last:
            return b""
        if (first, last) == (0, size):
            return located.read()
        return bytes(located.piece(first, last, "").data)

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **options: Any,
    ) -> list[bytes | Exception]:
        """Return a range of each path, several at a time."""
        if max_gap is not None:
            raise NotImplementedError("ranges are not joined: max_gap")
        if not isinstance(paths, list):
            raise TypeError("paths must be a list")
        count = len(paths)
        starts = starts if isinstance(starts, list) else [starts] * count
        ends = ends if isinstance(ends, list) else [ends] * count
        if not len(starts) == len(ends) == count:
            raise ValueError(f"{count} paths, {len(starts)} starts and {len(ends)} ends")

        def one(number: int) -> bytes | Exception:
            try:
                return self.cat_file(paths[number], starts[number], ends[number], **options)
            except Exception as error:
                if on_error == "return":
                    return error
                raise

        return list(self.several(one, range(count), paths[:1]))

    def several(
        self, act: Callable[[Any], Any], items: Sequence[Any], paths: list[str]
    ) -> Iterator[Any]:
        """Yield what `act` returns for each item, as many at a time as serves the store."""
        from concurrent.futures import ThreadPoolExecutor

        jobs = self.located(paths[0]).store.backend.jobs if paths else 1
        if jobs == 1 or len(items) <= 1:
            yield from map(act, items)
            return
        with ThreadPoolExecutor(min(jobs, len(items)), "blobfs-files") as pool:
            yield from pool.map(act, items)

    # ---- what is known of a file -----------------------------------------------------------

    def ukey(self, path: str) -> str:
        """Return the digest of a file of an artifact; else what changes when the file does."""
        info = self.info(path)
        return str(info.get("digest") or tokenize(info))

    def checksum(self, path: str) -> int:
        """Return the same as a number."""
        key = self.ukey(path)
        return int(hex_of(key) if is_digest(key) else tokenize(key), 16)

    def created(self, path: str) -> datetime:
        """Return when a file was written, or published."""
        return self.modified(path)

    def modified(self, path: str) -> datetime:
        """Return the same: what is published never changes."""
        info = self.info(path)
        if "mtime" not in info:
            raise NotImplementedError(f"{info['name']} is a directory, which has no time")
        return datetime.fromtimestamp(info["mtime"], UTC)

    def sign(self, path: str, expiration: int = 100, **_: Any) -> str:
        """Return a URL with which anybody may read a file for `expiration` seconds.

        Raises:
            NotImplementedError: if the storage has none.
        """
        located = self.located(path)
        if isinstance(located, OwnPath):
            return located.store.backend.sign(located.key, expiration)
        source = located.tree.source
        return source.backend.sign(source.key(located.file()), expiration)


def _places(found: Sequence[str | None] | None) -> Places:
    return places() if found is None else Places(*found)


def _made(at: tuple[str | None, ...], latest: tuple[tuple[str, str], ...]) -> BlobFileSystem:
    """Return the filesystem of a configuration that another process found."""
    made: BlobFileSystem = BlobFileSystem(places=at, latest=latest)
    return made
