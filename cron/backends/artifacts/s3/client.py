"""The `minio` client as we want it: credentials from the environment, short time-outs, bounded retries, errors in our own words.

Knows the S3 API; does not know what an artifact is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from xml.etree import ElementTree

import certifi
import urllib3
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.credentials.providers import (
    AWSConfigProvider,
    ChainedProvider,
    EnvAWSProvider,
    EnvMinioProvider,
    IamAwsProvider,
    Provider,
)
from minio.error import InvalidResponseError, MinioException, S3Error
from urllib3.exceptions import HTTPError, MaxRetryError

from cron.errors import AccessRefused, StoreError, Unavailable
from cron.urls.s3 import S3Url, parse

WHAT = "the artifact store"
CONDITION_FAILED = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
NOT_OFFERED = frozenset({"NotImplemented", "MethodNotAllowed"})

_CONNECT_S, _READ_S = (
    3.0,
    20.0,
)  # a read time-out is silence, not duration: a slow large answer is fine
_RETRIES = 3
_ROLE_S = 2.0  # outside a cloud nobody answers at the address of its roles
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
_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or AWS_PROFILE for a profile in ~/.aws/credentials"


def new_client(url: S3Url, *, endpoint: str, is_anonymous: bool = False) -> Minio:
    """Return a client for one endpoint; nothing is sent until it is used. Share it among threads, not with a forked process."""
    keys = None if is_anonymous else _Keys(url)
    parts = urlsplit(endpoint)
    ca_certs = (
        str(url.ca) if url.ca is not None else os.environ.get("SSL_CERT_FILE") or certifi.where()
    )
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=_CONNECT_S, read=_READ_S),
        maxsize=10,
        cert_reqs="CERT_REQUIRED",
        ca_certs=ca_certs,
        # Every request of ours may be repeated: a put carries a condition, or is looked at
        # afterwards.
        retries=urllib3.Retry(
            total=_RETRIES,
            allowed_methods=None,
            status_forcelist=[500, 502, 503, 504],
            backoff_factor=0.2,
            backoff_jitter=0.1,
        ),
    )
    client = Minio(
        parts.netloc,
        secure=parts.scheme == "https",
        region=url.region,
        http_client=pool,
        credentials=keys,
    )
    if url.is_virtual is not None:
        (
            client.enable_virtual_style_endpoint
            if url.is_virtual
            else client.disable_virtual_style_endpoint
        )()  # type: ignore[no-untyped-call]
    return client


def archives_url(setting: str) -> str:
    """Return the prefix of the URLs by which TorchServe fetches archives.

    Its `allowed_urls` is narrowed to this prefix.
    """
    url = parse(setting)
    client = new_client(url, endpoint=url.public, is_anonymous=True)
    return client.presigned_get_object(url.bucket, f"{url.prefix}x").removesuffix("x")


@contextmanager
def in_our_words(url: S3Url) -> Iterator[None]:
    """Turn what the client raises into Unavailable, AccessRefused or StoreError; nothing of it holds a secret."""
    try:
        yield
    except S3Error as error:
        raise _translated(url, error) from error
    except MaxRetryError as error:
        raise Unavailable(WHAT, where=url.where, why=_reason(error)) from error
    except (
        InvalidResponseError,
        ElementTree.ParseError,
    ) as error:  # the text of the first is all of the answer
        raise Unavailable(
            WHAT, where=url.where, why="what answers there does not speak S3"
        ) from error
    except (MinioException, HTTPError) as error:
        raise Unavailable(
            WHAT, where=url.where, why=f"{type(error).__name__}: {error}"[:300]
        ) from error


class _Keys(Provider):
    """Where the usual tools look too: AWS's variables, MinIO's, AWS's credentials file, then the role of the machine."""

    def __init__(self, url: S3Url) -> None:
        role = urllib3.PoolManager(timeout=_ROLE_S, retries=False)
        self._url = url
        self._chain = ChainedProvider(
            [
                EnvAWSProvider(),
                EnvMinioProvider(),
                AWSConfigProvider(),
                IamAwsProvider(http_client=role, region=url.region),
            ]
        )

    def retrieve(self) -> Credentials:
        """Return the credentials; raise AccessRefused when there are none."""
        try:
            return self._chain.retrieve()
        except (ValueError, HTTPError, OSError) as error:  # OSError: a token file that is not there
            why = "there are no credentials"
            raise AccessRefused(WHAT, where=self._url.where, why=why, remedy=_KEYS) from error


def _translated(url: S3Url, error: S3Error) -> Exception:
    code, message = str(error.code), str(error.message)
    if code in _REFUSED:
        remedy = (
            f"{_KEYS}; the key needs to list, read, write and delete in the bucket {url.bucket}"
        )
        return AccessRefused(WHAT, where=url.where, why=f"{code}: {message}", remedy=remedy)
    if code in _PASSING or error.response.status >= 500:
        return Unavailable(WHAT, where=url.where, why=f"{code}: {message}")
    return StoreError(f"{WHAT} at {url.where} says {code}: {message}")


def _reason(error: MaxRetryError) -> str:
    reason = str(error.reason or error)
    hint = (
        "; name your own authority with ca=/PATH or SSL_CERT_FILE"
        if "CERTIFICATE_VERIFY_FAILED" in reason
        else ""
    )
    return f"{reason.partition('(Caused by')[0].strip()}{hint}"[:400]
