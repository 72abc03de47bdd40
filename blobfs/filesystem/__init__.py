"""`blobfs://` for everything that speaks fsspec: pandas, Dask, pyarrow, DuckDB, UPath, zarr.

address    what a path means: a store, and in it an artifact or a place of the user's own
opened     the stores and manifests that this process has opened, each once
artifact   a path in an artifact: listed from its manifest, read-only, verified
own        a path of the user's own: listed by the store, read and written
reading    an open file
writing    a file on its way
core       the filesystem itself
"""

from blobfs.filesystem.core import BlobFileSystem

__all__ = ["BlobFileSystem"]
