"""The stores and manifests that this process has opened, each once, whoever asks.

fsspec makes a filesystem for every thread; what they find out is shared here.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Lock
from typing import TypeVar

from blobfs.config import Places
from blobfs.filesystem.artifact import Tree
from blobfs.resolve import open_store
from blobfs.store import Store

MOST_ENTRIES = 2_000_000
"""Files whose entries are kept, in all manifests together: about half a GiB."""

T = TypeVar("T")

_stores: dict[Hashable, Store] = {}
_trees: OrderedDict[tuple[str, str, int], Tree] = OrderedDict()
_locks: dict[Hashable, Lock] = {}
_keeping = Lock()


def store_called(name: str, at: Places) -> Store:
    """Return the store that a configuration calls so."""
    key = name, at, os.getpid()
    return _once(key, lambda: _stores.get(key), lambda: _kept(key, open_store(name, at)))


def tree_of(store: Store, digest: str) -> Tree:
    """Return the files of an artifact; its manifest is read once."""
    key = store.location.url, digest, os.getpid()
    return _once(key, lambda: _found(key), lambda: _remembered(key, Tree(store, digest)))


def _once(key: Hashable, look: Callable[[], T | None], make: Callable[[], T]) -> T:
    """Return what is there, or make it while nobody else does."""
    if (found := look()) is not None:
        return found
    with _locks.setdefault(key, Lock()):
        found = look()
        return make() if found is None else found


def _kept(key: Hashable, store: Store) -> Store:
    return _stores.setdefault(key, store)


def _found(key: tuple[str, str, int]) -> Tree | None:
    tree = _trees.get(key)
    with suppress(KeyError):  # another thread may have let go of it
        _trees.move_to_end(key)
    return tree


def _remembered(key: tuple[str, str, int], tree: Tree) -> Tree:
    _trees[key] = tree
    with _keeping:
        while len(_trees) > 1 and sum(map(len, list(_trees.values()))) > MOST_ENTRIES:
            _trees.popitem(last=False)
    return tree


# A lock that another thread held when this process was forked is never let go of in the child.
# What the parent opened stays, since taking it down may hang, and is not looked at: a child
# opens its own, and what survives no fork says so then.
def _forked() -> None:
    global _keeping  # noqa: PLW0603 - there is one
    _keeping = Lock()
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
