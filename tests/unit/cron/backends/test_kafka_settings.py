"""Kafka's URL, its secrets and its properties."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cron.backends.kafka.connection import KafkaConnection
from cron.backends.kafka.positions import Positions, from_cursor, to_cursor
from cron.errors import MissingClient, SettingsError
from cron.ports import START, Cursor
from cron.urls.kafka import parse
from cron.urls.wrong_url import WrongUrl
from cron.wiring import open_log

PASSWORD = {"FRESHET_KAFKA_SASL_PASSWORD": "hunter2"}


def test_a_setting_names_brokers_and_topics() -> None:
    url = parse("kafka://a:9092,b,[::1]:9094/shop.events?items=shop-items&trim=yes")
    assert (url.servers, url.events, url.items, url.trims) == (
        "a:9092,b:9092,[::1]:9094",
        "shop.events",
        "shop-items",
        True,
    )
    assert url.client == {}
    assert url.where == "kafka://a:9092,b:9092,[::1]:9094/shop.events"
    alone = parse("kafka://a/events")
    assert (alone.items, alone.trims, alone.topics) == ("items", False, ("events", "items"))
    assert parse("kafka://a/both?items=both").topics == ("both",)


def test_a_user_or_a_certificate_means_encryption() -> None:
    assert parse("kafka://us%40er@a/e").client == {
        "security.protocol": "sasl_ssl",
        "sasl.username": "us@er",
        "sasl.mechanism": "SCRAM-SHA-512",
    }
    assert (
        parse("kafka://u@a/e?security=sasl_plaintext&mechanism=PLAIN").client["security.protocol"]
        == "sasl_plaintext"
    )
    assert parse("kafka://a/e?ca=/c.pem&certificate=/m.pem&key=/k.pem").client == {
        "security.protocol": "ssl",
        "ssl.ca.location": "/c.pem",
        "ssl.certificate.location": "/m.pem",
        "ssl.key.location": "/k.pem",
    }


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("kafka:///events", "not a valid HOST:PORT"),
        ("kafka://a:port/events", "not a valid HOST:PORT"),
        ("kafka://a:0/events", "not a valid HOST:PORT"),
        ("kafka://a:70000/events", "not a valid HOST:PORT"),
        ("kafka://a,,b/events", "not a valid HOST:PORT"),
        ("kafka://a", "not a valid name of a topic"),
        ("kafka://a/ev/ents", "not a valid name of a topic"),
        ("kafka://a/events?items=", "not a valid name of a topic"),
        ("kafka://a/events?item=x", "item= is not an option"),
        ("kafka://a/events?items", "EVENTS_TOPIC"),
        ("kafka://a/events?trim=true", "trim=yes"),
        ("kafka://a/events?security=tls", "security=plaintext"),
        ("kafka://a/events?security=sasl_ssl", "USER"),
        ("kafka://u@a/events?security=ssl", "USER"),
        ("kafka://u:hunter2@a/events", "FRESHET_KAFKA_SASL_PASSWORD"),
        ("kafka://a/events?ca=ca.pem", "ca=/PATH"),
        ("kafka://a/events?properties=client.properties", "properties=/PATH"),
    ],
)
def test_a_wrong_setting_says_what_was_expected(url: str, why: str) -> None:
    with pytest.raises(WrongUrl, match=why):
        parse(url)
    with pytest.raises(SettingsError, match=r"store\.events = 'kafka:") as told:
        open_log(url)
    assert "hunter2" not in str(told.value)


def test_secrets_come_from_the_environment_alone(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="set FRESHET_KAFKA_SASL_PASSWORD"):
        KafkaConnection(parse("kafka://u@a/e"), {})
    file = tmp_path / "client.properties"
    file.write_text("# ours\n\nsasl.password = hunter2\n")
    with pytest.raises(
        SettingsError,
        match=r"client.properties:3: sasl.password is a secret; set FRESHET_KAFKA_SASL_PASSWORD",
    ) as told:
        KafkaConnection(parse(f"kafka://a/e?properties={file}"), {})
    assert "hunter2" not in str(told.value)


def test_properties_are_librdkafkas_own(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    url = parse(f"kafka://u@127.0.0.1:1/e?properties={file}")
    with pytest.raises(SettingsError, match="can't be read"):
        KafkaConnection(url, PASSWORD)
    file.write_text("client.id=freshet-1\nclient.dns.lookup = use_all_dns_ips\n")
    KafkaConnection(url, PASSWORD).admin()
    file.write_text("clientid=freshet-1\n")
    with pytest.raises(
        SettingsError, match=r'store.events = .*No such configuration property: "clientid"'
    ):
        KafkaConnection(url, PASSWORD).admin()
    file.write_text("just words\n")
    with pytest.raises(SettingsError, match=r"client.properties:1: expected name=value"):
        KafkaConnection(url, PASSWORD)


def test_a_missing_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    for name in [
        name
        for name in sys.modules
        if name.startswith("cron.backends.kafka.") and not name.endswith(".url")
    ]:
        monkeypatch.delitem(sys.modules, name)
    parse("kafka://a/events")  # a settings file can be checked without it
    with pytest.raises(
        MissingClient, match=r"kafka:// needs the package confluent-kafka.*freshet\[kafka\]"
    ):
        open_log("kafka://a/events")


def test_equal_positions_are_equal_cursors() -> None:
    there = Positions(ids={"b": "2", "a": "1"}, next={("b", 1): 7, ("a", 0): 5, ("b", 0): 2**60})
    again = Positions(ids={"a": "1", "b": "2"}, next={("a", 0): 5, ("b", 0): 2**60, ("b", 1): 7})
    assert to_cursor(there) == to_cursor(again)
    assert from_cursor(to_cursor(there)) == there


@pytest.mark.parametrize(
    "cursor",
    [
        START,
        "17@ab12",
        "[]",
        '{"events":3}',
        '{"events":{"id":"x"}}',
        '{"events":{"id":"x","next":["y"]}}',
    ],
)
def test_a_cursor_of_another_back_end_is_not_read(cursor: str) -> None:
    assert from_cursor(Cursor(cursor)) is None
