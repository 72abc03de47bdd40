"""What both ways to HDFS share: what Hadoop's exceptions mean, and that writers rename.

On HDFS a file is seen from its first byte on, so what anybody may look at is written in the
stage and renamed; a tree is published by renaming its directory.
"""

import posixpath
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from blobfs.backend.base import Backend, Object
from blobfs.backend.failure import Advice, passing, unreachable
from blobfs.errors import (
    AccessError,
    BlobfsError,
    ConfigError,
    StorageFullError,
    StoreUnavailableError,
    UnsafeNameError,
)
from blobfs.names import STAGES

PART_SIZE = 8 << 20
"""Bytes that are sent or asked for at a time."""

FORBIDDEN = ":"
"""Hadoop's paths are parsed as URLs. Beside it only whole names are refused (`.snapshot`).
https://hadoop.apache.org/docs/r3.4.2/hadoop-project-dist/hadoop-common/filesystem/model.html"""

_ERRORS: dict[str, type[Exception]] = {
    "FileNotFoundException": FileNotFoundError,
    "FileAlreadyExistsException": FileExistsError,
    "DSQuotaExceededException": StorageFullError,
    "NSQuotaExceededException": StorageFullError,
    "QuotaExceededException": StorageFullError,
    "QuotaByStorageTypeExceededException": StorageFullError,
    "DiskOutOfSpaceException": StorageFullError,
    "InvalidPathException": UnsafeNameError,
    "IllegalArgumentException": UnsafeNameError,
    "HadoopIllegalArgumentException": UnsafeNameError,
    "PathComponentTooLongException": UnsafeNameError,
    "MaxDirectoryItemsExceededException": StorageFullError,
}
"""By the plain name of an exception."""

_WORDS: tuple[tuple[str, type[Exception]], ...] = (
    ("is not a directory", NotADirectoryError),
    ("safe mode", StoreUnavailableError),  # which people end, or a start that takes minutes
    # From a DataNode, which keeps the names of exceptions to itself:
    ("is a reserved name", UnsafeNameError),
    ("maximum path component name limit", UnsafeNameError),
)
"""By what it says, whatever its name."""

_REFUSED = frozenset(
    {
        *("AccessControlException", "SecurityException", "AuthorizationException"),
        *("AuthenticationException", "InvalidToken", "SaslException", "GSSException"),
        *("KerberosAuthException", "InvalidEncryptionKeyException", "LoginException"),
    }
)

_AGAIN = frozenset(
    {
        *("StandbyException", "RetriableException", "IOException", "RemoteException"),
        *("ObserverRetryOnActiveException", "RpcServerException", "RpcNoSuchProtocolException"),
        *("ConnectTimeoutException", "SocketTimeoutException", "SocketException"),
        *("EOFException", "ClosedChannelException", "InterruptedIOException"),
        *("NotReplicatedYetException", "BlockMissingException"),
        *("AlreadyBeingCreatedException", "RecoveryInProgressException"),
    }
)
"""Those after which the same may succeed in a moment."""

_NOBODY = ("UnknownHostException", "NoRouteToHostException", "Connection refused")


class Found(NamedTuple):
    """One child of a directory."""

    name: str
    size: int
    modified: int
    """In nanoseconds since 1970."""

    is_directory: bool
    children: int | None = None
    """How many a directory has, if that was told."""


class HadoopBackend(Backend):
    """What lies below `root`; a subclass asks for it in its way."""

    renames_directories = True
    keeps_directories = True
    forbidden = FORBIDDEN

    def __init__(self, root: str, advice: Advice) -> None:
        self._root = root.rstrip("/")
        self._advice = advice

    # ---- what a subclass gives -------------------------------------------------------------

    @abstractmethod
    def write(self, key: str, data: bytes) -> None:
        """Write a file at its place, where nobody looks yet."""

    @abstractmethod
    def children(self, key: str) -> list[Found]:
        """List a directory, or raise FileNotFoundError; of a file, return nothing."""

    @abstractmethod
    def remove_empty(self, key: str) -> None:
        """Remove a directory, but nothing if something came into it meanwhile."""

    @abstractmethod
    def replace(self, temporary: str, key: str) -> None:
        """Move a file to its key, in place of one that may be there."""

    @abstractmethod
    def move_once(self, temporary: str, key: str) -> None:
        """Move a file to its key, or raise FileExistsError."""

    @abstractmethod
    def _classified(self, error: Exception, what: str) -> Exception:
        """Return what an error means that is none of ours."""

    # ---- what is built on that -------------------------------------------------------------

    def stream(
        self, key: str, part_size: int, start: int = 0, size: int | None = None
    ) -> Iterator[bytes]:
        size = self.head(key).size if size is None else size
        while start < size:
            part = self.read(key, start, min(start + part_size, size))
            if not part:
                return
            start += len(part)
            yield part

    def objects(self, prefix: str, after: str = "") -> Iterator[Object]:
        todo = [prefix]
        while todo:
            directory = todo.pop()
            for found in self._children(directory):
                key = f"{directory}/{found.name}" if directory else found.name
                if not found.is_directory:
                    yield object_of(key, found)
                elif found.children != 0:
                    todo.append(key)

    def level(self, prefix: str) -> list[Object]:
        below = f"{prefix}/" if prefix else ""
        return [
            Object(f"{below}{one.name}/", 0, "", one.modified / 1e9)
            if one.is_directory
            else object_of(below + one.name, one)
            for one in self._children(prefix)
        ]

    def remove_directory(self, key: str) -> None:
        if self.children(key):
            raise FileExistsError(f"{self._path(key)} is not empty")
        self.remove_empty(key)

    def is_directory(self, key: str) -> bool:
        try:
            self.head(key)
        except FileNotFoundError:
            return not key or key.rpartition("/")[2] + "/" in self.names(parent(key))
        return False

    def put(
        self, key: str, data: bytes, *, fresh: bool = False, executable: bool = False
    ) -> None:
        if fresh:
            self.write(key, data)
            return
        with self._staging() as temporary:
            self.write(temporary, data)
            self.replace(temporary, key)

    def note(self, key: str, data: bytes) -> None:
        self.write(key, data)

    def create(self, key: str, data: bytes) -> None:
        with self._staging() as temporary:
            self.write(temporary, data)
            self.move_once(temporary, key)

    def copy(
        self, source: str, key: str, size: int, digest: str, *, executable: bool = False
    ) -> bool:
        """HDFS copies nothing by itself."""
        return False

    def sync(self, prefix: str) -> None:
        """Do nothing: a stream that was closed is held by as many DataNodes as were asked."""

    def hold(self, stage: str) -> Callable[[], None]:
        """Ask nothing: its name was made up a moment ago, and the first file makes it."""
        return lambda: None

    def reclaim(self, stages: str) -> None:
        """Do nothing: whether the process of a stage lives, on any machine, is not known."""

    def discard(self, temporary: str) -> None:
        """Remove what was not completed. Never raises."""
        with suppress(Exception):  # the error that led here is the one to tell
            self.delete(temporary)

    @contextmanager
    def telling(self, operation: str, key: str) -> Iterator[str]:
        """Yield the path of `key`, and give what goes wrong with it one of our types.

        "Not found" while "writing" is said of where something was to go, not of what was asked;
        "is there" is an answer only while "renaming".
        """
        path = self._path(key)
        try:
            yield path
        except BlobfsError:
            raise
        except Exception as error:  # noqa: BLE001 - a driver may raise anything
            found = self._classified(error, f"{operation} {path}")
        else:
            return
        raise _fitting(found, operation) from None

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root or "/"

    def _children(self, key: str) -> list[Found]:
        try:
            return self.children(key)
        except FileNotFoundError:
            return []

    @contextmanager
    def _staging(self) -> Iterator[str]:
        """Yield a key in the stage; what is there after an error is removed."""
        temporary = stage_key()
        try:
            yield temporary
        except BaseException:
            self.discard(temporary)
            raise


def _fitting(error: Exception, operation: str) -> Exception:
    """Return an error that says what `operation` can meet."""
    absent = isinstance(error, FileNotFoundError | NotADirectoryError)
    there = isinstance(error, FileExistsError)
    if (absent and operation == "writing") or (there and operation != "renaming"):
        return StoreUnavailableError(str(error))
    return FileNotFoundError(str(error)) if absent else error


def stage_key() -> str:
    """Return a key for a file on its way to another one."""
    from uuid import uuid4

    return f"{STAGES}/{uuid4()}"


def parent(key: str) -> str:
    """Return the key of the directory that holds `key`."""
    return posixpath.dirname(key)


def object_of(key: str, found: Found) -> Object:
    """Return what a listing told of a file."""
    return Object(key, found.size, f"mtime:{found.modified}", found.modified / 1e9)


def meaning(name: str, text: str, what: str, advice: Advice) -> Exception:
    """Return what an exception of Hadoop means.

    Args:
        name: of its class, with or without the package.
        text: its message, perhaps with the server's stack trace.
        what: the operation and the path.
        advice: where to look.
    """
    kind = re.split(r"[.$]", name)[-1]
    text = " ".join(text.partition("\n\tat ")[0].split())[:300]
    said = advice.redact(f"{what}: {kind}: {text}")
    if any(word in f"{kind} {text}" for word in _NOBODY):
        return unreachable(f"{kind}: {text}", what, advice)
    for words, error in _WORDS:
        if words in text:
            return error(said)
    if kind in _ERRORS:
        return _ERRORS[kind](said)
    return _of_server(kind, text, said, advice)


def _of_server(kind: str, text: str, said: str, advice: Advice) -> Exception:
    """Return what an exception means that is about no file."""
    if "exceeds maximum data length" in text:
        return ConfigError(f"{said}: no Hadoop RPC port" + advice.see(advice.endpoint))
    if kind in _REFUSED and "StandbyException" not in text:
        return AccessError(said + advice.see(advice.credentials))
    return passing(said) if kind in _AGAIN | _REFUSED else StoreUnavailableError(said)
