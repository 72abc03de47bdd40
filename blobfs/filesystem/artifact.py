"""A path in an artifact: listed from the manifest, read-only, every byte held against it."""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

from blobfs.artifact.reading import is_single_reference, source_of
from blobfs.backend.base import Piece
from blobfs.digest import PREFIX, is_digest
from blobfs.errors import ArtifactNotFoundError
from blobfs.manifest import Entry
from blobfs.store import Store
from blobfs.transfer import FETCHES

Info = dict[str, Any]
"""What fsspec tells of a file or directory."""

WHOLE = 64 << 20
"""Bytes up to which a file that is read whole is fetched by one request; larger ones come by
several at a time."""

PART_SIZE = 4 << 20
"""Bytes of a larger file that are hashed at a time."""


class Tree:
    """The files of an artifact, by path."""

    def __init__(self, store: Store, digest: str) -> None:
        """Read the manifest.

        Raises:
            ArtifactNotFoundError: if there is no such artifact.
            IntegrityError, UnsafeNameError: if its manifest must not be used.
        """
        manifest = store.manifest(digest)
        self.store = store
        self.header = manifest.header
        self.source = source_of(store, manifest)
        self.is_file = self.header.kind == "file" or is_single_reference(self.header)
        self._entries = manifest.entries
        self._paths = [entry.path for entry in manifest.entries]

    def __len__(self) -> int:
        return len(self._paths)

    @cached_property
    def created(self) -> float:
        """Return when it was published, as POSIX seconds."""
        return datetime.fromisoformat(self.header.created).timestamp()

    def entry(self, path: str) -> Entry | None:
        """Return the file at a path, None if there is none; a single one is at `""`, too."""
        if self.is_file and path in ("", self.header.name):
            return self._entries[0]
        at = bisect_left(self._paths, path)
        return self._entries[at] if at < len(self) and self._paths[at] == path else None

    def is_directory(self, path: str) -> bool:
        """Whether a path is a directory."""
        if self.is_file:
            return False
        start, end = self._range(path)
        return not path or start < end

    def below(self, path: str) -> Iterator[Entry]:
        """Yield what lies below a directory; of empty directories, themselves."""
        for at in range(*self._range(path)):
            yield self._entries[at]

    def level(self, path: str) -> Iterator[tuple[str, Entry | None]]:
        """Yield the names directly in a directory, with their entry if they are files."""
        at, end = self._range(path)
        skip = len(path) + 1 if path else 0
        while at < end:
            name, slash, _ = self._paths[at][skip:].partition("/")
            if not slash:
                if name:  # else it is the empty directory itself
                    yield name, self._entries[at]
                at += 1
                continue
            yield name, None
            # After everything below it: `0` is what comes after `/`.
            past = f"{self._paths[at][: skip + len(name)]}0"
            at = bisect_left(self._paths, past, at + 1, end)

    def _range(self, path: str) -> tuple[int, int]:
        """Return from where to where what is below a directory stands among the paths."""
        if not path:
            return 0, len(self)
        return bisect_left(self._paths, f"{path}/"), bisect_left(self._paths, f"{path}0")


class ArtifactPath:
    """A file or a directory of an artifact."""

    def __init__(self, name: str, tree: Tree, path: str) -> None:
        """Stand for `path` in `tree`, which the filesystem calls `name`."""
        self.name = name
        self.tree = tree
        self.store = tree.store
        self.path = path
        self.entry = tree.entry(path)

    def info(self) -> Info:
        """Return what fsspec tells of it.

        Raises:
            ArtifactNotFoundError: if there is nothing of that path.
        """
        if self.entry is not None:
            return self._file(self.name, self.entry)
        if self.tree.is_directory(self.path):
            return self._directory(self.name)
        raise self._missing()

    def level(self) -> list[Info]:
        """Return what is directly in a directory; of a file, itself."""
        if self.entry is not None or not self.tree.is_directory(self.path):
            return [self.info()]
        return [
            self._file(f"{self.name}/{name}", entry)
            if entry
            else self._directory(f"{self.name}/{name}")
            for name, entry in self.tree.level(self.path)
        ]

    def files(self) -> Iterator[tuple[str, Entry]]:
        """Yield every file below it, with the name that the filesystem gives it."""
        if self.entry is not None:
            yield self.name, self.entry
            return
        if not self.tree.is_directory(self.path):
            raise self._missing()
        skip = len(self.path) + 1 if self.path else 0
        for entry in self.tree.below(self.path):
            if not entry.is_directory:
                yield f"{self.name}/{entry.path[skip:]}", entry

    def info_of(self, name: str, found: Entry) -> Info:
        """Return what fsspec tells of one of the `files`."""
        return self._file(name, found)

    def read(self) -> bytes:
        """Return the whole file, which had its digest.

        Raises:
            IntegrityError: if it has not, after having been read twice.
        """
        entry, source = self.file(), self.tree.source
        for left in reversed(range(FETCHES)):
            if entry.size > WHOLE:
                data = b"".join(source.parts(entry, PART_SIZE))
            elif entry.size:
                data = bytes(source.piece(entry, 0, entry.size).data)
            else:
                data = source.read(entry)
            if not is_digest(entry.digest) or PREFIX + sha256(data).hexdigest() == entry.digest:
                return data
            if not left:
                raise source.mismatch(entry)
        raise AssertionError("not reached")

    def piece(self, start: int, end: int, token: str) -> Piece:
        """Return some bytes of the file, which is still what it was.

        Raises:
            IntegrityError: if it is gone, or is another one.
        """
        return self.tree.source.piece(self.file(), start, end, token)

    def mismatch(self) -> Exception:
        """Return what to raise when all bytes together did not have the digest."""
        return self.tree.source.mismatch(self.file())

    @property
    def read_ahead(self) -> int:
        """Return how many bytes an open file asks for beyond what is read."""
        return self.tree.source.backend.read_ahead

    @property
    def digest(self) -> str | None:
        """Return the digest of the file's bytes; None if only its ETag or time is known."""
        digest = self.file().digest
        return digest if is_digest(digest) else None

    def file(self) -> Entry:
        """Return the entry of the file that it is.

        Raises:
            IsADirectoryError: if it is none.
            ArtifactNotFoundError: if there is nothing of that path.
        """
        if self.entry is None:
            self.info()
            raise IsADirectoryError(f"{self.name} is a directory")
        return self.entry

    def _missing(self) -> ArtifactNotFoundError:
        header = self.tree.header
        return ArtifactNotFoundError(
            f"{self.name}: {header.name} ({header.digest}) has no {self.path!r}"
        )

    def _file(self, name: str, entry: Entry) -> Info:
        created = self.tree.created
        return {
            "name": name,
            "size": entry.size,
            "type": "file",
            "digest": entry.digest,
            "executable": entry.executable,
            "created": created,
            "mtime": created,
        }

    def _directory(self, name: str) -> Info:
        created = self.tree.created
        return {
            "name": name,
            "size": 0,
            "type": "directory",
            "created": created,
            "mtime": created,
        }
