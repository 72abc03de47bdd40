"""What Azure's answers mean, and errors of its client that are none.

Codes: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
"""

from typing import Any

from blobfs.backend.base import UNLISTABLE
from blobfs.backend.failure import Advice, answered, passing, seconds, unreachable
from blobfs.errors import AccessError, ConfigError, StoreUnavailableError

FORBIDDEN = "?" + "".join(map(chr, range(0x80, 0xA0))) + UNLISTABLE
"""Characters that a blob's name cannot hold, beside control characters and `\\`: adlfs and
others cut names at `?versionid=`, and the second set of control characters is refused.
https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata"""

_AGAIN = frozenset(
    {
        *("Md5Mismatch", "Crc64Mismatch", "PendingCopyOperation", "AccountBeingCreated"),
        *("OperationTimedOut", "ServerBusy", "InternalError"),
    }
)
"""What is sent again: it was damaged on its way, or something else has to end first."""

_EXISTS = frozenset({"", "BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"})
"""Codes of 409 and 412 that say that there is a blob; the others say that it cannot change."""

_REFUSED = frozenset(
    {
        *("PublicAccessNotPermitted", "BlobImmutableDueToPolicy", "LeaseIdMissing"),
        *("AccountIsDisabled", "KeyBasedAuthenticationNotPermitted"),
    }
)

_HIDDEN = frozenset({"ResourceNotFound"})
"""What is answered to one without a name who asks for a container that is not public."""


def meaning(  # noqa: PLR0913, PLR0917 - what an answer consists of
    status: int,
    code: str,
    text: str,
    what: str,
    advice: Advice,
    retry_after: float | None = None,
    *,
    public: bool = False,
) -> Exception:
    """Return what an answer of Azure means that is no success; arguments as for `answered`.

    Beside those, `public` says whether the question was asked without a name.
    """
    error = answered(status, code, text, what, advice, retry_after)
    if code in _AGAIN:
        return passing(str(error), retry_after)
    if code in _REFUSED:
        return AccessError(str(error) + advice.see(advice.credentials))
    if public and code in _HIDDEN:
        return ConfigError(f"{error}: none, or not public" + advice.see(advice.container))
    if isinstance(error, FileExistsError) and code not in _EXISTS:
        return StoreUnavailableError(str(error))
    return error


def classified(
    error: Exception, what: str, advice: Advice, *, public: bool = False
) -> Exception:
    """Return what an error of Azure's client means; `PastEndError` of a range past the end."""
    response: Any = getattr(error, "response", None)
    if response is None:
        return _unanswered(error, what, advice)
    if response.status_code == 416:
        return PastEndError()
    code = getattr(error, "error_code", None) or response.headers.get("x-ms-error-code") or ""
    said = str(getattr(error, "message", "")).partition("\n")[0]
    after = seconds(response.headers.get("retry-after"))
    status: int = response.status_code
    return meaning(status, _text(code), said, what, advice, after, public=public)


class PastEndError(Exception):
    """Nothing lies where a range begins."""


def code_of(error: object) -> str:
    """Return Azure's code in an error of its client, `""` if there is none."""
    return _text(getattr(error, "error_code", None) or "")


def _text(code: object) -> str:
    return str(getattr(code, "value", code))  # an enumeration, if the client knows it


def _unanswered(error: Exception, what: str, advice: Advice) -> Exception:
    """Return what an error means that is no answer of the storage."""
    name, text = type(error).__name__, str(error)
    said = advice.redact(f"{what}: {text or name}")
    if _is_a(error, "ClientAuthenticationError"):  # no token could be got, or nothing signed
        return AccessError(said + advice.see(advice.credentials))
    inner = getattr(error, "inner_exception", None)
    within = type(inner).__name__
    if within.endswith(("CertificateError", "SSLError")):
        return ConfigError(said + advice.see(advice.endpoint))
    if within.startswith("ClientConnector"):  # refused, or no such host
        return unreachable(text, what, advice)
    if _is_a(error, "AzureError") or isinstance(error, OSError):
        return passing(said)
    if isinstance(error, ValueError):  # of a client that cannot be made, or sign
        return ConfigError(said + advice.see(advice.endpoint, advice.credentials))
    return StoreUnavailableError(said)


def _is_a(error: Exception, name: str) -> bool:
    """Whether an error is one of Azure's, by name so that it need not be imported for them."""
    return any(kind.__name__ == name for kind in type(error).__mro__)
