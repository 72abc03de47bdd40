"""The public functions that make artifacts of what lies in a store already."""

from blobfs.artifact.adopted import Adopted
from blobfs.artifact.value import Asked
from blobfs.resolve import StoreLike, place_of
from blobfs.transfer import Callback

__all__ = ["adopt", "plan_adopt"]


def adopt(  # noqa: PLR0913 - the public interface
    prefix: str | None = None,
    *,
    store: StoreLike = None,
    name: str | None = None,
    version: str | None = None,
    jobs: int | None = None,
    callback: Callback | None = None,
) -> list[Adopted]:
    """Make artifacts of what lies in a store already, where it lies: nothing is moved.

    Everything is read and hashed once; a later call reads only what changed since. What fails
    stops nothing else: each is told in the list, with its `state`, `problem` and `error`.

    Args:
        prefix: a path below the root, a handle or a URL of a place: a file or a directory,
            which becomes one artifact, or `LocalUpload`, `LocalUpload/<hash>`. None: all that
            AzureML uploaded and marked as complete, and each file right below the root.
        store: where; see `open_store`.
        name: what the one artifact at `prefix` is registered as; None: as AzureML did, else
            by the last part of its path, if that can be a name.
        version: None: the one that AzureML gave, else the next whole number, unless the latest
            one has this content.
        jobs: files in flight; None: what serves the store best.
        callback: an `fsspec.Callback`; counts the bytes read.

    Raises:
        ConfigError: if `prefix` cannot be adopted, or `name` and `version` cannot be used.
        UnsafeNameError: if it lies outside the store's root.
        ArtifactNotFoundError: if nothing lies there.
        AccessError, StoreUnavailableError: if the store cannot be listed.
    """
    from blobfs.artifact.adopt import adopt

    opened, key = place_of(prefix, store)
    return adopt(opened, key, Asked(name, version), jobs=jobs, callback=callback)


def plan_adopt(
    prefix: str | None = None,
    *,
    store: StoreLike = None,
    name: str | None = None,
    version: str | None = None,
    jobs: int | None = None,
) -> list[Adopted]:
    """Return what `adopt` would do, as values: `adopted` is what it would read and adopt.

    Only listings, marks and notes are read, and nothing is written. The arguments are those of
    `adopt`; a `version` of None may be the next one.

    Raises:
        BlobfsError: as `adopt`.
    """
    from blobfs.artifact.adopt import plan_adopt

    opened, key = place_of(prefix, store)
    return plan_adopt(opened, key, Asked(name, version), jobs=jobs)
