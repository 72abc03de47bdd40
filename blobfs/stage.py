"""Where the bytes of one artifact are put until one step publishes them all.

On a store that renames directories that is a directory of its own; elsewhere the bytes go to
their final keys at once, which nobody looks at before the manifest is there.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Protocol

from blobfs.backend.base import Backend, Upload
from blobfs.errors import BlobfsError
from blobfs.lent import Lent
from blobfs.names import STAGES


class Stage(Protocol):
    """Keys are relative to the artifact's directory."""

    def held(self) -> dict[str, int]:
        """Return the keys that are there already, from an earlier try, with their sizes."""

    def put(self, key: str, data: bytes, *, executable: bool) -> None:
        """Write a small object."""

    def upload(self, key: str, size: int, *, executable: bool) -> Upload:
        """Begin to write a large object."""

    def copy(self, source: str, key: str, size: int, digest: str, *, executable: bool) -> bool:
        """Copy an object of the store; see `Backend.copy`."""

    def make_directory(self, key: str) -> None:
        """Keep an empty directory, if the store can."""

    def remove(self, key: str) -> None:
        """Remove what was put under a key of one's own stage and is not needed."""

    def holds(self, key: str, size: int) -> bool:
        """Whether a file of this size is there, asked of the storage."""

    def lend(self) -> Lent:
        """Let other processes write into it, until it is taken back."""

    def recall(self) -> None:
        """Tell them to stop. Never raises."""

    def take_back(self) -> None:
        """End that they write, and remove what they left half written. Never raises."""

    def publish(self, directory: str, name: str, chunks: Iterable[bytes]) -> None:
        """Make everything visible as `directory`, by writing its file `name` last.

        Raises:
            FileExistsError: if it is visible already.
        """

    def discard(self) -> None:
        """Remove what is this stage's own. Never raises."""


class KeyStage:
    """Final keys; the manifest is created last, exclusively where the store can."""

    def __init__(self, backend: Backend, directory: str, *, exclusive: bool) -> None:
        self._backend = backend
        self._directory = directory
        self._exclusive = exclusive

    def held(self) -> dict[str, int]:
        """Only bytes that equalled a plan ever became visible there, so a size is proof."""
        skip = len(self._directory) + 1
        return {o.key[skip:]: o.size for o in self._backend.objects(self._directory)}

    def put(self, key: str, data: bytes, *, executable: bool) -> None:
        """Write it where it stays."""
        self._backend.put(f"{self._directory}/{key}", data, executable=executable)

    def upload(self, key: str, size: int, *, executable: bool) -> Upload:
        """Begin to write it where it stays."""
        return self._backend.upload(f"{self._directory}/{key}", size, executable=executable)

    def copy(self, source: str, key: str, size: int, digest: str, *, executable: bool) -> bool:
        """Copy it to where it stays."""
        target = f"{self._directory}/{key}"
        return self._backend.copy(source, target, size, digest, executable=executable)

    def make_directory(self, key: str) -> None:
        """Do nothing: object stores have no directories, the manifest keeps it."""

    def remove(self, key: str) -> None:
        """Do nothing: only stages are filled before it is known what is needed."""

    def holds(self, key: str, size: int) -> bool:
        """Ask at its final key."""
        return _holds(self._backend, f"{self._directory}/{key}", size)

    def lend(self) -> Lent:
        """Let others write where it stays: the storage shows nothing that is not whole."""
        return Lent(self._directory, None)

    def recall(self) -> None:
        """Do nothing: what they still write is right, and saves the next try its sending."""

    def take_back(self) -> None:
        """Do nothing, likewise."""

    def publish(self, directory: str, name: str, chunks: Iterable[bytes]) -> None:
        """Create the file `name`; the last writer wins where the store cannot create."""
        write = self._backend.create if self._exclusive else self._backend.put
        write(f"{directory}/{name}", b"".join(chunks))

    def discard(self) -> None:
        """Do nothing: what is there is right, and saves the next try its sending."""


class DirectoryStage:
    """A directory of one's own, renamed to where it stays; made when first needed."""

    def __init__(self, backend: Backend) -> None:
        from uuid import uuid4

        self._backend = backend
        self.path = f"{STAGES}/{uuid4()}"
        self._owner = os.getpid()
        self._let_go: Callable[[], None] | None = None
        self._lent: tuple[Lent, Callable[[], None]] | None = None
        self._making = threading.Lock()

    def held(self) -> dict[str, int]:
        """Nothing: a stage begins empty."""
        return {}

    def put(self, key: str, data: bytes, *, executable: bool) -> None:
        """Write it into the stage."""
        self._backend.put(self._at(key), data, fresh=True, executable=executable)

    def upload(self, key: str, size: int, *, executable: bool) -> Upload:
        """Begin to write it into the stage."""
        return self._backend.upload(self._at(key), size, fresh=True, executable=executable)

    def copy(self, source: str, key: str, size: int, digest: str, *, executable: bool) -> bool:
        """Copy it into the stage."""
        return self._backend.copy(source, self._at(key), size, digest, executable=executable)

    def make_directory(self, key: str) -> None:
        """Make it in the stage."""
        self._backend.make_directory(self._at(key))

    def remove(self, key: str) -> None:
        """Remove it from the stage."""
        self._backend.delete(self._at(key))

    def holds(self, key: str, size: int) -> bool:
        """Ask in the stage."""
        return _holds(self._backend, self._at(key), size)

    def lend(self) -> Lent:
        """Let others write into it; their parts lie beside it, so that none is published."""
        self._at("")
        lent = Lent(self.path, f"{self.path}-parts")
        self._lent = lent, self._backend.hold(f"{self.path}-parts")
        self._backend.put(lent.mark, b"", fresh=True)
        return lent

    def recall(self) -> None:
        """Remove the mark that they look for before each file."""
        if self._lent is not None:
            with suppress(BlobfsError):  # what led here is worth telling
                self._backend.delete(self._lent[0].mark)

    def take_back(self) -> None:
        """Remove the mark, and the parts."""
        if self._lent is not None:
            self.recall()
            (lent, let_go), self._lent = self._lent, None
            with suppress(BlobfsError):  # it is reclaimed later
                self._backend.remove_tree(lent.parts or "")
            let_go()

    def publish(self, directory: str, name: str, chunks: Iterable[bytes]) -> None:
        """Write the file `name`, write everything out, then rename the stage."""
        self._write(self._at(name), chunks)
        self._backend.sync(self.path)
        self.rename(directory)

    def rename(self, directory: str) -> None:
        """Rename the stage, which is complete.

        Raises:
            FileExistsError: if something is there.
        """
        self._backend.rename(self.path, directory)
        self._release()

    def discard(self) -> None:
        """Remove the directory, if it was made and not published."""
        if self._let_go is None or os.getpid() != self._owner:
            return  # a child that was forked in the middle and unwinds: it is the parent's
        with suppress(BlobfsError):  # what led here is worth telling; this is reclaimed later
            self._backend.remove_tree(self.path)
        self._release()

    def _at(self, key: str) -> str:
        with self._making:  # several threads may be the first
            if self._let_go is None:
                self._let_go = self._backend.hold(self.path)
        return f"{self.path}/{key}"

    def _release(self) -> None:
        if self._let_go is not None:
            self._let_go()
            self._let_go = None

    def _write(self, key: str, chunks: Iterable[bytes]) -> None:
        upload = self._backend.upload(key, 0, fresh=True)
        try:
            for number, part in enumerate(_regrouped(chunks, upload.part_size)):
                upload.write(number, part)
            upload.complete()
        except BaseException:
            upload.abort()
            raise


def _holds(backend: Backend, key: str, size: int) -> bool:
    try:
        return backend.head(key).size == size
    except FileNotFoundError:
        return False


def _regrouped(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the same bytes in pieces of exactly `size`, the last one shorter."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)
