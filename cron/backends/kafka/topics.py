"""Calls to the brokers about our topics: ids, partitions, offsets; deleting records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from cron.backends.kafka.connection import LIMIT_S, KafkaConnection
from cron.backends.kafka.positions import Partition
from cron.errors import Unavailable
from trainer.machine.retries import RetryPolicy, call_with_retries

Key = TypeVar("Key")
_LOOK_S = 0.1
_SETTLING = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
)


def _is_settling(error: BaseException) -> bool:
    """Return whether leaders are changing: after a restart, or when a topic was just created."""
    cause = error.__cause__ if isinstance(error, Unavailable) else None
    return isinstance(cause, KafkaException) and cause.args[0].code() in _SETTLING


_RETRIES = RetryPolicy(
    may_pass=_is_settling, limit_s=LIMIT_S, first_pause_s=0.2, longest_pause_s=0.2
)
_EARLIEST, _LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsState:
    """Our topics now: their ids by name, and all their partitions."""

    ids: Mapping[str, str]
    lines: tuple[Partition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The offsets of one partition.

    `first` is that of the earliest record left, `end` that after the last one that committed
    transactions let a reader see.
    """

    first: int
    end: int


class Topics:
    """One log's topics; every call may raise Unavailable, AccessRefused or TopicMissing."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._client: AdminClient | None = None

    def describe(self) -> TopicsState:
        """Return the topics' ids and partitions."""
        names = self._connection.url.topics
        found = self._answers(
            lambda admin: admin.describe_topics(
                TopicCollection(list(names)), request_timeout=LIMIT_S
            )
        )
        lines = tuple(
            (name, part.id)
            for name in names
            for part in sorted(found[name].partitions, key=lambda one: int(one.id))
        )
        return TopicsState(ids={name: str(found[name].topic_id) for name in names}, lines=lines)

    def extents(self, lines: Iterable[Partition]) -> dict[Partition, Extent]:
        """Return the first and the end offset of partitions."""
        partitions = [TopicPartition(*line) for line in lines]
        firsts, ends = (
            self._answers(partial(_offsets, partitions, spec)) for spec in (_EARLIEST, _LATEST)
        )
        return {
            (one.topic, one.partition): Extent(first=firsts[one].offset, end=ends[one].offset)
            for one in partitions
        }

    def forget(self, before: Mapping[Partition, int]) -> None:
        """Delete the records before these offsets; a compacted topic keeps its own."""
        partitions = [TopicPartition(*line, offset) for line, offset in before.items()]
        for deleted in self._admin().delete_records(partitions, request_timeout=LIMIT_S).values():
            try:
                deleted.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.POLICY_VIOLATION:
                    raise self._connection.failure(error.args[0]) from error

    def _admin(self) -> AdminClient:
        if self._client is None:
            self._client = self._connection.admin()
        return self._client

    def _answers(self, ask: Callable[[AdminClient], dict[Key, Future[Any]]]) -> dict[Key, Any]:
        """Ask, again while leaders change."""
        self._connection.begins()
        return call_with_retries(_RETRIES, lambda: self._answers_once(ask))

    def _answers_once(self, ask: Callable[[AdminClient], dict[Key, Future[Any]]]) -> dict[Key, Any]:
        asked = ask(self._admin())
        while not all(one.done() for one in asked.values()) and not self._connection.is_refused:
            wait(asked.values(), _LOOK_S)
            self._admin().poll(0)  # runs the error callback
        if self._connection.is_refused:
            raise self._connection.failure(None)
        for key, one in asked.items():
            error = one.exception()
            if isinstance(error, KafkaException):
                raise self._connection.failure(error.args[0], topic=str(key)) from error
        self._connection.works()
        return {key: one.result() for key, one in asked.items()}


def _offsets(
    partitions: list[TopicPartition], spec: OffsetSpec, admin: AdminClient
) -> dict[TopicPartition, Future[Any]]:
    committed = IsolationLevel.READ_COMMITTED
    return admin.list_offsets(
        dict.fromkeys(partitions, spec), isolation_level=committed, request_timeout=LIMIT_S
    )
