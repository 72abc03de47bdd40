"""Files come and go: the part of the filesystem that writes, copies, fetches and removes."""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from fsspec.utils import stringify_path

from blobfs.artifact.reading import objects_source
from blobfs.filesystem.address import spelled
from blobfs.filesystem.artifact import ArtifactPath, Info
from blobfs.filesystem.own import OwnPath
from blobfs.filesystem.writing import FileSink, WriteFile
from blobfs.manifest import Entry
from blobfs.transfer import FETCHES, SMALL, Callback, Silent, move

CREATE = "create"
"""fsspec's mode for a file that must not be there."""


class Changing:
    """Places of the user's own are changed; whatever lies in an artifact is refused."""

    located: Callable[[Any], ArtifactPath | OwnPath]
    own: Callable[[Any], OwnPath]
    info: Callable[[Any], Info]
    isdir: Callable[[Any], bool]
    exists: Callable[[Any], bool]
    several: Callable[..., Iterator[Any]]
    twin: Callable[[], "Changing"]
    open: Callable[..., Any]

    def writing(self, path: str, mode: str, *, commits: bool) -> WriteFile:
        """Open a file to be written."""
        if mode not in ("wb", "xb", "ab"):
            raise ValueError(f"{path}: mode {mode!r} is none of rb, wb, xb, ab")
        return WriteFile(self, self.own(path), mode, commits=commits)

    def pipe_file(self, path: Any, value: Any, mode: str = "overwrite", **_: Any) -> None:
        """Put bytes in one place; `create`: nothing may be there."""
        view = memoryview(value).cast("B")
        self.own(path).write(io.BytesIO(view), len(view), exclusive=mode == CREATE)

    def put_file(
        self,
        lpath: Any,
        rpath: Any,
        callback: Callback | None = None,
        mode: str = "overwrite",
        **_: Any,
    ) -> None:
        """Put a local file in one place; `create`: nothing may be there."""
        callback = callback or Silent()
        target = self.own(rpath)
        if os.path.isdir(lpath):
            self.makedirs(rpath, exist_ok=True)
            return
        with open(lpath, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            callback.set_size(size)
            exclusive = mode == CREATE
            target.write(file, size, exclusive=exclusive, advance=callback.relative_update)

    def get_file(
        self,
        rpath: Any,
        lpath: Any,
        callback: Callback | None = None,
        outfile: Any = None,
        **_: Any,
    ) -> None:
        """Bring a file to a local path, verified, and whole or not at all."""
        callback = callback or Silent()
        located = self.located(rpath)
        outfile = lpath if hasattr(lpath, "write") else outfile
        info = located.info()
        if outfile is not None:
            with self.open(rpath, "rb") as file:
                shutil.copyfileobj(file, outfile, SMALL)
            return
        if info["type"] == "directory":
            os.makedirs(lpath, exist_ok=True)
            return
        os.makedirs(os.path.dirname(os.path.abspath(lpath)), exist_ok=True)
        callback.set_size(info["size"])
        if isinstance(located, ArtifactPath):
            entry, source = located.file(), located.tree.source
        else:
            entry = Entry(located.key, info["size"], info["token"])
            source = objects_source(located.backend, located.key, located.name, is_tree=False)
        move([entry], source, FileSink(lpath), jobs=1, callback=callback, tries=FETCHES)

    def get(
        self,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Callback | None = None,
        maxdepth: int | None = None,
        **options: Any,
    ) -> None:
        """Bring files to local paths, several at a time; see fsspec for what goes where."""
        how = {"recursive": recursive, "maxdepth": maxdepth, **options}
        self._all(self.get_file, self._pairs("get", rpath, lpath, how), 0, callback)

    def put(
        self,
        lpath: Any,
        rpath: Any,
        recursive: bool = False,
        callback: Callback | None = None,
        maxdepth: int | None = None,
        **options: Any,
    ) -> None:
        """Put local files in places, several at a time; see fsspec for what goes where."""
        how = {"recursive": recursive, "maxdepth": maxdepth, **options}
        self._all(self.put_file, self._pairs("put", lpath, rpath, how), 1, callback)

    def _pairs(
        self,
        verb: str,
        source: Any,
        target: Any,
        how: dict[str, Any],
    ) -> list[tuple[Any, Any, dict[str, Any]]]:
        """Return what fsspec would do one after the other."""
        pairs: list[tuple[Any, Any, dict[str, Any]]] = []

        def note(one: Any, other: Any, callback: object = None, **rest: Any) -> None:  # noqa: ARG001 - it takes what the other does
            pairs.append((one, other, rest))

        noting = self.twin()
        setattr(noting, f"{verb}_file", note)
        ends = (stringify_path(source), stringify_path(target))
        getattr(super(Changing, noting), verb)(*ends, **how)
        return pairs

    def _all(
        self,
        act: Callable[..., None],
        pairs: list[tuple[Any, Any, dict[str, Any]]],
        remote: int,
        callback: Callback | None,
    ) -> None:
        callback = callback or Silent()
        callback.set_size(len(pairs))

        def one(pair: tuple[Any, Any, dict[str, Any]]) -> None:
            act(pair[0], pair[1], **pair[2])
            callback.relative_update(1)

        for _ in self.several(one, pairs, [pair[remote] for pair in pairs[:1]]):
            pass

    def cp_file(self, path1: Any, path2: Any, **_: Any) -> None:
        """Copy a file; inside a store of objects the store does it."""
        source, target = self.located(path1), self.own(path2)
        info = source.info()
        if info["type"] == "directory":
            self.makedirs(path2, exist_ok=True)
        elif isinstance(source, OwnPath) and source.store is target.store:
            target.copy(source, info["size"])
        else:
            with self.open(path1, "rb") as file:
                target.write(file, info["size"])

    def rm_file(self, path: Any) -> None:
        """Remove a file, or a directory with nothing in it.

        Raises:
            FileNotFoundError: if nothing is there.
        """
        target = self.own(path)
        if target.info()["type"] == "directory":
            target.backend.remove_directory(target.key)
        else:
            target.backend.delete(target.key)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove files; `recursive`: directories with all that is in them."""
        found = self.expand_path(path, recursive=recursive, maxdepth=maxdepth)  # type: ignore[attr-defined] # fsspec's
        for each in found:
            self.own(each)  # all of them, before the first is gone
        for each in reversed(found):
            target = self.own(each)
            if target.backend.keeps_directories or not recursive:
                self.rm_file(each)
            else:
                target.backend.delete(target.key)

    def mkdir(self, path: Any, create_parents: bool = True, **_: Any) -> None:
        """Make a directory, where the store keeps them; elsewhere files make them."""
        del create_parents
        self.makedirs(path)

    def makedirs(self, path: Any, exist_ok: bool = False) -> None:
        """Make a directory and those above it, where the store keeps them."""
        name = spelled(path)
        try:
            there = self.info(name)["type"]
        except FileNotFoundError:
            there = None
        if there == "directory" and exist_ok:
            return
        target = self.own(name)
        if not target.backend.keeps_directories:
            return
        if there is not None:
            raise FileExistsError(f"{name} is there already")
        target.backend.make_directory(target.key)  # another thread may have, meanwhile

    def rmdir(self, path: Any) -> None:
        """Remove a directory with nothing in it.

        Raises:
            FileExistsError: if something is in it.
        """
        target = self.own(path)
        if self.exists(path) and not self.isdir(path):
            raise NotADirectoryError(f"{target.name} is no directory")
        target.backend.remove_directory(target.key)
