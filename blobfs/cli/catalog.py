"""All that a store holds, as far as it can be read; what cannot hides nothing else."""

from dataclasses import dataclass, field

from blobfs.errors import IntegrityError, UnsafeNameError
from blobfs.manifest import Header
from blobfs.store import Asset, Store


@dataclass(slots=True)
class Catalog:
    """The assets and artifacts of a store."""

    assets: list[Asset] = field(default_factory=list)
    """By name, then in the order of versions; the removed ones are left out."""

    headers: dict[str, Header] = field(default_factory=dict)
    """By digest."""

    damaged: dict[str, str] = field(default_factory=dict)
    """The digest of an artifact, or the ref of an asset, and what is wrong with it."""

    def refs(self, digest: str) -> list[str]:
        """Return the assets that point at an artifact."""
        return [f"{a.name}:{a.version}" for a in self.assets if a.digest == digest]


def read(store: Store) -> Catalog:
    """Return what a store holds; one request for each artifact and asset, and each name.

    Raises:
        AccessError, StoreUnavailableError: if it cannot be listed.
    """
    catalog = Catalog()
    for digest in store.digests():
        try:
            if header := store.probe(digest):
                catalog.headers[digest] = header
        except (IntegrityError, UnsafeNameError) as error:
            catalog.damaged[digest] = str(error)
    for name in store.asset_names():
        for version in store.versions(name).live:
            _read_asset(store, name, version, catalog)
    return catalog


def _read_asset(store: Store, name: str, version: str, catalog: Catalog) -> None:
    try:
        asset = store.live(name, version)
    except IntegrityError as error:
        catalog.damaged[f"{name}:{version}"] = str(error)
        return
    if asset is None:  # removed meanwhile
        return
    catalog.assets.append(asset)
    if asset.digest not in catalog.headers and asset.digest not in catalog.damaged:
        what = f"it points at {asset.digest}, which is not there"
        catalog.damaged[f"{name}:{version}"] = what
