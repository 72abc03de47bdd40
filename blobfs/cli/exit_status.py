"""What a script learns from how a command ended.

| status | meaning |
|---|---|
| 0 | it did what was asked |
| 1 | it failed; `diff` found differences, `check-ignore` matched nothing |
| 2 | usage or configuration |
| 3 | not found |
| 4 | conflict |
| 5 | integrity |
| 6 | the outcome of a commit is unknown |
| 130 | interrupted |
| 143 | terminated |
"""

from collections.abc import Iterable

from blobfs.errors import (
    ArtifactConflictError,
    ArtifactNotFoundError,
    CommitUnknownError,
    ConfigError,
    IgnoreSyntaxError,
    IntegrityError,
    MissingDependencyError,
    SourceNotFoundError,
)

DONE, FAILED, USAGE, NOT_FOUND, CONFLICT, INTEGRITY, UNKNOWN = range(7)

_STATUSES: tuple[tuple[type[BaseException], int], ...] = (
    (ConfigError, USAGE),
    (MissingDependencyError, USAGE),
    (IgnoreSyntaxError, USAGE),
    (ArtifactNotFoundError, NOT_FOUND),
    (SourceNotFoundError, NOT_FOUND),
    (ArtifactConflictError, CONFLICT),
    (IntegrityError, INTEGRITY),
    (CommitUnknownError, UNKNOWN),
)
"""All other errors are plain failures."""

_WORST_FIRST = (INTEGRITY, UNKNOWN, CONFLICT, NOT_FOUND, FAILED, USAGE)


def status_of(error: BaseException) -> int:
    """Return the status of a command that `error` ended; of a group the worst of its causes."""
    if isinstance(error, BaseExceptionGroup):
        return worst(status_of(inner) for inner in error.exceptions)
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), FAILED)


def worst(statuses: Iterable[int]) -> int:
    """Return the status that stands for several.

    >>> worst([1, 3, 5, 6]), worst([4, 0]), worst([])
    (5, 4, 0)
    """
    found = set(statuses)
    return next((status for status in _WORST_FIRST if status in found), DONE)
