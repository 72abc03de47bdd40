"""An open file: ranges are read as they are asked for, and guarded."""

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractBufferedFile

from blobfs.digest import PREFIX
from blobfs.filesystem.artifact import ArtifactPath
from blobfs.filesystem.own import OwnPath

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


AT_A_JUMP = 4 << 20
"""Bytes at most that are read ahead after a jump into a file: perhaps no more is wanted."""

AT_THE_START = 64 << 10
"""Bytes from the start of a file within which a reader probably goes on to read it."""


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
        **options: Any,
    ) -> None:
        """Open what `located` stands for; options are fsspec's."""
        self._located = located
        self._token = ""
        self._stood = 0
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
        self._adapts = block_size in (None, "default") and self.cache.name == "readahead"

    def read(self, length: int | None = -1) -> bytes:
        """Return `length` bytes, fewer where the file ends; all that are left if negative."""
        wanted = -1 if length is None else length
        start = self.tell()
        end = self.size if wanted < 0 else min(start + wanted, self.size)
        if self.closed or (end - start <= self.blocksize and (start, end) != (0, self.size)):
            if self._adapts and not self.closed:
                goes_on = start <= AT_THE_START or start == self._stood
                ahead = self.blocksize if goes_on else min(self.blocksize, AT_A_JUMP)
                self.cache.blocksize = ahead
            data = bytes(super().read(wanted))
        else:
            data = self._fetch_range(start, end)  # nothing is read ahead, nor copied, for it
            self.seek(start + len(data))
        self._stood = start + len(data)
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
        if self._located.digest is None or self._hashed is None or start > self._hashed:
            self._hashed = None  # something was left out: no digest is to be had
            return
        new = data[self._hashed - start :]  # what was read ahead before was hashed then
        self._hasher.update(new)
        self._hashed += len(new)
        if new and self._hashed == self.size:
            found = PREFIX + self._hasher.hexdigest()
            self._hashed = None
            if found != self._located.digest:
                raise self._located.mismatch()
