"""Blob managers for Azure Blob storage and Data Lake Storage Gen2."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from blobfs.backend.base import Backend
from blobfs.backend.failure import Advice
from blobfs.config import COMMON_KEYS, Key, Options, check_options, redact
from blobfs.errors import ConfigError
from blobfs.location import Location
from blobfs.managers.azure_account import (
    WAYS,
    Account,
    account_of,
    login_problems,
    needed,
)
from blobfs.managers.base import BlobManager, joined
from blobfs.managers.extras import importing

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from obstore.store import ObjectStore

CONNECT = 5
"""Seconds to wait for a connection."""

SCOPE = "https://storage.azure.com/.default"
"""What a token is good for, in every cloud.
https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory"""


class AzureBlobManager(BlobManager):
    """The blobs of `container` below `root_directory`.

    Without any option that says who asks, DefaultAzureCredential is asked: environment,
    workload, machine, and who is logged in to Azure's command line.
    """

    keys: ClassVar[Sequence[Key] | None] = (
        *COMMON_KEYS,
        Key("account_name"),
        Key("container", aliases=("filesystem",), required=True),
        Key("connection_string", secret=True),
        Key("account_key", secret=True),
        Key("sas_token", secret=True),
        Key("client_id", secret=True),
        Key("client_secret", secret=True),
        Key("tenant_id", secret=True),
        Key("anonymous", bool),
        Key("endpoint"),
    )

    marks_directories: ClassVar[bool] = False
    """Whether AzureML's marks stand at directories."""

    blames: ClassVar[Advice] = Advice(
        container="`container`", endpoint="`account_name` and `endpoint`"
    )

    @cached_property
    def options(self) -> Options:
        known = {name for way in WAYS for name in way}
        wanted = needed(self.config)
        keys = [
            replace(key, required=key.required or key.name in wanted) for key in self.keys or ()
        ]
        try:
            options = check_options(self.config, keys)
        except ConfigError as error:
            problems = login_problems(self.config)
            raise ConfigError("\n  ".join([str(error), *problems])) from None
        if problems := login_problems({name: options.get(name) for name in known}):
            raise ConfigError(f"{options.where}: {problems[0]}")
        return options

    def filesystem(self) -> "AbstractFileSystem":
        importing("adlfs", "azure")
        from blobfs.backend.azure_filesystem import AzureFileSystem

        return AzureFileSystem(**self._filesystem_options())

    @property
    def root(self) -> str:
        return joined(self.options["container"], self.options["root_directory"])

    def location(self) -> Location:
        account, root = self._account, self.root
        container, _, prefix = root.partition("/")
        below = f"/{prefix}" if prefix else ""
        hosts = (account.host, account.blob_host)
        spellings = [
            *(f"{s}://{container}@{host}{below}" for host in hosts for s in ("abfss", "abfs")),
            *(f"{s}://{container}@{account.blob_host}{below}" for s in ("wasbs", "wasb")),
            *(f"{s}://{host}/{root}" for host in hosts for s in ("https", "http")),
            f"{account.endpoint}/{root}",
            *(f"{s}://{root}" for s in ("az", "abfs", "abfss")),
        ]
        return Location(spellings[0], tuple(spellings[1:]))

    def bare_backend(self) -> Backend:
        if not (opening := self._obstore()):
            return self._adlfs_backend()
        from blobfs.backend.azure_obstore import AzureObstoreBackend

        prefix = self.root.partition("/")[2]
        backend = AzureObstoreBackend(
            opening, prefix, self.advice, self._adlfs_backend, copies=False
        )
        backend.public = self._account.login.anonymous
        backend.marks_directories = self.marks_directories
        return backend

    def _adlfs_backend(self) -> Backend:
        filesystem = self.filesystem()
        if self.marks_directories and self.options.get("layout") == "azureml":
            importing("azure.storage.filedatalake", "azure")
        from blobfs.backend.adls import AdlsBackend
        from blobfs.backend.azure import AzureBackend

        kind = AdlsBackend if self.marks_directories else AzureBackend
        return kind(filesystem, self.root, self.advice)

    @property
    def advice(self) -> Advice:
        advice = super().advice
        login = self._account.login
        secrets = tuple(login.secrets())
        ways = ", ".join(f"`{way[0]}`" for way in WAYS)
        return advice._replace(
            credentials=str(login) or f"{ways}, none of which is there,",
            redact=lambda text: redact(advice.redact(text), secrets),
        )

    @property
    def _account(self) -> Account:
        """The account, with its secrets; not kept, for they are looked up late."""
        return account_of(self.options)

    @property
    def service_url(self) -> str:
        return self._account.endpoint

    def fsspec_options(self) -> dict[str, Any]:
        account, login = self._account, self._account.login
        given: dict[str, Any] = {"account_name": account.name, **login.fsspec_options()}
        if login.key or login.sas:  # which says where the account is, too
            said = (
                f"AccountKey={login.key}" if login.key else f"SharedAccessSignature={login.sas}"
            )
            parts = (f"AccountName={account.name}", said, f"BlobEndpoint={account.endpoint}")
            given = {"connection_string": ";".join(parts)}
        return {
            name: value for name, value in given.items() if value
        } | super().fsspec_options()

    def object_store_options(self) -> dict[str, str]:
        """Without anything that says who asks it asks its own chain."""
        account, login = self._account, self._account.login
        identity, secret, tenant = login.client or (None, None, None)
        authority = f"https://{account.authority}" if identity and account.authority else None
        given = {
            "azure_storage_account_name": account.name,
            "azure_storage_endpoint": account.endpoint,
            "azure_storage_account_key": login.key,
            "azure_storage_sas_token": login.sas,
            "azure_storage_client_id": identity,
            "azure_storage_client_secret": secret,
            "azure_storage_tenant_id": tenant,
            "azure_storage_authority_host": authority,
            "azure_skip_signature": "true" if login.anonymous else None,
            "allow_http": "true" if account.plain else None,
        }
        return {name: value for name, value in given.items() if value}

    def _filesystem_options(self) -> dict[str, Any]:
        """Return what `AzureFileSystem` takes."""
        account = self._account
        result = {
            "account_url": account.endpoint,
            "account_name": account.name,
            "authority": account.authority,
            "use_listings_cache": False,
            "skip_instance_cache": True,
        }
        given: dict[str, Any] = self.options.reveal("storage_options", {})
        other = {"connection_string", "credential", "account_key", "sas_token", "client_id"}
        if not other & set(given):
            result |= account.login.fsspec_options()
        return result | given

    def _obstore(self) -> Callable[[int, int], "ObjectStore"] | None:
        """Return what opens the container by obstore; None where only adlfs does as asked."""
        if self.options.get("transport") == "fsspec" or "storage_options" in self.options:
            return None
        if _encrypts_by_environment():
            return None
        try:
            from obstore.store import AzureStore
        except ImportError:
            return None
        account = self._account
        given: dict[str, Any] = {
            "account_name": account.name,
            "endpoint": account.endpoint,
            # Each of them would be taken from the environment if it were not said.
            "use_emulator": False,
            "use_fabric_endpoint": False,
            "skip_signature": account.login.anonymous,
        }
        if not account.login.anonymous:
            given["credential_provider"] = _provider(account)

        def open_store(timeout: int, tries: int) -> "ObjectStore":
            return AzureStore(
                self.options["container"],
                **given,
                client_options={
                    "allow_http": account.plain,
                    "connect_timeout": f"{CONNECT}s",
                    "timeout": f"{timeout}s",
                },
                retry_config={"max_retries": tries},
            )

        return open_store


class AdlsGen2BlobManager(AzureBlobManager):
    """The files of `filesystem` (or `container`) below `root_directory`.

    An account with a hierarchical namespace is asked by the same calls as one without; what
    marks a directory there is no object here.
    """

    marks_directories: ClassVar[bool] = True


def _encrypts_by_environment() -> bool:
    """Whether obstore would encrypt with a key that it finds in the environment."""
    import os

    return any(
        name.upper().endswith("ENCRYPTION_KEY") for name in os.environ if "AZURE" in name
    )


def _provider(account: Account) -> Callable[[], Any]:
    """Return what gives obstore credentials.

    As a function, for beside those that it is given obstore looks into the environment, too.
    """
    login = account.login
    if login.key:
        return lambda: {"access_key": login.key, "expires_at": None}
    if login.sas:
        return lambda: {"sas_token": login.sas, "expires_at": None}
    return Tokens(account)


class Tokens:
    """Tokens of Azure's identity service, asked for when one is needed, and again in time."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._credential: Any = None

    def __call__(self) -> dict[str, Any]:
        from datetime import UTC, datetime

        if self._credential is None:
            self._credential = self.credential()
        found = self._credential.get_token(SCOPE)
        expires = datetime.fromtimestamp(found.expires_on, UTC)
        return {"token": found.token, "expires_at": expires}

    def credential(self) -> Any:  # noqa: ANN401 - of several kinds
        """Return what gets tokens."""
        identity = importing("azure.identity", "azure")
        authority, client = self._account.authority, self._account.login.client
        where = {"authority": authority} if authority else {}
        if client:
            name, secret, tenant = client
            return identity.ClientSecretCredential(tenant, name, secret, **where)
        return identity.DefaultAzureCredential(**where)
