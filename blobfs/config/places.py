"""Where blobfs keeps what is the user's: configuration, data and caches.

| variable | instead of |
|---|---|
| `BLOBFS_CONFIG` | `blobfs/config.yaml` in the platform's configuration directory |
| `BLOBFS_DATA_DIR` | `blobfs/` in the platform's data directory |
| `BLOBFS_CACHE_DIR` | `blobfs/` in the platform's cache directory |

The platform's directories are platformdirs's, so `XDG_CONFIG_HOME` and its kin count on Linux.
"""

import os
from pathlib import Path

from blobfs.errors import ConfigError


def data_directory() -> Path:
    """Return the directory that the embedded store lies in; it need not exist.

    Raises:
        ConfigError: if the user has no home directory and `BLOBFS_DATA_DIR` is not set.
    """
    return _directory("data", "BLOBFS_DATA_DIR")


def cache_directory() -> Path:
    """Return the directory for what only saves time; it need not exist.

    Raises:
        ConfigError: if the user has no home directory and `BLOBFS_CACHE_DIR` is not set.
    """
    return _directory("cache", "BLOBFS_CACHE_DIR")


def user_config_file() -> Path | None:
    """Return where the user's configuration file is to be; it need not exist.

    None where the user has no home directory.

    Raises:
        ConfigError: if `BLOBFS_CONFIG` names a file that is not there.
    """
    if named := named_path("BLOBFS_CONFIG"):
        if not named.exists():
            raise ConfigError(f"BLOBFS_CONFIG names {named}, which does not exist")
        return named
    directory = _platform_directory("config")
    return directory / "config.yaml" if directory else None


def named_path(variable: str) -> Path | None:
    """Return the path that an environment variable names, absolute; None if it names none."""
    text = os.environ.get(variable)
    return Path(os.path.abspath(os.path.expanduser(text))) if text else None


def _directory(kind: str, variable: str) -> Path:
    path = named_path(variable) or _platform_directory(kind)
    if path is None:
        raise ConfigError(f"there is no home directory to keep {kind} in: set {variable}")
    return path


def _platform_directory(kind: str) -> Path | None:
    """Return the platform's directory of this kind, None where there is no home directory."""
    import platformdirs

    try:
        directory = getattr(platformdirs, f"user_{kind}_dir")("blobfs", appauthor=False)
    except RuntimeError:  # platformdirs 4.14; earlier ones answer with a relative path.
        return None
    return Path(directory) if os.path.isabs(directory) else None
