"""Invalid entries in an event log, written without our code, as another program may do."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence


def append_bodies(back_end: str, url: str, bodies: Sequence[bytes]) -> None:
    """Append raw entries to a log."""
    {"sqlite": _into_sqlite, "redis": _into_redis, "kafka": _into_kafka}[back_end](url, bodies)


def _into_sqlite(url: str, bodies: Sequence[bytes]) -> None:
    db = sqlite3.connect(url.removeprefix("sqlite:///"))
    with db:
        query = "INSERT INTO records (event_id, body) VALUES (hex(randomblob(8)), CAST(? AS TEXT))"
        db.executemany(query, [(body,) for body in bodies])
    db.close()


def _into_redis(url: str, bodies: Sequence[bytes]) -> None:
    import redis

    server, _, stream = url.partition("?stream=")
    with redis.Redis.from_url(server) as client:
        for body in bodies:
            last = client.hincrby(f"{{{stream}}}:log", "last", 1)
            client.xadd(f"{{{stream}}}", {"record": body}, id=f"{last}-17")


def _into_kafka(url: str, bodies: Sequence[bytes]) -> None:
    from confluent_kafka import Producer

    from cron.urls.kafka import parse as parse_url

    log = parse_url(url)
    producer = Producer({"bootstrap.servers": log.servers, "log_level": 0})
    for body in bodies:
        producer.produce(log.events, body, partition=0)
    assert producer.flush(30) == 0
