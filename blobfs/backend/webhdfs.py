"""HDFS by WebHDFS, or a gateway that speaks it: one request for each call, where that can be.

A rename with `renameoptions` refuses a target that is there, or replaces it, in one step. A
gateway that is older than that (HttpFS) answers `{"boolean": …}` for the plain rename, which
moves a directory into one that is there: then a look says what became of it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from blobfs.backend.base import Object
from blobfs.backend.failure import Advice, answered, passing, seconds, unreachable
from blobfs.backend.hadoop import Found, HadoopBackend, meaning, object_of, parent
from blobfs.backend.rename import settle
from blobfs.backend.webhdfs_call import Caller, Lost, Refused
from blobfs.backend.webhdfs_upload import WebHdfsUpload
from blobfs.errors import AccessError, ConfigError, StoreUnavailableError

if TYPE_CHECKING:
    import requests
    from fsspec import AbstractFileSystem

_PAST_END = re.compile(r"Offset=\d+ out of the range \[0, \d+\)|Cannot seek after EOF")

_TOKEN = re.compile(r"(?<=delegation=)[^&\s'\"]+")
"""The user's, or one that the NameNode made for a DataNode."""

_UNAUTHENTIC = ("GSSError", "SPNEGO", "Kerberos", "MutualAuthentication")

Option = Literal["NONE", "OVERWRITE"]


class WebHdfsBackend(HadoopBackend):
    """What lies below `root` on a `fsspec.implementations.webhdfs.WebHDFS`."""

    survives_forks = True

    def __init__(
        self,
        opening: "Callable[[], AbstractFileSystem]",
        root: str,
        advice: Advice,
        creating: Mapping[str, str],
        making: Mapping[str, str],
    ) -> None:
        """Use what `opening` opens.

        Args:
            opening: makes a filesystem, with a session of its own.
            root: the path that keys are below.
            advice: for messages.
            creating: parameters of every request that writes a file.
            making: parameters of every request that makes a directory.
        """
        super().__init__(root, advice)
        self._caller = Caller(opening)
        self._creating, self._making = creating, making
        self._there: set[str] = set()  # directories that need not be made

    def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        if end is not None and end <= start:
            return b""
        where = {"offset": start} if start or end is not None else {}
        length = {"length": end - start} if end is not None else {}
        try:
            with self.telling("reading", key) as path:
                answer = self._caller.ask("GET", "OPEN", path, **where, **length)
                return _bytes_of(answer)
        except _PastEndError:
            return b""

    def head(self, key: str) -> Object:
        with self.telling("looking at", key) as path:
            answer = self._caller.ask("GET", "GETFILESTATUS", path)
            found = _found(_json(answer)["FileStatus"])
            if found.is_directory:
                raise FileNotFoundError(f"{path} is no file")
            return object_of(key, found)

    def children(self, key: str) -> list[Found]:
        with self.telling("listing", key) as path:
            answer = self._caller.ask("GET", "LISTSTATUS", path)
            found = map(_found, _json(answer)["FileStatuses"]["FileStatus"])
            return [one for one in found if one.name]  # a file lists itself, namelessly

    def counts(self, prefix: str) -> dict[str, int] | None:
        found = {one.name: one.children for one in self._children(prefix) if one.is_directory}
        if found:
            self._there.add(prefix)
        known = {name: count for name, count in found.items() if count is not None}
        return known if len(known) == len(found) else None

    def write(self, key: str, data: bytes) -> None:
        self.send(key, data)

    def send(self, key: str, body: bytes | Iterator[bytes]) -> None:
        """Write a file, in place of one that may be there, with the directories above it."""
        with self.telling("writing", key) as path:
            self._caller.send(path, body, **self._creating)

    def upload(
        self, key: str, size: int, *, fresh: bool = False, executable: bool = False
    ) -> WebHdfsUpload:
        return WebHdfsUpload(self, key, fresh=fresh)

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError), self.telling("deleting", key) as path:
            self._caller.ask("DELETE", "DELETE", path, recursive="false")

    def remove_empty(self, key: str) -> None:
        self.delete(key)  # which is not recursive

    def remove_tree(self, prefix: str) -> None:
        with suppress(FileNotFoundError), self.telling("removing", prefix) as path:
            self._caller.ask("DELETE", "DELETE", path, recursive="true")

    def make_directory(self, key: str) -> None:
        with self.telling("writing", key) as path:
            self._caller.ask("PUT", "MKDIRS", path, **self._making)
        self._there.add(key)

    def rename(self, source: str, key: str) -> None:
        above = parent(key)
        if above not in self._there:
            self.make_directory(above)
        said = self._rename(source, key, "NONE")
        if said is not None:
            settle(self, source, key, moved=said)

    def move_once(self, temporary: str, key: str) -> None:
        if self._rename(temporary, key, "NONE") is False:
            raise FileExistsError(f"{self._path(key)} is there already")

    def replace(self, temporary: str, key: str) -> None:
        if self._rename(temporary, key, "OVERWRITE") is False:
            self.delete(key)
            self.move_once(temporary, key)

    def is_there(self, key: str) -> bool:
        """Whether anything lies at `key`."""
        try:
            with self.telling("looking at", key) as path:
                self._caller.ask("GET", "GETFILESTATUS", path)
        except FileNotFoundError:
            return False
        return True

    def _rename(self, source: str, key: str, option: Option) -> bool | None:
        """Rename; the directory above `key` is made if it turns out to be missing.

        Returns:
            None if it was done; what a gateway said that does not know the option.

        Raises:
            FileNotFoundError: if `source` is not there.
        """
        try:
            said = self._rename_once(source, key, option)
            if said is not False or self.is_there(parent(key)):
                return said
        except FileNotFoundError as error:
            if "rename source" in str(error):
                raise
        self.make_directory(parent(key))
        return self._rename_once(source, key, option)

    def _rename_once(self, source: str, key: str, option: Option) -> bool | None:
        with self.telling("renaming", source) as path:
            answer = self._caller.ask(
                *("PUT", "RENAME", path), destination=self._path(key), renameoptions=option
            )
            return bool(_json(answer)["boolean"]) if answer.content.strip() else None

    # ---- errors ----------------------------------------------------------------------------

    def _classified(self, error: Exception, what: str) -> Exception:
        if isinstance(error, Refused):
            return self._refused(error, what)
        if isinstance(error, Lost):
            return self._lost(error, what)
        if isinstance(error, OSError):
            return error  # our own
        said = self._redact(f"{what}: {type(error).__name__}: {error}")
        return StoreUnavailableError(said + self._advice.see(self._advice.endpoint))

    def _refused(self, error: Refused, what: str) -> Exception:
        advice = self._advice._replace(redact=self._redact)
        if error.name:
            if _PAST_END.search(error.text):
                return _PastEndError()
            found = meaning(error.name, error.text, what, advice)
            if isinstance(found, StoreUnavailableError):
                found.retry_after = seconds(error.retry_after)
            return found
        if "Hadoop IPC port" in error.text:
            said = f"{what}: this is Hadoop's RPC port, not that of WebHDFS: with it, write hdfs://"
            return ConfigError(said + advice.see(advice.endpoint))
        if error.status in (404, 405) or error.status < 400:
            said = f"{what}: {error.status}: there is no WebHDFS"
            return ConfigError(said + advice.see(advice.endpoint))
        after = seconds(error.retry_after)
        return answered(error.status, "", _plain(error.text), what, advice, after)

    def _lost(self, error: Lost, what: str) -> Exception:
        from requests import exceptions

        cause, advice = error.cause, self._advice
        reason = str(getattr(cause.args[0] if cause.args else cause, "reason", cause))
        said = self._redact(f"{type(cause).__name__}: {reason}")
        if isinstance(cause, exceptions.SSLError | ValueError):
            return ConfigError(f"{what}: {said}" + advice.see(advice.endpoint))
        if any(word in type(cause).__name__ for word in _UNAUTHENTIC):
            return AccessError(f"{what}: {said}" + advice.see(advice.credentials))
        nobody = "refused" in reason or "esolve" in reason or "unreachable" in reason
        late = isinstance(cause, exceptions.ConnectTimeout) and not self._caller.answered
        if not error.at_datanode and (nobody or late):
            return unreachable(said, what, advice)
        return passing(f"{what}: {said}" + advice.see(advice.endpoint))

    def _redact(self, text: str) -> str:
        return _TOKEN.sub("***", self._advice.redact(text))


class _PastEndError(Exception):
    """Nothing lies where a range begins."""


def _bytes_of(answer: "requests.Response") -> bytes:
    """Return the bytes of a file, which no page that somebody shows instead is taken for."""
    kind = answer.headers.get("Content-Type", "")
    if kind.startswith("text/html"):
        raise Refused(answer)
    return answer.content


def _json(answer: "requests.Response") -> dict[str, Any]:
    """Return what WebHDFS said, which somebody else may not have."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused(answer)
    return found


def _plain(text: str) -> str:
    """Return the words of a page."""
    return re.sub(r"<(style|title).*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)


def _found(status: dict[str, Any]) -> Found:
    """Return what a FileStatus tells."""
    children = status.get("childrenNum")
    return Found(
        name=status["pathSuffix"],
        size=int(status["length"]),
        modified=int(status["modificationTime"]) * 1_000_000,
        is_directory=status["type"] == "DIRECTORY",
        children=None if children is None else int(children),
    )
