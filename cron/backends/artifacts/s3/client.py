"""The `minio` client with short time-outs, bounded retries, and errors translated into ours."""

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

from cron.backends.artifacts.s3.errors import KEYS, WHAT, not_s3, refusal, silence
from cron.errors import AccessRefused, Unavailable
from cron.urls.s3 import S3Url, parse

CONNECT_S = 3.0
READ_S = 20.0  # the longest silence, not the duration: a slow large answer is allowed
RETRIES = 3
_ROLE_S = 2.0  # outside a cloud nobody answers at the address of its roles


def new_client(url: S3Url, *, endpoint: str, is_anonymous: bool = False) -> Minio:
    """Return a client for one endpoint; nothing is sent until it is used.

    Threads may share it, forked processes may not.
    """
    parts = urlsplit(endpoint)
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
        maxsize=10,
        cert_reqs="CERT_REQUIRED",
        ca_certs=ca_file(url),
        # Every request may be repeated.
        retries=urllib3.Retry(
            total=RETRIES,
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
        credentials=None if is_anonymous else KeyProvider(url),
    )
    if url.is_virtual is True:
        client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    elif url.is_virtual is False:
        client.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    return client


def ca_file(url: S3Url) -> str:
    """Return the file of certificates that the server is verified against."""
    if url.ca is not None:
        return str(url.ca)
    return os.environ.get("SSL_CERT_FILE") or certifi.where()


def archives_url(setting: str) -> str:
    """Return the prefix of the URLs by which TorchServe fetches archives.

    Its `allowed_urls` is narrowed to this prefix.
    """
    url = parse(setting)
    client = new_client(url, endpoint=url.public, is_anonymous=True)
    return client.presigned_get_object(url.bucket, f"{url.prefix}x").removesuffix("x")


@contextmanager
def translate_minio_errors(url: S3Url) -> Iterator[None]:
    """Raise what the client raises as Unavailable, AccessRefused or StoreError."""
    try:
        yield
    except S3Error as error:
        raise refusal(
            url, code=str(error.code), message=str(error.message), status=error.response.status
        ) from error
    except MaxRetryError as error:
        raise silence(url, str(error.reason or error)) from error
    # the text of an InvalidResponseError is the whole answer, so it is not shown
    except (InvalidResponseError, ElementTree.ParseError) as error:
        raise not_s3(url) from error
    except (MinioException, HTTPError) as error:
        why = f"{type(error).__name__}: {error}"[:300]
        raise Unavailable(WHAT, where=url.where, why=why) from error


class KeyProvider(Provider):
    """The key pair, from where the usual tools read it too.

    In this order: AWS's variables, MinIO's, AWS's credentials file, the role of the machine.
    """

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
        except (ValueError, HTTPError, OSError) as error:  # OSError: a missing token file
            why = "there are no credentials"
            raise AccessRefused(WHAT, where=self._url.where, why=why, remedy=KEYS) from error
