"""What two readers of the same Kafka topics must agree on at any time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Message

from cron.backends.kafka.connection import KafkaConnection
from cron.backends.kafka.log import KafkaEventLog
from cron.backends.kafka.messages import MAX_LEAD, from_message
from cron.backends.kafka.reader import Reader, TrimmedMeanwhile
from cron.ports import Rejected
from cron.urls.kafka import parse as parse_url
from recommender.records.events import Event, to_json
from recommender.records.record_times import MAX_CLOCK_SKEW
from tests.contracts.records import event
from tests.servers import Servers, unique
from tests.services.kafka_shop import LIMIT_S, ShopTopics, everything, lines, until

OTHER_PROPERTIES = """\
isolation.level=read_uncommitted
auto.offset.reset=latest
enable.auto.commit=true
"""


@pytest.fixture
def shop(servers: Servers) -> ShopTopics:
    return ShopTopics(servers.kafka)


@pytest.fixture
def reader(shop: ShopTopics, tmp_path: Path) -> Iterator[Reader]:
    """A reader of settings that would weaken it."""
    opened = Reader(KafkaConnection(parse_url(weakened_properties(shop, tmp_path))))
    yield opened
    opened.close()


def weakened_properties(shop: ShopTopics, tmp_path: Path) -> str:
    (tmp_path / "kafka.properties").write_text(OTHER_PROPERTIES)
    return f"{shop.url}&properties={tmp_path}/kafka.properties"


def test_a_properties_file_cannot_let_aborted_transactions_in(
    shop: ShopTopics, tmp_path: Path
) -> None:
    producer = shop.producer(transactional_id=unique())
    producer.init_transactions(LIMIT_S)
    producer.begin_transaction()
    producer.produce(shop.events, lines(1)[0], partition=0)
    producer.flush()
    producer.abort_transaction(LIMIT_S)
    shop.send(*lines(2))
    log = KafkaEventLog(parse_url(weakened_properties(shop, tmp_path)))
    until(lambda: everything(log) == [event(2)])
    log.close()


def test_a_reader_whose_offset_is_deleted_meanwhile_says_so(
    shop: ShopTopics, reader: Reader
) -> None:
    """A client would continue elsewhere, and nobody would learn of the missing records."""
    line = (shop.events, 0)
    shop.send(*lines(1, 2, 3, 4))
    shop.delete_records(shop.events, 0, 2)
    with pytest.raises(TrimmedMeanwhile):
        reader.read({line: 1}, {line: 4}, 10)


def test_readers_at_different_times_come_to_the_same_verdict(
    shop: ShopTopics, reader: Reader
) -> None:
    sent_at = datetime.now(UTC).replace(microsecond=0)  # Kafka counts milliseconds
    leads = [timedelta(0), MAX_CLOCK_SKEW + timedelta(minutes=1), timedelta(days=1)]
    producer = shop.producer()
    for number, lead in enumerate(leads):
        value = to_json(event(number, at=sent_at + lead))
        producer.produce(
            shop.events, value, partition=0, timestamp=round(sent_at.timestamp() * 1000)
        )
    assert producer.flush(LIMIT_S) == 0
    messages, _ = reader.read({(shop.events, 0): 0}, {(shop.events, 0): len(leads)}, 10)
    for later in (-MAX_LEAD, timedelta(0), timedelta(minutes=2), timedelta(days=2)):
        found = [type(verdict(shop, message, sent_at + later)) for message in messages]
        assert found == [Event, Rejected, Rejected], f"read {later} after it was sent"


def test_a_message_stamped_far_ahead_is_rejected(shop: ShopTopics, reader: Reader) -> None:
    """A broker before Kafka 4, or one whose clock is wrong, takes any timestamp."""
    shop.send(*lines(1), b'{"user_id": "u", "item_id": "i", "type": "view"}')
    messages, _ = reader.read({(shop.events, 0): 0}, {(shop.events, 0): 2}, 10)
    for message in messages:
        rejected = verdict(shop, message, datetime.now(UTC) - MAX_LEAD - timedelta(minutes=1))
        assert isinstance(rejected, Rejected)
        assert rejected.reason.startswith("timestamp: ")


def verdict(shop: ShopTopics, message: Message, now: datetime) -> object:
    return from_message(message, parse_url(shop.url), {shop.events: "id"}, now=now)
