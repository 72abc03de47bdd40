"""`blobfs rm` and `blobfs stores`."""

from typing import TYPE_CHECKING, Any

import click

from blobfs.cli.completion import complete_ref
from blobfs.cli.exit_status import DONE
from blobfs.cli.options import Common, command
from blobfs.cli.output import document, say, shown, table

if TYPE_CHECKING:
    from blobfs.config import StoreConfig


@command("rm", example="blobfs rm resnet:3")
@click.argument("ref", metavar="REF", shell_complete=complete_ref)
def rm(common: Common, *, ref: str) -> int:
    """Take a name:version away.

    It is never used again. The bytes stay where they are.
    """
    from blobfs import api
    from blobfs.ref import parse
    from blobfs.resolve import store_of

    store = store_of(parse(ref), common.store)
    asset = api.remove(ref, store=store)
    if common.json:
        document(
            {
                "store": store.name,
                "name": asset.name,
                "version": asset.version,
                "digest": asset.digest,
            }
        )
    elif not common.quiet:
        what = f"{asset.name}:{asset.version}"
        say(f"{what} was removed from {shown(str(store))}; its bytes stay ({asset.digest})")
    return DONE


@command("stores", example="blobfs stores")
def stores(common: Common) -> int:
    """List the configured stores.

    The first one is used when none is named. Nothing is connected.
    """
    from blobfs.config import all_stores, find_store

    default = find_store().name
    configs = [c for c in all_stores() if common.store in (None, c.name)]
    if not configs:
        find_store(common.store)  # says which there are
    configs.sort(key=lambda config: config.name != default)
    found = [_fields(config, default) for config in configs]
    if common.json:
        document({"stores": found})
        return DONE
    columns = ("name", "path", "manager", "origin", "")
    rows = (
        (
            one["name"],
            one["path"] or f"? {one['problem']}",
            one["blob_manager_class"],
            one["origin"],
            "default" if one["default"] else "",
        )
        for one in found
    )
    table(columns, rows, right=())
    return DONE


def _fields(config: "StoreConfig", default: str | None) -> dict[str, Any]:
    path, problem = _location(config)
    return {
        "name": config.name,
        "default": config.name == default,
        "path": path,
        "blob_manager_class": config.blob_manager_class,
        "origin": config.origin,
        "problem": problem,
    }


def _location(config: "StoreConfig") -> tuple[str | None, str | None]:
    """Return where a store lies, or what is wrong with its configuration."""
    from blobfs.config.secret import without_url_secrets
    from blobfs.errors import BlobfsError
    from blobfs.managers.base import BlobManager
    from blobfs.resolve import open_manager

    try:
        manager = open_manager(config)
        if not isinstance(manager, BlobManager):
            return None, "it offers upload and download only"
        return without_url_secrets(manager.location().url), None
    except BlobfsError as error:
        return None, str(error)
