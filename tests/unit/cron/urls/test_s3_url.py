"""The URL of an artifact store on S3, and the URLs that TorchServe may fetch from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cron.backends.artifacts.s3.client import archives_url
from cron.errors import SettingsError
from cron.project_root import PROJECT_ROOT
from cron.urls.s3 import parse
from cron.urls.wrong_url import WrongUrl
from cron.wiring import open_artifacts


def test_a_bucket_on_aws_needs_no_more_than_its_region() -> None:
    url = parse("s3://shop-models/freshet?region=eu-central-1")
    assert (url.bucket, url.prefix, url.region) == ("shop-models", "freshet/", "eu-central-1")
    assert url.endpoint == url.public == "https://s3.amazonaws.com"
    assert url.is_virtual is None


def test_every_option_of_a_url() -> None:
    url = parse(
        "s3://models/a/%C3%BC%20b/?endpoint=https://minio:9000&public=http://10.0.0.7&style=path"
        "&shared=/srv/store&ca=/etc/ca.pem"
    )
    assert (url.prefix, url.endpoint, url.public) == (
        "a/ü b/",
        "https://minio:9000",
        "http://10.0.0.7",
    )
    assert (url.is_virtual, url.shared, url.ca) == (
        False,
        Path("/srv/store"),
        Path("/etc/ca.pem"),
    )
    assert url.where == "s3://models/a/ü b on https://minio:9000"


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("s3://user:hush@models/a", "ends up in logs"),
        ("s3://models/a?endpoint=http://user:hush@h:9000", "ends up in logs"),
        ("s3:///a", "a bucket has 3 to 63"),
        ("s3://Models", "a bucket has 3 to 63"),
        ("s3://models/../other", "a prefix has parts"),
        ("s3://models/a//b", "a prefix has parts"),
        ("s3://models/a#b", "a prefix has parts"),
        ("s3://models?endpoint=minio:9000", "endpoint= is http://HOST:PORT"),
        ("s3://models?endpoint=http://minio:9000/path", "endpoint= is http://HOST:PORT"),
        ("s3://models?endpoint=http://minio:99999", "out of range"),
        ("s3://models?public=ftp://minio", "public= is http://HOST:PORT"),
        ("s3://models?style=dns", "style= is path or virtual"),
        ("s3://models?region=EU west", "region= is a name"),
        ("s3://models?shared=store", "shared= is an absolute path"),
        ("s3://models?endpiont=http://h:1", "endpiont= is not an option"),
        ("s3://models?ca=ca.pem", "ca= is an absolute path"),
        ("s3://models?secret_key=hush", "ends up in logs"),
    ],
)
def test_a_wrong_url_names_what_was_expected(url: str, what: str) -> None:
    with pytest.raises(WrongUrl) as wrong:
        parse(url)
    assert "s3://BUCKET/PREFIX?endpoint=http://HOST:PORT" in wrong.value.advice
    assert what in wrong.value.advice
    with pytest.raises(SettingsError, match=r"store\.artifacts") as caught:
        open_artifacts(url)
    assert "hush" not in f"{wrong.value} {caught.value}"


@pytest.mark.parametrize(
    ("url", "begins_with"),
    [
        ("s3://models/a?endpoint=http://minio:9000", "http://minio:9000/models/a/"),
        (
            "s3://models?endpoint=http://minio:9000&public=https://s3.shop.example",
            "https://s3.shop.example/models/",
        ),
        (
            "s3://models/a%20b?endpoint=http://minio:9000&style=virtual",
            "http://models.minio:9000/a%20b/",
        ),
        ("s3://models/a?region=eu-central-1", "https://models.s3.eu-central-1.amazonaws.com/a/"),
        (
            "s3://models/a?region=eu-central-1&style=path",
            "https://s3.eu-central-1.amazonaws.com/models/a/",
        ),
        (
            "s3://my.models/a?region=eu-central-1",
            "https://s3.eu-central-1.amazonaws.com/my.models/a/",
        ),
    ],
)
def test_where_torchserve_fetches_from(url: str, begins_with: str) -> None:
    assert archives_url(url) == begins_with


def test_a_missing_upload_client_names_its_extra() -> None:
    code = """
import sys
sys.modules["boto3"] = None
from cron.errors import MissingClient
from cron.wiring import open_artifacts
try:
    open_artifacts("s3://models/a")
except MissingClient as error:
    print(error)
"""
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "s3:// needs the package boto3" in output
    assert "pip install 'freshet[s3]'" in output
