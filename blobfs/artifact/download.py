"""Download: what is missing at the destination, space, fetch, verify, move into place."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from blobfs.artifact.reading import Found
from blobfs.destination import landing, place_of
from blobfs.transfer import FETCHES, Callback, Silent, move

if TYPE_CHECKING:
    from blobfs.artifact.spread import Spread


def download(  # noqa: PLR0913 - the public interface, one level down
    found: Found,
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    exact: bool = False,
    jobs: int | None = None,
    spread: "Spread | None" = None,
    callback: Callback | None = None,
) -> Path:
    """Bring what was found to `target`, each byte verified, and return where it is.

    Args:
        found: a file or a tree.
        target: see `blobfs.download`.
        overwrite: whether other files in its place give way.
        exact: whether a file becomes `target` even if a directory is there.
        jobs: files in flight; with `spread` in each task.
        spread: to workers that see the target, too.
        callback: counts bytes.

    Raises:
        BlobfsError: see `blobfs.download`.
    """
    store, entries = found.store, found.entries
    callback = callback or Silent()
    jobs = jobs or store.jobs or store.backend.jobs
    place = place_of(target, None if found.is_tree or exact else found.name)
    with landing(place, found.label, is_tree=found.is_tree) as landed:
        missing = landed.missing(entries, overwrite=overwrite)
        size = sum(entry.size for entry in missing)
        landed.check_space(size)
        callback.call("fetching")
        callback.set_size(size)
        files = [entry for entry in missing if not entry.is_directory]
        if spread:
            from blobfs.artifact.shared import fetch

            advance = callback.relative_update
            fetch(spread, found, files, landed, jobs=jobs, advance=advance)
        else:
            move(files, found.source, landed.sink, jobs=jobs, callback=callback, tries=FETCHES)
        landed.make_directories(missing)
        landed.finish(entries, overwrite=overwrite)
    return Path(place)
