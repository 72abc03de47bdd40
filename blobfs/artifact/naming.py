"""Which `name:version` an upload gets."""

from typing import NamedTuple

from blobfs.commit import check_free, register
from blobfs.digest import Digest
from blobfs.errors import ArtifactConflictError, ConfigError
from blobfs.manifest import Header
from blobfs.names import check_name, next_version
from blobfs.store import Asset, Store, Versions

ATTEMPTS = 100
"""Numbers that other writers may take before an automatic version gives up."""


class Wanted(NamedTuple):
    """The asset that was asked for, and what of it is there."""

    name: str | None
    version: str | None
    """None with a name: the next whole number."""

    there: Asset | None
    """What `name:version` points at; without a version, what the latest one points at."""

    versions: Versions | None = None
    """Those of the name, if no version was given."""

    @property
    def base(self) -> Digest | None:
        """The artifact that the new one probably shares most with."""
        return self.there.digest if self.there else None


def look_up(store: Store, name: str | None, version: str | None) -> Wanted:
    """Read what is there under the name that was asked for.

    Raises:
        ConfigError: if the name or version cannot be one.
        ArtifactConflictError: if that version was removed.
    """
    if name is None:
        if version is not None:
            raise ConfigError(f"version={version!r} needs a name")
        return Wanted(None, None, None)
    check_name("name", name)
    if version is not None:
        check_name("version", version)
        return Wanted(name, version, check_free(store, name, version, None))
    versions = store.versions(name)
    latest = store.live(name, versions.live[-1]) if versions.live else None
    return Wanted(name, None, latest, versions)


def choose(wanted: Wanted, digest: Digest, store: Store) -> str | None:
    """Return the version under which `digest` is to be registered; None without a name.

    Raises:
        ArtifactConflictError: if the version that was asked for points at other content.
        ConfigError: if the next version cannot be told from the latest.
    """
    if wanted.name is None:
        return None
    if wanted.version is not None:
        if wanted.there is not None and wanted.there.digest != digest:
            check_free(store, wanted.name, wanted.version, digest)
        return wanted.version
    if wanted.there is not None:
        if wanted.there.digest == digest:
            return wanted.there.version
        if not wanted.there.version.isdigit():
            raise ConfigError(
                f"the latest version of {wanted.name} is {wanted.there.version!r}, which has no"
                " next one: say which version this is"
            )
    used = wanted.versions
    return next_version([*used.live, *used.removed] if used else [])


def settle(store: Store, wanted: Wanted, version: str | None, header: Header) -> str | None:
    """Register what was uploaded, and return the version that it got.

    Raises:
        ArtifactConflictError: if another writer took the version that was asked for.
    """
    name = wanted.name
    if name is None or version is None:
        return None
    there = wanted.there
    if there and (there.version, there.digest) == (version, header.digest):
        return version
    for left in reversed(range(ATTEMPTS)):
        try:
            register(store, name, version, header)
        except ArtifactConflictError:
            if wanted.version is not None or not left:
                raise
            # Another writer took the number; what it has may even be our content.
            wanted = look_up(store, name, None)
            version = choose(wanted, header.digest, store) or version
            if wanted.base == header.digest:
                return version
        else:
            return version
    raise AssertionError("not reached")
