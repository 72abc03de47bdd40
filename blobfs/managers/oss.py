"""Blob manager for Alibaba Cloud's OSS."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from blobfs.backend.base import Backend
from blobfs.backend.failure import Advice
from blobfs.config import COMMON_KEYS, Key
from blobfs.errors import AccessError, ConfigError, MissingDependencyError
from blobfs.location import Location
from blobfs.managers.base import BlobManager, joined
from blobfs.managers.extras import importing

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

CONNECTIONS = 64
"""Connections that are kept for the next request: one for each thread that may make one."""

_KEYS = {"key": "access_key_id", "secret": "access_key_secret", "token": "security_token"}
"""ossfs's names of what signs requests → ours."""

_REGION = re.compile(
    r"(?:.*\.|vpc100-)?oss-([a-z]{2}-[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com"
    r"|(?:.*\.)?([a-z]{2}-[a-z0-9-]+)\.oss\.aliyuncs\.com"
)
"""Hosts whose name tells the region, and where in them it stands.
https://www.alibabacloud.com/help/en/oss/user-guide/regions-and-endpoints"""


class OssBlobManager(BlobManager):
    """The objects of `bucket` below `root_directory`.

    Without keys, those of the environment are taken, else Alibaba Cloud's own chain is asked,
    if its package is installed: profiles, roles of containers and of machines.
    """

    keys: ClassVar[Sequence[Key] | None] = (
        *COMMON_KEYS,
        Key("bucket", required=True),
        Key("endpoint", required=True),
        Key("access_key_id", secret=True),
        Key("access_key_secret", secret=True),
        Key("security_token", secret=True),
    )

    blames: ClassVar[Advice] = Advice(
        container="`bucket`",
        endpoint="`endpoint`",
        credentials="`access_key_id`, `access_key_secret` and `security_token`",
    )

    def filesystem(self) -> "AbstractFileSystem":
        ossfs = importing("ossfs", "oss")
        options = {
            "endpoint": self.options["endpoint"],
            "use_listings_cache": False,
            "skip_instance_cache": True,
            **self.options.reveal("storage_options", {}),
        }
        options["endpoint"] = with_scheme(options["endpoint"])
        written = {
            ours: str(options.pop(theirs, None) or self.options.reveal(ours, "")).strip()
            for theirs, ours in _KEYS.items()
        }
        filesystem = ossfs.OSSFileSystem(**options)  # without keys, which it would write out
        filesystem._auth = self._auth(written, options["endpoint"])  # noqa: SLF001 - it takes none
        filesystem._session = _session()  # noqa: SLF001 - nor a session
        return filesystem

    @property
    def root(self) -> str:
        return joined(self.options["bucket"], self.options["root_directory"])

    def location(self) -> Location:
        return Location(f"oss://{self.root}", tuple(self._spellings()))

    def _spellings(self) -> Iterator[str]:
        """Yield how AIFlow's handles begin, those of its early versions (a key) last."""
        bucket, _, path = self.root.partition("/")
        host = self.service_url.partition("://")[2].rstrip("/")
        for before in ("", "https://", "http://"):  # the endpoint was taken as it was written
            yield f"{bucket}.{before}{host}/{path}"
        for scheme in ("https", "http"):
            yield f"{scheme}://{bucket}.{host}/{path}"
        yield path or "."

    def bare_backend(self) -> Backend:
        filesystem = self.filesystem()
        from blobfs.backend.oss import OssBackend

        return OssBackend(filesystem, self.root, self.advice)

    @property
    def service_url(self) -> str:
        return with_scheme(self.options["endpoint"])

    def fsspec_options(self) -> dict[str, Any]:
        written = {theirs: self.options.reveal(ours) for theirs, ours in _KEYS.items()}
        given = {name: value for name, value in written.items() if value}
        return {"endpoint": self.service_url} | given | super().fsspec_options()

    def _auth(self, written: Mapping[str, str], endpoint: str) -> Any:  # noqa: ANN401 - oss2 has no types
        """Return what signs requests: by version 4 where the region is known, else by 1.

        Version 4 is the only one for new buckets, and wants to know the region.
        https://www.alibabacloud.com/help/en/oss/developer-reference/guidelines-for-upgrading-v1-signatures-to-v4-signatures
        """
        oss2 = importing("oss2", "oss")
        provider = self._provider(written)
        if region := region_of(endpoint):
            return _Regional(oss2.ProviderAuthV4(provider), region)
        return oss2.ProviderAuth(provider)

    def _provider(self, written: Mapping[str, str]) -> Any:  # noqa: ANN401 - oss2 has no types
        """Return what gives the keys, each time that a request is signed."""
        import os

        credentials = importing("oss2.credentials", "oss")
        pair = {name: written[name] for name in ("access_key_id", "access_key_secret")}
        if all(pair.values()):
            return credentials.StaticCredentialsProvider(*written.values())
        if any(written.values()):
            lacking = " and ".join(f"`{name}`" for name, key in pair.items() if not key)
            raise ConfigError(f"{self.options.where}: {lacking} must stand beside the others")
        if os.environ.get("OSS_ACCESS_KEY_ID"):
            return credentials.EnvironmentVariableCredentialsProvider()
        return _Chain(credentials.Credentials, self.options.where)


def with_scheme(endpoint: str) -> str:
    """Return an endpoint with the scheme that AIFlow's users leave out; oss2 would take http.

    >>> with_scheme("oss-cn-hangzhou.aliyuncs.com"), with_scheme("http://127.0.0.1:80")
    ('https://oss-cn-hangzhou.aliyuncs.com', 'http://127.0.0.1:80')
    """
    endpoint = endpoint.strip()
    return endpoint if "://" in endpoint else f"https://{endpoint}"


def region_of(endpoint: str) -> str | None:
    """Return the region that an endpoint tells.

    >>> region_of("https://oss-cn-hangzhou-internal.aliyuncs.com"), region_of("oss.example.com")
    ('cn-hangzhou', None)
    """
    host = endpoint.rpartition("://")[2].partition("/")[0].partition(":")[0]
    found = _REGION.fullmatch(host.lower())
    return found and (found[1] or found[2])


def _session() -> Any:  # noqa: ANN401 - oss2 has no types
    """Return a session that sends each request once, signed as it is, where it should go."""
    session = importing("oss2", "oss").Session(pool_size=CONNECTIONS)
    # Nowhere else, whatever is answered: its body would be sent again, its signature be wrong.
    session.session.get_redirect_target = lambda _: None
    # Without one of its own it would put a password of ~/.netrc in the signature's place.
    session.session.auth = lambda request: request
    return session


class _Regional:
    """Signs by version 4, and tells the region, which ossfs does not."""

    def __init__(self, auth: Any, region: str) -> None:  # noqa: ANN401 - oss2 has no types
        self._auth = auth
        self._region = region

    def _sign_request(self, request: Any, bucket: str, key: str) -> None:  # noqa: ANN401
        request.region = self._region
        self._auth._sign_request(request, bucket, key)  # noqa: SLF001 - as oss2 itself calls it

    def _sign_url(self, request: Any, bucket: str, key: str, expires: int) -> str:  # noqa: ANN401
        request.region = self._region
        return str(self._auth._sign_url(request, bucket, key, expires))  # noqa: SLF001

    def auth_version(self) -> str:
        """Return the version, as oss2 spells it."""
        return str(self._auth.auth_version())


class _Chain:
    """Alibaba Cloud's own chain: variables, profiles, roles of containers and of machines."""

    def __init__(self, kind: Any, where: str) -> None:  # noqa: ANN401 - a class of oss2
        try:
            client = importing("alibabacloud_credentials.client", "oss")
        except MissingDependencyError:
            raise ConfigError(
                f"{where}: no keys for OSS: write `access_key_id` and `access_key_secret`, set"
                " OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET, or install"
                " alibabacloud-credentials, which finds profiles and roles"
            ) from None
        self._client = client.Client()
        self._kind = kind
        self._where = where

    def get_credentials(self) -> Any:  # noqa: ANN401 - of oss2
        """Return keys that are valid now; the chain renews those that expire.

        Raises:
            AccessError: if there are none.
        """
        try:
            found = self._client.get_credential()
        except Exception as error:
            told = f"{self._where}: no `access_key_id` is written, and none was found"
            raise AccessError(f"{told}: {error}") from error
        return self._kind(found.access_key_id, found.access_key_secret, found.security_token)
