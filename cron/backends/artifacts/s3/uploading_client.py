"""The `boto3` client that `upload` uses: `minio` has no public call for a conditional put."""

from __future__ import annotations

import os

import boto3
import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from minio.credentials.credentials import Credentials

from cron.backends.artifacts.s3.client import CONNECT_S, READ_S, RETRIES, ca_file
from cron.urls.s3 import AWS, S3Url


def new_uploading_client(url: S3Url, keys: Credentials) -> BaseClient:
    """Return a client that uploads with these keys; nothing is sent until it is used.

    It ignores the endpoints in the settings of AWS's tools, as `minio` does: both must reach the
    same store.
    """
    session = boto3.session.Session(
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.session_token,
        region_name=url.region,
        botocore_session=_session_without_profile(),
    )
    return session.client(
        "s3",
        endpoint_url=None if url.endpoint == AWS else url.endpoint,
        verify=ca_file(url),
        config=Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"mode": "standard", "total_max_attempts": 1 + RETRIES},
            proxies={},
            ignore_configured_endpoint_urls=True,
            use_dualstack_endpoint=False,
            use_fips_endpoint=False,
            defaults_mode="legacy",
            signature_version="s3v4",
            s3={"addressing_style": _addressing(url)},
            # servers other than AWS may not know the newer checksums; uploads carry Content-MD5
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _session_without_profile() -> botocore.session.Session:
    """Return a session that ignores `AWS_PROFILE` and the files of profiles.

    botocore refuses to start when the profile is missing, even if it gets keys.
    """
    # (name in a file, environment variable, default, conversion)
    return botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )


def _addressing(url: S3Url) -> str:
    if url.is_virtual is None:
        return "auto" if url.endpoint == AWS else "path"
    return "virtual" if url.is_virtual else "path"
