"""A path of the user's own below a store's root: listed by the store, read and written."""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from blobfs.backend.base import Backend, Object, Piece
from blobfs.errors import AccessError, ConfigError, IntegrityError
from blobfs.filesystem.artifact import Info
from blobfs.layout.hashed import ARTIFACTS, PRIVATE
from blobfs.store import Store
from blobfs.transfer import SMALL, pump

MOST_CREATED = 256 << 20
"""Bytes of a file that can be created exclusively: storages take it in one request only."""


class OwnPath:
    """What lies at a key below a store's root, in no artifact."""

    def __init__(self, name: str, store: Store, key: str) -> None:
        """Stand for `key`, which the filesystem calls `name`."""
        self.name = name
        self.store = store
        self.key = key
        self.backend: Backend = store.backend

    @property
    def writable(self) -> bool:
        """Whether it may be changed: it is neither an artifact's nor blobfs's own."""
        return self.key.partition("/")[0] not in ("", ARTIFACTS, PRIVATE)

    def check_writable(self) -> None:
        """Raise unless it may be changed.

        Raises:
            AccessError: says how to publish instead.
        """
        if not self.writable:
            raise read_only(self.name)

    def info(self) -> Info:
        """Return what fsspec tells of it.

        Raises:
            FileNotFoundError: if nothing is there.
        """
        if self.key:
            try:
                return self._file(self.backend.head(self.key))
            except FileNotFoundError:
                pass
        if not self.key or self.backend.is_directory(self.key):
            return _directory(self.name)
        raise FileNotFoundError(f"there is nothing at {self.store.location.handle(self.key)}")

    def level(self) -> list[Info]:
        """Return what is directly in a directory; of a file, itself."""
        found = self.backend.level(self.key)
        if not found:
            info = self.info()
            return [info] if info["type"] == "file" else []
        return [
            _directory(self._name(one.key.rstrip("/")))
            if one.key.endswith("/")
            else self._file(one)
            for one in sorted(found)
        ]

    def files(self) -> Iterator[tuple[str, Object]]:
        """Yield every object below it, with the name that the filesystem gives it."""
        there = False
        for found in sorted(self.backend.objects(self.key)):
            there = True
            yield self._name(found.key), found
        if not there and self.key and self.info()["type"] == "file":
            yield self.name, self.backend.head(self.key)

    def info_of(self, _: str, found: Object) -> Info:
        """Return what fsspec tells of one of the `files`."""
        return self._file(found)

    def read(self) -> bytes:
        """Return the whole object; nothing says what it should be."""
        return self.backend.read(self.key)

    def piece(self, start: int, end: int, token: str) -> Piece:
        """Return some bytes of the object, which is still the one that it was.

        Raises:
            IntegrityError: if it is another one by now.
        """
        piece = self.backend.piece(self.key, start, end)
        if token and piece.token != token:
            raise IntegrityError(
                f"{self.name} changed while it was read: it is {piece.token}, and was {token}"
            )
        return piece

    @property
    def read_ahead(self) -> int:
        """Return how many bytes an open file asks for beyond what is read."""
        return self.backend.read_ahead

    digest = None

    def mismatch(self) -> Exception:
        """Never be asked: without a digest nothing mismatches."""
        raise NotImplementedError

    # ---- changing it -----------------------------------------------------------------------

    def write(
        self,
        file: BinaryIO,
        size: int,
        *,
        exclusive: bool = False,
        advance: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Put the bytes of an open file here, whole or not at all.

        Args:
            file: read from where it stands.
            size: of what is left of it, in bytes.
            exclusive: whether nothing may be there.
            advance: is told bytes.

        Raises:
            FileExistsError: if it is to be `exclusive`, and something is there.
            AccessError: if it may not be changed.
        """
        self.check_writable()
        if exclusive:
            self._create(file, size)
        elif size <= SMALL:
            self.backend.put(self.key, file.read())
        else:
            self._send(lambda part: iter(lambda: file.read(part), b""), size, advance)
            return
        advance(size)

    def copy(self, source: "OwnPath", size: int) -> None:
        """Become a copy of another object of the same store, made by the store if it can."""
        self.check_writable()
        backend = self.backend
        if not backend.keeps_directories and backend.copy(source.key, self.key, size, ""):
            return
        if size <= SMALL:
            backend.put(self.key, source.read())
        else:
            self._send(lambda part: backend.stream(source.key, part, 0, size), size)

    def _create(self, file: BinaryIO, size: int) -> None:
        if size > MOST_CREATED:
            raise ConfigError(
                f"{self.name}: {size} bytes cannot be created exclusively, {MOST_CREATED} at"
                " most: write them to a new name"
            )
        if not self.backend.creates_exclusively:  # which then looks first, and decides no race
            try:
                self.backend.head(self.key)
            except FileNotFoundError:
                pass
            else:
                raise FileExistsError(f"{self.name} is there already")
        self.backend.create(self.key, file.read())

    def _send(
        self,
        parts: Callable[[int], Any],
        size: int,
        advance: Callable[[int], object] = lambda _: None,
    ) -> None:
        upload = self.backend.upload(self.key, size)
        try:
            _, sent = pump(parts(upload.part_size), upload, advance)
            if sent == size:
                upload.complete()
        except BaseException:
            upload.abort()
            raise
        if sent != size:
            upload.abort()
            raise IntegrityError(f"{self.name}: {sent} bytes came instead of {size}")

    # ---- names -----------------------------------------------------------------------------

    def _name(self, key: str) -> str:
        """Return what the filesystem calls another key of the store."""
        return f"{self.name.partition('/')[0]}/{key}"

    def _file(self, found: Object) -> Info:
        return {
            "name": self._name(found.key),
            "size": found.size,
            "type": "file",
            "token": found.token,
            "mtime": found.modified,
            "created": found.modified,
        }


def _directory(name: str) -> Info:
    return {"name": name, "size": 0, "type": "directory"}


def read_only(name: str) -> AccessError:
    """Return what to raise when someone would change what is published."""
    return AccessError(
        f"{name} cannot be changed: artifacts never change, and LocalUpload/ and .blobfs/ are"
        " blobfs's own. Publish with blobfs.upload(path, name=…) or `blobfs upload`; your own"
        " files go to any other path of the store"
    )
