"""Where a download lands: it is absent or complete there, and nothing else is touched.

What is fetched is built in a directory beside its place (inside it, where the place is an
existing directory), locked by who fetches, resumed if that process died, and moved to its place
when all of it is complete and written out.
"""

import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from blobfs.backend.files import lock, sync_directory
from blobfs.backend.system import rename_exclusively
from blobfs.errors import (
    ArtifactConflictError,
    BlobfsError,
    DestinationError,
    StorageFullError,
    UnsafeNameError,
    naming_all,
    typed,
)
from blobfs.lent_tree import LentTree
from blobfs.manifest import Entry
from blobfs.names import MAX_PART, folding_siblings
from blobfs.tree import Tree, TreeSink

_LABEL = re.compile(r"[0-9a-f]{64}")
"""What a directory that is being fetched into ends with; nobody else's looks like that."""


def place_of(target: str | os.PathLike[str], name: str | None) -> str:
    """Return where a download goes: `target`, or below it for a file called `name`.

    Args:
        target: as the caller gave it.
        name: of a file artifact; None for a tree, whose files lie directly in `target`.
    """
    text = os.fspath(target)
    place = os.path.abspath(text)
    if name is not None and (text.endswith("/") or os.path.isdir(place)):
        return os.path.join(place, name)
    return place


@contextmanager
def landing(place: str, label: str, *, is_tree: bool) -> Iterator["Landing"]:
    """Yield the landing of one download; waits for another process that fetches the same.

    Args:
        place: an absolute path.
        label: 64 hex digits that name the content, so that only the same download is resumed.
        is_tree: whether it is a directory or a file.
    """
    parent, name = os.path.split(place)
    try:
        _make_parents(parent)
        while True:
            merge = is_tree and os.path.isdir(place)
            beside = place if merge else parent
            prefix = ".blobfs-" if merge else f".{_cut(name)}.blobfs-"
            if tree := _locked(f"{beside}/{prefix}{label}"):
                break
    except OSError as error:
        raise _typed(error, f"writing beside {place}") from error
    try:
        _reclaim(beside, prefix, label)
        if merge:  # what was begun when there was no such directory
            _reclaim(parent, f".{_cut(name)}.blobfs-")
        yield Landing(place, tree, merge=merge, is_tree=is_tree)
    finally:
        tree.close()


class Landing:
    """One download on its way."""

    def __init__(self, place: str, tree: Tree, *, merge: bool, is_tree: bool) -> None:
        self.place = place
        self.sink = TreeSink(tree)
        self._tree = tree
        self._merge = merge
        self._is_tree = is_tree

    def missing(self, entries: Sequence[Entry], *, overwrite: bool) -> list[Entry]:
        """Return what is to be fetched: neither at its place nor complete from an earlier try.

        Raises:
            ArtifactConflictError: listing all that is in the way; nothing was written yet.
            UnsafeNameError: if names fall together on a file system that ignores case.
        """
        self._check_case(entries)
        try:
            wanted = self._not_in_place(entries, overwrite=overwrite)
            if not os.listdir(self._tree.file):
                return wanted
            self._tree.keep_only(wanted)  # an earlier try may have left more, and others, too
            return [e for e in wanted if e.is_directory or not self._tree.holds(e)]
        except OSError as error:
            raise _typed(error, f"comparing {self.place}") from error

    def lend(self, missing: Sequence[Entry]) -> LentTree:
        """Let other processes fetch what is `missing` into it, until it is taken back.

        What an earlier try left under those names is removed: others replace nothing.
        """
        from uuid import uuid4

        lent = LentTree(self._tree.location, f".blobfs-{uuid4()}")
        try:
            for entry in missing if os.listdir(self._tree.file) else ():
                self._tree.remove(entry.path)
            os.close(self._tree.create(lent.mark, executable=False))
        except OSError as error:
            raise _typed(error, f"writing beside {self.place}") from error
        return lent

    def recall(self, lent: LentTree) -> None:
        """Tell them to stop. Never raises."""
        with suppress(OSError):
            self._tree.remove(lent.mark)

    def take_back(self, lent: LentTree, entries: Sequence[Entry]) -> None:
        """End that they write, and remove all that is none of `entries`."""
        self.recall(lent)
        try:
            self._tree.keep_only(entries)
        except OSError as error:
            raise _typed(error, f"writing beside {self.place}") from error

    def check_space(self, size: int) -> None:
        """Raise StorageFullError unless `size` bytes fit."""
        try:
            free = shutil.disk_usage(self._tree.location).free
        except OSError as error:
            raise _typed(error, f"writing beside {self.place}") from error
        if size > free:
            raise StorageFullError(
                f"{self.place} needs {size} bytes, its file system has {free} left"
            )

    def make_directories(self, entries: Sequence[Entry]) -> None:
        """Make the empty directories among `entries`."""
        for entry in entries:
            if entry.is_directory:
                self._tree.make_directory(entry.path)

    def finish(self, entries: Sequence[Entry], *, overwrite: bool) -> None:
        """Move everything to its place.

        Args:
            entries: what was wanted; what is in place already is left there.
            overwrite: whether other files give way.

        Raises:
            ArtifactConflictError: if something was made there meanwhile.
        """
        try:
            self._tree.sync()
            if self._merge:
                self._finish_merge(entries, overwrite=overwrite)
            elif self._is_tree:
                rename_exclusively(self._tree.location, self.place)
            else:
                self._finish_file(entries[0], overwrite=overwrite)
            sync_directory(os.path.dirname(self.place))
        except FileExistsError as error:
            if isinstance(error, BlobfsError):
                raise
            raise ArtifactConflictError(f"{self.place} was made by someone else") from error
        except OSError as error:
            raise _typed(error, f"finishing {self.place}") from error

    def _finish_merge(self, entries: Sequence[Entry], *, overwrite: bool) -> None:
        target = Tree(self.place, follow=True)
        moved = []
        try:
            for entry in entries:
                if entry.is_directory:
                    target.make_directory(entry.path)
                elif self._tree.status(entry.path) is not None:
                    self._tree.move(entry.path, target, overwrite=overwrite)
                    moved.append(entry.path)
            target.sync_names(moved)
            shutil.rmtree(os.path.basename(self._tree.location), dir_fd=target.file)
        finally:
            target.close()

    def _finish_file(self, entry: Entry, *, overwrite: bool) -> None:
        built = f"{self._tree.location}/{entry.path}"
        if os.path.lexists(built):
            if overwrite:
                os.replace(built, self.place)
            else:
                rename_exclusively(built, self.place)
        os.rmdir(self._tree.location)

    def _not_in_place(self, entries: Sequence[Entry], *, overwrite: bool) -> list[Entry]:
        """Return the entries whose bytes are not at their place; refuse what is in the way."""
        if self._merge:
            target = Tree(self.place, follow=True)
            try:
                return self._compare(target, entries, overwrite=overwrite)
            finally:
                target.close()
        if not os.path.lexists(self.place):
            return list(entries)
        if self._is_tree:
            self._refuse([f"{self.place} is no directory"])
        if os.path.isdir(self.place):
            self._refuse([f"{self.place} is a directory"])
        parent = Tree(os.path.dirname(self.place), follow=True)
        try:
            there = entries[0]._replace(path=os.path.basename(self.place))
            same = parent.holds(there)
        finally:
            parent.close()
        if not same and not overwrite:
            self._refuse([f"{self.place} is another file"])
        return [] if same else list(entries)

    def _compare(
        self, target: Tree, entries: Sequence[Entry], *, overwrite: bool
    ) -> list[Entry]:
        wanted, conflicts = [], []
        for entry in entries:
            try:
                fault = _in_the_way(target, entry, overwrite=overwrite)
            except ArtifactConflictError as error:
                conflicts.append(str(error))
                continue
            if fault:
                conflicts.append(f"{entry.path} {fault}")
            elif entry.is_directory or fault is None:
                wanted.append(entry)
        if conflicts:
            self._refuse(conflicts)
        return wanted

    def _refuse(self, conflicts: Sequence[str]) -> None:
        with suppress(OSError):  # ours is empty if nothing was fetched yet; else it is resumed
            os.rmdir(self._tree.location)
        what = f"{self.place} holds something else; nothing was written"
        raise naming_all(
            ArtifactConflictError, f"{what} (--overwrite replaces files)", conflicts
        )

    def _check_case(self, entries: Sequence[Entry]) -> None:
        location = self._tree.location
        try:
            folded = os.path.join(os.path.dirname(location), os.path.basename(location).upper())
            ignores_case = os.path.samestat(os.stat(location), os.stat(folded))
        except OSError:  # no such name: case counts
            return
        if ignores_case and (pairs := folding_siblings(e.path.rstrip("/") for e in entries)):
            what = f"{self.place} lies where case is ignored, and these would be one"
            raise naming_all(UnsafeNameError, what, [f"{a} and {b}" for a, b in pairs])


def _in_the_way(target: Tree, entry: Entry, *, overwrite: bool) -> str | None:
    """Say what is in the way of an entry; "" if it is there itself, None if nothing is."""
    status = target.status(entry.path.removesuffix("/"))
    if status is None:
        return None
    if entry.is_directory:
        return "" if stat.S_ISDIR(status.st_mode) else "is no directory"
    if stat.S_ISDIR(status.st_mode):
        return "is a directory"
    if target.holds(entry):
        return ""
    return None if overwrite else "has other content"


def _make_parents(path: str) -> None:
    """Make a directory and those above it, so that they would survive a power loss."""
    if os.path.isdir(path):
        return
    above = os.path.dirname(path)
    _make_parents(above)
    with suppress(FileExistsError):
        os.mkdir(path)
    sync_directory(above)


def _cut(name: str) -> str:
    """Return as much of a name as leaves room for what is added to it."""
    return name.encode()[: MAX_PART - 96].decode(errors="ignore")


def _locked(location: str) -> Tree | None:
    """Make and lock a directory, waiting for who holds it; None if it went away meanwhile."""
    with suppress(FileExistsError):
        os.mkdir(location)
    try:
        tree = Tree(location)
    except FileNotFoundError:
        return None
    try:
        lock(tree.file, wait=True)  # where there are no locks, two may do the same work
        status = os.fstat(tree.file)
        _check_owner(location, status)
        if os.path.samestat(status, os.stat(location, follow_symlinks=False)):
            return tree
    except FileNotFoundError:
        pass
    except BaseException:
        tree.close()
        raise
    tree.close()
    return None


def _check_owner(location: str, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise DestinationError(
            f"{location} belongs to another user, who could change what is fetched into it:"
            " remove it, or download to another place"
        )


def _reclaim(directory: str, prefix: str, label: str = "-") -> None:
    """Remove what dead processes left of downloads to the same place, except `label`'s."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            ours = entry.name.startswith(prefix) and _LABEL.fullmatch(entry.name[len(prefix) :])
            other = ours and not entry.name.endswith(label)
            if other and entry.is_dir(follow_symlinks=False):
                _remove_if_dead(entry.path)


def _remove_if_dead(location: str) -> None:
    with suppress(OSError):
        tree = Tree(location)
        try:
            # Between the two, who lived may have finished, and another begun under this name.
            if lock(tree.file) and os.path.samestat(os.fstat(tree.file), os.lstat(location)):
                shutil.rmtree(location)
        finally:
            tree.close()


def _typed(error: OSError, what: str) -> Exception:
    if isinstance(error, BlobfsError):
        return error
    if isinstance(error, FileExistsError | NotADirectoryError):
        return ArtifactConflictError(f"{what}: {error.strerror}: {error.filename}")
    return typed(error, what, DestinationError)
