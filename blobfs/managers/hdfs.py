"""Blob manager for HDFS, by Hadoop's own client or by WebHDFS."""

import posixpath
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

from blobfs.backend.base import Backend
from blobfs.backend.failure import Advice
from blobfs.config import COMMON_KEYS, Key
from blobfs.errors import ConfigError, MissingDependencyError
from blobfs.location import Location
from blobfs.managers.base import BlobManager, joined
from blobfs.managers.extras import importing

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

CLIENT: dict[str, str] = {
    "ipc.client.connect.timeout": "5000",
    "ipc.client.connect.max.retries": "1",
    "ipc.client.connect.max.retries.on.timeouts": "0",
    "ipc.client.connect.retry.interval": "500",
    "ipc.client.rpc-timeout.ms": "60000",
    # A file that is closed is asked for again until its last block is reported: 12 times from 4
    # ms on are as long as 5 times from 400 ms on, and small files take a tenth of the time.
    "dfs.client.block.write.locateFollowingBlock.initial.delay.ms": "4",
    "dfs.client.block.write.locateFollowingBlock.retries": "12",
}
"""Options of Hadoop's client, before `hdfs_conf`. By themselves a NameNode that does not answer
is waited for a quarter of an hour.
https://hadoop.apache.org/docs/r3.4.2/hadoop-project-dist/hadoop-common/core-default.xml
https://hadoop.apache.org/docs/r3.4.2/hadoop-project-dist/hadoop-hdfs/hdfs-default.xml"""

REPLICATION = "dfs.replication"
COPIES = 3
"""Of each block, Hadoop's default: libhdfs asks for one where it is not told."""

UMASK = "fs.permissions.umask-mode"

SOCKETS = "hadoop.rpc.socket.factory.class.default"
"""Says that the NameNode is reached in another way than by a connection from here."""


class Address(NamedTuple):
    """What `hdfs_url` means."""

    scheme: str
    host: str
    """Also a nameservice, without a port, which Hadoop's own configuration explains."""

    port: int | None

    @property
    def is_web(self) -> bool:
        """Whether it is that of WebHDFS."""
        return self.scheme != "hdfs"

    @property
    def netloc(self) -> str:
        """As a URL has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


class HDFSBlobManager(BlobManager):
    """The files below `root_directory`.

    `hdfs_url` says which way: `hdfs://host:port` or `hdfs://nameservice` by libhdfs, which is
    found by ARROW_LIBHDFS_DIR, CLASSPATH and JAVA_HOME in the environment (LIBHDFS_OPTS is for
    its JVM), and which prints Java's stack traces to standard error when something goes wrong;
    `http(s)://host:port` by WebHDFS.

    `hdfs_conf` are options of Hadoop's client, stronger than its XML files, where none of them
    must stand; over WebHDFS only `dfs.replication`, `dfs.blocksize` and, in octal digits,
    `fs.permissions.umask-mode` mean something: "002" for a store that a group writes to.
    Without Kerberos HDFS believes `hdfs_user`; else HADOOP_USER_NAME or the user's own name.
    """

    keys: ClassVar[Sequence[Key] | None] = (
        *COMMON_KEYS,
        Key("hdfs_url", required=True),
        Key("hdfs_user"),
        Key("kerberos_ticket"),
        Key("token", secret=True),
        Key("hdfs_conf", dict),
    )

    blames: ClassVar[Advice] = Advice(
        container="`root_directory`",
        endpoint="`hdfs_url`",
        credentials="`hdfs_user`, `kerberos_ticket` and `token`",
    )

    def filesystem(self) -> "AbstractFileSystem":
        return self._web_filesystem() if self._address.is_web else self._rpc_filesystem()

    @property
    def root(self) -> str:
        return posixpath.normpath("/" + joined("", self.options["root_directory"]))

    def location(self) -> Location:
        address, root = self._address, self.root.rstrip("/")
        paths = (self.root, root.lstrip("/") or ".")  # all that AIFlow's handles say
        if not address.is_web:
            return Location(f"hdfs://{address.netloc}{root}", paths)
        url = f"webhdfs://{address.netloc}{root}"
        return Location(url, (f"s{url}", *paths))

    def bare_backend(self) -> Backend:
        address = self._address
        if address.is_web:
            from blobfs.backend.webhdfs import WebHdfsBackend

            creating, making = _web_parameters(self._conf)
            return WebHdfsBackend(self.filesystem, self.root, self.advice, creating, making)
        importing("pyarrow.fs", "hdfs")
        from blobfs.backend.hdfs import HdfsBackend

        direct = address.port is not None and SOCKETS not in self._conf
        reached = (address.host, address.port or 0) if direct else None
        return HdfsBackend(self.filesystem, self.root, self.advice, reached)

    @property
    def service_url(self) -> str:
        return str(self.options["hdfs_url"])

    def fsspec_options(self) -> dict[str, Any]:
        names = {"hdfs_user": "user", "token": "token", "kerberos_ticket": "kerb_ticket"}
        if self._address.is_web:
            del names["kerberos_ticket"]
        given = {
            names[ours]: self.options.reveal(ours) for ours in names if ours in self.options
        }
        return given | super().fsspec_options()

    @property
    def _address(self) -> Address:
        url, where = self.options["hdfs_url"], self.options.where
        try:
            parts = urlsplit(url)
            found = Address(parts.scheme, parts.hostname or "", parts.port)
        except ValueError:
            parts, found = urlsplit(""), Address("", "", None)
        more = parts.username or parts.query or parts.fragment or parts.path.strip("/")
        right = found.scheme in ("hdfs", "http", "https") and (found.port or not found.is_web)
        if more or not found.host or not right:
            raise ConfigError(
                f"{where}: `hdfs_url` must be like hdfs://host:8020 (RPC), hdfs://nameservice,"
                " or http://host:9870 (WebHDFS), with nothing before or after host and port"
            )
        if not found.is_web and "token" in self.options:
            raise ConfigError(
                f"{where}: `token` is for WebHDFS; to {found.scheme}:// it means nothing"
            )
        return found

    @property
    def _conf(self) -> dict[str, str]:
        given: Mapping[str, Any] = self.options.get("hdfs_conf", {})
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in given.items()
        }

    def _rpc_filesystem(self) -> "AbstractFileSystem":
        """Return a filesystem that starts a JVM, if there is none in this process."""
        importing("pyarrow.fs", "hdfs")
        from fsspec.implementations.arrow import HadoopFileSystem

        conf = self._conf
        options: dict[str, Any] = {
            "host": self._address.host,
            "port": self._address.port or 0,
            "user": self.options.get("hdfs_user"),
            "kerb_ticket": self.options.get("kerberos_ticket"),
            "replication": int(conf.get(REPLICATION, COPIES)),
            "extra_conf": CLIENT | conf,
            "skip_instance_cache": True,
            **self.options.reveal("storage_options", {}),
        }
        filesystem: AbstractFileSystem = HadoopFileSystem(**options)
        return filesystem

    def _web_filesystem(self) -> "AbstractFileSystem":
        webhdfs = importing("fsspec.implementations.webhdfs", "hdfs")
        address, ticket = self._address, self.options.get("kerberos_ticket")
        options: dict[str, Any] = {
            "host": address.netloc.rpartition(":")[0],
            "port": address.port,
            "use_https": address.scheme == "https",
            "token": self.options.reveal("token"),
            "skip_instance_cache": True,
            **self.options.reveal("storage_options", {}),
        }
        if not (ticket or options["token"] or options.get("kerberos")):
            options.setdefault("user", self.options.get("hdfs_user") or _current_user())
        try:
            filesystem: AbstractFileSystem = webhdfs.WebHDFS(**options)
        except ImportError as error:
            raise MissingDependencyError(
                f"{error}: Kerberos over WebHDFS needs it: pip install requests-kerberos"
            ) from error
        if ticket:
            filesystem.session.auth = _negotiating(ticket)
        return filesystem


def _web_parameters(conf: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the parameters of WebHDFS for files and directories that Hadoop's options mean.

    >>> _web_parameters({"dfs.replication": "2", "fs.permissions.umask-mode": "002"})
    ({'replication': '2', 'permission': '664'}, {'permission': '775'})
    """
    names = {REPLICATION: "replication", "dfs.blocksize": "blocksize"}
    creating = {names[name]: value for name, value in conf.items() if name in names}
    try:
        umask = int(conf.get(UMASK, ""), 8)
    except ValueError:  # unset, or with letters: the server's then
        return creating, {}
    return creating | {"permission": f"{0o666 & ~umask:o}"}, {
        "permission": f"{0o777 & ~umask:o}"
    }


def _negotiating(ticket: str) -> Any:  # noqa: ANN401 - what requests takes
    """Return what authenticates by the tickets in the file `ticket`."""
    import importlib

    try:
        gssapi = importlib.import_module("gssapi")
        requests_gssapi = importlib.import_module("requests_gssapi")
    except ImportError as error:
        raise MissingDependencyError(
            f"{error}: `kerberos_ticket` over WebHDFS needs it: pip install requests-gssapi"
        ) from error
    held = gssapi.Credentials(usage="initiate", store={"ccache": ticket})
    return requests_gssapi.HTTPSPNEGOAuth(creds=held)


def _current_user() -> str:
    import getpass
    import os

    try:
        return os.environ.get("HADOOP_USER_NAME") or getpass.getuser()
    except (KeyError, OSError) as error:  # as in a container whose user has no name
        raise ConfigError(
            f"`hdfs_user` is not set, and the system knows none: {error}"
        ) from None
