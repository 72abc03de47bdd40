"""Which blob managers there are, by every spelling that a configuration may use.

To add a store type: its module here, its class, its row in `MANAGERS`.
"""

from blobfs.errors import ConfigError, MissingDependencyError

MANAGERS: dict[str, str] = {
    "local": "blobfs.managers.local.LocalBlobManager",
    "s3": "blobfs.managers.s3.S3BlobManager",
    "azure_blob": "blobfs.managers.azure.AzureBlobManager",
    "adls_gen2": "blobfs.managers.azure.AdlsGen2BlobManager",
    "oss": "blobfs.managers.oss.OssBlobManager",
    "hdfs": "blobfs.managers.hdfs.HDFSBlobManager",
    "fsspec": "blobfs.managers.any.FsspecBlobManager",
}
"""Short name → class. As text, so that a manager is imported when it is needed."""

_CLASSES = {
    "LocalBlobManager": "local",
    "S3BlobManager": "s3",
    "AzureBlobManager": "azure_blob",
    "AdlsGen2BlobManager": "adls_gen2",
    "OssBlobManager": "oss",
    "HDFSBlobManager": "hdfs",
    "FsspecBlobManager": "fsspec",
}

_AIFLOW = {
    "local_blob_manager": "LocalBlobManager",
    "oss_blob_manager": "OssBlobManager",
    "hdfs_blob_manager": "HDFSBlobManager",
    "s3_blob_manager": "S3BlobManager",
}

_SPELLINGS: dict[str, str] = (
    {short: short for short in _CLASSES.values()}
    | {f"blobfs.{name}": short for name, short in _CLASSES.items()}
    | {
        f"{package}.{module}.{name}": _CLASSES[name]
        for package in ("ai_flow_plugins.blob_manager_plugins", "ai_flow.blob_manager.impl")
        for module, name in _AIFLOW.items()
    }
    | {
        f"ai_flow.project.blob_manager.{name}": _CLASSES[name]
        for name in ("LocalBlobManager", "OssBlobManager")
    }
)
"""Every spelling of our own managers → short name; AIFlow's paths mean ours."""


def class_path(spelling: str) -> str:
    """Return the full path of the class that `spelling` means: ours, or as it stands.

    >>> class_path("local"), class_path(" my.own.Manager, ")
    ('blobfs.managers.local.LocalBlobManager', 'my.own.Manager')

    Raises:
        ConfigError: if it means a type of store that there is not.
    """
    path = spelling.strip().rstrip(",").rstrip()
    short = _SPELLINGS.get(path)
    if short is None:
        return path
    if short not in MANAGERS:
        raise ConfigError(f"there is no blob manager {path!r} here; {_known()}")
    return MANAGERS[short]


def load_manager_class(spelling: str) -> type:
    """Return the blob manager class that `spelling` means, imported as Python finds it.

    Raises:
        ConfigError: if there is none, or what is there is no class with upload and download.
    """
    path = class_path(spelling)
    try:
        return import_class(path)
    except MissingDependencyError:
        raise
    except ImportError as error:
        advice = "" if "." in path else f"; {_known(path)}"
        raise ConfigError(
            f"the blob manager {path!r} cannot be imported: {error}{advice}"
        ) from error


def import_class(path: str) -> type:
    """Return the class at `module.Class`; any that offers upload and download is a manager.

    Raises:
        ImportError: if the module has no such class, or `path` is not like `module.Class`.
        ModuleNotFoundError: if there is no such module.
        ConfigError: if it is no class, or lacks either method.
    """
    import importlib

    module, _, name = path.rpartition(".")
    if not (module and all(part.isidentifier() for part in path.split("."))):
        raise ImportError(f"{path} doesn't look like a module path")
    try:
        found = getattr(importlib.import_module(module), name)
    except AttributeError:
        raise ImportError(
            f"Module {module!r} does not define a {name!r} attribute/class"
        ) from None
    if not isinstance(found, type):
        raise ConfigError(f"{path} is no class, so it cannot be a blob manager")
    missing = [
        verb for verb in ("upload", "download") if not callable(getattr(found, verb, None))
    ]
    if missing:
        raise ConfigError(f"{path} is no blob manager: it has no {' and no '.join(missing)}")
    return found


def _known(meant: str = "") -> str:
    import difflib

    close = difflib.get_close_matches(meant, MANAGERS, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}there are: {', '.join(sorted(MANAGERS))}, or the path of a class of your own"
