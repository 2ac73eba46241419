"""Our back ends and their bare clients at the same work: appends, reads, histories.

    .venv/bin/python -m bench backends        (needs Redis and Kafka's jars; see `make stack`)

Both sides do the same work on the same server in the same run, in turns: records to JSON and back,
validation where others may write too, the same batches, durability as configured, and duplicates
where the back end reports them. The bare side is what one would write by hand with the client
library.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.report.rows import BenchMetric, save
from cron.ports import START, EventLog, Histories
from cron.wiring import open_histories, open_log
from recommender.records.events import Event, from_json, parse_event, to_json
from tests.servers import Servers, unique

COMMAND = "python -m bench backends"
NUM_EVENTS = 20_000
NUM_USERS = 500
APPEND_EVENTS = 500  # a large batch of the gateway
READ_EVENTS = 10_000  # one journal segment
NUM_HISTORIES = 2_000
HISTORY = 100
ROUNDS = 3
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The same work with our port and with the bare client; each returns how much it did."""

    name: str
    unit: str
    ours: Callable[[], int]
    bare: Callable[[], int]


def events(num: int) -> list[Event]:
    """Return events of many users, as shops send them."""
    return [
        Event(
            event_id=f"0197-{number:012}",
            user_id=f"user-{number % NUM_USERS}",
            item_id=f"item-{number * 7919 % 5000}",
            type="rating",
            rating=float(1 + number % 5),
            at=_BEGAN + timedelta(seconds=number),
        )
        for number in range(num)
    ]


def metrics_of(pair: Pair) -> list[BenchMetric]:
    """Run both sides in turns and keep the best of each: other work only slows them."""
    best = {"ours": 0.0, "bare": 0.0}
    for _ in range(ROUNDS):
        for side, work in (("ours", pair.ours), ("bare", pair.bare)):
            began = time.perf_counter()
            num = work()
            best[side] = max(best[side], num / (time.perf_counter() - began))
    return [
        BenchMetric(metric=pair.name, value=best["ours"], unit=pair.unit),
        BenchMetric(metric=f"{pair.name}, bare client", value=best["bare"], unit=pair.unit),
        BenchMetric(metric=f"{pair.name}, overhead", value=best["bare"] / best["ours"], unit="×"),
    ]


def append_all(log: EventLog, records: Sequence[Event]) -> int:
    """Append in batches."""
    for chunk in _chunks(records):
        log.append(chunk)
    return len(records)


def read_all(log: EventLog) -> int:
    """Read from the start to the end."""
    num, cursor = 0, START
    while (batch := log.read(cursor, READ_EVENTS)).records:
        num, cursor = num + len(batch.records), batch.cursor
    return num


def read_histories(histories: Histories) -> int:
    """Read many users' histories."""
    for number in range(NUM_HISTORIES):
        found = histories.recent(f"user-{number % NUM_USERS}", HISTORY)
        assert found
    return NUM_HISTORIES


def sqlite_pairs(folder: Path) -> list[Pair]:
    """Compare the embedded back ends with the sqlite3 module."""
    records = events(NUM_EVENTS)
    filled = open_log(f"sqlite:///{folder}/filled.db")
    append_all(filled, records)
    histories = open_histories(f"sqlite:///{folder}/histories.db")
    histories.append(records)
    return [
        Pair(
            name="sqlite: append",
            unit="events/s",
            ours=lambda: append_all(open_log(f"sqlite:///{folder}/{unique()}.db"), records),
            bare=lambda: _sqlite_append(folder / f"{unique()}.db", records),
        ),
        Pair(
            name="sqlite: read",
            unit="events/s",
            ours=lambda: read_all(filled),
            bare=lambda: _sqlite_read(folder / "filled.db"),
        ),
        Pair(
            name="sqlite: history",
            unit="reads/s",
            ours=lambda: read_histories(histories),
            bare=lambda: _sqlite_histories(folder / "histories.db"),
        ),
    ]


def _sqlite_append(file: Path, records: Sequence[Event]) -> int:
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(
        "CREATE TABLE records (position INTEGER PRIMARY KEY AUTOINCREMENT,"
        " event_id TEXT NOT NULL UNIQUE, body TEXT NOT NULL)"
    )
    for chunk in _chunks(records):
        rows = [(record.event_id, to_json(record)) for record in chunk]
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT OR IGNORE INTO records (event_id, body) VALUES (?, ?)", rows)
        db.execute("COMMIT")
    db.close()
    return len(records)


def _sqlite_read(file: Path) -> int:
    db, num, position = sqlite3.connect(file), 0, 0
    query = "SELECT position, body FROM records WHERE position > ? ORDER BY position LIMIT ?"
    while rows := db.execute(query, (position, READ_EVENTS)).fetchall():
        num, position = num + len([from_json(body) for _, body in rows]), rows[-1][0]
    db.close()
    return num


def _sqlite_histories(file: Path) -> int:
    db = sqlite3.connect(file)
    query = (
        "SELECT at_us, event_id, item_id, type, rating FROM history"
        " WHERE user_id = ? ORDER BY at_us DESC, event_id DESC LIMIT ?"
    )
    for number in range(NUM_HISTORIES):
        user_id = f"user-{number % NUM_USERS}"
        rows = db.execute(query, (user_id, HISTORY)).fetchall()
        assert [_event(user_id, *row) for row in reversed(rows)]
    db.close()
    return NUM_HISTORIES


def _event(
    user_id: str, at_us: int, event_id: str, item_id: str, type_: str, rating: float | None
) -> Event:
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at_us)
    return Event(
        event_id=event_id, user_id=user_id, item_id=item_id, type=type_, rating=rating, at=at
    )


def redis_pairs(port: int) -> list[Pair]:
    """Compare Redis with redis-py.

    The bare side uses a pipelined XADD with the ids in a sorted set, XRANGE, and a sorted set of
    JSON per user.
    """
    import redis

    client: Any = redis.Redis(port=port)  # its annotations leave every reply open
    records = events(NUM_EVENTS)
    url = f"redis://127.0.0.1:{port}/0"
    filled = open_log(f"{url}?stream={unique('log')}")
    histories = open_histories(f"{url}?prefix={unique('histories')}")
    append_all(filled, records)
    histories.append(records)
    stream = unique("bare")
    _redis_append(client, stream, records)
    for record in records:
        client.zadd(f"{stream}:{record.user_id}", {to_json(record): record.at.timestamp()})
    return [
        Pair(
            name="redis: append",
            unit="events/s",
            ours=lambda: append_all(open_log(f"{url}?stream={unique('log')}"), records),
            bare=lambda: _redis_append(client, unique("bare"), records),
        ),
        Pair(
            name="redis: read",
            unit="events/s",
            ours=lambda: read_all(filled),
            bare=lambda: _redis_read(client, stream),
        ),
        Pair(
            name="redis: history",
            unit="reads/s",
            ours=lambda: read_histories(histories),
            bare=lambda: _redis_histories(client, stream),
        ),
    ]


def _redis_append(client: Any, stream: str, records: Sequence[Event]) -> int:
    start = 0
    for chunk in _chunks(records):
        pipeline = client.pipeline(transaction=True)
        for place, record in enumerate(chunk):
            pipeline.zadd(f"{stream}:ids", {record.event_id: start + place}, nx=True)
            pipeline.xadd(stream, {"record": to_json(record)})
        pipeline.execute()
        start += len(chunk)
    return len(records)


def _redis_read(client: Any, stream: str) -> int:
    num, after = 0, "-"
    while rows := client.xrange(stream, after, "+", count=READ_EVENTS):
        num += len([from_json(fields[b"record"].decode()) for _, fields in rows])
        after = f"({rows[-1][0].decode()}"
    return num


def _redis_histories(client: Any, stream: str) -> int:
    for number in range(NUM_HISTORIES):
        rows = client.zrange(f"{stream}:user-{number % NUM_USERS}", 0, HISTORY - 1, desc=True)
        assert [from_json(row.decode()) for row in reversed(rows)]
    return NUM_HISTORIES


def kafka_pairs(address: str) -> list[Pair]:
    """Compare Kafka with confluent-kafka.

    The bare side uses an idempotent producer that is flushed once per batch, and a consumer
    assigned to the topic's one partition.
    """
    from deploy.servers.kafka import create_topics

    records = events(NUM_EVENTS)

    def new_topic() -> str:
        topic = unique("bench")
        create_topics(address, {topic: 1, f"{topic}-items": 1})
        return topic

    def our_log(topic: str) -> EventLog:
        return open_log(f"kafka://{address}/{topic}?items={topic}-items")

    filled, bare = our_log(new_topic()), new_topic()
    append_all(filled, records)
    _kafka_append(address, bare, records)
    empty = [new_topic() for _ in range(2 * ROUNDS)]
    return [
        Pair(
            name="kafka: append",
            unit="events/s",
            ours=lambda: append_all(our_log(empty.pop()), records),
            bare=lambda: _kafka_append(address, empty.pop(), records),
        ),
        Pair(
            name="kafka: read",
            unit="events/s",
            ours=lambda: read_all(filled),
            bare=lambda: _kafka_read(address, bare),
        ),
    ]


def _kafka_append(address: str, topic: str, records: Sequence[Event]) -> int:
    from confluent_kafka import Producer

    producer = Producer(
        {
            "bootstrap.servers": address,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
        }
    )
    failed: list[object] = []
    for chunk in _chunks(records):
        for record in chunk:
            producer.produce(
                topic,
                to_json(record).encode(),
                record.user_id.encode(),
                on_delivery=lambda error, _: failed.append(error) if error else None,
            )
        producer.flush(30)
    assert not failed
    return len(records)


def _kafka_read(address: str, topic: str) -> int:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "bench",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    num, now = 0, datetime.now(UTC)
    while num < NUM_EVENTS:
        found = consumer.consume(READ_EVENTS, timeout=0.5)
        # anyone may write to a topic, so both sides validate
        num += len([_parse_record(message.value() or b"", now) for message in found])
    consumer.close()
    return num


def _parse_record(value: bytes, now: datetime) -> Event:
    fields = json.loads(value)
    del fields["kind"]  # which `to_json` adds
    return parse_event(fields, now=now, new_id=unique)


def _chunks(records: Sequence[Event]) -> Iterator[Sequence[Event]]:
    for start in range(0, len(records), APPEND_EVENTS):
        yield records[start : start + APPEND_EVENTS]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all and write the results."""
    argparse.ArgumentParser(
        prog=COMMAND, description="Our back ends and their bare clients at the same work."
    ).parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(Path(folder) / "servers")
        try:
            pairs = [
                *sqlite_pairs(Path(folder)),
                *redis_pairs(servers.redis.port),
                *kafka_pairs(f"127.0.0.1:{servers.kafka.port}"),
            ]
            metrics = [one for pair in pairs for one in metrics_of(pair)]
        finally:
            servers.close()
    for one in metrics:
        print(f"{one.metric:40} {one.value:12,.2f} {one.unit}")
    save("backends", f"{NUM_EVENTS:,} events of {NUM_USERS} users", metrics, command=COMMAND)
