"""Everything that is read from the environment and from configuration files is read here.

    secret      values that never show, `${VARIABLE}` looked up late
    value       one option: what it may be, how it is read and shown
    options     the options of one manager, common ones and its own
    check       all of them at once, with every fault in one error
    places      the user's directories
    yaml_file   one file, read as plain data
    project     the project.yaml that counts here
    stores      a name becomes a class and its options

Precedence: argument, environment, file, default. yaml is imported when there is a file to read.
"""

from blobfs.config.check import check_options, plain_options
from blobfs.config.options import COMMON_KEYS, ConfigDict, Options
from blobfs.config.places import cache_directory, data_directory
from blobfs.config.project import current_project, find_project, project_file, set_project
from blobfs.config.secret import Secret, looks_secret, redact, reveal
from blobfs.config.stores import (
    Places,
    StoreConfig,
    all_stores,
    find_store,
    places,
    split_section,
    store_from_dict,
)
from blobfs.config.value import Key, masked

__all__ = [
    "COMMON_KEYS",
    "ConfigDict",
    "Key",
    "Options",
    "Places",
    "Secret",
    "StoreConfig",
    "all_stores",
    "cache_directory",
    "check_options",
    "current_project",
    "data_directory",
    "find_project",
    "find_store",
    "looks_secret",
    "masked",
    "places",
    "plain_options",
    "project_file",
    "redact",
    "reveal",
    "set_project",
    "split_section",
    "store_from_dict",
]
