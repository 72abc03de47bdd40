"""AzureML's two hashes of a source.

The object hash names the directory that an upload goes to, `LocalUpload/<hash>/`; the content
hash is a property of code, by which the service finds code that it has already.

Source: azure-ai-ml 1.35, `get_object_hash` and `get_content_hash` in
`azure.ai.ml._utils._asset_utils`.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from blobfs.errors import SourceError, UnsafeNameError, typed
from blobfs.layout.azureml.files import File, checked, files_below, shown
from blobfs.layout.azureml.ignore import Ignored
from blobfs.scan import identity_of

if TYPE_CHECKING:
    from hashlib import _Hash

INITIAL = b"Initialize for october 2021 AML CLI version"
"""What every object hash begins with."""

CONTENT_HASH_VERSION = 202208
"""What code is marked with beside its content hash, as `hash_version`."""

_CHUNK = 1 << 20
"""Bytes read at once. AzureML reads 1 KiB, and the hash is the same."""


class Fed(NamedTuple):
    """What one entry of a source feeds to the object hash."""

    name: bytes
    location: str
    """Of the file whose bytes are fed after the name, links resolved; `""`: none are."""

    path: str
    """Relative to the root, under the names of the links."""


def object_hash(source: str | os.PathLike[str], *, component: bool = False) -> str:
    """Return the hash by which AzureML names the directory of an upload, 64 hex digits.

    Fed are a file's bytes; of a directory the name of each entry, sorted by its lower-case
    form, and what is below it. Nothing tells names, bytes and levels apart, so different trees
    may have one hash; entries whose names differ in case alone are taken as the system lists
    them. Links are followed wherever they lead, and a broken one, a FIFO, a socket or a device
    is a name and nothing else.

    Args:
        source: a file or directory, or a link to one.
        component: whether it is the code of a component; see `Ignored`.

    Raises:
        SourceNotFoundError: if there is no such file or directory.
        UnsafeNameError: if a name that is not ignored is not UTF-8.
        SourceError: if a directory is reached from itself through links.
        AccessError: if something may not be read.
        IgnoreSyntaxError: see `Ignored.excludes`.
    """
    root, is_directory = checked(source)
    hasher = hashlib.sha256(INITIAL)
    for one in fed(root, Ignored(root, component=component), is_directory=is_directory):
        hasher.update(one.name)
        if one.location:
            _feed_file(hasher, one.location)
    return hasher.hexdigest()


def content_hash(source: str | os.PathLike[str], *, component: bool = False) -> str:
    """Return the hash by which AzureML knows code again, 64 hex digits.

    Fed are the number of the files to upload, the path and size of each, and then the bytes of
    each, in the order of the lower-case paths; of a single file the path is its name, behind
    links. Empty directories and the name of the root do not count.

    Args:
        source: a file or directory, or a link to one.
        component: whether it is the code of a component; see `Ignored`.

    Raises:
        SourceNotFoundError: if there is no such file or directory.
        SourceError, UnsafeNameError, AccessError: see `files_below`.
        IgnoreSyntaxError: see `Ignored.excludes`.
    """
    root, is_directory = checked(source)
    rules = Ignored(root, component=component)
    if os.path.islink(root):
        root = os.path.realpath(root)
    if is_directory:
        files = files_below(root, rules)
    else:
        files = [File(root, os.path.basename(root), identity_of(os.stat(root)))]
    return _hash_of_files(files)


def _hash_of_files(files: list[File]) -> str:
    hasher = hashlib.sha256(str(len(files)).encode())
    files = sorted(files, key=lambda file: file.path.lower())
    for file in files:
        hasher.update(f"#{_encoded(file.path, file.location).decode()}#{file.size}".encode())
    for file in files:
        _feed_file(hasher, file.location)
    return hasher.hexdigest()


def fed(root: str, rules: Ignored, *, is_directory: bool) -> Iterator[Fed]:
    """Yield what is fed to the object hash of a source, in its order.

    Raises:
        UnsafeNameError, SourceError, AccessError, IgnoreSyntaxError: see `object_hash`.
    """
    if not is_directory:
        yield Fed(b"", root, os.path.basename(root))
        return
    # A path that is met again below itself leads to the same paths for ever.
    inside = {root: ("", _entries(root, rules))}
    while inside:
        location, (above, entries) = next(reversed(inside.items()))
        for entry in entries:
            target, kind = _target(entry)
            name, path = _encoded(entry.name, entry.path), above + entry.name
            yield Fed(name, target if kind == stat.S_IFREG else "", path)
            if kind == stat.S_IFDIR:
                if target in inside:
                    raise SourceError(
                        f"{entry.path!r} is a link to a directory that holds it, {target!r}"
                    )
                inside[target] = f"{path}/", _entries(target, rules)
                break
        else:
            del inside[location]


def _entries(directory: str, rules: Ignored) -> Iterator[os.DirEntry[str]]:
    """Return the entries of a directory that are not ignored, in the order of the hash."""
    try:
        with os.scandir(directory) as children:
            entries = sorted(children, key=lambda entry: entry.name.lower())
    except OSError as error:
        raise typed(error, f"listing {directory!r}", SourceError) from error
    excluded = rules.excludes(directory, [entry.name for entry in entries])
    return (entry for entry, left in zip(entries, excluded, strict=True) if not left)


def _target(entry: os.DirEntry[str]) -> tuple[str, int]:
    """Return where an entry leads and the kind of what is there, 0 if there is nothing."""
    try:
        if not entry.is_symlink():
            kind = stat.S_IFDIR if entry.is_dir() else stat.S_IFREG if entry.is_file() else 0
            return entry.path, kind
        path = os.path.realpath(entry.path)
        return path, stat.S_IFMT(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return entry.path, 0
    except OSError as error:
        raise typed(error, f"looking at {entry.path!r}", SourceError) from error


def _feed_file(hasher: "_Hash", path: str) -> None:
    try:
        with open(path, "rb", buffering=0) as file:
            while data := file.read(_CHUNK):
                hasher.update(data)
    except OSError as error:
        raise typed(error, f"reading {path!r}", SourceError) from error


def _encoded(name: str, location: str) -> bytes:
    try:
        return name.encode()
    except UnicodeEncodeError as error:
        raise UnsafeNameError(
            f"{shown(location)} has a name that is not UTF-8, which AzureML cannot hash"
        ) from error
