"""Files come and go: the part of the filesystem that writes, copies, fetches and removes."""

import io
import os
from collections.abc import Callable
from typing import Any

from blobfs.artifact.download import TRIES
from blobfs.artifact.reading import objects_source
from blobfs.filesystem.address import spelled
from blobfs.filesystem.artifact import ArtifactPath, Info
from blobfs.filesystem.own import OwnPath
from blobfs.filesystem.writing import FileSink, WriteFile
from blobfs.manifest import Entry
from blobfs.transfer import Callback, Silent, move

CREATE = "create"
"""fsspec's mode for a file that must not be there."""


class Changing:
    """Places of the user's own are changed; whatever lies in an artifact is refused."""

    located: Callable[[Any], ArtifactPath | OwnPath]
    own: Callable[[Any], OwnPath]
    info: Callable[[Any], Info]
    isdir: Callable[[Any], bool]
    exists: Callable[[Any], bool]

    def writing(self, path: str, mode: str, *, commits: bool) -> WriteFile:
        """Open a file to be written."""
        if mode not in ("wb", "xb", "ab"):
            raise ValueError(f"{path}: mode {mode!r} is none of rb, wb, xb, ab")
        return WriteFile(self, self.own(path), mode, commits=commits)

    def pipe_file(self, path: Any, value: Any, mode: str = "overwrite", **_: Any) -> None:  # noqa: ANN401 - fsspec's
        """Put bytes in one place; `create`: nothing may be there."""
        view = memoryview(value).cast("B")
        self.own(path).write(io.BytesIO(view), len(view), exclusive=mode == CREATE)

    def put_file(
        self,
        lpath: Any,  # noqa: ANN401 - fsspec's
        rpath: Any,  # noqa: ANN401 - fsspec's
        callback: Callback | None = None,
        mode: str = "overwrite",
        **_: Any,  # noqa: ANN401 - fsspec's
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
        rpath: Any,  # noqa: ANN401 - fsspec's
        lpath: Any,  # noqa: ANN401 - a path, or an open file
        callback: Callback | None = None,
        outfile: Any = None,  # noqa: ANN401 - an open file
        **_: Any,  # noqa: ANN401 - fsspec's
    ) -> None:
        """Bring a file to a local path, verified, and whole or not at all."""
        callback = callback or Silent()
        located = self.located(rpath)
        outfile = lpath if hasattr(lpath, "write") else outfile
        info = located.info()
        if outfile is not None:
            outfile.write(located.read())
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
        move([entry], source, FileSink(lpath), jobs=1, callback=callback, tries=TRIES)

    def cp_file(self, path1: Any, path2: Any, **_: Any) -> None:  # noqa: ANN401 - fsspec's
        """Copy a file; inside a store of objects the store does it."""
        source, target = self.located(path1), self.own(path2)
        info = source.info()
        if info["type"] == "directory":
            self.makedirs(path2, exist_ok=True)
        elif isinstance(source, OwnPath) and source.store is target.store:
            target.copy(source, info["size"])
        else:
            with self.open(path1, "rb") as file:  # type: ignore[attr-defined] # fsspec's
                target.write(file, info["size"])

    def rm_file(self, path: Any) -> None:  # noqa: ANN401 - fsspec's
        """Remove a file, or a directory with nothing in it.

        Raises:
            FileNotFoundError: if nothing is there.
        """
        target = self.own(path)
        if target.info()["type"] == "directory":
            target.backend.remove_directory(target.key)
        else:
            target.backend.delete(target.key)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:  # noqa: ANN401 - fsspec's
        """Remove files; `recursive`: directories with all that is in them."""
        found = self.expand_path(path, recursive=recursive, maxdepth=maxdepth)  # type: ignore[attr-defined] # fsspec's
        for each in found:
            self.own(each)  # all of them, before the first is gone
        for each in reversed(found):
            target = self.own(each)
            if target.backend.keeps_directories and self.isdir(each):
                target.backend.remove_directory(target.key)
            else:
                target.backend.delete(target.key)

    def mkdir(self, path: Any, create_parents: bool = True, **_: Any) -> None:  # noqa: ANN401 - fsspec's
        """Make a directory, where the store keeps them; elsewhere files make them."""
        del create_parents
        self.makedirs(path)

    def makedirs(self, path: Any, exist_ok: bool = False) -> None:  # noqa: ANN401 - fsspec's
        """Make a directory and those above it, where the store keeps them."""
        name = spelled(path)
        if exist_ok and self.exists(name) and self.isdir(name):
            return
        target = self.own(name)
        if not target.backend.keeps_directories:
            return
        if self.exists(name):
            raise FileExistsError(f"{name} is there already")
        target.backend.make_directory(target.key)

    def rmdir(self, path: Any) -> None:  # noqa: ANN401 - fsspec's
        """Remove a directory with nothing in it.

        Raises:
            FileExistsError: if something is in it.
        """
        target = self.own(path)
        target.backend.remove_directory(target.key)
