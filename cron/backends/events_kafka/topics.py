"""What the brokers say of our topics: which they are, how far they reach. And forgetting what lies before an offset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from cron.backends.events_kafka.connection import LIMIT_S, Connection
from cron.backends.events_kafka.positions import Line

_EARLIEST, _LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Our topics as they are now: their ids by name, and all their partitions."""

    ids: Mapping[str, str]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The offsets of one partition: of the earliest record that is left, and of the next one that transactions let a reader see."""

    first: int
    end: int


class Topics:
    """Questions about one log's topics; raise Unavailable, AccessRefused or TopicMissing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client: AdminClient | None = None

    def described(self) -> Described:
        """Ask which topics there are."""
        names = self._connection.url.topics
        asked = self._admin().describe_topics(TopicCollection(list(names)), request_timeout=LIMIT_S)
        found = {name: self._answer(asked[name]) for name in names}
        lines = tuple((name, part.id) for name in names for part in sorted(found[name].partitions, key=lambda one: int(one.id)))
        return Described(ids={name: str(found[name].topic_id) for name in names}, lines=lines)

    def extents(self, lines: Iterable[Line]) -> dict[Line, Extent]:
        """Ask how far partitions reach."""
        partitions = [TopicPartition(*line) for line in lines]
        asked = [self._offsets(partitions, spec) for spec in (_EARLIEST, _LATEST)]
        firsts, ends = ({one: self._answer(answer).offset for one, answer in answers.items()} for answers in asked)
        return {(one.topic, one.partition): Extent(first=firsts[one], end=ends[one]) for one in partitions}

    def forget(self, before: Mapping[Line, int]) -> None:
        """Delete the records before these offsets; a compacted topic keeps its own."""
        partitions = [TopicPartition(*line, offset) for line, offset in before.items()]
        for deleted in self._admin().delete_records(partitions, request_timeout=LIMIT_S).values():
            try:
                deleted.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.POLICY_VIOLATION:
                    raise self._connection.failure(error.args[0]) from error

    def _offsets(self, partitions: list[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, Future[Any]]:
        wanted = dict.fromkeys(partitions, spec)
        return self._admin().list_offsets(wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=LIMIT_S)

    def _admin(self) -> AdminClient:
        if self._client is None:
            self._client = self._connection.admin()
        return self._client

    def _answer(self, asked: Future[Any]) -> Any:
        try:
            answer = asked.result()
        except KafkaException as error:
            self._admin().poll(0)  # what it heard meanwhile
            raise self._connection.failure(error.args[0]) from error
        self._connection.works()
        return answer
