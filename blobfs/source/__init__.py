"""Where bytes come from: a local tree, or objects of a store.

A source gives the bytes of entries while they are moved, and first the entries themselves. What
is moved is hashed anyhow, so a source need not be trusted.
"""

from blobfs.source.azureml import AzureMLSource
from blobfs.source.base import READ_SIZE, Advance, Parts, Source, Take, Uploadable, changed
from blobfs.source.local import LocalSource, Problems, hash_file
from blobfs.source.objects import BackendSource, RemoteSource

__all__ = [
    "READ_SIZE",
    "Advance",
    "AzureMLSource",
    "BackendSource",
    "LocalSource",
    "Parts",
    "Problems",
    "RemoteSource",
    "Source",
    "Take",
    "Uploadable",
    "changed",
    "hash_file",
]
