"""An opened store, and what it holds: artifacts under their digests, assets that point at them.

Here it is only read; `commit` adds to it.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

from blobfs.backend.base import Backend
from blobfs.config import StoreConfig
from blobfs.digest import PREFIX, Digest, is_digest
from blobfs.errors import (
    ArtifactNotFoundError,
    BlobfsError,
    IntegrityError,
    UnsafeNameError,
)
from blobfs.layout.azureml.places import AzureMLLayout, decode_pointer
from blobfs.layout.hashed import (
    ASSET_NAME,
    ASSETS,
    REGISTERED,
    TOMBSTONE_NAME,
    HashedLayout,
)
from blobfs.location import Location
from blobfs.manifest import HEADER_BYTES, MAX_LINE, Header, Manifest, decode, decode_header
from blobfs.names import STAGES, version_order

SCHEMA = 1
"""Of an asset's JSON."""

READ_SIZE = 1 << 20
"""Bytes of a manifest that are read at a time."""


T = TypeVar("T")


class Asset(NamedTuple):
    """A `name:version` that points at an artifact."""

    name: str
    version: str
    digest: Digest
    created: str
    """RFC 3339, UTC."""

    removed: bool = False
    """Whether it was taken away; its version is never used again."""


class Versions(NamedTuple):
    """The versions that a name has and had."""

    live: Sequence[str]
    """In their order; the last one is the latest."""

    removed: frozenset[str]
    """Those that `remove` took away; they are never used again."""


@dataclass
class Store:
    """An opened store."""

    name: str | None
    """None if it was opened from a dict."""

    backend: Backend
    location: Location
    origin: str = "argument"
    """What chose it: a file, the embedded default, an argument."""

    delta: Literal["copy", "reference"] = "copy"
    flat: bool = False
    """Whether an upload goes to `<root>/<name>`, as AIFlow's does, and is no artifact."""

    links: Literal["inside", "follow", "skip", "error"] = "inside"
    jobs: int | None = None
    layout: HashedLayout = field(default_factory=HashedLayout)
    open_url: Callable[[str], tuple[Backend, str]] | None = None
    """Opens the storage that a URL names, and says under which key the rest of it is there."""

    config: StoreConfig | None = field(default=None, repr=False)
    """What it was opened from."""

    exclusive: bool | None = None
    """Whether it creates exclusively, once `commit` has learnt it."""

    @property
    def azureml(self) -> bool:
        """Whether an upload goes where AzureML puts it, and is marked as AzureML marks it."""
        return isinstance(self.layout, AzureMLLayout)

    def __str__(self) -> str:
        return self.name or self.location.url

    def probe(self, digest: str) -> Header | None:
        """Return the header of an artifact, None if the store says that it is not there.

        Raises:
            IntegrityError: if something else than its manifest lies there.
        """
        return self.twice(lambda: self._probe(digest))

    def _probe(self, digest: str) -> Header | None:
        key = self._manifest_key(digest)
        try:
            data = self.backend.read(key, 0, HEADER_BYTES)
            try:
                header = decode_header(data, whole=len(data) < HEADER_BYTES)
            except EOFError:
                header = decode_header(self.backend.read(key, 0, MAX_LINE))
        except FileNotFoundError:
            return None
        except BlobfsError as error:
            self._tell(error, key)
            raise
        self._check_digest(header, digest, key)
        return header

    def manifest(self, digest: str) -> Manifest:
        """Return the whole manifest of an artifact, checked against itself and its digest.

        Raises:
            ArtifactNotFoundError: if there is no such artifact.
            IntegrityError, UnsafeNameError: if what lies there must not be used.
        """
        return self.twice(lambda: self._manifest(digest))

    def _manifest(self, digest: str) -> Manifest:
        key = self._manifest_key(digest)
        try:
            manifest = self._manifest_at(key)
        except FileNotFoundError:
            raise ArtifactNotFoundError(f"{self} has no artifact {digest}") from None
        self._check_digest(manifest.header, digest, key)
        return manifest

    def manifest_at(self, key: str) -> Manifest:
        """Return the manifest that lies at `key`, checked against itself.

        Raises:
            FileNotFoundError: if there is none.
            IntegrityError, UnsafeNameError: if what lies there must not be used.
        """
        return self.twice(lambda: self._manifest_at(key))

    def _manifest_at(self, key: str) -> Manifest:
        try:
            return decode(map(bytes, self.backend.stream(key, READ_SIZE)))
        except BlobfsError as error:
            self._tell(error, key)
            raise

    def _manifest_key(self, digest: str) -> str:
        pointer = self.layout.pointer(digest)
        if pointer is None:
            return self.layout.manifest(digest)
        try:
            return decode_pointer(self.backend.read(pointer), self.location.handle(pointer))
        except FileNotFoundError:  # it may be there from a time when the layout was `hashed`
            return self.layout.manifest(digest)

    def digests(self) -> list[Digest]:
        """Return the digests of all artifacts, and perhaps of some that are not complete."""
        names = (PREFIX + name.rstrip("/") for name in self.backend.names(self.layout.index))
        return sorted(Digest(name) for name in names if is_digest(name))

    def artifacts(self) -> Iterator[Header]:
        """Yield the headers of all artifacts."""
        for digest in self.digests():
            if header := self.probe(digest):
                yield header

    def asset(self, name: str, version: str) -> Asset | None:
        """Return an asset, removed or not; None if the store says that there never was one."""
        asset = self.live(name, version)
        if asset is None:
            return None
        try:
            self.backend.read(f"{self.layout.asset_directory(name, version)}/{TOMBSTONE_NAME}")
        except FileNotFoundError:
            return asset
        return asset._replace(removed=True)

    def live(self, name: str, version: str) -> Asset | None:
        """Return an asset that is known not to be removed: one request less than `asset`."""
        return self.twice(lambda: self._live(name, version))

    def _live(self, name: str, version: str) -> Asset | None:
        key = f"{self.layout.asset_directory(name, version)}/{ASSET_NAME}"
        try:
            data = self.backend.read(key)
        except FileNotFoundError:
            return None
        return _decode_asset(data, name, version, self.location.handle(key))

    def versions(self, name: str) -> Versions:
        """Return the versions of a name; none if there is no such name."""
        if (counts := self.backend.counts(f"{ASSETS}/{name}")) is not None:
            return self._counted(name, counts)
        files = defaultdict(set)
        for found in self.backend.objects(f"{ASSETS}/{name}"):
            version, _, file = found.key.removeprefix(f"{ASSETS}/{name}/").partition("/")
            files[version].add(file)
        removed = {version for version, names in files.items() if TOMBSTONE_NAME in names}
        live = {version for version, names in files.items() if ASSET_NAME in names} - removed
        return Versions(sorted(live, key=version_order), frozenset(removed))

    def _counted(self, name: str, counts: dict[str, int]) -> Versions:
        """Return the versions of a name by how many files each holds: few need a look."""
        more = [version for version, files in counts.items() if files > 1]
        removed = {
            version
            for version in more
            if TOMBSTONE_NAME in self.backend.names(self.layout.asset_directory(name, version))
        }
        live = {version for version, files in counts.items() if files} - removed
        return Versions(sorted(live, key=version_order), frozenset(removed))

    def asset_names(self) -> list[str]:
        """Return the names that have, or had, a version."""
        return sorted(name.rstrip("/") for name in self.backend.names(ASSETS))

    def registered(self, digest: str) -> list[tuple[str, str]]:
        """Return the names and versions that point at an artifact, the last registered last."""
        prefix = f"{REGISTERED}/{digest.partition(':')[2]}"
        found = sorted((o.modified, o.key) for o in self.backend.objects(prefix))
        pairs = [key.removeprefix(f"{prefix}/").partition("@") for _, key in found]
        return [(name, version) for name, _, version in pairs]

    def reclaim(self) -> None:
        """Remove what dead processes left in the stage."""
        if self.backend.renames_directories:
            self.backend.reclaim(STAGES)

    def twice(self, read: Callable[[], T]) -> T:
        """Read, and once more if what came is damaged: that may have happened on the way."""
        try:
            return read()
        except (IntegrityError, UnsafeNameError):
            if not self.backend.loses_answers:
                raise
            return read()

    def _check_digest(self, header: Header, digest: str, key: str) -> None:
        if header.digest != digest:
            raise IntegrityError(f"{self}: {key} is the manifest of {header.digest}")

    def _tell(self, error: BlobfsError, key: str) -> None:
        error.add_note(f"while reading {self.location.handle(key)}")


def _decode_asset(data: bytes, name: str, version: str, where: str) -> Asset:
    try:
        fields = json.loads(data)
        schema, digest = fields["schema"], fields["digest"]
        same = (fields["name"], fields["version"]) == (name, version)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(f"{where} is no asset: {error!r}") from error
    if type(schema) is int and schema > SCHEMA:
        raise IntegrityError(
            f"{where} has schema {schema}; this version of blobfs reads {SCHEMA}:"
            " a newer one is needed"
        )
    if schema != SCHEMA or not is_digest(digest) or not same:
        raise IntegrityError(f"{where} is not the asset {name}:{version}")
    return Asset(name, version, Digest(digest), str(fields.get("created", "")))
