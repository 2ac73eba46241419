"""A shop's own topics in Kafka, and what the tests of Kafka read and repeat."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from cron.errors import Unavailable
from cron.ports import START, Cursor, EventLog
from deploy.servers.kafka import create_topics
from recommender.records.events import Record, to_json
from tests.contracts.records import event
from tests.servers import ServerProcess, unique

LIMIT_S = 240.0  # of what takes some seconds on an idle machine


class ShopTopics:
    """Two topics as a shop's own programs see them."""

    def __init__(self, server: ServerProcess, *, partitions: int = 2) -> None:
        self.address = f"127.0.0.1:{server.port}"
        name = unique("shop")
        self.events, self.items, self._partitions = f"{name}.events", f"{name}.items", partitions
        self.url = f"kafka://{self.address}/{self.events}?items={self.items}"
        self.admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        self.make()

    def make(self) -> None:
        create_topics(self.address, {self.events: self._partitions, self.items: 1})

    def delete(self, topic: str) -> None:
        self.admin.delete_topics([topic])[topic].result()
        until(lambda: topic not in self.admin.list_topics(timeout=60).topics)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        for done in self.admin.delete_records([TopicPartition(topic, partition, before)]).values():
            done.result()

    def producer(self, **settings: object) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self.address,
                "log_level": 0,
                **{name.replace("_", "."): value for name, value in settings.items()},
            }
        )

    def send(
        self,
        *values: bytes | None,
        topic: str | None = None,
        partition: int = 0,
        **settings: object,
    ) -> None:
        """Send values into one partition."""
        producer = self.producer(**settings)
        for value in values:
            producer.produce(topic or self.events, value, partition=partition)
        assert producer.flush(LIMIT_S) == 0


def until(done: Callable[[], bool], *, limit_s: float = LIMIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def patiently(call: Callable[[], object]) -> object:
    """Repeat a call until it no longer raises Unavailable, as a caller would."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            return call()
        except Unavailable:
            assert time.monotonic() < deadline


def everything(log: EventLog, after: Cursor = START) -> list[Record]:
    found: list[Record] = []
    while (batch := log.read(after, 100)).cursor != after:
        found += batch.records
        after = batch.cursor
    return found


def lines(*numbers: int) -> list[bytes]:
    return [to_json(event(number)).encode() for number in numbers]
