"""libhdfs and the JVM that it starts, beside what pyarrow makes of them."""

import errno
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any
from weakref import finalize

from blobfs.backend.failure import Advice, unreachable
from blobfs.errors import ConfigError, MissingDependencyError, StoreUnavailableError

ANSWER = 5.0
"""Seconds that a NameNode may take to accept a connection, and to answer it."""

JVM = "-Xms16m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"""Options of the JVM unless LIBHDFS_OPTS says others. By itself it takes much memory before it
tidies up, and compiles what pays off after minutes only."""

_NEEDS = (
    "libhdfs needs in the environment, before it is first used: ARROW_LIBHDFS_DIR (where"
    " libhdfs.so is), CLASSPATH (what `hadoop classpath --glob` prints) and JAVA_HOME (of a JDK"
    " that Hadoop runs on); pyarrow comes with pip install 'blobfs[hdfs]'"
)

_TAKEN = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals upon which a JVM ends the process."""

_PLAIN = (errno.EIO, errno.ENOENT)
"""Numbers that stand for an answer of "no", or for an exception that needs no words."""

_EXCEPTION = re.compile(r"(?:org\.apache\.hadoop\.ipc\.RemoteException\()?([\w.$]+)\)?:? ?")


def encode(path: str) -> bytes:
    r"""Return a path as Java's native interface takes strings.

    >>> encode("/é"), encode("/🙂")
    (b'/\xc3\xa9', b'/\xed\xa0\xbd\xed\xb9\x82')
    """
    if max(path, default="") <= "\uffff":
        return path.encode()
    halves = memoryview(path.encode(f"utf-16-{sys.byteorder[0]}e")).cast("H")
    return "".join(map(chr, halves)).encode("utf-8", "surrogatepass")


def decoded_path(info: Any) -> str:  # noqa: ANN401 - a pyarrow.fs.FileInfo
    """Return the path that `info` is about; pyarrow decodes no surrogates."""
    try:
        return str(info.path)
    except UnicodeDecodeError as error:
        halves = error.object.decode("utf-8", "surrogatepass")
        return halves.encode("utf-16", "surrogatepass").decode("utf-16")


def exception(error: OSError) -> tuple[str, str] | None:
    """Return class and message of what Java raised, if `error` comes from that.

    It must come from the last call of this thread: in one that made none libhdfs reads what it
    never wrote, and it does not forget what it told of an earlier call.
    """
    if error.errno in _PLAIN:
        return None
    trace = (_library().hdfsGetLastExceptionStackTrace() or b"").decode("utf-8", "replace")
    found = _EXCEPTION.match(trace)
    return (found[1], trace[found.end() :].partition("\n\tat ")[0]) if found else None


class Client:
    """A connection of its own, for two calls that pyarrow does not make as they are.

    pyarrow's `move` removes a file that is in the way, and what it tells of a path is "not
    there" whatever went wrong. Format: hdfs.h of Hadoop 3.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Connect as pyarrow does, given what fsspec's filesystem was made with."""
        library = self._library = _library()
        builder = library.hdfsNewBuilder()
        host, user, ticket = options["host"], options.get("user"), options.get("kerb_ticket")
        if host != "default" and not host.startswith(("hdfs://", "viewfs://")):
            host = f"hdfs://{host}"
        # Only pointers to these are kept, until the connection is made.
        held = [str(text).encode() if text else None for text in (host, user, ticket)]
        conf = {
            str(name).encode(): str(value).encode()
            for name, value in (options.get("extra_conf") or {}).items()
        }
        library.hdfsBuilderSetForceNewInstance(builder)  # closing it closes nobody else's
        library.hdfsBuilderSetNameNode(builder, held[0])
        library.hdfsBuilderSetNameNodePort(builder, options.get("port") or 0)
        if held[1]:
            library.hdfsBuilderSetUserName(builder, held[1])
        if held[2]:
            library.hdfsBuilderSetKerbTicketCachePath(builder, held[2])
        for name, value in conf.items():
            library.hdfsBuilderConfSetStr(builder, name, value)
        self._handle = library.hdfsBuilderConnect(builder)
        if not self._handle:
            raise _failed("connecting")
        # Not at the end of the process, where a NameNode that is silent would be waited for.
        finalize(self, _disconnect, library, self._handle, os.getpid()).atexit = False

    def is_there(self, path: str) -> bool:
        """Whether anything lies at `path`.

        Raises:
            OSError: if that cannot be told.
        """
        if self._library.hdfsExists(self._handle, encode(path)) == 0:
            return True
        error = _failed("looking")
        if error.errno == errno.ENOENT:
            return False
        raise error

    def remove_directory(self, path: str) -> None:
        """Remove a directory with nothing in it.

        Raises:
            OSError: if something is in it, or it cannot be removed.
        """
        if self._library.hdfsDelete(self._handle, encode(path), 0) != 0:
            raise _failed("removing")

    def rename(self, path: str, new: str) -> bool:
        """Rename as Hadoop does, which refuses a file that is there; False if it says no more.

        Raises:
            OSError: if it says more.
        """
        if self._library.hdfsRename(self._handle, encode(path), encode(new)) == 0:
            return True
        error = _failed("renaming")
        if error.errno == errno.EIO:
            return False
        raise error


def _disconnect(library: Any, handle: int, process: int) -> None:  # noqa: ANN401 - as below
    if os.getpid() == process:  # there is no JVM in a child
        library.hdfsDisconnect(handle)


def _failed(operation: str) -> OSError:
    import ctypes

    number = ctypes.get_errno()
    return OSError(number, f"{operation}: {os.strerror(number)}")


_begun: list[str] = []
"""What was wrong when the JVM of this process began; "" if nothing was."""


def start() -> None:
    """Start a JVM, if there is none in this process, and see that it finds Hadoop.

    Raises:
        MissingDependencyError: if that cannot be; then it is not tried again.
    """
    if not os.environ.get("CLASSPATH"):
        raise MissingDependencyError(f"CLASSPATH is not set: {_NEEDS}")
    os.environ.setdefault("LIBHDFS_OPTS", JVM)
    if not _begun:
        said: Future[str] = Future()
        Thread(target=_begin, args=[said], daemon=True, name="blobfs-jvm").start()
        with signals_kept():
            _begun.append(said.result())
    if _begun[0]:
        raise MissingDependencyError(
            f"{_begun[0]}: {_NEEDS}. What was wrong at first stays so in this process"
        )


def _begin(said: "Future[str]") -> None:
    """Make a first connection, where neither name nor permission can be wrong.

    After a failure libhdfs has freed what it frees again when the thread ends, or connects once
    more, and that ends the process: so then it does neither.
    """
    from pyarrow.fs import HadoopFileSystem

    try:
        HadoopFileSystem("default", extra_conf={"fs.defaultFS": "file:///"})
        _library()
    except Exception as error:  # noqa: BLE001 - told by who waits for it
        said.set_result(str(error).partition("\n")[0] or type(error).__name__)
        Event().wait()
    else:
        said.set_result("")


def check_port(host: str, port: int, advice: Advice) -> None:
    """Raise what is wrong with a NameNode's address, where Hadoop would be long about it.

    Every Hadoop RPC port answers HTTP with a text that says what it is.
    """
    import socket

    what = f"connecting to {host}:{port}"
    answer = b""
    try:
        with socket.create_connection((host, port), ANSWER) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while len(answer) < 1 << 16 and (part := connection.recv(1 << 12)):
                answer += part
    except TimeoutError:
        raise StoreUnavailableError(
            f"{what}: no answer within {ANSWER:.0f} seconds" + advice.see(advice.endpoint)
        ) from None
    except ConnectionResetError:  # this says nothing, or all was said before
        pass
    except OSError as error:
        raise unreachable(error.strerror or str(error), what, advice) from None
    if answer.startswith(b"HTTP/") and b"Hadoop IPC port" not in answer:
        raise ConfigError(
            f"{what}: this is no RPC port, it answers HTTP: for WebHDFS, write"
            f" http://{host}:{port}" + advice.see(advice.endpoint)
        )


@contextmanager
def signals_kept() -> Iterator[None]:
    """Keep this process's ways to handle signals: a JVM that starts puts its own in place."""
    import ctypes

    libc = ctypes.CDLL(None)
    kept = {number: ctypes.create_string_buffer(512) for number in _TAKEN}
    for number, action in kept.items():
        libc.sigaction(int(number), None, action)
    try:
        yield
    finally:
        for number, action in kept.items():
            libc.sigaction(int(number), action, None)


_loaded: list[Any] = []


def _library() -> Any:  # noqa: ANN401 - a ctypes.CDLL
    """Return the library that pyarrow has loaded, from where pyarrow looks for it.

    Raises:
        OSError: if it is not there.
        AttributeError: if it is older than Hadoop 3.
    """
    import ctypes

    if not _loaded:
        name = f"libhdfs.{'dylib' if sys.platform == 'darwin' else 'so'}"
        places = [os.environ.get("ARROW_LIBHDFS_DIR", ""), ""]
        if home := os.environ.get("HADOOP_HOME"):
            places.insert(1, os.path.join(home, "lib", "native"))
        errors = []
        for path in (os.path.join(place, name) for place in places):
            try:
                _loaded.append(_declared(ctypes.CDLL(path, use_errno=True)))
                break
            except OSError as error:
                errors.append(str(error))
        else:
            raise OSError(f"Unable to load libhdfs: {'; '.join(errors)}")
    return _loaded[0]


def _declared(library: Any) -> Any:  # noqa: ANN401 - as above
    from ctypes import c_char_p, c_int, c_ushort, c_void_p

    for name, result, arguments in (
        ("hdfsNewBuilder", c_void_p, []),
        ("hdfsBuilderSetForceNewInstance", None, [c_void_p]),
        ("hdfsBuilderSetNameNode", None, [c_void_p, c_char_p]),
        ("hdfsBuilderSetNameNodePort", None, [c_void_p, c_ushort]),
        ("hdfsBuilderSetUserName", None, [c_void_p, c_char_p]),
        ("hdfsBuilderSetKerbTicketCachePath", None, [c_void_p, c_char_p]),
        ("hdfsBuilderConfSetStr", c_int, [c_void_p, c_char_p, c_char_p]),
        ("hdfsBuilderConnect", c_void_p, [c_void_p]),
        ("hdfsDisconnect", c_int, [c_void_p]),
        ("hdfsExists", c_int, [c_void_p, c_char_p]),
        ("hdfsDelete", c_int, [c_void_p, c_char_p, c_int]),
        ("hdfsRename", c_int, [c_void_p, c_char_p, c_char_p]),
        ("hdfsGetLastExceptionStackTrace", c_char_p, []),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
