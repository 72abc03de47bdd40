"""A storage that only a URL names: opened by the manager of its kind, with its own chain.

What a URL cannot say comes from the environment: keys, an endpoint, an account.
"""

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from blobfs.backend.base import Backend
from blobfs.backend.local import LocalBackend
from blobfs.managers import MANAGERS, import_class

Config = dict[str, Any]


def open_url(url: str) -> tuple[Backend, str]:
    """Open the storage that a URL names, without any configuration; return the key in it, too.

    Raises:
        ConfigError: if nothing knows such a URL, or what it needs is not in the environment.
        MissingDependencyError: if the package that opens it is not installed.
    """
    from blobfs.managers.any import local_path

    path = local_path(url) or (url if url.startswith("/") else None)
    if path:
        return LocalBackend(""), path.strip("/")
    scheme, _, rest = url.partition("://")
    if scheme not in _SCHEMES:
        from blobfs.managers.any import open_plainly

        return open_plainly(url)
    kind, config_of = _SCHEMES[scheme]
    container, _, key = rest.partition("/")
    manager = import_class(MANAGERS[kind])(
        {"root_directory": "/", **config_of(scheme, container)}
    )
    return manager.backend(), key.strip("/")


def _bucket(_: str, container: str) -> Config:
    return {"bucket": container}


def _oss(_: str, container: str) -> Config:
    return {"bucket": container, "endpoint": os.environ.get("OSS_ENDPOINT")}


def _azure(_: str, container: str) -> Config:
    container, _, host = container.rpartition("@")
    if not container:
        container, host = host, ""
    account, _, suffix = host.partition(".")
    suffix = suffix.partition(".")[2]
    endpoint = {"endpoint": f"https://{account}.blob.{suffix}"} if suffix else {}
    secrets = {
        name: os.environ.get(f"AZURE_STORAGE_{name.removeprefix('account_').upper()}")
        for name in ("connection_string", "account_key", "sas_token")
    }
    named = account or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
    if account and secrets["connection_string"]:
        secrets["connection_string"] = None  # it names an account by itself
    return {"container": container, "account_name": named, **secrets, **endpoint}


def _hdfs(scheme: str, host: str) -> Config:
    plain = {"webhdfs": "http", "swebhdfs": "https"}
    return {"hdfs_url": f"{plain.get(scheme, scheme)}://{host}"}


_SCHEMES: dict[str, tuple[str, Callable[[str, str], Config]]] = {
    **dict.fromkeys(("s3", "s3a", "s3n"), ("s3", _bucket)),
    **dict.fromkeys(("abfs", "abfss", "az", "wasb", "wasbs"), ("azure_blob", _azure)),
    "oss": ("oss", _oss),
    **dict.fromkeys(("hdfs", "webhdfs", "swebhdfs"), ("hdfs", _hdfs)),
}
"""Scheme → the manager that opens it, and what its configuration is."""


def is_link_local(url: str) -> bool:
    """Whether a URL names a link-local address, where machines keep their own secrets.

    >>> is_link_local("http://169.254.169.254/x"), is_link_local("https://[fe80::1]:1")
    (True, True)
    >>> is_link_local("http://127.0.0.1:9000"), is_link_local("https://example.com")
    (False, False)
    """
    from ipaddress import ip_address

    try:
        return ip_address(urlsplit(url).hostname or "").is_link_local
    except ValueError:
        return False
