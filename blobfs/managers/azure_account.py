"""Where a storage account is, and how one proves to it who one is.

A connection string is taken apart here, so that every library is told the same, by the same
means, and finds nothing beside it in the environment.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from blobfs.config import Options
from blobfs.errors import ConfigError

PUBLIC = "core.windows.net"

AUTHORITIES = {
    PUBLIC: "login.microsoftonline.com",
    "core.chinacloudapi.cn": "login.chinacloudapi.cn",
    "core.usgovcloudapi.net": "login.microsoftonline.us",
}
"""Who gives out tokens in each cloud, by what its endpoints end in.
https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud"""

CLIENT = ("client_id", "client_secret", "tenant_id")
"""What names a service principal, all of it."""

WAYS: tuple[tuple[str, ...], ...] = (
    ("connection_string",),
    ("account_key",),
    ("sas_token",),
    CLIENT,
    ("anonymous",),
)
"""The ways to prove who one is, each with the options that it takes."""


@dataclass(frozen=True, slots=True)
class Login:
    """What one proves with who one is. If it is empty, DefaultAzureCredential is asked."""

    options: tuple[str, ...] = ()
    """Those that it came from."""

    key: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)
    """Without a `?`."""

    client: tuple[str, str, str] | None = field(default=None, repr=False)
    """A service principal: its id, its secret, its tenant."""

    anonymous: bool = False

    @property
    def by_token(self) -> bool:
        """Whether tokens are got from elsewhere, which only https may carry."""
        return not (self.key or self.sas or self.anonymous)

    def fsspec_options(self) -> dict[str, Any]:
        """Return them as `adlfs.AzureBlobFileSystem` calls them."""
        identity, secret, tenant = self.client or (None, None, None)
        return {
            "account_key": self.key,
            "sas_token": self.sas,
            "client_id": identity,
            "client_secret": secret,
            "tenant_id": tenant,
            "anon": self.anonymous,
        }

    def secrets(self) -> Iterator[str]:
        """Yield what must be in no message, as it may be spelled there."""
        yield from filter(None, (self.key, self.sas))
        yield from (text for name, text in parse_qsl(self.sas or "") if name == "sig")
        yield from re.findall(r"sig=([^&]+)", self.sas or "")

    def __str__(self) -> str:
        """Name the options that messages blame when it is refused."""
        named = " and ".join(f"`{option}`" for option in self.options)
        expiry = dict(parse_qsl(self.sas or "")).get("se")
        return named + (f" (which expires at {expiry})" if expiry else "")


class Account(NamedTuple):
    """A storage account, as requests and as handles spell it."""

    name: str

    endpoint: str
    """The URL of its blob service, without a `/` at its end."""

    host: str
    """What names it in handles: `<account>.dfs.<suffix>`."""

    login: Login

    @property
    def plain(self) -> bool:
        """Whether nothing is encrypted on its way."""
        return self.endpoint.startswith("http://")

    @property
    def blob_host(self) -> str:
        """The same host, as it is spelled for the blob service."""
        return self.host.replace(".dfs.", ".blob.", 1)

    @property
    def authority(self) -> str | None:
        """Who gives out its tokens, None if that is not known."""
        ends = (host for end, host in AUTHORITIES.items() if self.host.endswith(f".{end}"))
        return next(ends, None)


def login_problems(given: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with the options by which one proves who one is.

    >>> login_problems({"account_key": "k", "sas_token": "s"})
    ['`account_key` and `sas_token` are several ways to say who asks; give one']
    """
    used = [way[0] for way in WAYS if any(_is_set(given, name) for name in way)]
    if len(used) < 2:  # noqa: PLR2004 - one is what is wanted
        return []
    named = " and ".join(f"`{name}`" for name in used)
    return [f"{named} are several ways to say who asks; give one"]


def needed(given: Mapping[str, Any]) -> set[str]:
    """Return the options that must be there because of others that are, or are not.

    >>> sorted(needed({"client_id": "i"})), needed({"connection_string": "AccountName=a"})
    (['account_name', 'client_id', 'client_secret', 'tenant_id'], set())
    """
    names = set(CLIENT) if any(_is_set(given, name) for name in CLIENT) else set()
    return names if _is_set(given, "connection_string") else {"account_name", *names}


def _is_set(given: Mapping[str, Any], name: str) -> bool:
    return given.get(name) not in (None, "", False)


def account_of(options: Options) -> Account:
    """Return the account that the options mean, with every secret looked up.

    Raises:
        ConfigError: if the options contradict each other, or what they name is no URL or key.
    """
    where = options.where
    told = _parts_of(options.reveal("connection_string", ""), where)
    name = options.get("account_name") or told.get("accountname") or ""
    if told.get("accountname", name) != name:
        raise ConfigError(f"{where}: `account_name` and `connection_string` name two accounts")
    endpoint = options.get("endpoint") or told.get("blobendpoint") or ""
    if not endpoint:
        scheme = told.get("defaultendpointsprotocol", "https")
        endpoint = f"{scheme}://{name}.blob.{told.get('endpointsuffix', PUBLIC)}"
    at, host, name = _placed(endpoint, name, where)
    if not name:
        raise ConfigError(f"{where}: `connection_string` names no account")
    login = _login(options, told)
    if login.by_token and at.startswith("http://"):
        raise ConfigError(f"{where}: `endpoint` must be https, for a token goes there")
    return Account(name, at, host, login)


def _parts_of(text: str, where: str) -> dict[str, str]:
    """Return what a connection string says, by names in lower case.

    Format: https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
    """
    parts = [part.partition("=") for part in text.strip().split(";") if part.strip()]
    if any(not separator for _, separator, _ in parts):
        raise ConfigError(f"{where}: `connection_string` is not made of `Name=value;`")
    told = {name.strip().lower(): value.strip() for name, _, value in parts}
    if told.get("usedevelopmentstorage", "").lower() == "true":
        raise ConfigError(
            f"{where}: `connection_string` must say where the emulator is: AccountName,"
            " AccountKey and BlobEndpoint"
        )
    return told


def _placed(endpoint: str, name: str, where: str) -> tuple[str, str, str]:
    """Return the URL of the blob service, the host in handles, and the account's name."""
    url = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    if (
        url.scheme not in ("http", "https")
        or not url.hostname
        or url.query
        or "@" in url.netloc
    ):
        raise ConfigError(
            f"{where}: `endpoint` must be like https://account.blob.{PUBLIC}, without `?` or"
            " `@` in it"
        )
    path = url.path.rstrip("/")
    head, _, rest = url.netloc.partition(".")
    service = re.search(r"(^|\.)(blob|dfs)\.", rest)
    if service and not path and name in ("", head):
        after = rest[service.end() :]
        before = rest[: service.start()] + service[1]
        at = f"{url.scheme}://{head}.{before}blob.{after}"
        return at, f"{head}.{before}dfs.{after}", head
    # By address, as of the emulator, the account is the path; or it has a domain of its own.
    name = name or path.rpartition("/")[2]
    return f"{url.scheme}://{url.netloc}{path}", f"{name}.dfs.{url.netloc}", name


def _login(options: Options, told: Mapping[str, str]) -> Login:
    key = options.reveal("account_key") or told.get("accountkey")
    sas = options.reveal("sas_token") or told.get("sharedaccesssignature")
    used = tuple(
        name for way in WAYS for name in way if name in options and options[name] is not False
    )
    if key:
        _check_key(key, used[0], options.where)
        return Login(used, key=key)
    if sas:
        return Login(used, sas=sas.removeprefix("?"))
    if "client_id" in options:
        identity, secret, tenant = (options.reveal(name) for name in CLIENT)
        return Login(used, client=(identity, secret, tenant))
    if options.get("anonymous") or "connection_string" in options:
        return Login(used, anonymous=True)
    return Login()


def _check_key(key: str, option: str, where: str) -> None:
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        raise ConfigError(f"{where}: the key in `{option}` is not Base64") from None
