"""Where a store lies, and how a key in it is written as a handle.

A handle is the storage's own URL or path, raw (not percent-encoded), so it is valid for years
and for every other program; its last part is the last part of the key.
"""

from typing import NamedTuple

from blobfs.names import under


class Location(NamedTuple):
    """The root of a store, as handles spell it.

    >>> here = Location("s3://bucket/team", ("s3a://bucket/team",))
    >>> here.handle("a/b"), here.key("s3a://bucket/team/./a//b"), here.key("s3://bucket/team2/a")
    ('s3://bucket/team/a/b', 'a/b', None)
    """

    url: str
    """Without a `/` at its end: an absolute path, or `<scheme>://<container>/<path>`."""

    spellings: tuple[str, ...] = ()
    """Other ways to write the same root that are read back, too."""

    def handle(self, key: str) -> str:
        """Return the handle of what lies at `key`; of the root itself for `""`."""
        return f"{self.url.rstrip('/')}/{key}" if key else self.url

    def key(self, handle: str) -> str | None:
        """Return the key that `handle` stands for, None if it lies outside the root."""
        for root in (self.url, *self.spellings):
            container, path = _split(root)
            head, rest = _split(handle)
            if container == head and (key := under(rest, path)) is not None:
                return key
        return None


def _split(url: str) -> tuple[str, str]:
    """Return what is compared as it is, and the path that is normalised."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "", url
    container, _, path = rest.partition("/")
    return f"{scheme}://{container}", "/" + path
