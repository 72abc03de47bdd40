"""Every error that blobfs raises on purpose.

    BlobfsError
    ├── ConfigError              a ValueError: a configuration, ref or argument cannot be used
    ├── MissingDependencyError   an ImportError: the package behind a backend is missing
    ├── SourceError              an OSError: files of a source cannot be stored as they are
    │   ├── SourceNotFoundError  a FileNotFoundError: there is no such file or directory
    │   └── SourceChangedError   the source kept changing while it was read
    ├── DestinationError         an OSError: a download cannot be written where it should go
    ├── IgnoreSyntaxError        a ValueError: an ignore file cannot be read as one
    ├── UnsafeNameError          a ValueError: a path or key that is not safe and faithful
    ├── ArtifactNotFoundError    a FileNotFoundError: the store answered that it has no such
    ├── ArtifactConflictError    a FileExistsError: other content is there already
    ├── IntegrityError           an OSError: content does not match its digest
    ├── CommitUnknownError       an OSError: whether a commit took place could not be learnt
    ├── AccessError              a PermissionError: the storage or the system refused
    ├── StoreUnavailableError    a ConnectionError: the storage did not answer as it should
    ├── StorageFullError         an OSError: no space left
    ├── ExecutorError            a RuntimeError: the executor or cluster given broke off
    └── TransferError            an ExceptionGroup: several files did not arrive, a cause each

A message names the path, the operation and the store; `retry_is_safe` says whether the same
call may simply be made again. Permission denied, timeouts and 5xx are never reported as "not
found".
"""

import errno
from collections.abc import Sequence
from typing import ClassVar

SHOWN = 100
"""Problems that a message lists; beyond it, their number."""


class BlobfsError(Exception):
    """Base of every error above, for one `except` around the library."""

    retry_is_safe: ClassVar[bool] = True
    """Whether the same call may be made again as it was. It is for all but a few, since a
    call publishes wholly or not at all; it helps only where something outside changed."""


class ConfigError(BlobfsError, ValueError):
    """A configuration, a ref or an argument cannot be used as it is."""


class MissingDependencyError(BlobfsError, ImportError):
    """The package behind a backend is not installed; the message names the extra."""


class SourceError(BlobfsError, OSError):
    """Files of a source cannot be stored as they are; all of them are listed."""


class SourceNotFoundError(SourceError, FileNotFoundError):
    """There is no such file or directory."""


class SourceChangedError(SourceError):
    """The source kept changing while it was read, so no consistent state could be stored."""


class DestinationError(BlobfsError, OSError):
    """A download cannot be written where it should go."""


class IgnoreSyntaxError(BlobfsError, ValueError):
    """An ignore file cannot be read as one."""


class UnsafeNameError(BlobfsError, ValueError):
    """Paths or keys that would be unsafe, or not faithful, where they would be written."""


class ArtifactNotFoundError(BlobfsError, FileNotFoundError):
    """The store answered, and it has no such artifact, asset, version or path."""


class ArtifactConflictError(BlobfsError, FileExistsError):
    """Other content is there already; nothing was changed."""


class IntegrityError(BlobfsError, OSError):
    """Content does not match the digest it was published under."""

    retry_is_safe = False


class CommitUnknownError(BlobfsError, OSError):
    """A commit was sent, and whether it took place could not be read back.

    The same call made again finds out: it converges in either case.
    """


class AccessError(BlobfsError, PermissionError):
    """The storage or the operating system refused; this says nothing about existence."""


class StoreUnavailableError(BlobfsError, ConnectionError):
    """The storage did not answer, or not as it should."""

    passing: bool = False
    """Whether the same request may be answered otherwise in a moment."""

    retry_after: float | None = None
    """Seconds after which the storage wants to be asked again, if it said so."""


class StorageFullError(BlobfsError, OSError):
    """No space left where something was to be written; what was half written is gone."""


class ExecutorError(BlobfsError, RuntimeError):
    """The executor that work was spread over, or the cluster behind it, broke off."""


class TransferError(BlobfsError, ExceptionGroup[Exception]):
    """Several files did not arrive; `exceptions` holds one cause for each."""


def naming_all(kind: type[BlobfsError], what: str, problems: Sequence[str]) -> BlobfsError:
    """Return an error of this `kind` that says `what`, and `problems`, a line for each."""
    lines = [f"  {problem}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  and {len(problems) - SHOWN} more")
    return kind("\n".join([f"{what}:", *lines]))


def typed(
    error: OSError, what: str, otherwise: type[BlobfsError] = StoreUnavailableError
) -> BlobfsError:
    """Return the error above that says what the operating system's `error` means.

    Args:
        error: as raised; not one that says that something is absent.
        what: the operation and the path, such as `writing /a/b`.
        otherwise: what it is if it is neither a refusal nor a lack of space.
    """
    kind = otherwise
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        kind = AccessError
    elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        kind = StorageFullError
    return kind(f"{what}: {error.strerror or error}")
