"""A directory of a download that other processes fetch into, while one waits to finish it.

As with a stage that was lent, a file may be fetched twice, and by a process that nobody waits
for any more: each gets its name when it is whole, and who comes second leaves what is there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from blobfs.errors import ConfigError, DestinationError
from blobfs.lent import machine
from blobfs.manifest import Entry
from blobfs.tree import Tree, TreeSink, TreeUpload


class LentTree(NamedTuple):
    """What another process needs to know to fetch into a directory; it can be sent there."""

    location: str
    mark: str
    """A file in it, there as long as others may write."""

    @contextmanager
    def opened(self) -> Iterator["LentSink"]:
        """Yield where to write, in the process that it was lent to.

        Raises:
            ConfigError: if that is another directory than the one that was lent.
        """
        try:
            tree = Tree(self.location)
        except FileNotFoundError:
            raise self._unseen() from None
        try:
            if tree.status(self.mark) is None:
                raise self._unseen()
            yield LentSink(tree, self.mark)
        finally:
            tree.close()

    def _unseen(self) -> ConfigError:
        return ConfigError(
            f"a worker on {machine()} does not see {self.location}: the target must lie on a"
            " file system that all workers share, under the same path"
        )


class LentSink(TreeSink):
    """Writes the files of entries into a directory that was lent."""

    def __init__(self, tree: Tree, mark: str) -> None:
        super().__init__(tree)
        self._mark = mark

    def put(self, entry: Entry, data: bytes) -> None:
        """Write a small file."""
        temporary = self._temporary(entry.path)
        try:
            super().put(entry._replace(path=temporary), data)
            self._tree.settle(temporary, entry.path)
        except BaseException:
            with suppress(OSError):  # the error that led here is the one to tell
                self._tree.remove(temporary)
            raise

    def upload(self, entry: Entry) -> TreeUpload:
        """Begin to write a large file."""
        tree, temporary = self._tree, self._temporary(entry.path)
        file = tree.create(temporary, executable=entry.executable)
        return _LentUpload(
            f"{tree.location}/{entry.path}",
            file,
            settle=lambda: tree.settle(temporary, entry.path),
            remove=lambda: tree.remove(temporary),
        )

    def sync(self) -> None:
        """Return when all that was written would survive a power loss of this machine."""
        self._tree.sync()

    def _temporary(self, path: str) -> str:
        from uuid import uuid4

        if self._tree.status(self._mark) is None:
            raise DestinationError(f"{self._tree.location} is not fetched into any more")
        above, slash, _ = path.rpartition("/")
        return f"{above}{slash}.blobfs-{uuid4()}"


class _LentUpload(TreeUpload):
    """A file on its way, under a name of its own until it is whole."""

    def __init__(
        self,
        location: str,
        file: int,
        *,
        settle: Callable[[], None],
        remove: Callable[[], None],
    ) -> None:
        super().__init__(location, file)
        self._settle = settle
        self._remove = remove

    def complete(self) -> None:
        """Close it and give it its name."""
        super().complete()
        self._settle()

    def abort(self) -> None:
        """Remove it."""
        super().abort()
        with suppress(OSError):
            self._remove()
