"""What the answers of storages mean, in our types: by status, then by the storage's own code.

"Not found" is said of an object only, and only if the storage said it: a bucket that is not
there, a refusal and a server in trouble are other things, whatever status they come with.
"""

from collections.abc import Callable
from typing import NamedTuple

from blobfs.errors import (
    AccessError,
    BlobfsError,
    ConfigError,
    StorageFullError,
    StoreUnavailableError,
)

NO_CONTAINER = frozenset(
    {
        "NoSuchBucket",
        "InvalidBucketName",
        "ContainerNotFound",
        "ContainerBeingDeleted",
        "ContainerDisabled",
        "FilesystemNotFound",
        "InvalidResourceName",
    }
)
"""Codes of S3, Azure and OSS for a bucket or container that is not there.
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
https://www.alibabacloud.com/help/en/oss/support/error-codes"""

BAD_CREDENTIALS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "TokenRefreshRequired",
        "InvalidSecurityToken",
        "SecurityTokenExpired",
        "InvalidSecurity",
        "AuthenticationFailed",
        "InvalidAuthenticationInfo",
        "NoAuthenticationInformation",
        "RequestTimeTooSkewed",
    }
)
"""Codes that say that who asks is not known, whatever the status."""

WRONG_PLACE = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "PermanentRedirect",
        "Redirect",
        "TemporaryRedirect",
        "SecondLevelDomainForbidden",
    }
)
"""Codes that say that the bucket lies in another region, or behind another endpoint."""

FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage"})
"""Codes that say that there is no space left."""

AGAIN = frozenset(
    {"ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "SlowDown"}
)
"""Codes, of any status, after which the same request may be made again."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of a server that may answer otherwise in a moment."""


WRITING = frozenset({"writing", "creating"})
"""Operations of which "not found" does not say that an object is absent: what is missing is
where it was to go."""


class Advice(NamedTuple):
    """What the messages of one store say beside what went wrong."""

    where: str = "blob_manager_config"
    """The file that its configuration stands in."""

    container: str = ""
    """The option that names its bucket or container, in backquotes; likewise below."""

    endpoint: str = ""
    credentials: str = ""
    redact: Callable[[str], str] = str
    """Masks secrets."""

    def see(self, *options: str) -> str:
        """Say where to look; nothing if no option is to blame."""
        named = [option for option in options if option]
        return f"; see {' and '.join(named)} in {self.where}" if named else ""


def answered(  # noqa: PLR0913, PLR0917 - what an answer consists of
    status: int,
    code: str,
    text: str,
    what: str,
    advice: Advice,
    retry_after: float | None = None,
) -> Exception:
    """Return what an answer means that is no success.

    Args:
        status: of HTTP.
        code: of the storage, such as `NoSuchKey`; "" if it gave none.
        text: its own words.
        what: the operation and the key.
        advice: where to look.
        retry_after: seconds after which the storage wants to be asked again, if it said so.

    Returns:
        FileNotFoundError if the object is not there, FileExistsError if it is against the
        condition of the request, else an error of ours.
    """
    said = advice.redact(f"{what}: {_words(status, code, text)}")
    if error := _of_configuration(status, code, said, advice):
        return error
    if status == 404:
        return FileNotFoundError(said)
    if code in FULL or status == 507:
        return StorageFullError(said)
    if code in AGAIN or status in PASSING:
        return passing(said, retry_after)
    if status in (409, 412):
        return FileExistsError(said)
    return StoreUnavailableError(said + advice.see(advice.endpoint))


def _of_configuration(status: int, code: str, said: str, advice: Advice) -> Exception | None:
    """Return the error if the answer blames what the store was opened with."""
    if code in NO_CONTAINER:
        return ConfigError(said + advice.see(advice.container, advice.endpoint))
    if code in WRONG_PLACE or (status in (301, 307) and not code):
        return ConfigError(f"{said}: it lies in another region" + advice.see(advice.endpoint))
    if code in BAD_CREDENTIALS or status == 401:
        return AccessError(said + advice.see(advice.credentials))
    if status == 403:
        return AccessError(f"{said}: no permission" + advice.see(advice.credentials))
    return None


def passing(said: str, retry_after: float | None = None) -> StoreUnavailableError:
    """Return the error of a storage that may answer otherwise in a moment."""
    error = StoreUnavailableError(said)
    error.passing, error.retry_after = True, retry_after
    return error


def fitting(error: Exception, operation: str) -> Exception:
    """Return an error that says what `operation` can meet: what is written is not "not found".

    Args:
        error: what an answer means by its status alone.
        operation: of the request; one that makes an object only if there is none is `creating`.
    """
    if isinstance(error, BlobfsError):
        return error
    absent = isinstance(error, FileNotFoundError) and operation in WRITING
    there = isinstance(error, FileExistsError) and operation != "creating"
    return StoreUnavailableError(str(error)) if absent or there else error


def unreachable(said: str, what: str, advice: Advice) -> BlobfsError:
    """Return the error of a storage that nobody answers for: refused, or no such host."""
    text = advice.redact(f"{what}: cannot be reached: {said}")
    return StoreUnavailableError(text + advice.see(advice.endpoint))


def seconds(retry_after: str | None) -> float | None:
    """Return the seconds that a `Retry-After` header means; a date is not looked at."""
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None


def _words(status: int, code: str, text: str) -> str:
    text = " ".join(text.split())[:300]
    name = f"{status} {code}".strip()
    return f"{name}: {text}" if text and text != code else name
