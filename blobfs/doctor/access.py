"""The first look at a store: whether it answers, who it takes us for, what it lets us do."""

import re
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from blobfs.doctor.bench import Bench
from blobfs.doctor.kinds import Kind, Permission
from blobfs.doctor.value import Found, fine, short, unknown
from blobfs.errors import (
    AccessError,
    BlobfsError,
    ConfigError,
    MissingDependencyError,
    StorageFullError,
    StoreUnavailableError,
)
from blobfs.layout.hashed import FORMAT, PRIVATE

PROBE = "probe"
"""The first object that is written."""

_EXTRA = re.compile(r"pip install \S+")
_STATUS = re.compile(r": 40[13]\b")
"""As `answered` writes it in a message: the storage itself refused."""

T = TypeVar("T")


class Access(NamedTuple):
    """What the first requests were answered with."""

    seconds: float
    """Until the first answer."""

    format: bytes | None
    """`format.json`, None if there is none or it may not be read."""

    reading: BlobfsError | None = None
    listing: BlobfsError | None = None
    writing: BlobfsError | None = None
    """Why that cannot be done."""

    @property
    def blocked(self) -> BlobfsError | None:
        """Why nothing can be measured at all, None if something can."""
        if _is_final(self.reading):
            return self.reading
        errors = (self.reading, self.listing, self.writing)
        if all(isinstance(error, AccessError) for error in errors):
            return self.reading
        both = isinstance(self.reading, StoreUnavailableError) and isinstance(
            self.listing, StoreUnavailableError
        )
        return self.reading if both else None

    @property
    def read_only(self) -> bool:
        """Whether writing is refused; whether there is space is another matter."""
        return isinstance(self.writing, AccessError)


def look(bench: Bench) -> Access:
    """Read, list and write once; stop where the store cannot be reached at all."""
    began = time.perf_counter()
    data, reading = _tried(lambda: bench.backend.read(FORMAT))
    access = Access(time.perf_counter() - began, data, reading)
    if access.blocked:
        return access
    _, listing = _tried(lambda: bench.backend.names(PRIVATE))
    if listing is None:
        _tried(bench.look_around)
    access = access._replace(listing=listing)
    if access.blocked:
        return access
    key = bench.key(PROBE)
    _, writing = _tried(lambda: bench.backend.put(key, PROBE.encode()))
    access = access._replace(writing=writing)
    if access.read_only:
        bench.forget(key)
    return access


def reachable(access: Access, kind: Kind) -> Found:
    """Say whether it answers, and how soon."""
    error = access.blocked
    if isinstance(error, AccessError):
        if kind.is_local or _STATUS.search(str(error)):
            return fine(f"an answer after {duration(access.seconds)}")
        return unknown("perhaps refused before it was asked")
    if error:
        return failed(error, kind, "read")
    return fine(f"the first answer after {duration(access.seconds)}")


def credentials(access: Access, kind: Kind, identity: str) -> Found:
    """Say who asks, and whether that is accepted."""
    who = identity or kind.chain
    if isinstance(access.blocked, AccessError):
        found = failed(access.blocked, kind, "read")
        return short(f"{who}: refused: {found.measured}", found.advice)
    if access.read_only:
        return fine(
            f"{who}: accepted, for reading only: nothing can be published",
            f"to publish, {kind.grants['write']}",
        )
    return fine(f"{who}: accepted")


def read(access: Access, bench: Bench, kind: Kind) -> Found:
    """Say whether objects can be read, and absent ones told from forbidden ones."""
    error = access.reading
    if error is None:
        return fine(
            "format.json is read"
            if access.format is not None
            else "an absent object is told from a forbidden one"
        )
    if isinstance(error, AccessError) and access.writing is None:
        _, refused = _tried(lambda: bench.backend.read(bench.key(PROBE)))
        if refused is None:
            return short(
                "an absent object cannot be told from a forbidden one", kind.grants["list"]
            )
    return failed(error, kind, "read")


def listed(access: Access, kind: Kind) -> Found:
    """Say whether objects can be listed."""
    if access.listing:
        return failed(access.listing, kind, "list")
    return fine("permitted")


def failed(error: Exception, kind: Kind, needed: Permission) -> Found:
    """Say what an error means, and what to do about it.

    Args:
        error: of a request.
        kind: of the storage.
        needed: what must be permitted for that request.
    """
    measured, see, option = str(error).partition("; see ")
    measured = measured or type(error).__name__
    if isinstance(error, MissingDependencyError):
        extra = _EXTRA.search(measured)
        return short(measured, extra[0] if extra else "install that package")
    advice = _advice(error, kind, needed)
    return short(measured, f"{advice}{see}{option}")


def _advice(error: Exception, kind: Kind, needed: Permission) -> str:
    if isinstance(error, AccessError):
        known = kind.is_local or "permission" in str(error).casefold()
        return kind.grants[needed] if known else "correct the credentials"
    if isinstance(error, ConfigError):
        return kind.missing
    if isinstance(error, StorageFullError):
        return "make space, or raise the quota"
    if isinstance(error, StoreUnavailableError) and not error.passing:
        return kind.unreachable
    return "try again later; if that does not help, ask who runs the storage"


def duration(seconds: float) -> str:
    """Return a time as people read it.

    >>> duration(0.00012), duration(0.0123), duration(1.234), duration(4000)
    ('120 µs', '12 ms', '1.2 s', '67 min')
    """
    if seconds < 0.001:  # noqa: PLR2004 - a ms; so for the others
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.01:  # noqa: PLR2004
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"


def _is_final(error: BlobfsError | None) -> bool:
    """Whether every other request would end the same way."""
    if isinstance(error, StoreUnavailableError):
        return not error.passing
    return isinstance(error, ConfigError | MissingDependencyError)


def _tried(call: Callable[[], T]) -> tuple[T | None, BlobfsError | None]:
    """Return what a call gives, or its error; that something is absent is none."""
    try:
        return call(), None
    except FileNotFoundError:
        return None, None
    except BlobfsError as error:
        return None, error
