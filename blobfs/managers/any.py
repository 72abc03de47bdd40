"""Blob manager for everything else that fsspec opens by URL: GCS, SFTP, SMB, memory."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from blobfs.backend.base import Backend
from blobfs.backend.local import LocalBackend
from blobfs.config import COMMON_KEYS, Key
from blobfs.errors import ConfigError, MissingDependencyError
from blobfs.location import Location
from blobfs.managers.base import BlobManager

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

LOCAL_SCHEMES = ("file", "local")
"""Of a directory of this machine, which has a backend of its own."""


EXTRAS = (
    dict.fromkeys(("s3", "s3a"), "s3")
    | dict.fromkeys(("abfs", "abfss", "az", "adl"), "azure")
    | dict.fromkeys(("hdfs", "webhdfs"), "hdfs")
    | {"oss": "oss"}
)
"""Scheme → the extra that installs what opens it."""


class FsspecBlobManager(BlobManager):
    """What `url` names, with `root_directory` below it."""

    keys: ClassVar[Sequence[Key] | None] = (
        *COMMON_KEYS,
        Key("root_directory", aliases=("repo_name", "remote_repository")),
        Key("url", required=True),
    )

    def filesystem(self) -> "AbstractFileSystem":
        return _open(self._url, self.options.reveal("storage_options", {}))[0]

    @property
    def root(self) -> str:
        return _open(self._url, self.options.reveal("storage_options", {}))[1]

    def location(self) -> Location:
        if path := local_path(self._url):
            return Location(path, tuple(f"{scheme}://{path}" for scheme in LOCAL_SCHEMES))
        return Location(self._url)

    def backend(self) -> Backend:
        path = local_path(self._url)
        return LocalBackend(path) if path else super().backend()

    def object_store_options(self) -> dict[str, str]:
        return {} if local_path(self._url) else super().object_store_options()

    @property
    def _url(self) -> str:
        url, below = self.options["url"], self.options.get("root_directory", "")
        if "://" not in url:
            raise ConfigError(
                f"{self.options.where}: `url` must be like memory://x, not {url!r}"
            )
        return "/".join(
            part.strip("/") if n else part.rstrip("/")
            for n, part in enumerate((url, below))
            if part
        )


def open_plainly(url: str) -> tuple[Backend, str]:
    """Open the storage that a URL names by fsspec alone; return the key in it, too.

    Raises:
        ConfigError: if fsspec knows no such URL.
        MissingDependencyError: if the package that opens it is not installed.
    """
    from blobfs.backend.fsspec import FsspecBackend
    from blobfs.backend.patient import Patient

    filesystem, path = _open(url, {})
    return Patient(FsspecBackend(filesystem, ""), url), path.strip("/")


def local_path(url: str) -> str | None:
    """Return the path that a URL names if it is of this machine."""
    import os

    scheme, separator, path = url.partition("://")
    if not separator or scheme not in LOCAL_SCHEMES:
        return None
    return os.path.abspath("/" + path.lstrip("/"))


def _open(url: str, options: dict[str, object]) -> tuple["AbstractFileSystem", str]:
    from fsspec.core import url_to_fs

    try:
        filesystem, path = url_to_fs(url, **options)
    except ImportError as error:
        scheme = url.partition("://")[0]
        advice = f"pip install 'blobfs[{EXTRAS[scheme]}]'" if scheme in EXTRAS else str(error)
        raise MissingDependencyError(f"{scheme}:// needs a package more: {advice}") from error
    except ValueError as error:
        raise ConfigError(f"{url} cannot be opened: {error}") from error
    return filesystem, path
