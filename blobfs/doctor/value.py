"""What an examination found."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from blobfs.errors import BlobfsError

Result = Literal["ok", "falls short", "unknown", "not tried"]


class Found(NamedTuple):
    """What one check found."""

    result: Result
    measured: str
    """In words."""

    advice: str | None = None
    """What to do about it."""


def fine(measured: str, advice: str | None = None) -> Found:
    """Say that all is as it should be."""
    return Found("ok", measured, advice)


def short(measured: str, advice: str | None = None) -> Found:
    """Say that something is missing, and what would help."""
    return Found("falls short", measured, advice)


def unknown(measured: str) -> Found:
    """Say that it could not be told."""
    return Found("unknown", measured)


def untried(why: str) -> Found:
    """Say why something was not tried."""
    return Found("not tried", why)


@dataclass(frozen=True, slots=True)
class Check:
    """One row of an examination."""

    check: str
    """Its name, such as `exclusive create`."""

    result: Result
    measured: str
    advice: str | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a store was found to do."""

    store: str | None
    """None if it was opened from a dict."""

    path: str | None
    """Where it lies; None if it could not be opened far enough to say."""

    checks: tuple[Check, ...]
    error: BlobfsError | None = None
    """Why nothing could be measured at all: it cannot be opened or reached, or it refuses."""

    @property
    def ok(self) -> bool:
        """Whether nothing falls short."""
        return all(check.result != "falls short" for check in self.checks)
