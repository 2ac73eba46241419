"""Our errors for the answers of an S3 server."""

from __future__ import annotations

from cron.errors import AccessRefused, FreshetError, StoreError, Unavailable
from cron.urls.s3 import S3Url

WHAT = "the artifact store"
KEYS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or AWS_PROFILE for a"
    " profile in ~/.aws/credentials"
)
_REFUSED = frozenset(
    {
        "AccessDenied",
        "AllAccessDisabled",
        "AccountProblem",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)
_PASSING = frozenset(
    {
        "SlowDown",
        "InternalError",
        "ServiceUnavailable",
        "RequestTimeout",
        "OperationAborted",
        "ServerBusy",
    }
)


def refusal(url: S3Url, *, code: str, message: str, status: int) -> FreshetError:
    """Return our error for an answer with an S3 error code; it holds no secret."""
    if code.isdecimal() and status < 500:  # boto3 repeats the status for an answer without a code
        return not_s3(url)
    why = f"{code}: {message}"
    if code in _REFUSED:
        remedy = f"{KEYS}; the key needs to list, read, write and delete in the bucket {url.bucket}"
        return AccessRefused(WHAT, where=url.where, why=why, remedy=remedy)
    if code in _PASSING or status >= 500:
        return Unavailable(WHAT, where=url.where, why=why)
    return StoreError(f"{WHAT} at {url.where} answered {why}")


def not_s3(url: S3Url) -> Unavailable:
    """Return our error for an answer that is not S3's."""
    return Unavailable(WHAT, where=url.where, why="the server there does not speak S3")


def silence(url: S3Url, reason: str) -> Unavailable:
    """Return our error for a request without an answer."""
    hint = ""
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        hint = "; name your own authority with ca=/PATH or SSL_CERT_FILE"
    why = f"{reason.partition('(Caused by')[0].strip()}{hint}"[:400]
    return Unavailable(WHAT, where=url.where, why=why)
