"""What only Kafka can do to a log: transactions, new partitions, trims, outages."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from cron.backends.kafka.log import KafkaEventLog
from cron.errors import AccessRefused, LogGap, TopicMissing, Unavailable
from cron.journal.follow import follow_once, rebuild
from cron.ledger import journal_rows
from cron.ports import START, EventLog, Rejected
from cron.urls.kafka import parse as parse_url
from cron.wiring import open_log
from deploy.servers.kafka import create_topics
from recommender.records.events import Event, Item, Record, to_json
from tests.component.house import House, open_house
from tests.contracts.records import event, item
from tests.servers import Servers, unique
from tests.services.kafka_shop import LIMIT_S, ShopTopics, everything, lines, patiently, until

PATIENCE_S = 60.0  # a broker outage is reported well within, on a machine with other work too


@pytest.fixture
def shop(servers: Servers) -> ShopTopics:
    return ShopTopics(servers.kafka)


@pytest.fixture
def log(shop: ShopTopics) -> Iterator[KafkaEventLog]:
    opened = KafkaEventLog(parse_url(shop.url))
    yield opened
    opened.close()


@pytest.fixture
def house(shop: ShopTopics, tmp_path: Path) -> Iterator[House]:
    """Everything that collects, from Kafka."""
    opened = open_house(tmp_path, log=open_log(shop.url))
    yield opened
    opened.journal.close()
    opened.ledger.close()


def test_only_committed_transactions_are_read(shop: ShopTopics, log: KafkaEventLog) -> None:
    shop.send(*lines(1, 2))
    producer = shop.producer(transactional_id=unique(), transaction_timeout_ms=600_000)
    producer.init_transactions(LIMIT_S)
    producer.begin_transaction()
    for line in lines(3, 4):
        producer.produce(shop.events, line, partition=0)
    producer.flush()
    shop.send(*lines(5))
    # nothing passes an open transaction
    assert patiently(lambda: everything(log)) == [event(1), event(2)]
    cursor = log.read(START, 100).cursor
    producer.abort_transaction(LIMIT_S)  # which the partitions learn of a moment later
    until(lambda: everything(log, cursor) == [event(5)])
    producer.begin_transaction()
    producer.produce(shop.events, lines(6)[0], partition=1)
    producer.commit_transaction(LIMIT_S)
    until(lambda: everything(log, cursor) == [event(5), event(6)])


def test_a_transactions_mark_at_the_end_is_not_waiting(
    shop: ShopTopics, log: KafkaEventLog
) -> None:
    """A topic whose retention outlives its last record has no gap: the marker was passed."""
    producer = shop.producer(transactional_id=unique(), transaction_timeout_ms=600_000)
    producer.init_transactions(LIMIT_S)
    for ends in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        producer.produce(shop.events, lines(1)[0], partition=0)
        producer.flush()
        ends(LIMIT_S)
    until(lambda: log.backlog(START) == 4)  # two messages, two marks
    cursor = START
    while (batch := log.read(cursor, 1)).cursor != cursor:  # the limit is met before the marks are
        cursor = batch.cursor
    assert log.backlog(cursor) == 0
    shop.delete_records(shop.events, 0, 4)
    assert log.read(cursor, 10).cursor == cursor


def test_added_partitions_are_read_from_their_beginning(
    shop: ShopTopics, log: KafkaEventLog
) -> None:
    shop.send(*lines(1, 2))
    cursor = log.read(START, 10).cursor
    shop.admin.create_partitions([NewPartitions(shop.events, 4)])[shop.events].result()
    until(lambda: len(shop.admin.list_topics(timeout=60).topics[shop.events].partitions) == 4)
    patiently(lambda: log.read(cursor, 10))
    shop.send(*lines(3, 4), partition=3)
    assert log.backlog(cursor) == 2
    batch = log.read(cursor, 10)
    assert batch.records == (event(3), event(4))
    assert log.read(batch.cursor, 10).cursor == batch.cursor


def test_what_others_trimmed_is_an_alarm_and_a_refusal(shop: ShopTopics, house: House) -> None:
    shop.send(*lines(1, 2, 3))
    house.collect()
    while follow_once(house.log, house.histories):
        pass
    shop.send(*lines(4, 5, 6))
    shop.delete_records(shop.events, 0, 5)
    gone = (
        rf"records after cursor offset 3 of {shop.events}, partition 0 are gone "
        r"\(the earliest left is offset 5, the end 6\)"
    )
    for step in (
        house.collect,
        lambda: follow_once(house.log, house.histories),
        lambda: rebuild(house.journal, house.log, house.histories),
    ):
        with pytest.raises(LogGap, match=gone):
            step()
    assert house.records() == [event(1), event(2), event(3)]
    # what the message says, for one who accepts the loss: `follow --new-log --once`
    journal_rows.commit_segment(
        house.ledger, None, house.log.give_up(journal_rows.log_cursor(house.ledger)), house.lease
    )
    rebuild(house.journal, house.log, house.histories)
    assert house.collect() == (1, 0, 0)
    assert house.records() == [event(1), event(2), event(3), event(6)]


def test_a_recreated_topic_is_an_alarm(shop: ShopTopics, house: House) -> None:
    shop.send(*lines(1, 2, 3))
    house.collect()
    shop.delete(shop.events)
    with pytest.raises(TopicMissing, match=f"has no topic {shop.events}; create it"):
        house.collect()
    shop.make()
    shop.send(
        *lines(3, 4, 5, 6, 7)
    )  # more than the cursor's offsets, so that nothing else would give it away
    with pytest.raises(
        LogGap,
        match=rf"of {shop.events} with the id \S+ are gone "
        rf"\(the earliest left is in {shop.events} with the id",
    ):
        patiently(house.collect)
    house.log.trim(journal_rows.log_cursor(house.ledger))  # of another topic: nothing
    journal_rows.commit_segment(
        house.ledger, None, house.log.give_up(journal_rows.log_cursor(house.ledger)), house.lease
    )
    assert house.collect() == (4, 0, 1)  # what stood in both counts once


def test_a_topic_recreated_while_reading_is_noticed(shop: ShopTopics, log: KafkaEventLog) -> None:
    shop.send(*lines(*range(50)))
    cursor = log.read(START, 10).cursor  # the reader has fetched the rest ahead
    shop.delete(shop.events)
    shop.make()
    shop.send(*lines(*range(100, 150)))
    with pytest.raises(LogGap):
        patiently(lambda: log.read(cursor, 10))


def test_a_retention_of_its_own_is_left_alone_by_default(
    shop: ShopTopics, log: KafkaEventLog
) -> None:
    shop.send(*lines(1, 2))
    log.trim(log.read(START, 10).cursor)
    assert log.backlog(START) == 2
    ours = KafkaEventLog(parse_url(f"{shop.url}&trim=yes"))
    ours.trim(ours.read(START, 10).cursor)
    assert log.backlog(START) == 0
    ours.close()


def test_a_compacted_topic_of_items_may_have_holes(servers: Servers) -> None:
    name = unique("shop")
    address = f"127.0.0.1:{servers.kafka.port}"
    create_topics(address, {f"{name}.items": 1}, settings={"cleanup.policy": "compact"})
    create_topics(address, {f"{name}.events": 1})
    log = open_log(f"kafka://{address}/{name}.events?items={name}.items&trim=yes")
    log.append([item(number, "i") for number in range(10)])
    log.trim(log.read(START, 10).cursor)  # not the compacted one
    assert len(everything(log)) == 10


def test_foreign_messages_are_records_or_rejected(shop: ShopTopics, log: KafkaEventLog) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    good = b'{"user_id": 17, "item_id": "\\u65e5\\u672c", "type": "click"}'
    bad = (
        b"",
        b"\xff\xfe",
        b"{",
        b"[1]",
        b'{"user_id": "u"}',
        b'{"kind": "user"}',
        b"[" * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
        None,
    )
    shop.send(good, *bad, good, compression_type="zstd")
    shop.send(
        b'{"item_id": "i", "title": "T"}',
        b'{"user_id": "u"}',
        None,
        topic=shop.items,
        compression_type="gzip",
    )
    batch = log.read(START, 100)
    found = [one for one in batch.records if isinstance(one, Event)]
    assert [(one.user_id, one.item_id, one.type, one.rating) for one in found] == [
        ("17", "日本", "click", None)
    ] * 2
    assert [one.item_id for one in batch.records if isinstance(one, Item)] == ["i"]
    assert all(before < one.at < datetime.now(UTC) + timedelta(seconds=1) for one in batch.records)
    assert found[0].event_id.startswith(f"{shop.events}.")
    assert found[0].event_id.endswith(":0000:000000000000")
    again = log.read(START, 100)  # ids and times are the same at every reading
    assert (set(map(repr, again.records)), set(again.rejected)) == (
        set(map(repr, batch.records)),
        set(batch.rejected),
    )
    assert len({one.source for one in batch.rejected}) == len(bad) + 2
    reasons = {
        one.source.rsplit(":", 1)[1]: one.reason
        for one in batch.rejected
        if f"{shop.events}." in one.source
    }
    assert [reasons[f"{place:012}"].partition(":")[0] for place in range(1, 10)] == [
        *["record"] * 4,
        "type",
        "kind",
        *["record"] * 3,
    ]
    assert "hidden" in reasons["000000000009"]


def test_largest_foreign_messages_and_every_compression(
    shop: ShopTopics, log: KafkaEventLog
) -> None:
    large = json.dumps(
        {"event_id": "large", "item_id": "i", "title": "T", "text": "x" * 262_000}
    ).encode()
    too_large = json.dumps(
        {"event_id": "larger", "item_id": "i", "title": "T", "text": "x" * 900_000}
    ).encode()
    for compression in ("none", "gzip", "snappy", "lz4", "zstd"):
        shop.send(large, too_large, topic=shop.items, compression_type=compression)
    records: list[Record] = []
    rejected: list[Rejected] = []
    cursor = START
    while (batch := log.read(cursor, 3)).cursor != cursor:
        cursor = batch.cursor
        records += batch.records
        rejected += batch.rejected
    assert len(records) == 5
    assert all("at most 262,144 bytes" in one.reason and len(one.raw) < 20_000 for one in rejected)
    assert len(rejected) == 5


def test_one_topic_may_hold_both_kinds(servers: Servers) -> None:
    shop = ShopTopics(servers.kafka)
    log = open_log(f"kafka://{shop.address}/{shop.events}?items={shop.events}")
    log.append([event(1), item(2, "i")])
    assert sorted(one.event_id for one in everything(log)) == ["e000001", "i000002"]


def test_a_users_order_is_kept_between_writers(shop: ShopTopics, log: KafkaEventLog) -> None:
    """By the key, which other clients hash as we do."""
    other = shop.producer(partitioner="murmur2_random")
    sent = []
    for number in range(0, 60, 2):
        user_id = f"u{number % 7}"
        sent += [event(number, user_id=user_id), event(number + 1, user_id=user_id)]
        log.append(sent[-2:-1])
        other.produce(shop.events, to_json(sent[-1]), key=user_id)
        other.flush()
    found = [one for one in everything(log) if isinstance(one, Event)]
    assert sorted(found, key=lambda one: one.user_id) == sorted(sent, key=lambda one: one.user_id)


def test_broker_kills_neither_lose_nor_repeat_records(
    servers: Servers, shop: ShopTopics, house: House
) -> None:
    server = servers.kafka
    sent: list[Record] = []

    def write() -> None:
        writer = open_log(shop.url)
        for first in range(0, 3000, 10):
            records = [
                event(number, user_id=f"u{number % 5}") for number in range(first, first + 10)
            ]
            patiently(lambda records=records: writer.append(records))  # type: ignore[misc]
            sent.extend(records)

    thread = threading.Thread(target=write)
    thread.start()
    for place in (500, 1500, 2500):
        while house.journal.last_seq < place:
            patiently(house.collect)
        server.kill()
        with suppress(Unavailable):
            house.collect()
        server.start()
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    patiently(house.collect)
    assert sorted(one.event_id for one in house.records()) == [one.event_id for one in sent]
    assert len(sent) == 3000


def test_a_broker_outage_is_reported_and_survived(
    servers: Servers, shop: ShopTopics, log: KafkaEventLog
) -> None:
    server = servers.kafka
    log.append([event(1)])
    cursor = log.read(START, 10).cursor
    server.stop()
    calls: list[Callable[[EventLog], object]] = [
        lambda one: one.append([event(2)]),
        lambda one: one.read(cursor, 10),
        lambda one: one.backlog(cursor),
    ]
    never_knew_it = open_log(shop.url)
    for opened, call in [*((log, call) for call in calls), (never_knew_it, calls[1])]:
        began = time.monotonic()
        with pytest.raises(
            Unavailable, match=rf"Kafka at {shop.address} does not answer \(.+\); is it running\?"
        ):
            call(opened)
        assert time.monotonic() - began < PATIENCE_S
    server.start()
    patiently(lambda: log.append([event(3)]))
    assert everything(log, cursor)[-1] == event(3)


def test_a_wrong_password_is_reported_and_never_shown(
    servers: Servers, shop: ShopTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    sasl = servers.kafka_sasl
    options = f"items={shop.items}&security=sasl_plaintext&mechanism=PLAIN"
    url = f"kafka://{sasl.user}@127.0.0.1:{sasl.port}/{shop.events}?{options}"
    monkeypatch.setenv("FRESHET_KAFKA_SASL_PASSWORD", sasl.password)
    right = open_log(url)
    right.append([event(1)])
    assert right.read(START, 10).records == (event(1),)
    monkeypatch.setenv("FRESHET_KAFKA_SASL_PASSWORD", "hunter2")
    wrong = open_log(url)
    for call in (
        lambda: wrong.append([event(2)]),
        lambda: wrong.read(START, 10),
        lambda: wrong.backlog(START),
    ):
        with pytest.raises(
            AccessRefused, match="FRESHET_KAFKA_SASL_PASSWORD in the environment"
        ) as told:
            call()
        assert "hunter2" not in str(told.value)
    assert right.backlog(START) == 1


def test_a_topic_is_never_made_by_mistake(servers: Servers) -> None:
    address, name = f"127.0.0.1:{servers.kafka.port}", unique()
    log = open_log(f"kafka://{address}/{name}")
    for call in (
        lambda: log.append([event(1)]),
        lambda: log.read(START, 1),
        lambda: log.backlog(START),
    ):
        with pytest.raises(TopicMissing, match=f"has no topic ({name}|items);"):
            call()
    assert name not in AdminClient({"bootstrap.servers": address}).list_topics(timeout=60).topics
