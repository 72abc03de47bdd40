"""What the listing of a storage means, as entries."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from blobfs.backend.base import Object
from blobfs.errors import ArtifactNotFoundError, UnsafeNameError, naming_all
from blobfs.manifest import DIRECTORY, Entry
from blobfs.names import path_fault


def entries_of(key: str, objects: Iterable[Object], what: str, *, is_tree: bool) -> list[Entry]:
    """Return what a listing told as sorted entries, with tokens in the digests' place.

    An empty object whose key ends in `/`, or under which others lie, stands for a directory, as
    consoles make them.

    Raises:
        UnsafeNameError: listing all names that could not be kept.
        ArtifactNotFoundError: if there is no file.
    """
    name = key.rpartition("/")[2]
    skip = len(key) + 1 if key else 0
    paths = {o.key[skip:] if is_tree else name: o for o in objects}
    above = {up for path in paths for up in _above(path)}
    empty = [path for path, found in paths.items() if not found.size]
    marked = {path for path in empty if path[-1:] in ("", "/") or f"{path}/" in above}
    entries = [
        Entry(path, 0, DIRECTORY) if path in marked else Entry(path, found.size, found.token)
        for path, found in sorted(paths.items())
        if path not in marked or (path.endswith("/") and path not in above)
    ]
    above |= marked
    faults = [f"{path!r} {fault}" for path, *_ in entries if (fault := _fault(path, above))]
    if faults:
        raise naming_all(UnsafeNameError, f"{what} has names that cannot be kept", faults)
    if all(entry.is_directory for entry in entries):
        raise ArtifactNotFoundError(f"there is no file at {what}")
    return entries


def _above(path: str) -> list[str]:
    """Return the directories above a path, each with a `/` at its end.

    >>> _above("a/b/c"), _above("a/")
    (['a/', 'a/b/'], [])
    """
    parts = path.removesuffix("/").split("/")
    return ["/".join(parts[:depth]) + "/" for depth in range(1, len(parts))]


def _fault(path: str, above: AbstractSet[str]) -> str | None:
    if fault := path_fault(path.removesuffix("/") or path):
        return fault
    return "is a file and a directory at once" if f"{path}/" in above else None
