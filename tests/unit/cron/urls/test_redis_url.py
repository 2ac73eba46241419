"""Redis URLs: what they accept, and what is refused without showing a password."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cron.errors import SettingsError
from cron.project_root import PROJECT_ROOT
from cron.urls.redis import parse
from cron.urls.wrong_url import WrongUrl
from cron.wiring import open_histories, open_log


def test_a_url_names_server_database_and_keys() -> None:
    url = parse("redis://cache.example:6380/2?stream=shop", store="events")
    assert (url.host, url.port, url.database, url.name, url.tls) == (
        "cache.example",
        6380,
        2,
        "shop",
        False,
    )
    assert url.where == "redis://cache.example:6380/2"
    least = parse("rediss://[::1]", store="histories")
    assert (least.host, least.port, least.database, least.name, least.tls, least.ca) == (
        "::1",
        6379,
        0,
        "histories",
        True,
        None,
    )
    assert least.where == "rediss://[::1]:6379/0"
    assert parse("rediss://h/0?ca=/etc/ca.pem", store="events").ca == "/etc/ca.pem"


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis:///0",
        "redis://h:port/0",
        "redis://h:70000/0",
        "redis://[::1/0",
        "redis://h/zero",
        "redis://h/0/1",
        "redis://h/0?prefix=x",  # the other store's option
        "redis://h/0?stream=",
        "redis://h/0?stream={a}*",
        "redis://h/0?ca=/etc/ca.pem",  # without TLS
        "rediss://h/0?ca=ca.pem",
        "redis://user@h/0",
    ],
)
def test_a_wrong_url_is_reported_with_key_and_form(url: str) -> None:
    with pytest.raises(WrongUrl):
        parse(url, store="events")
    with pytest.raises(
        SettingsError,
        match=r"store\.events = .*expected redis://HOST:PORT/DATABASE\?stream=NAME.*REDIS_PASSWORD",
    ):
        open_log(url)


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError, match=r"store\.histories = .*\?prefix=NAME") as told:
        open_histories("redis://:geheim@h/0")
    assert "geheim" not in str(told.value)


def test_a_missing_client_names_the_extra_that_brings_it() -> None:
    code = """
import sys
sys.modules["redis"] = None
from cron.errors import MissingClient
from cron.wiring import open_histories, open_log
for open_it in open_log, open_histories:
    try:
        open_it("redis://h/0")
    except MissingClient as error:
        print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert (
        told
        == [
            "redis:// needs the package redis, which is not installed;"
            " run: pip install 'freshet[redis]'"
        ]
        * 2
    )
