"""An open file: ranges are read as they are asked for, and guarded."""

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractBufferedFile

from blobfs.digest import PREFIX
from blobfs.filesystem.artifact import ArtifactPath
from blobfs.filesystem.own import OwnPath

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class ReadFile(AbstractBufferedFile):  # type: ignore[misc] # fsspec has no types
    """A file that is read.

    All of it at once, or from the first byte to the last, is held against its digest; the
    reader of single ranges is told if the object became another one meanwhile.
    """

    def __init__(
        self,
        filesystem: "AbstractFileSystem",
        located: ArtifactPath | OwnPath,
        block_size: int | str | None,
        cache_options: dict[str, Any] | None,
        **options: Any,  # noqa: ANN401 - `cache_type`, and what else fsspec takes
    ) -> None:
        """Open what `located` stands for; options are fsspec's."""
        self._located = located
        self._token = ""
        self._hashed: int | None = 0
        self._hasher = sha256()
        info = located.info()
        if info["type"] != "file":
            raise IsADirectoryError(f"{located.name} is a directory")
        super().__init__(
            filesystem,
            located.name,
            "rb",
            located.read_ahead if block_size in (None, "default") else block_size,
            cache_options=cache_options,
            size=info["size"],
            **options,
        )
        self._details = info

    def read(self, length: int | None = -1) -> bytes:
        """Return `length` bytes, fewer where the file ends; all that are left if negative."""
        wanted = -1 if length is None else length
        everything = wanted < 0 or wanted >= self.size > 0
        if self.tell() or self.closed or not everything:
            return bytes(super().read(wanted))
        data = self._located.read()
        self.seek(len(data))
        return data

    def _fetch_range(self, start: int, end: int) -> bytes:
        """Return a range for the cache."""
        end = min(end, self.size)
        if start >= end:
            return b""
        if (start, end) == (0, self.size):
            return self._located.read()
        piece = self._located.piece(start, end, self._token)
        self._token = piece.token
        data = bytes(piece.data)
        self._check(start, data)
        return data

    def _check(self, start: int, data: bytes) -> None:
        """Hash what is read in order; at the end of the file all of it must have its digest."""
        if self._located.digest is None or self._hashed != start:
            self._hashed = None  # something was left out: no digest is to be had
            return
        self._hasher.update(data)
        self._hashed += len(data)
        if self._hashed == self.size:
            found = PREFIX + self._hasher.hexdigest()
            self._hashed = None
            if found != self._located.digest:
                raise self._located.mismatch()
