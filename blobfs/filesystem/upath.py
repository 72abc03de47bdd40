"""`UPath("blobfs://…")`: pathlib's methods on artifacts and on places of the user's own."""

from upath import UPath


class BlobPath(UPath):
    """A path of the filesystem; registered as `universal_pathlib.implementations`."""

    __slots__ = ()
