"""Which stores are configured, and what each is; nothing is opened here.

    project   what the `blob:` section of project.yaml describes
    <name>    what `stores:` in the user's configuration file describes
    local     the embedded default, which needs no configuration

`BLOBFS_STORE_<NAME>_<KEY>` overrides one option of a store (name and key in capitals, `-` and
`.` as `_`). It goes in as a reference to that variable, looked up late like any other.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from blobfs.config.check import OVERRIDE
from blobfs.config.options import ConfigDict
from blobfs.config.places import data_directory, user_config_file
from blobfs.config.project import (
    FILE_NAME,
    Project,
    find_project,
    read_project,
    searched_directories,
)
from blobfs.config.secret import has_reference, looks_secret
from blobfs.config.value import listed, unknown
from blobfs.errors import ConfigError
from blobfs.names import check_name

PROJECT = "project"
LOCAL = "local"
EMBEDDED = "the embedded default"

CLASS = "blob_manager_class"
OPTIONS = "blob_manager_config"

NO_CLASS = (
    "The `blob_manager_class` option of blob config is not configured."
    " Please add the `blob_manager_class` option under the `blob` option!"
)
"""AIFlow's words, which its users match on."""


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """One configured store, not opened."""

    name: str | None
    """What `blobfs://` calls it; None for one that was given as a dictionary."""
    blob_manager_class: str
    blob_manager_config: dict[str, Any] = field(repr=False)
    origin: str
    """Which file or default described it, for messages."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle, unless a secret is written out in it.

        Raises:
            ConfigError: naming the keys whose values would travel.
        """
        if keys := sorted(_written_out(self.blob_manager_config)):
            raise ConfigError(
                f"{self.origin} holds secrets ({', '.join(keys)}), so it cannot be sent to"
                " another process: keep them in environment variables and write ${VARIABLE}"
            )
        values = (self.name, self.blob_manager_class, self.blob_manager_config, self.origin)
        return StoreConfig, values


class Places(NamedTuple):
    """Where the configuration lies, so that another process finds the same stores.

    It names files and nothing in them: who opens a store there looks secrets up for itself.
    """

    project: str | None
    """The project's file."""

    user: str | None
    """The user's configuration file, which need not exist."""

    data: str | None
    """The directory of the embedded store."""


def places() -> Places:
    """Return where the configuration lies that counts here.

    Raises:
        ConfigError: if the environment names files that are not there.
    """
    project, user = find_project(), user_config_file()
    try:
        data = str(data_directory())
    except ConfigError:  # no home: only the embedded store needs it, and says so
        data = None
    return Places(str(project.path) if project else None, str(user) if user else None, data)


def find_store(name: str | None = None, at: Places | None = None) -> StoreConfig:
    """Return the store called `name`; without one the project's, the default or the local one.

    Args:
        name: of the store.
        at: where the configuration lies; None: where it is looked for here.

    Raises:
        ConfigError: if there is none of that name (lists those there are, and the files that
            were looked at), or if a configuration file cannot be read.
    """
    if name == LOCAL:
        return _local(at)
    if name in (None, PROJECT) and (project := _project(at)):
        return _of_project(project, at)
    stores = _UserFile.read(at)
    if name is None:
        name = stores.default
    if name == LOCAL:
        return _local(at)
    if name in stores.sections:
        return stores.store(name, at)
    raise ConfigError(_no_such_store(name, stores, at))


def all_stores(at: Places | None = None) -> list[StoreConfig]:
    """Return every store that has a name: the project's first, the embedded one last.

    Args:
        at: where the configuration lies; None: where it is looked for here.
    """
    project, stores = _project(at), _UserFile.read(at)
    named = [stores.store(name, at) for name in sorted(stores.sections)]
    return [*([_of_project(project, at)] if project else []), *named, _local(at)]


def store_from_dict(config: Mapping[str, Any]) -> StoreConfig:
    """Return the store that a dictionary describes, in any form that a file may have.

    Raises:
        ConfigError: if it is of another form.
    """
    return _store(None, config, "argument")


def _local(at: Places | None) -> StoreConfig:
    data = Path(at.data) if at and at.data else data_directory()
    return _overridden(LOCAL, LOCAL, {"root_directory": str(data / "store")}, EMBEDDED, at)


def _project(at: Places | None) -> Project | None:
    if at is None:
        return find_project()
    return read_project(at.project) if at.project else None


def _of_project(project: Project, at: Places | None) -> StoreConfig:
    return _store(PROJECT, project.section() or {}, str(project.path), at)


def _store(
    name: str | None, section: object, origin: str, at: Places | None = None
) -> StoreConfig:
    class_path, options = split_section(section, origin)
    return _overridden(name, class_path, options, origin, at)


def split_section(section: object, origin: str) -> tuple[str, Mapping[str, Any]]:
    """Return the class and the options of a section: apart, or AIFlow's flat form.

    Raises:
        ConfigError: if it is of another form; names `origin`.
    """
    if not isinstance(section, Mapping):
        raise ConfigError(f"{origin}: a store must be a mapping with `{CLASS}`")
    class_path, options = section.get(CLASS), section.get(OPTIONS)
    beside = {key: value for key, value in section.items() if key not in (CLASS, OPTIONS)}
    problems = []
    if class_path in (None, ""):
        problems.append(NO_CLASS)
    elif not isinstance(class_path, str):
        problems.append(f"`{CLASS}` must be text")
    if not (options is None or isinstance(options, Mapping)):
        problems.append(f"`{OPTIONS}` must be a mapping")
    if options and beside:
        problems += [unknown("key", key, (CLASS, OPTIONS)) for key in beside]
    if problems:
        raise ConfigError(listed(origin, problems))
    return str(class_path), options or beside


def _overridden(
    name: str | None,
    class_path: str,
    options: Mapping[str, Any],
    origin: str,
    at: Places | None,
) -> StoreConfig:
    config = ConfigDict(options, origin=origin)
    if name is not None:
        config.update(_overrides(name, at))
    return StoreConfig(name, class_path, config, origin)


def _overrides(name: str, at: Places | None) -> Iterator[tuple[str, str]]:
    """Yield each option that the environment overrides, as a reference to its variable."""
    prefix = _prefix(name)
    found = [variable for variable in os.environ if variable.startswith(prefix)]
    if not found:
        return
    # BLOBFS_STORE_A_B_KEY is about the store `a-b` if there is one, and not about `a`.
    longer = [p for p in map(_prefix, _UserFile.read(at).sections) if len(p) > len(prefix)]
    for variable in sorted(found):
        key = variable.removeprefix(prefix).lower()
        if key and os.environ[variable] and not variable.startswith(tuple(longer)):
            yield key, f"${{{variable}}}"


def _prefix(name: str) -> str:
    return f"{OVERRIDE}{re.sub('[-.]', '_', name).upper()}_"


def _written_out(config: Mapping[str, Any]) -> Iterator[str]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from (f"{key}.{inner}" for inner in _written_out(value))
        elif looks_secret(key) and value and not has_reference(str(value)):
            yield str(key)


@dataclass(frozen=True, slots=True)
class _UserFile:
    """The user's configuration file, which need not exist."""

    path: Path | None
    sections: dict[str, Any] = field(repr=False)
    default: str

    @classmethod
    def read(cls, at: Places | None) -> "_UserFile":
        """Return what it says, checked, the stores' options aside.

        Raises:
            ConfigError: listing everything that is wrong with it.
        """
        path = user_config_file()
        if at is not None:
            path = Path(at.user) if at.user else None
        if path is None or not path.exists():
            return cls(path, {}, LOCAL)
        from blobfs.config.yaml_file import read_yaml

        document = read_yaml(path)
        sections = document.get("stores")
        sections = {} if sections is None else sections
        default = document.get("default_store") or LOCAL
        if problems := list(_file_problems(document, sections, default)):
            raise ConfigError(listed(str(path), problems))
        return cls(path, sections, default)

    def store(self, name: str, at: Places | None) -> StoreConfig:
        return _store(name, self.sections[name], f"{self.path} (store {name!r})", at)


def _file_problems(
    document: Mapping[str, Any], sections: object, default: object
) -> Iterator[str]:
    known = ("stores", "default_store")
    yield from (unknown("key", key, known) for key in document if key not in known)
    if not isinstance(sections, Mapping):
        yield "`stores` must be a mapping of names to stores"
        return
    yield from _name_problems(sections)
    if default not in (LOCAL, *sections):
        yield f"`default_store`: {unknown('store', default, [LOCAL, *map(str, sections)])}"


def _name_problems(names: Iterable[object]) -> Iterator[str]:
    prefixes: dict[str, object] = {}
    for name in names:
        try:
            check_name("store", name)
        except ConfigError as error:
            yield str(error)
            continue
        if name in (PROJECT, LOCAL):
            yield f"a store cannot be called {name!r}, which has a meaning already"
        if (other := prefixes.setdefault(_prefix(str(name)), name)) is not name:
            yield f"the stores {other!r} and {name!r} have one name in {_prefix(str(name))}…"


def _no_such_store(name: str, stores: _UserFile, at: Places | None) -> str:
    project = _project(at) if name != PROJECT else None
    known = [*([PROJECT] if project else []), *sorted(stores.sections), LOCAL]
    places = searched_directories()[:1]
    looked = [str(project.path)] if project else [f"{FILE_NAME} from {at} up" for at in places]
    if stores.path:
        looked.append(str(stores.path) + ("" if stores.path.exists() else " (not there)"))
    return f"{unknown('store', name, known)}; looked at: {', '.join(looked)}"
