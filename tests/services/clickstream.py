"""A shop's impressions and clicks in Kafka topics, and the Flink join over them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from deploy.servers.kafka import create_topics
from deploy.stack.join import TOPICS, Join
from tests.servers import Servers, unique

NUM_PARTITIONS = 2
LIMIT_S = 240.0  # for what takes ten seconds on an idle machine
Click = dict[str, object]
Message = Mapping[str, object] | bytes | None


def impression(
    impression_id: str, at: object, *, user_id: str = "u1", item_id: str = "i1", **more: str
) -> dict[str, object]:
    """Make a message of `impressions`; a position, as shops send it, is left to them."""
    return {
        "impression_id": impression_id,
        "user_id": user_id,
        "item_id": item_id,
        "at": at,
        "position": 3,
        **more,
    }


def click(
    impression_id: str | None,
    at: object,
    *,
    user_id: str = "u1",
    item_id: str = "i1",
    click_id: str | None = None,
    **more: str,
) -> Click:
    """Make a message of `clicks`."""
    ids = {"impression_id": impression_id, "click_id": click_id}
    return {
        **{name: value for name, value in ids.items() if value is not None},
        "user_id": user_id,
        "item_id": item_id,
        "at": at,
        **more,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedMessage:
    """One message that the job wrote: its key and its JSON."""

    key: str | None
    value: dict[str, object]


class Clickstream:
    """Four new topics, their join, and everything that was readable in them so far."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self._servers = servers
        address = f"127.0.0.1:{servers.kafka.port}"
        prefix = unique()
        self.join = Join(
            bootstrap=address,
            checkpoints=folder,
            **{topic: f"{prefix}-{topic}" for topic in TOPICS},
        )
        create_topics(address, {str(getattr(self.join, topic)): NUM_PARTITIONS for topic in TOPICS})
        self._producer = Producer({"bootstrap.servers": address, "linger.ms": 5})
        self._consumer = Consumer(
            {
                "bootstrap.servers": address,
                "group.id": prefix,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        read = (self.join.events, self.join.rejected)
        self._consumer.assign(
            [
                TopicPartition(topic, one, OFFSET_BEGINNING)
                for topic in read
                for one in range(NUM_PARTITIONS)
            ]
        )
        self.events: list[JoinedMessage] = []
        self.rejected: list[JoinedMessage] = []

    def send(self, topic: str, messages: Iterable[Message]) -> None:
        """Send and wait until Kafka has all; messages of one user stay in their order."""
        for message in messages:
            value = json.dumps(message).encode() if isinstance(message, Mapping) else message
            key = str(message.get("user_id")) if isinstance(message, Mapping) else None
            self._producer.produce(topic, value, key=key)
            self._producer.poll(0)
        self._producer.flush()

    def push_time(
        self,
        at: float,
        *,
        topics: tuple[str, ...] | None = None,
        partitions: Iterable[int] = range(NUM_PARTITIONS),
    ) -> None:
        """Send a last message into each partition, so that the watermark passes earlier ones."""
        for topic in topics or (self.join.impressions, self.join.clicks):
            for partition in partitions:
                message = (
                    impression(unique("push"), at)
                    if topic == self.join.impressions
                    else click(None, at, click_id=unique("push"))
                )
                self._producer.produce(topic, json.dumps(message).encode(), partition=partition)
        self._producer.flush()

    def wait_for(self, event_ids: Iterable[str]) -> None:
        """Read until these events are there."""
        missing = set(event_ids) - self.ids()
        deadline = time.monotonic() + LIMIT_S
        while missing:
            assert time.monotonic() < deadline, (
                f"{len(missing)} events did not come, {sorted(missing)[:5]} among them; "
                f"{self._why()}"
            )
            self._read()
            missing -= self.ids()

    def wait_for_rejected(self, count: int) -> None:
        """Read until so many rejected messages are there."""
        deadline = time.monotonic() + LIMIT_S
        while len(self.rejected) < count:
            assert time.monotonic() < deadline, self._why()
            self._read()

    def wait_for_checkpoints(self, count: int) -> None:
        """Wait until so many checkpoints are on disk."""
        deadline = time.monotonic() + LIMIT_S
        while len(list(self.join.checkpoints.glob("*/chk-*/_metadata"))) < count:
            assert time.monotonic() < deadline, self._why()
            time.sleep(0.1)

    def settle(self, at: float) -> None:
        """Read until a click sent just now comes out: everything before it is readable then."""
        mark = unique("mark")
        self.send(self.join.clicks, [click(None, at, click_id=mark)])
        self.wait_for([f"click:direct:{mark}"])

    def ids(self) -> set[str]:
        """Return the event ids that were read so far."""
        return {str(row.value["event_id"]) for row in self.events}

    def event(self, event_id: str) -> dict[str, object] | None:
        """Return one event without its id; None when there is none. More than one is an error."""
        found = [row.value for row in self.events if row.value["event_id"] == event_id]
        assert len(found) <= 1, found
        return (
            {name: value for name, value in found[0].items() if name != "event_id"}
            if found
            else None
        )

    def doubles(self) -> list[str]:
        """Return the event ids that were read more than once."""
        return [
            event_id
            for event_id, count in Counter(
                str(row.value["event_id"]) for row in self.events
            ).items()
            if count > 1
        ]

    def cancel(self, job_id: str) -> None:
        """End the job, as an operator does on Flink's page."""
        httpx.patch(
            f"{self._servers.flink.rest}/jobs/{job_id}?mode=cancel", timeout=60, trust_env=False
        ).raise_for_status()
        self._consumer.close()

    def _read(self) -> None:
        for message in self._consumer.consume(1000, timeout=0.2):
            assert message.error() is None, message.error()
            key, value = message.key(), message.value()
            assert value is not None
            row = JoinedMessage(
                key=key.decode() if key is not None else None, value=json.loads(value)
            )
            (self.events if message.topic() == self.join.events else self.rejected).append(row)

    def _why(self) -> str:
        jobs = httpx.get(
            f"{self._servers.flink.rest}/jobs/overview", timeout=60, trust_env=False
        ).text
        return f"jobs: {jobs[:2000]}\n{self._servers.flink_taskmanager.tail()[-2000:]}"
