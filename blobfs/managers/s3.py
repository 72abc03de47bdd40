"""Blob manager for S3, and everything that speaks its protocol."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from blobfs.artifact.reading import Found
from blobfs.backend.base import Backend
from blobfs.backend.failure import Advice
from blobfs.config import COMMON_KEYS, ConfigDict, Key, Options
from blobfs.errors import ArtifactNotFoundError, UnsafeNameError
from blobfs.location import Location
from blobfs.managers.base import BlobManager, joined
from blobfs.managers.extras import importing

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from obstore.store import ObjectStore

CONNECT = 5
"""Seconds to wait for a connection."""

READ = 60
"""Seconds to wait for more of an answer."""

ROOTS = ("root_directory", "repo_name", "remote_repository")
"""Every spelling of the root."""


class S3BlobManager(BlobManager):
    """The objects of `bucket` below `root_directory`.

    Without keys, botocore's chain is asked: environment, profile, container, instance.
    AIFlow's manager knows no root and puts every file at the top of the bucket: where this is
    written as there, `bucket_name`, a missing `root_directory` means all of it.
    """

    keys: ClassVar[Sequence[Key] | None] = (
        *COMMON_KEYS,
        Key("bucket", aliases=("bucket_name",), required=True),
        Key("access_key_id", secret=True),
        Key("access_key_secret", aliases=("secret_access_key",), secret=True),
        Key("session_token", secret=True),
        Key("region_name"),
        Key("endpoint_url", aliases=("endpoint",)),
        Key("profile"),
        Key("anonymous", bool),
        Key("use_ssl", bool),
        Key("verify", (bool, str)),
        Key("api_version"),
        Key("service_name"),
        Key("config", dict),
    )

    blames: ClassVar[Advice] = Advice(
        container="`bucket`",
        endpoint="`endpoint_url` and `region_name`",
        credentials="`access_key_id`, `access_key_secret` and `profile`",
    )

    def checked(self, config: Mapping[str, Any]) -> Options:
        if config.get("bucket_name") and not any(map(config.get, ROOTS)):
            config = _rooted(config)
        return super().checked(config)

    def find(self, handle: str) -> Found:
        """Return what a handle names; a name alone is AIFlow's, if nothing at the root has it.

        Its manager puts every file at the top of the bucket and returns that name.

        Raises:
            UnsafeNameError: if it lies outside the root.
            ArtifactNotFoundError: if there is nothing.
        """
        if "/" in handle or handle in ("", ".", "..") or "/" not in self.root:
            return super().find(handle)
        here, top = self.location().handle(handle), f"s3://{self.options['bucket']}/{handle}"
        try:
            return super().find(here)
        except ArtifactNotFoundError:
            pass
        try:
            found = type(self)(_rooted(self.config)).find(top)
        except ArtifactNotFoundError:
            raise ArtifactNotFoundError(
                f"Cannot download {handle}: there is neither {here} nor, where AIFlow puts it,"
                f" {top}"
            ) from None
        if found.is_tree:  # which AIFlow never put there
            raise UnsafeNameError(f"{top} is a directory outside the root {self.root}")
        return found

    def filesystem(self) -> "AbstractFileSystem":
        s3fs = importing("s3fs", "s3")
        options = self._filesystem_options() | self.options.reveal("storage_options", {})
        filesystem: AbstractFileSystem = s3fs.S3FileSystem(**options)
        filesystem.retries = 1  # those of the engine are enough
        return filesystem

    @property
    def root(self) -> str:
        return joined(self.options["bucket"], self.options["root_directory"])

    def location(self) -> Location:
        key = self.root.partition("/")[2] or "."  # AIFlow's handles are keys of the bucket
        return Location(f"s3://{self.root}", (f"s3a://{self.root}", f"s3n://{self.root}", key))

    def bare_backend(self) -> Backend:
        if not (opening := self._obstore()):
            return self._s3fs_backend()
        from blobfs.backend.obstore import ObstoreBackend

        prefix = self.root.partition("/")[2]
        return ObstoreBackend(opening, prefix, self.advice, self._s3fs_backend, copies=True)

    def _s3fs_backend(self) -> Backend:
        from blobfs.backend.s3 import S3Backend

        return S3Backend(self.filesystem(), self.root, self.advice)

    @property
    def service_url(self) -> str | None:
        """The endpoint, with a scheme, which AIFlow's users may leave out."""
        endpoint = self.options.get("endpoint_url") or _of_environment(
            "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"
        )
        if endpoint and "://" not in endpoint:
            plain = self.options.get("use_ssl") is False
            return f"{'http' if plain else 'https'}://{endpoint}"
        return endpoint

    def fsspec_options(self) -> dict[str, Any]:
        own = ("key", "secret", "token", "anon", "endpoint_url", "client_kwargs", "profile")
        given = self._filesystem_options()
        return {name: given[name] for name in own if given.get(name)} | super().fsspec_options()

    def object_store_options(self) -> dict[str, str]:
        """Without keys and profile it asks its own chain."""
        options = self.options
        given = {"aws_endpoint_url": self.service_url, "aws_region": self._region()}
        if (given["aws_endpoint_url"] or "").startswith("http://"):
            given["allow_http"] = "true"
        if options.get("verify") is False:
            given["allow_invalid_certificates"] = "true"
        if options.get("anonymous"):
            given["aws_skip_signature"] = "true"
        elif "access_key_id" in options or "profile" in options:
            found = self._credentials()()
            given["aws_access_key_id"] = found["access_key_id"]
            given["aws_secret_access_key"] = found["secret_access_key"]
            given["aws_session_token"] = found["token"]
        return {name: value for name, value in given.items() if value}

    def _filesystem_options(self) -> dict[str, Any]:
        """Return what `s3fs.S3FileSystem` takes; a client of its own, as retries are off."""
        options = self.options
        config = {
            "connect_timeout": CONNECT,
            "read_timeout": READ,
            "max_pool_connections": 64,
            "retries": {"total_max_attempts": 1, "mode": "standard"},
            **({"s3": {"addressing_style": "path"}} if self.service_url else {}),
            # Else URLs are signed by version 2, which servers no longer take.
            **({} if options.get("anonymous") else {"signature_version": "s3v4"}),
            **options.get("config", {}),
        }
        client = {
            name: options[name]
            for name in ("region_name", "verify", "api_version")
            if name in options
        }
        result: dict[str, Any] = {
            "key": options.reveal("access_key_id"),
            "secret": options.reveal("access_key_secret"),
            "token": options.reveal("session_token"),
            "anon": options.get("anonymous", False),
            "endpoint_url": self.service_url,
            "use_ssl": options.get("use_ssl", True),
            "client_kwargs": client,
            "config_kwargs": config,
            "use_listings_cache": False,
            "skip_instance_cache": True,
        }
        if "profile" in options:
            result["profile"] = options["profile"]
        return result

    def _obstore(self) -> Callable[[int, int], "ObjectStore"] | None:
        """Return what opens the bucket by obstore; None where only s3fs does what is asked."""
        options = self.options
        only_s3fs = {"config", "verify", "api_version", "service_name", "storage_options"}
        if options.get("transport") == "fsspec" or only_s3fs & set(options):
            return None
        try:
            from obstore.store import S3Store
        except ImportError:
            return None
        endpoint = self.service_url
        given: dict[str, Any] = {"bucket": options["bucket"]}
        if endpoint:
            given["endpoint"] = endpoint
        if region := self._region():
            given["region"] = region
        if options.get("anonymous"):
            given["skip_signature"] = True
        else:
            given["credential_provider"] = self._credentials()
        plain = bool(endpoint and endpoint.startswith("http://"))

        def open_store(timeout: int, tries: int) -> "ObjectStore":
            return S3Store(
                **given,
                client_options={
                    "allow_http": plain,
                    "connect_timeout": f"{CONNECT}s",
                    "timeout": f"{timeout}s",
                },
                retry_config={"max_retries": tries},
            )

        return open_store

    def _region(self) -> str | None:
        return self.options.get("region_name") or _of_environment(
            "AWS_REGION", "AWS_DEFAULT_REGION"
        )

    def _credentials(self) -> Callable[[], dict[str, Any]]:
        """Return what gives obstore credentials: those written down, else botocore's chain.

        As a function, for beside keys that it is given obstore looks into the environment, too.
        """
        options = self.options
        if "access_key_id" in options:
            written = _credential(
                options.reveal("access_key_id"),
                options.reveal("access_key_secret"),
                options.reveal("session_token"),
            )
            return lambda: written
        return _Chain(options.get("profile"))


def _rooted(config: Mapping[str, Any]) -> ConfigDict:
    """Return a configuration with all of the bucket as its root."""
    others = {name: value for name, value in config.items() if name not in ROOTS}
    origin = getattr(config, "origin", "blob_manager_config")
    return ConfigDict({**others, "root_directory": "/"}, origin=origin)


def _of_environment(*names: str) -> str | None:
    """Return the first of these variables that is set, as botocore reads them, too."""
    import os

    return next(filter(None, map(os.environ.get, names)), None)


def _credential(key: str, secret: str, token: str | None) -> dict[str, Any]:
    return {
        "access_key_id": key,
        "secret_access_key": secret,
        "token": token,
        "expires_at": None,
    }


class _Chain:
    """botocore's credentials, asked for anew every few minutes, since they may expire."""

    def __init__(self, profile: str | None) -> None:
        self._profile = profile
        self._found: Any = None

    def __call__(self) -> dict[str, Any]:
        import os
        from datetime import UTC, datetime, timedelta

        if not self._profile and (key := os.environ.get("AWS_ACCESS_KEY_ID")):
            secret = os.environ.get("AWS_SECRET_ACCESS_KEY", "")
            return _credential(key, secret, os.environ.get("AWS_SESSION_TOKEN"))
        if self._found is None:
            session = importing("botocore.session", "s3").Session(profile=self._profile)
            self._found = session.get_credentials()
        if self._found is None:
            raise ValueError("Unable to locate credentials")
        frozen = self._found.get_frozen_credentials()  # renews what is about to expire
        credential = _credential(frozen.access_key, frozen.secret_key, frozen.token)
        return {**credential, "expires_at": datetime.now(UTC) + timedelta(minutes=10)}
