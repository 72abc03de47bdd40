"""What the errors of oss2 mean, in our types."""

from typing import Any

from blobfs.backend.failure import (
    NO_CONTAINER,
    Advice,
    answered,
    passing,
    seconds,
    unreachable,
)
from blobfs.errors import AccessError, ConfigError, StoreUnavailableError, UnsafeNameError

_SAID = NO_CONTAINER | {"NoSuchKey"}
"""Codes that say what it is that is not there."""

_WRONG = frozenset(
    {
        *("InvalidURL", "InvalidSchema", "MissingSchema", "InvalidProxyURL", "InvalidHeader"),
        *("LocationParseError", "LocationValueError", "UnicodeEncodeError"),
    }
)
"""Errors of what makes a request from an endpoint and keys, by name."""

_NOBODY = frozenset({"NewConnectionError", "NameResolutionError"})
"""Errors of urllib3 when nobody answers, by name: one is not in all of its versions."""


class PastEndError(Exception):
    """Nothing lies where a range begins."""


class UnsaidError(StoreUnavailableError):
    """Something is not there, but the answer does not say that it is the object."""


class NoUploadError(StoreUnavailableError):
    """There is no such multipart upload: it was completed, or given up."""


def meaning(error: Exception, what: str, advice: Advice) -> Exception | None:
    """Return what an error of oss2, or of what is underneath, means; None if it is no such."""
    from oss2.exceptions import ClientError, InconsistentError, RequestError, ServerError

    if isinstance(error, ServerError):
        return _refused(error, what, advice)
    if isinstance(error, InconsistentError):
        return passing(advice.redact(f"{what}: {error.body}"))
    if isinstance(error, ClientError):  # there are no keys any more to sign with
        return AccessError(
            advice.redact(f"{what}: {error.body}{advice.see(advice.credentials)}")
        )
    if isinstance(error, RequestError):
        error = error.exception
    return _unanswered(error, what, advice)


def _refused(error: Any, what: str, advice: Advice) -> Exception:  # noqa: ANN401 - oss2 has no types
    """Return what an answer of OSS means that is no success."""
    status, code, text = error.status, error.code or "", error.message or ""
    said = advice.redact(f"{what}: {status} {code}: {text}")
    if status == 404 and code == "NoSuchUpload":
        return NoUploadError(said)
    if status == 404 and code not in _SAID:
        return UnsaidError(said + advice.see(advice.endpoint))
    if status == 403 and (moved := _elsewhere(error.details or {}, text)):
        return ConfigError(f"{said}: {moved}{advice.see(advice.endpoint)}")
    after = seconds(error.headers.get("Retry-After"))
    known = {
        "InvalidRange": PastEndError(),
        "InvalidDigest": passing(said, after),  # damaged on the way
        "InvalidObjectName": UnsafeNameError(f"{said}; a key has at most 1,023 bytes on OSS"),
    }
    return known.get(code) or answered(status, code, text, what, advice, after)


def _elsewhere(details: dict[str, str], text: str) -> str:
    """Say through which endpoint the bucket is reached, if OSS says that it is another one."""
    if endpoint := details.get("Endpoint"):
        return f"it is reached by {endpoint}"
    return "it lies in another region" if "specified endpoint" in text else ""


def _unanswered(error: Exception, what: str, advice: Advice) -> Exception | None:
    """Return what an error means that came in place of an answer."""
    from xml.etree.ElementTree import ParseError

    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    text = str(error) or type(error).__name__
    said = advice.redact(f"{what}: {text}")
    if type(error).__name__ in _WRONG:
        return ConfigError(said + advice.see(advice.endpoint, advice.credentials))
    if "CERTIFICATE_VERIFY_FAILED" in text or "WRONG_VERSION_NUMBER" in text:
        return ConfigError(said + advice.see(advice.endpoint))
    if _is_of_nobody(error):
        return unreachable(text, what, advice)
    if isinstance(error, RequestException | HTTPError | ParseError):
        return passing(said)  # or half of an answer
    return None


def _is_of_nobody(error: Exception) -> bool:
    """Whether an error of requests says that nobody answers: refused, or no such host."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    reason = getattr(reason, "original_error", reason)  # of a proxy
    return type(reason).__name__ in _NOBODY
