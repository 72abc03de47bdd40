"""AIFlow's placement: a file under its own name right below the root; the last writer wins.

It appears whole, and every byte had its digest; but it is no artifact: nothing remembers the
digest, and the next file of that name takes its place.
"""

from dataclasses import replace
from uuid import uuid4

from blobfs.artifact.value import Artifact, Options, UploadPlan, artifact_of, plan_of
from blobfs.backend.base import Upload
from blobfs.commit import now
from blobfs.errors import ConfigError, SourceError, UnsafeNameError
from blobfs.layout.hashed import ARTIFACTS, PRIVATE
from blobfs.manifest import Entry, Header, listing_digest
from blobfs.names import key_fault
from blobfs.source import Uploadable
from blobfs.store import Store
from blobfs.transfer import Callback, Silent, move


def check_flat(store: Store, *needing_an_artifact: object) -> None:
    """Refuse what needs an artifact: a name, a version, a reference.

    Raises:
        ConfigError: if any is asked for.
    """
    if any(one is not None for one in needing_an_artifact):
        raise ConfigError(
            f"{store} has `layout: flat`, where files have no versions and refer to nothing:"
            " upload a file without a name, or use `layout: hashed`"
        )


def put_flat(
    source: Uploadable, store: Store, options: Options, callback: Callback
) -> Artifact:
    """Write a file under its name, in place of one that may be there.

    Raises:
        SourceError: if it is a directory.
        UnsafeNameError: if its name cannot be a key right below the root.
        SourceChangedError, TransferError: see `blobfs.upload`.
    """
    header, entry = _known(source, store, options, callback)
    callback.call("sending")
    callback.absolute_update(0)
    callback.set_size(entry.size)
    move([entry], source, _FlatSink(store, header.name), jobs=1, callback=callback)
    artifact = artifact_of(store, header, None, None, reused=False, sent=(1, entry.size))
    path = store.location.handle(header.name)
    return replace(artifact, path=path, uri=_uri(store, header.name))


def plan_flat(source: Uploadable, store: Store, options: Options) -> UploadPlan:
    """Return what `put_flat` would do."""
    header, entry = _known(source, store, options, Silent())
    plan = plan_of(store, header, None, None, reused=False, send=[entry])
    return replace(plan, path=store.location.handle(header.name))


def _known(
    source: Uploadable, store: Store, options: Options, callback: Callback
) -> tuple[Header, Entry]:
    """Return what is known of a file once it is hashed."""
    _check(source, store)
    callback.call("hashing")
    callback.set_size(source.to_hash)
    advance = callback.relative_update
    entries = source.entries({}, cache=options.cache, take=None, advance=advance)
    header = Header(
        digest=listing_digest("file", entries),
        kind="file",
        name=source.name,
        files=1,
        size=entries[0].size,
        created=now(),
        commit=str(uuid4()),
    )
    return header, entries[0]


def _check(source: Uploadable, store: Store) -> None:
    if source.is_directory:
        raise SourceError(
            f"{source.name} is a directory, and {store} has `layout: flat`, which holds single"
            " files: pack it into one, or use `layout: hashed`"
        )
    fault = key_fault(source.name)
    if source.name in (ARTIFACTS, PRIVATE):
        fault = "has a meaning of its own there"
    elif special := set(source.name) & set(store.backend.forbidden):
        fault = f"has characters that the storage cannot hold: {' '.join(sorted(special))}"
    if fault:
        raise UnsafeNameError(f"{source.name!r} cannot lie right below {store}: it {fault}")


def _uri(store: Store, name: str) -> str | None:
    plain = store.name and not set(name) & set(":@")
    return f"blobfs://{store.name}/{name}" if plain else None


class _FlatSink:
    """Writes the one file to its key."""

    def __init__(self, store: Store, key: str) -> None:
        self._backend = store.backend
        self._key = key

    def put(self, entry: Entry, data: bytes) -> None:
        """Write a small file."""
        self._backend.put(self._key, data, executable=entry.executable)

    def upload(self, entry: Entry) -> Upload:
        """Begin to write a large file."""
        return self._backend.upload(self._key, entry.size, executable=entry.executable)
