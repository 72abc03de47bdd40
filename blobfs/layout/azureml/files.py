"""The files that AzureML uploads of a source, which are not those that it hashes.

Every directory is entered, links to directories too; a rule that holds for a directory does not
keep its files back, only a rule that holds for a file does, and behind a link it is asked about
the path where the file really lies.

Source: azure-ai-ml 1.35, `get_upload_files_from_folder`, `traverse_directory` and
`upload_directory` in `azure.ai.ml._utils._asset_utils`.
"""

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from blobfs.errors import (
    AccessError,
    BlobfsError,
    SourceError,
    SourceNotFoundError,
    UnsafeNameError,
    naming_all,
)
from blobfs.hashcache import Identity
from blobfs.layout.azureml.ignore import Ignored
from blobfs.scan import identity_of

MAX_RETURNS = 200
"""Times that a walk comes back to a directory that it is in. With one ignored link to where it
lies it does so some 40 times, until the system gives up; with two, 2 to that power."""


class File(NamedTuple):
    """A file to upload."""

    location: str
    """Where its bytes are, links resolved."""

    path: str
    """Relative to the root, under the names of the links."""

    identity: Identity
    """What `stat` told of it."""

    @property
    def size(self) -> int:
        """In bytes."""
        return self.identity[2]


class _Level(NamedTuple):
    """A directory that a walk is in."""

    location: str
    path: str
    """Relative to the root, ending in "/" but for the root itself, ""."""

    real: str
    """Where it is, links resolved."""

    name: str
    above: "_Level | None"


@dataclass(slots=True)
class _Walk:
    rules: Ignored
    files: list[File] = field(default_factory=list)
    returns: int = 0
    problems: list[tuple[type[BlobfsError], str]] = field(default_factory=list)

    def refuse(self, path: str, what: str, kind: type[BlobfsError] = SourceError) -> None:
        self.problems.append((kind, f"{shown(path)} {what}"))


def checked(source: str | os.PathLike[str]) -> tuple[str, bool]:
    """Return the path of a source as AzureML spells it, and whether it is a directory.

    Raises:
        SourceNotFoundError: if there is no such file or directory.
        SourceError: if it is neither.
        AccessError: if the system does not tell.
    """
    path = os.fspath(Path(source))
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFoundError(f"there is no file or directory {path!r}") from error
    except (OSError, ValueError) as error:
        kind = AccessError if isinstance(error, PermissionError) else SourceError
        raise kind(f"{path!r} cannot be looked at: {error}") from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise SourceError(f"{path!r} is neither a file nor a directory")
    return path, stat.S_ISDIR(mode)


def files_below(root: str, rules: Ignored) -> list[File]:
    """Return the files of the directory `root` that AzureML uploads, in the order of its walk.

    Raises:
        SourceNotFoundError, UnsafeNameError, SourceError, AccessError: listing every broken
            link, every name that is not UTF-8, every link to a directory that holds it, every
            FIFO, socket and device, and every directory that cannot be listed. An upload fails
            on each of them; on a FIFO it hangs.
    """
    walk = _Walk(rules)
    todo = [_Level(root, "", os.path.realpath(root), "", None)]
    while todo:
        level = todo.pop()
        try:
            with os.scandir(level.location) as children:
                entries = list(children)
        except OSError as error:
            if not _is_pruned(walk, level):
                _refuse(walk, level.path, "cannot be listed", error)
            continue
        todo += reversed(_visit(walk, level, entries))
    if walk.problems:
        kinds = {kind for kind, _ in walk.problems}
        kind = kinds.pop() if len(kinds) == 1 else SourceError
        lines = sorted(line for _, line in walk.problems)
        raise naming_all(kind, f"{root} cannot be uploaded as it is", lines)
    return walk.files


def _visit(walk: _Walk, level: _Level, entries: list[os.DirEntry[str]]) -> list[_Level]:
    """Take the files of a directory into the walk; return its directories."""
    below = []
    files = []
    for entry in entries:
        if not _is_directory(entry):
            files.append(entry)
            continue
        path = level.path + entry.name
        real = _real(level, entry)
        if entry.is_symlink() and _holds(real, level):
            if not walk.rules.excludes(level.real, [entry.name])[0]:
                walk.refuse(path, "is a link to a directory that holds it")
                continue
            _count_return(walk, path)
        below.append(_Level(entry.path, path + "/", real, entry.name, level))
    excluded = walk.rules.excludes(level.real, [entry.name for entry in files])
    for entry, is_excluded in zip(files, excluded, strict=True):
        if not is_excluded:
            _take(walk, level.path + entry.name, _real(level, entry))
    return below


def _real(level: _Level, entry: os.DirEntry[str]) -> str:
    real = os.path.join(level.real, entry.name)
    return os.path.realpath(real) if entry.is_symlink() else real


def _take(walk: _Walk, path: str, location: str) -> None:
    try:
        status = os.stat(location)
        path.encode()
    except FileNotFoundError:
        walk.refuse(path, "is a broken link", SourceNotFoundError)
    except OSError as error:
        _refuse(walk, path, "cannot be looked at", error)
    except UnicodeEncodeError:
        walk.refuse(path, "is a name that is not UTF-8", UnsafeNameError)
    else:
        if stat.S_ISREG(status.st_mode):
            walk.files.append(File(location, path, identity_of(status)))
        else:
            walk.refuse(path, "is no regular file")


def shown(path: str) -> str:
    """Return `path` as it can be printed: what is not UTF-8 of it is escaped."""
    return path.encode(errors="backslashreplace").decode()


def _is_directory(entry: os.DirEntry[str]) -> bool:
    """Whether the entry is a directory, or a link to one that the system can still follow."""
    try:
        return entry.is_dir()
    except OSError:  # too many links on the way; os.walk calls it a file
        return False


def _holds(real: str, level: _Level | None) -> bool:
    while level is not None:
        if level.real == real:
            return True
        level = level.above
    return False


def _is_pruned(walk: _Walk, level: _Level) -> bool:
    """Whether a directory is ignored, or one above it: the hash does not need it then.

    AzureML's walk passes over what it cannot list; it is its hash that fails.
    """
    while level.above is not None:
        if walk.rules.excludes(level.above.real, [level.name])[0]:
            return True
        level = level.above
    return False


def _count_return(walk: _Walk, path: str) -> None:
    walk.returns += 1
    if walk.returns > MAX_RETURNS:
        raise SourceError(
            f"{path[:200]!r} and other links lead to directories that hold them: AzureML's"
            " walk over them does not end, since it enters links that are ignored, too"
        )


def _refuse(walk: _Walk, path: str, what: str, error: OSError) -> None:
    if error.errno == errno.ELOOP:
        what = "is a link that leads to itself"
    kind = AccessError if isinstance(error, PermissionError) else SourceError
    walk.refuse(path or ".", f"{what}: {error.strerror}", kind)
