"""The client for uploads ignores the settings of AWS's tools, as the client for reads does."""

from __future__ import annotations

from pathlib import Path

import pytest
from minio.credentials.credentials import Credentials

from cron.backends.artifacts.s3.uploading_client import new_uploading_client
from cron.urls.s3 import parse

KEYS = Credentials("access", "secret")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_PROFILE", "a-profile-that-does-not-exist"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_DEFAULTS_MODE", "not-a-mode"),
    ],
)
def test_variables_of_aws_tools_move_no_upload(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    client = new_uploading_client(parse("s3://models"), KEYS)
    assert client.meta.endpoint_url == "https://s3.amazonaws.com"


def test_a_damaged_file_of_profiles_stops_no_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_text("not a configuration [")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    url = parse("s3://models?endpoint=http://127.0.0.1:9")
    assert new_uploading_client(url, KEYS).meta.endpoint_url == "http://127.0.0.1:9"
