"""adlfs's filesystem with a client that tries once, and nothing but what it was given.

By itself adlfs fills in what it is not told from `AZURE_STORAGE_*`, so that a key of the
environment may sign for a configured account; its client waits 85 seconds for a dead server,
sends a password of `~/.netrc` in the signature's place, and its finalizers keep every instance
until the process ends, and a forked child from ending at all.
"""

import asyncio
import inspect
import os
import urllib.request
import weakref
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from adlfs import AzureBlobFileSystem
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import BlobServiceClient

MIB = 1 << 20

SIZES = {
    "max_single_put_size": 64 * MIB,
    "max_block_size": 8 * MIB,
    "max_single_get_size": 64 * MIB,
    "max_chunk_get_size": 8 * MIB,
}
"""Bytes up to which one request is enough, and of each where it is not."""

PIECE = 256 << 10
"""Bytes that are sent at once."""

_OF_ENVIRONMENT = (
    *("account_name", "account_key", "connection_string", "sas_token"),
    *("client_id", "client_secret", "tenant_id"),
)
"""Attributes that adlfs takes from the environment where they are not given."""


class AzureFileSystem(AzureBlobFileSystem):  # type: ignore[misc] # adlfs has no types
    """Azure Blob storage through its Blob API, which Data Lake Storage Gen2 has, too."""

    def __init__(
        self,
        account_url: str | None = None,
        *,
        authority: str | None = None,
        connection_timeout: float = 5,
        read_timeout: float = 60,
        **options: Any,  # noqa: ANN401 - adlfs has no types
    ) -> None:
        """Connect to nothing yet.

        Args:
            account_url: of the blob service.
            authority: that gives out tokens; None: as azure-identity finds it.
            connection_timeout: in seconds.
            read_timeout: seconds to wait for more of an answer.
            options: as adlfs takes them.
        """
        self._given = options
        self._url = account_url
        self._limits = {
            "connection_timeout": connection_timeout,
            "read_timeout": read_timeout,
        }
        if not options.get("credential"):
            # One that is not None, lest adlfs look for another one.
            options = {**options, "credential": _credential(options, authority) or ""}
        super().__init__(**{"anon": False, **options, **self._limits})
        self._keep_no_finalizers()
        weakref.finalize(
            self, _close, self.loop, os.getpid(), self.service_client, self.credential
        )

    def do_connect(self) -> None:
        """Make the client; adlfs's constructor calls this."""
        for name in _OF_ENVIRONMENT:
            setattr(self, name, self._given.get(name))
        options: dict[str, Any] = {
            "retry_total": 0,  # those of the engine are enough
            "permit_redirects": False,
            "transport": _Transport(use_env_settings=False, **self._limits),
            **SIZES,
        }
        if self.connection_string:
            self.service_client = BlobServiceClient.from_connection_string(
                self.connection_string, **options
            )
            return
        host = self._given.get("account_host") or f"{self.account_name}.blob.core.windows.net"
        given = None if "account_host" in self._given else self._url
        self.account_url = given or f"https://{host}"
        self.service_client = BlobServiceClient(
            self.account_url,
            credential=self.credential or None,
            proxies=_proxies(self.account_url),
            **options,
        )

    def directory_client(self, container: str, path: str) -> Any:  # noqa: ANN401 - the SDK is imported late
        """Return a client of the Data Lake SDK for one directory, to be closed after use."""
        from azure.storage.filedatalake.aio import DataLakeDirectoryClient

        # Given the blob service's address it would ask that one for everything.
        url = self.service_client.url.replace(".blob.", ".dfs.", 1)
        return DataLakeDirectoryClient(
            url,
            container,
            path,
            credential=self.credential or None,
            proxies=_proxies(url),
            retry_total=0,
            permit_redirects=False,
            transport=_Transport(use_env_settings=False, **self._limits),
        )

    def _keep_no_finalizers(self) -> None:
        registry: Mapping[Any, Any] = getattr(weakref.finalize, "_registry", {})
        for finalizer in list(registry):
            alive = finalizer.peek()
            if alive and alive[0] is self:
                finalizer.detach()


class _Transport(AioHttpTransport):  # type: ignore[misc] # it is found late, so untyped
    """Sends a large body piece by piece, so that the loop's other requests are not held up.

    What is answered is read here, for the client above would ask again when that fails, after
    a second's sleep.
    """

    async def send(self, request: Any, **options: Any) -> Any:  # noqa: ANN401 - of two kinds
        if isinstance(request.data, bytes) and len(request.data) > PIECE:
            request.data = BytesIO(request.data)
        response = await super().send(request, **options)
        if options.get("stream"):
            await response.read()
        return response


def _credential(given: Mapping[str, Any], authority: str | None) -> Any:  # noqa: ANN401 - of several kinds
    """Return what the client proves with who it is, None if it does not."""
    if key := given.get("account_key"):
        return AzureNamedKeyCredential(given.get("account_name") or "", key)
    if sas := given.get("sas_token"):
        return AzureSasCredential(sas.removeprefix("?"))
    if given.get("anon") or given.get("connection_string"):
        return None
    from azure.identity import aio

    where = {"authority": authority} if authority else {}
    if client := given.get("client_id"):
        tenant, secret = given.get("tenant_id") or "", given.get("client_secret") or ""
        return aio.ClientSecretCredential(tenant, client, secret, **where)
    return aio.DefaultAzureCredential(**where)


def _proxies(url: str) -> dict[str, str]:
    """Return the proxy that the environment wants to stand before `url`, by its scheme."""
    where = urlsplit(url)
    proxy = urllib.request.getproxies().get(where.scheme)
    if not proxy or urllib.request.proxy_bypass(where.netloc):
        return {}
    return {where.scheme: proxy}


def _close(loop: asyncio.AbstractEventLoop, process: int, *opened: object) -> None:
    """Close clients and credentials on the loop that they were used on."""
    if process != os.getpid() or not loop.is_running():
        return

    async def close() -> None:
        for one in opened:
            closing = getattr(one, "close", None)
            if closing is not None and inspect.iscoroutinefunction(closing):
                await closing()

    asyncio.run_coroutine_threadsafe(close(), loop)
