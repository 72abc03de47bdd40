"""What lies where: the part of the filesystem that lists and looks."""

from collections.abc import Callable, Iterator
from typing import Any

from blobfs.config import all_stores
from blobfs.filesystem.address import spelled
from blobfs.filesystem.artifact import ArtifactPath, Info
from blobfs.filesystem.own import OwnPath


class Listing:
    """Names keep the spelling that was asked for: of `@latest`, too."""

    located: Callable[[Any], ArtifactPath | OwnPath]
    places: Any
    pinned: Callable[[Any], Any]

    def info(self, path: Any, **_: Any) -> Info:
        """Return what is known of a file or directory.

        Raises:
            FileNotFoundError: if nothing is there.
        """
        name = spelled(path)
        if not name:
            return {"name": "", "size": 0, "type": "directory"}
        return self.located(name).info()

    def ls(self, path: Any, detail: bool = True, **_: Any) -> list[Any]:
        """Return what is directly in a directory; above the stores, the stores."""
        name = spelled(path)
        if name:
            found = self.located(name).level()
        else:
            names = [config.name for config in all_stores(self.places) if config.name]
            found = [{"name": each, "size": 0, "type": "directory"} for each in names]
        return found if detail else [info["name"] for info in found]

    def exists(self, path: Any, **_: Any) -> bool:
        """Whether something is there.

        Raises:
            BlobfsError: if the store did not say; that is no "no".
        """
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def isdir(self, path: Any) -> bool:
        """Whether a directory is there; as `exists`."""
        return self._type(path) == "directory"

    def isfile(self, path: Any) -> bool:
        """Whether a file is there; as `exists`."""
        return self._type(path) == "file"

    def _type(self, path: Any) -> str | None:
        try:
            return str(self.info(path)["type"])
        except FileNotFoundError:
            return None

    def find(
        self,
        path: Any,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **options: Any,
    ) -> Any:
        """Return every file below a directory: of an artifact, from its manifest alone."""
        name = spelled(path)
        if not name or withdirs or maxdepth is not None:
            found = self._walked(name, maxdepth, withdirs=withdirs, **options)
            return found if detail else list(found)
        try:
            located = self.located(name)
            files = list(located.files())
        except FileNotFoundError:
            return {} if detail else []
        if not detail:
            return [each for each, _ in files]
        return {each: located.info_of(each, file) for each, file in files}  # type: ignore[arg-type] # each gave its own

    def _walked(
        self,
        name: str,
        maxdepth: int | None,
        *,
        withdirs: bool,
        **options: Any,
    ) -> dict[str, Info]:
        found: dict[str, Info] = {}
        if withdirs and name and self.isdir(name):
            found[name] = self.info(name)
        for _, directories, files in self.walk(name, maxdepth, detail=True, **options):
            found |= {info["name"]: info for info in files.values()}
            if withdirs:
                found |= {info["name"]: info for info in directories.values()}
        return dict(sorted(found.items()))

    def walk(
        self,
        path: Any,
        maxdepth: int | None = None,
        **options: Any,
    ) -> Iterator[Any]:
        """Yield directories, what is in them, and so on, as `os.walk` does."""
        given = self._as_given(path)
        for above, directories, files in super().walk(path, maxdepth, **options):  # type: ignore[misc] # fsspec's
            if options.get("detail"):
                for info in (*directories.values(), *files.values()):
                    info["name"] = given(info["name"])
            yield given(above), directories, files

    def glob(self, path: Any, maxdepth: int | None = None, **options: Any) -> Any:
        """Return what matches a pattern."""
        given = self._as_given(path)
        found = super().glob(path, maxdepth, **options)  # type: ignore[misc] # fsspec's
        if isinstance(found, list):
            return [given(name) for name in found]
        return {given(name): info | {"name": given(name)} for name, info in found.items()}

    def _as_given(self, path: Any) -> Callable[[str], str]:
        """Return what puts the name of an artifact back as it was spelled."""
        name, pinned = spelled(path), self.pinned(path)
        if name == pinned:
            return lambda found: found
        head, stands = (text.split("/")[:2] for text in (name, pinned))
        return lambda found: "/".join(head + found.split("/")[len(stands) :])

    def du(
        self,
        path: Any,
        total: bool = True,
        maxdepth: int | None = None,
        withdirs: bool = False,
        **options: Any,
    ) -> Any:
        """Return the bytes below a path, from one listing."""
        found = self.find(path, maxdepth, withdirs, detail=True, **options)
        sizes = {name: info["size"] for name, info in found.items()}
        return sum(sizes.values()) if total else sizes
