"""What every blob manager is: a configuration mapped to a filesystem and a root on it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from blobfs.artifact.local import upload_path
from blobfs.artifact.reading import Found, path_at, resolve_in, resolve_key
from blobfs.backend.base import Backend
from blobfs.backend.failure import Advice
from blobfs.config import COMMON_KEYS, Key, Options, StoreConfig, check_options
from blobfs.digest import Digest
from blobfs.errors import ArtifactNotFoundError, ConfigError, UnsafeNameError
from blobfs.layout.azureml.places import AzureMLLayout
from blobfs.layout.hashed import HashedLayout, known_to_azureml
from blobfs.location import Location
from blobfs.manifest import Manifest
from blobfs.names import MANIFEST_NAME
from blobfs.store import Store

if TYPE_CHECKING:
    from logging import Logger
    from typing import Self

    from fsspec import AbstractFileSystem


class _Root:
    """Says that a root must be given; it may be a property, or be set as AIFlow's users may."""

    def __get__(self, manager: object, kind: type) -> str:
        raise NotImplementedError(f"{kind.__name__} must define root")


class BlobManager:
    """Maps a configuration to an fsspec filesystem and a root; it moves no bytes itself.

    A manager of one's own subclasses this, takes `config: dict`, and gives `filesystem()` and
    `root`. One that overrides `upload` and `download` instead works, too.
    """

    keys: ClassVar[Sequence[Key] | None] = None
    """The options it takes, held against the configuration at construction; None: any."""

    blames: ClassVar[Advice] = Advice()
    """The options that messages name when the storage, its place or its keys are wrong."""

    _store: "Store | None" = None
    _root_dir: str | None = None

    def __new__(cls, *args: Any, **options: Any) -> "Self":  # noqa: ANN401 - a subclass may take more
        """Keep the configuration already: a subclass may forget its base's `__init__`."""
        self = super().__new__(cls)
        config = options.get("config", args[0] if args else None)
        self._hold(config if isinstance(config, Mapping) else {})
        return self

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Keep the configuration; nothing is connected before something is to be done.

        Raises:
            ConfigError: listing everything that is wrong with it.
        """
        self._hold(config)
        self.options  # noqa: B018 - what is wrong is told now

    @cached_property
    def options(self) -> Options:
        """What the configuration says, checked."""
        return self.checked(self.config)

    def checked(self, config: Mapping[str, Any]) -> Options:
        """Return what a configuration says; see `check_options`."""
        if self.keys is not None:
            return check_options(config, self.keys)
        known = {name for key in COMMON_KEYS for name in (key.name, *key.aliases)}
        common = {name: value for name, value in config.items() if name in known}
        optional = [replace(key, required=False) for key in COMMON_KEYS]
        return check_options(common, optional, where=self._held.origin)

    def _hold(self, config: Mapping[str, Any]) -> None:
        kind = type(self)
        path = f"{kind.__module__}.{kind.__qualname__}"
        origin = getattr(config, "origin", "blob_manager_config")
        # In a value that hides it, so that neither repr nor vars nor a pickle shows a secret.
        self._held = StoreConfig(None, path, config, origin)  # type: ignore[arg-type] # the same object, as AIFlow's callers expect

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.options!r})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave the connection behind; a written-out secret refuses to be pickled."""
        return {**self.__dict__, "_store": None}

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration, the very object that was given."""
        return self._held.blob_manager_config

    @config.setter
    def config(self, config: Mapping[str, Any]) -> None:
        self._hold(config)

    @property
    def root_dir(self) -> str | None:
        """The configured `root_directory`; one that a subclass sets is for itself alone."""
        return (
            self._root_dir if self._root_dir is not None else self.config.get("root_directory")
        )

    @root_dir.setter
    def root_dir(self, directory: str | None) -> None:
        self._root_dir = directory

    @property
    def log(self) -> "Logger":
        """Where it logs."""
        import logging

        return logging.getLogger(f"{type(self).__module__}.{type(self).__qualname__}")

    # ---- what a subclass gives -------------------------------------------------------------

    def filesystem(self) -> "AbstractFileSystem":
        """Return the fsspec filesystem that the configuration means, ready to be used."""
        raise NotImplementedError(f"{type(self).__name__} must define filesystem()")

    if TYPE_CHECKING:

        @property
        def root(self) -> str:
            """The path on that filesystem that everything lies under."""

    else:
        root = _Root()

    def location(self) -> Location:
        """Return how handles spell the root."""
        return Location(self.filesystem().unstrip_protocol(self.root).rstrip("/"))

    def backend(self) -> Backend:
        """Return the calls that the engine makes, each made again where that may help."""
        from blobfs.backend.patient import Patient
        from blobfs.managers.url import is_link_local

        if self.service_url and is_link_local(self.service_url):
            raise ConfigError(
                f"{self.options.where}: {self.blames.endpoint}: {self.service_url} is a"
                " link-local address, where machines keep secrets of their own and no store is"
            )
        return Patient(self.bare_backend(), self.location().url)

    def bare_backend(self) -> Backend:
        """Return the calls that the engine makes, each made once."""
        from blobfs.backend.fsspec import FsspecBackend

        return FsspecBackend(self.filesystem(), self.root, self.advice)

    @property
    def service_url(self) -> str | None:
        """The URL that requests go to, if the configuration names one."""
        return None

    def fsspec_options(self) -> dict[str, Any]:
        """Return the options with which fsspec opens handles; they may hold secrets."""
        return dict(self.options.reveal("storage_options", {}))

    def object_store_options(self) -> dict[str, str]:
        """Return the options with which the Rust crate object_store opens handles; likewise.

        Raises:
            ConfigError: if it does not know this storage.
        """
        raise ConfigError(
            f"{self.options.where}: object_store, which polars reads with, opens no"
            f" {self.location().url}: read it by blobfs:// or fsspec, or download it"
        )

    @property
    def advice(self) -> Advice:
        """What messages say beside what went wrong."""
        from blobfs.config import redact

        secrets = self.options.secrets()
        return self.blames._replace(
            where=self.options.where, redact=lambda text: redact(text, secrets)
        )

    # ---- what it gives ---------------------------------------------------------------------

    def open(self, name: str | None = None, origin: str | None = None) -> Store:
        """Return the store, to be used as often as one likes.

        Args:
            name: what it is called in the configuration, if it has a name there.
            origin: what chose it, for messages.
        """
        from blobfs.managers.url import open_url

        layout = self.options.get("layout")
        return Store(
            name,
            self.backend(),
            self.location(),
            origin=origin or self._held.origin,
            delta=self.options.get("delta", "copy"),
            flat=layout == "flat",
            layout=AzureMLLayout() if layout == "azureml" else HashedLayout(),
            links=self.options.get("links", "inside"),
            jobs=self.options.get("jobs"),
            open_url=open_url,
            config=self._held,
        )

    def upload(self, local_file_path: str | os.PathLike[str]) -> str:
        """Store a file or directory and return its handle, whose last part is its name.

        Raises:
            BlobfsError: see `blobfs.upload`.
        """
        return upload_path(self._opened(), local_file_path).path

    def download(
        self,
        remote_file_path: str | os.PathLike[str],
        local_dir: str | os.PathLike[str] | None = None,
    ) -> str:
        """Bring what a handle names to `<local_dir>/<its name>` and return that path.

        Files that are there already under that name give way.

        Args:
            remote_file_path: a handle, as `upload` returned it, or any path below the root.
            local_dir: None: the configured `local_repository`.

        Raises:
            UnsafeNameError: if the handle lies outside the root.
            BlobfsError: see `blobfs.download`.
        """
        from blobfs.artifact.download import download

        try:
            found = self.find(os.fspath(remote_file_path))
        except UnsafeNameError as error:  # in AIFlow's words, which its users match on
            raise UnsafeNameError(f"Cannot download {remote_file_path}: {error}") from None
        directory = local_dir or self.options.get("local_repository")
        if directory is None:
            return self._in_place(found)
        name = os.fspath(remote_file_path).rstrip("/").rpartition("/")[2]
        target = os.path.join(directory, name)
        return str(download(found, target, overwrite=True, exact=True))

    def find(self, handle: str) -> Found:
        """Return what a handle names.

        Raises:
            UnsafeNameError: if it lies outside the root.
            ArtifactNotFoundError: if there is nothing.
        """
        return find_handle(self._opened(), handle)

    def _in_place(self, found: Found) -> str:
        raise ConfigError(
            f"Cannot download {found.name}: no directory was given, and"
            " `local_repository` option of blob manager config is not configured."
        )

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self.open()
        return self._store


def joined(container: str, directory: str) -> str:
    """Return `<container>/<directory>` without a needless `/`.

    >>> joined("bucket", "/team//a/"), joined("bucket", "/")
    ('bucket/team/a', 'bucket')
    """
    return "/".join(part for part in (container, *directory.split("/")) if part)


def find_handle(store: Store, handle: str) -> Found:
    """Return what a handle names in a store.

    Raises:
        UnsafeNameError: if it lies outside the store's root.
        ArtifactNotFoundError: if there is nothing.
    """
    key = key_of(store, handle)
    at = store.layout.artifact_at(key)
    if at is None or at[1] == MANIFEST_NAME:
        return resolve_key(store, key)
    return _find_upload(store, key, *at)


def key_of(store: Store, handle: str) -> str:
    """Return the key of what a handle names.

    Raises:
        UnsafeNameError: if it lies outside the store's root.
    """
    key = store.location.key(handle)
    if key is None:
        raise UnsafeNameError(
            f"{handle} does not lie under {store.location.url}, the root of {store}"
        )
    return key


def _find_upload(store: Store, key: str, digest: Digest, rest: str) -> Found:
    """Return what lies at `key`: in an artifact, or in an upload of AzureML."""
    place = known_to_azureml(key)
    if store.azureml and place and (upload := _manifest_at(store, place[0])):
        return resolve_in(store, upload, place[1])
    try:
        manifest = store.manifest(digest)
    except ArtifactNotFoundError as missing:
        if store.azureml:  # nothing more is known of it than what lies there
            return resolve_key(store, key)
        if place and (upload := _manifest_at(store, place[0])):
            return resolve_in(store, upload, place[1])
        missing.add_note("what AzureML put there is read with `layout: azureml`")
        raise
    return resolve_in(store, manifest, path_at(rest))


def _manifest_at(store: Store, key: str) -> Manifest | None:
    try:
        return store.manifest_at(key)
    except FileNotFoundError:
        return None
