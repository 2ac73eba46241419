"""What our back ends cost beside their bare clients: events appended and read a second, histories read a second.

    .venv/bin/python -m bench backends        (needs Redis and Kafka's jars; see `make stack`)

Both sides do the same work on the same server in the same run, taking turns: records to JSON and
back, validated where others may write too, the same batches, durability as configured, duplicates
where the back end tells them. The bare side is what one would write by hand with the client
library.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.report.rows import Measure, save
from cron.ports import START, EventLog, Histories
from cron.wiring import open_histories, open_log
from recommender.events import Event, from_json, parse_event, to_json
from tests.servers import Servers, unique

COMMAND = "python -m bench backends"
NUM_EVENTS = 20_000
NUM_USERS = 500
APPEND_EVENTS = 500  # a gateway's large batch
READ_EVENTS = 10_000  # one journal segment
NUM_HISTORIES = 2_000
HISTORY = 100
ROUNDS = 3
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One kind of work: by our port, by the bare client; each returns how many things it did."""

    name: str
    unit: str
    ours: Callable[[], int]
    bare: Callable[[], int]


def events(num: int) -> list[Event]:
    """Return events of many users as shops send them."""
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


def measure(pair: Pair) -> list[Measure]:
    """Run both sides in turns and keep each one's best: the machine's other work only ever slows."""
    best = {"ours": 0.0, "bare": 0.0}
    for _ in range(ROUNDS):
        for side, work in (("ours", pair.ours), ("bare", pair.bare)):
            began = time.perf_counter()
            num = work()
            best[side] = max(best[side], num / (time.perf_counter() - began))
    return [
        Measure(metric=pair.name, value=best["ours"], unit=pair.unit),
        Measure(metric=f"{pair.name}, bare client", value=best["bare"], unit=pair.unit),
        Measure(metric=f"{pair.name}, overhead", value=best["bare"] / best["ours"], unit="×"),
    ]


def append_all(log: EventLog, records: Sequence[Event]) -> int:
    """Append in batches."""
    for start in range(0, len(records), APPEND_EVENTS):
        log.append(records[start : start + APPEND_EVENTS])
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


def _event(
    user_id: str, at_us: int, event_id: str, item_id: str, type_: str, rating: float | None
) -> Event:
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at_us)
    return Event(
        event_id=event_id, user_id=user_id, item_id=item_id, type=type_, rating=rating, at=at
    )


def sqlite_pairs(folder: Path) -> list[Pair]:
    """The embedded back ends beside the sqlite3 module."""
    records = events(NUM_EVENTS)
    filled = open_log(f"sqlite:///{folder}/filled.db")
    append_all(filled, records)
    histories = open_histories(f"sqlite:///{folder}/histories.db")
    histories.append(records)

    def bare_append() -> int:
        db = sqlite3.connect(folder / f"{unique()}.db", isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(
            "CREATE TABLE records (position INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, body TEXT NOT NULL)"
        )
        for start in range(0, NUM_EVENTS, APPEND_EVENTS):
            rows = [
                (record.event_id, to_json(record))
                for record in records[start : start + APPEND_EVENTS]
            ]
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT OR IGNORE INTO records (event_id, body) VALUES (?, ?)", rows)
            db.execute("COMMIT")
        db.close()
        return NUM_EVENTS

    def bare_read() -> int:
        db, num, position = sqlite3.connect(folder / "filled.db"), 0, 0
        query = "SELECT position, body FROM records WHERE position > ? ORDER BY position LIMIT ?"
        while rows := db.execute(query, (position, READ_EVENTS)).fetchall():
            num, position = num + len([from_json(body) for _, body in rows]), rows[-1][0]
        db.close()
        return num

    def bare_histories() -> int:
        db = sqlite3.connect(folder / "histories.db")
        query = "SELECT at_us, event_id, item_id, type, rating FROM events WHERE user_id = ? ORDER BY at_us DESC, event_id DESC LIMIT ?"
        for number in range(NUM_HISTORIES):
            user_id = f"user-{number % NUM_USERS}"
            rows = db.execute(query, (user_id, HISTORY)).fetchall()
            assert [_event(user_id, *row) for row in reversed(rows)]
        db.close()
        return NUM_HISTORIES

    return [
        Pair(
            name="sqlite: append",
            unit="events/s",
            ours=lambda: append_all(open_log(f"sqlite:///{folder}/{unique()}.db"), records),
            bare=bare_append,
        ),
        Pair(name="sqlite: read", unit="events/s", ours=lambda: read_all(filled), bare=bare_read),
        Pair(
            name="sqlite: history",
            unit="reads/s",
            ours=lambda: read_histories(histories),
            bare=bare_histories,
        ),
    ]


def redis_pairs(port: int) -> list[Pair]:
    """Redis beside redis-py: pipelined XADD with the ids in a sorted set, XRANGE, and a sorted set of JSON a user."""
    import redis

    client: Any = redis.Redis(port=port)  # its annotations leave every reply open
    records = events(NUM_EVENTS)
    url = f"redis://127.0.0.1:{port}/0"
    stream, name = unique("bare"), unique("histories")
    filled, histories = (
        open_log(f"{url}?stream={unique('log')}"),
        open_histories(f"{url}?prefix={name}"),
    )
    append_all(filled, records)
    histories.append(records)

    def bare_append(into: str) -> int:
        for start in range(0, NUM_EVENTS, APPEND_EVENTS):
            chunk = records[start : start + APPEND_EVENTS]
            pipeline = client.pipeline(transaction=True)
            for place, record in enumerate(chunk):
                pipeline.zadd(f"{into}:ids", {record.event_id: start + place}, nx=True)
                pipeline.xadd(into, {"record": to_json(record)})
            pipeline.execute()
        return NUM_EVENTS

    def bare_read() -> int:
        num, after = 0, "-"
        while rows := client.xrange(stream, after, "+", count=READ_EVENTS):
            num += len([from_json(fields[b"record"].decode()) for _, fields in rows])
            after = f"({rows[-1][0].decode()}"
        return num

    def bare_histories() -> int:
        for number in range(NUM_HISTORIES):
            rows = client.zrange(f"{stream}:user-{number % NUM_USERS}", 0, HISTORY - 1, desc=True)
            assert [from_json(row.decode()) for row in reversed(rows)]
        return NUM_HISTORIES

    bare_append(stream)
    for record in records:
        client.zadd(f"{stream}:{record.user_id}", {to_json(record): record.at.timestamp()})
    return [
        Pair(
            name="redis: append",
            unit="events/s",
            ours=lambda: append_all(open_log(f"{url}?stream={unique('log')}"), records),
            bare=lambda: bare_append(unique("bare")),
        ),
        Pair(name="redis: read", unit="events/s", ours=lambda: read_all(filled), bare=bare_read),
        Pair(
            name="redis: history",
            unit="reads/s",
            ours=lambda: read_histories(histories),
            bare=bare_histories,
        ),
    ]


def _checked(value: bytes, now: datetime) -> Event:
    fields = json.loads(value)
    del fields["kind"]  # which `to_json` adds
    return parse_event(fields, now=now, new_id=unique)


def kafka_pairs(address: str) -> list[Pair]:
    """Kafka beside confluent-kafka: an idempotent producer flushed once a batch, a consumer assigned to the topic's one partition."""
    from confluent_kafka import Consumer, Producer, TopicPartition

    from deploy.servers.kafka import create_topics

    records = events(NUM_EVENTS)
    url = f"kafka://{address}"

    def new_topic() -> str:
        topic = unique("bench")
        create_topics(address, {topic: 1, f"{topic}-items": 1})
        return topic

    def our_log(topic: str) -> EventLog:
        return open_log(f"{url}/{topic}?items={topic}-items")

    filled, bare = our_log(new_topic()), new_topic()
    append_all(filled, records)
    empty = [new_topic() for _ in range(2 * ROUNDS)]

    def bare_append(topic: str) -> int:
        producer = Producer(
            {
                "bootstrap.servers": address,
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 5,
            }
        )
        failed: list[object] = []
        for start in range(0, NUM_EVENTS, APPEND_EVENTS):
            for record in records[start : start + APPEND_EVENTS]:
                producer.produce(
                    topic,
                    to_json(record).encode(),
                    record.user_id.encode(),
                    on_delivery=lambda error, _: failed.append(error) if error else None,
                )
            producer.flush(30)
        assert not failed
        return NUM_EVENTS

    def bare_read() -> int:
        consumer = Consumer(
            {
                "bootstrap.servers": address,
                "group.id": "bench",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        consumer.assign([TopicPartition(bare, 0, 0)])
        num, now = 0, datetime.now(UTC)
        while num < NUM_EVENTS:
            found = consumer.consume(
                READ_EVENTS, timeout=0.5
            )  # anybody may have written there, so both sides validate
            num += len([_checked(message.value() or b"", now) for message in found])
        consumer.close()
        return num

    bare_append(bare)
    return [
        Pair(
            name="kafka: append",
            unit="events/s",
            ours=lambda: append_all(our_log(empty.pop()), records),
            bare=lambda: bare_append(empty.pop()),
        ),
        Pair(name="kafka: read", unit="events/s", ours=lambda: read_all(filled), bare=bare_read),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all and write the results."""
    argparse.ArgumentParser(
        prog=COMMAND, description="Back ends beside their bare clients."
    ).parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(Path(folder) / "servers")
        try:
            pairs = [
                *sqlite_pairs(Path(folder)),
                *redis_pairs(servers.redis.port),
                *kafka_pairs(f"127.0.0.1:{servers.kafka.port}"),
            ]
            measures = [one for pair in pairs for one in measure(pair)]
        finally:
            servers.close()
    for one in measures:
        print(f"{one.metric:40} {one.value:12,.2f} {one.unit}")
    save("backends", f"{NUM_EVENTS:,} events of {NUM_USERS} users", measures, command=COMMAND)
