"""What lies at the root of an upload of AzureML, and how it gets there by a rename."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from uuid import uuid4

from blobfs.artifact.sink import KeySink
from blobfs.artifact.verify import digest_at
from blobfs.backend.base import Object
from blobfs.errors import IntegrityError, StoreUnavailableError
from blobfs.late import log
from blobfs.manifest import Entry, Header, Manifest
from blobfs.names import STAGES
from blobfs.stage import DirectoryStage
from blobfs.store import Store

TRIES = 10
"""How often another writer may be met at a root before that is given up."""


def listed(store: Store, root: str, *, is_tree: bool) -> list[Object]:
    """Return the file at `root`, or all below it."""
    if is_tree:
        return list(store.backend.objects(root))
    try:
        return [store.backend.head(root)]
    except FileNotFoundError:
        return []


def differences(there: Mapping[str, int], wanted: Mapping[str, int]) -> dict[str, str]:
    """Return what is wrong with each key that is not there as it should be, or should not be.

    Args:
        there: sizes by keys.
        wanted: likewise.

    >>> differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 0})
    {'b': 'has 2 bytes, not 3', 'c': 'is not there'}
    """
    found = {}
    for key in sorted(there.keys() | wanted.keys()):
        if key not in there:
            found[key] = "is not there"
        elif key not in wanted:
            found[key] = "is there, and not in the source"
        elif there[key] != wanted[key]:
            found[key] = f"has {there[key]} bytes, not {wanted[key]}"
    return found


def put_by_rename(store: Store, manifest: Manifest, fill: Callable[[KeySink], None]) -> None:
    """Have a stage filled, and rename it to the root, where it appears whole.

    What lies there already, unmarked, is of an upload that ended in between, or in the way: it
    is moved to a stage of its own unless every byte of it is what it should be.
    """
    header = manifest.header
    root, is_tree = store.layout.root(header), header.kind == "tree"
    stage = DirectoryStage(store.backend)
    store.reclaim()
    try:
        fill(_RootSink(stage, header))
        store.backend.sync(stage.path)
        for _ in range(TRIES):
            try:
                _publish(store, stage, root, is_tree=is_tree)
            except FileExistsError:
                if is_whole(store, manifest):
                    return
                _move_away(store, manifest)
            else:
                return
    finally:
        stage.discard()
    raise StoreUnavailableError(f"{store}: {root} keeps coming back with other content")


def is_whole(store: Store, manifest: Manifest) -> bool:
    """Whether just the files of a manifest lie where it says, and every byte is right."""
    header = manifest.header
    found = listed(store, store.layout.root(header), is_tree=header.kind == "tree")
    wanted = {store.layout.content(header, entry): entry.size for entry in manifest.entries}
    try:
        return not differences({o.key: o.size for o in found}, wanted) and all(
            digest_at(store, manifest, entry) == entry.digest for entry in manifest.entries
        )
    except IntegrityError:  # it is moved away just now
        return False


def _publish(store: Store, stage: DirectoryStage, root: str, *, is_tree: bool) -> None:
    if is_tree:
        stage.rename(root)
        return
    parent, _, name = root.rpartition("/")
    store.backend.make_directory(parent)
    store.backend.move_once(f"{stage.path}/{name}", root)
    store.backend.sync(parent)


def _move_away(store: Store, manifest: Manifest) -> None:
    """Move what is in the way into a stage; back, if it is what another writer just brought."""
    root, is_tree = store.layout.root(manifest.header), manifest.header.kind == "tree"
    broken = f"{STAGES}/{uuid4()}-broken"
    log().warning("%s: %s is not what it should be: moved to %s", store, root, broken)
    move = store.backend.rename if is_tree else store.backend.move_once
    try:
        move(root, broken)
    except (FileExistsError, FileNotFoundError, StoreUnavailableError) as error:
        if listed(store, root, is_tree=is_tree):
            raise StoreUnavailableError(f"{root} cannot be moved away: {error}") from error
        return  # another writer was quicker
    moved = Manifest(manifest.header._replace(at=broken), manifest.entries)
    if is_whole(store, moved):
        with suppress(FileExistsError):  # or yet another one brought it again
            move(broken, root)


class _RootSink(KeySink):
    """Writes into a stage that becomes the root itself, or holds its one file."""

    def __init__(self, stage: DirectoryStage, header: Header) -> None:
        super().__init__(stage, header)
        self._is_tree = header.kind == "tree"

    def key(self, entry: Entry) -> str:
        """Return where an entry goes, below the stage."""
        return entry.path if self._is_tree else self._header.name
