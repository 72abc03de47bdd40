"""The files of a source: one walk, whose result is what is hashed and what is sent.

Every problem that can be seen without reading a file is collected, and all are raised together.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from blobfs.errors import (
    AccessError,
    BlobfsError,
    ConfigError,
    SourceError,
    SourceNotFoundError,
    UnsafeNameError,
    naming_all,
)
from blobfs.ignore import IgnoreRules, explain
from blobfs.names import under
from blobfs.scan.value import LocalFile, Scan, identity_of

Links = Literal["inside", "follow", "skip", "error"]
"""What is done with symbolic links: follow those whose target lies inside the source and refuse
the others; follow all; leave all out; refuse all."""

NEVER = ".git"
"""A repository's own directory (a worktree's file) is no part of an artifact, at any depth."""

_KINDS = {
    stat.S_IFIFO: "is a FIFO",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


@dataclass(slots=True)
class _Walk:
    """The state of one walk."""

    links: Links
    real_root: str
    shut: tuple[int, int] | None
    files: list[LocalFile] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    problems: list[tuple[type[BlobfsError], str, str]] = field(default_factory=list)

    def refuse(self, path: str, what: str, kind: type[BlobfsError] = SourceError) -> None:
        self.problems.append((kind, path, what))


class _Directory(NamedTuple):
    location: str
    path: str
    """Relative to the root, ending in `/` but for the root itself, `""`."""

    rules: IgnoreRules
    real: str
    above: "_Directory | None"


def scan(
    source: str | os.PathLike[str],
    *,
    ignore: bool | str = True,
    links: Links = "inside",
    store_root: str | None = None,
) -> Scan:
    """Return the files of the file or directory `source` that are not ignored.

    Args:
        source: its path; if it is a link, its target's content under the link's own name.
        ignore: see `blobfs.ignore`; a source that is a file is never ignored.
        links: what is done with links below it.
        store_root: the directory of a local store, which must not be part of a source.

    Raises:
        SourceNotFoundError: if there is no `source`.
        AccessError, UnsafeNameError, SourceError: listing every directory that cannot be read,
            every name that is not UTF-8, every refused link, every FIFO, socket and device.
    """
    if links not in get_args(Links):
        raise ConfigError(f"links={links!r} must be one of {', '.join(get_args(Links))}")
    root = os.path.abspath(source)
    name = os.path.basename(root) or "root"
    try:
        status = os.stat(root)
    except (FileNotFoundError, NotADirectoryError):
        raise SourceNotFoundError(f"there is no file or directory {root!r} to upload") from None
    except OSError as error:
        raise _typed(error)(f"{root}: {error.strerror}") from error
    walk = _Walk(links, os.path.realpath(root), _identity_of_directory(store_root))
    _check_text(walk, name, root)
    if walk.shut == (status.st_dev, status.st_ino):
        walk.refuse("", "is the store itself")
    elif walk.shut is None and store_root and _will_hold(walk, root, store_root, ignore):
        walk.refuse(store_root, "will be the store: name it in the ignore file, or move it")
    elif stat.S_ISDIR(status.st_mode):
        _walk(walk, root, ignore)
    else:
        _visit_file(walk, name, status)
    _raise(walk, root)
    walk.files.sort(key=lambda file: file.path)
    walk.empty.sort()
    is_directory = stat.S_ISDIR(status.st_mode)
    return Scan(root, name, is_directory, identity_of(status), walk.files, walk.empty)


def _walk(walk: _Walk, root: str, ignore: bool | str) -> None:
    rules = IgnoreRules.of_root(root, ignore)
    todo = [_Directory(root, "", rules, walk.real_root, None)]
    while todo:
        directory = todo.pop()
        try:
            with os.scandir(directory.location) as children:
                entries = list(children)
        except OSError as error:
            walk.refuse(directory.path, f"cannot be listed: {error.strerror}", _typed(error))
            continue
        if directory.above is not None:
            has_file = any(entry.name == directory.rules.file_name for entry in entries)
            directory = _entered(directory, has_file=has_file)
        before = len(walk.files) + len(walk.problems) + len(todo)
        _visit(walk, directory, entries, todo)
        if directory.path and before == len(walk.files) + len(walk.problems) + len(todo):
            walk.empty.append(directory.path)


def _will_hold(walk: _Walk, root: str, store_root: str, ignore: bool | str) -> bool:
    """Whether a store that is not there yet will be part of the source."""
    below = under(os.path.realpath(store_root), walk.real_root)
    if not below:
        return below == ""
    (_, rule), *_ = explain(root, [below + "/"], ignore)
    return rule is None or rule.negated


def _entered(directory: _Directory, *, has_file: bool) -> _Directory:
    """Return `directory` with the rules of its own ignore file added."""
    name = directory.path[:-1].rpartition("/")[2]
    rules = directory.rules.enter(directory.location, name, has_file=has_file)
    return _Directory(
        directory.location, directory.path, rules, directory.real, directory.above
    )


def _visit(
    walk: _Walk,
    directory: _Directory,
    entries: list[os.DirEntry[str]],
    todo: list[_Directory],
) -> None:
    """Take the children of a directory into the walk, or note what is wrong with them."""
    ignores = directory.rules.ignores if directory.rules else None
    above = directory.path
    for entry in entries:
        name = entry.name
        if name == NEVER:
            continue
        path = above + name
        try:
            is_directory = entry.is_dir(follow_symlinks=False)
            if ignores is not None and ignores(name, is_directory=is_directory):
                continue
            if not name.isascii() and not _check_text(walk, name, path):
                continue
            if is_directory:
                _visit_directory(walk, directory, entry, f"{directory.real}/{name}", todo)
            elif entry.is_symlink():
                _visit_link(walk, directory, entry, todo)
            else:
                _visit_file(walk, path, entry.stat(follow_symlinks=False))
        except OSError as error:
            walk.refuse(path, f"cannot be looked at: {error.strerror}", _typed(error))


def _visit_file(walk: _Walk, path: str, status: os.stat_result) -> None:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        walk.files.append(LocalFile(path, identity_of(status), bool(mode & stat.S_IXUSR)))
    else:
        walk.refuse(path, _KINDS.get(stat.S_IFMT(mode), "is no regular file"))


def _visit_directory(
    walk: _Walk,
    parent: _Directory,
    entry: os.DirEntry[str],
    real: str,
    todo: list[_Directory],
) -> None:
    path = parent.path + entry.name
    if walk.shut and _identity_of_directory(entry.path) == walk.shut:
        walk.refuse(path, "is the store itself: name it in the ignore file, or move it")
        return
    todo.append(_Directory(entry.path, path + "/", parent.rules, real, parent))


def _visit_link(
    walk: _Walk, directory: _Directory, entry: os.DirEntry[str], todo: list[_Directory]
) -> None:
    path = directory.path + entry.name
    if walk.links == "skip":
        return
    if walk.links == "error":
        walk.refuse(path, "is a link (links=error)")
        return
    try:
        status = entry.stat()
    except OSError as error:
        walk.refuse(path, f"is a broken link to {os.readlink(entry.path)!r}: {error.strerror}")
        return
    real = os.path.realpath(entry.path)
    if walk.links == "inside" and not _is_below(real, walk.real_root):
        walk.refuse(
            path, f"is a link out of the source, to {real!r} (--links=follow takes such)"
        )
    elif stat.S_ISDIR(status.st_mode):
        if any(real == level.real for level in _levels(directory)):
            walk.refuse(path, f"is a link to a directory that holds it, {real!r}")
        else:
            _visit_directory(walk, directory, entry, real, todo)
    else:
        _visit_file(walk, path, status)


def _levels(directory: _Directory | None) -> Iterator[_Directory]:
    while directory is not None:
        yield directory
        directory = directory.above


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _identity_of_directory(path: str | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        status = os.stat(path)
    except OSError:  # a store that is not there yet is part of nothing
        return None
    return status.st_dev, status.st_ino


def _check_text(walk: _Walk, name: str, path: str) -> bool:
    """Whether `name` is text; file systems hold any bytes, manifests hold UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        walk.refuse(ascii(path)[1:-1], "is a name that is not UTF-8", UnsafeNameError)
        return False
    return True


def _typed(error: OSError) -> type[BlobfsError]:
    return AccessError if isinstance(error, PermissionError) else SourceError


def _raise(walk: _Walk, root: str) -> None:
    """Raise all that was refused as one error, of their common type if they have one."""
    if not walk.problems:
        return
    kinds = {kind for kind, _, _ in walk.problems}
    raise naming_all(
        kinds.pop() if len(kinds) == 1 else SourceError,
        f"{root} cannot be stored as it is",
        [
            f"{path or '.'} {what}"
            for _, path, what in sorted(walk.problems, key=lambda p: p[1])
        ],
    )
