"""A secret that is set and empty is an error that names it."""

from __future__ import annotations

import pytest

from cron.errors import SettingsError
from cron.settings.file import load_settings
from cron.settings.keys import settings_leaves, variable

STORES = {
    "PGPASSWORD": ("LEDGER", "postgresql://u@h/db"),
    "REDIS_PASSWORD": ("HISTORIES", "redis://h/0"),
    "AWS_SECRET_ACCESS_KEY": ("ARTIFACTS", "s3://bucket/x"),
    "AWS_ACCESS_KEY_ID": ("ARTIFACTS", "s3://bucket/x"),
    "FRESHET_KAFKA_SASL_PASSWORD": ("EVENTS", "kafka://h:9092/events"),
    "FRESHET_KAFKA_SSL_KEY_PASSWORD": ("EVENTS", "kafka://h:9092/events"),
}


@pytest.mark.parametrize("value", ["", " ", "\n"], ids=ascii)
@pytest.mark.parametrize(
    "name", [variable(key) for key, leaf in settings_leaves().items() if leaf.secret]
)
def test_an_empty_secret_of_the_settings_is_an_error(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"environment {name}: is set and empty"):
        load_settings(None, {name: value})


@pytest.mark.parametrize("name", STORES)
def test_an_empty_secret_of_a_server_that_is_used_is_an_error(name: str) -> None:
    store, url = STORES[name]
    with pytest.raises(SettingsError, match=f"environment {name}: is set and empty"):
        load_settings(None, {name: "", f"FRESHET__STORE__{store}": url})


@pytest.mark.parametrize("name", STORES)
def test_secrets_of_unused_servers_are_ignored(name: str) -> None:
    assert load_settings(None, {name: ""}).settings.gateway.api_key is None
