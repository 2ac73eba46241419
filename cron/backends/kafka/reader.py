"""Messages of some partitions between given offsets, read without a consumer group."""

from __future__ import annotations

import time
from collections.abc import Mapping

from confluent_kafka import KafkaError, Message, TopicPartition

from cron.backends.kafka.connection import LIMIT_S, KafkaConnection
from cron.backends.kafka.positions import Partition
from cron.ports import BATCH_BYTES
from recommender.records.events import MAX_RECORD_BYTES

_LOOK_S = 0.1


class TrimmedMeanwhile(Exception):
    """An offset was deleted a moment ago."""


class Reader:
    """A consumer for one thread at a time.

    A read that continues the last one uses the messages that were fetched ahead.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._consumer = connection.consumer()
        # the next offsets, in the partitions from which it fetches ahead
        self._next: dict[Partition, int] = {}

    def is_at(self, starts: Mapping[Partition, int]) -> bool:
        """Return whether these are the offsets at which the last read ended."""
        return self.is_ahead and all(
            starts.get(line) == offset for line, offset in self._next.items()
        )

    @property
    def is_ahead(self) -> bool:
        """Return whether it has fetched ahead of the last read."""
        return bool(self._next)

    def read(
        self, starts: Mapping[Partition, int], ends: Mapping[Partition, int], limit: int
    ) -> tuple[list[Message], dict[Partition, int]]:
        """Return at most `limit` messages, about BATCH_BYTES of them, and the offsets after them.

        Raise Unavailable or TrimmedMeanwhile.
        """
        after = dict(starts)
        left = {line for line, offset in starts.items() if offset < ends[line]}
        if not (left <= self._next.keys() and self.is_at(starts)):
            self._consumer.assign([TopicPartition(*line, starts[line]) for line in left])
            self._next = {line: starts[line] for line in left}
        messages: list[Message] = []
        left_bytes = BATCH_BYTES
        deadline = time.monotonic() + LIMIT_S
        while left and len(messages) < limit and left_bytes > 0:
            found = self._fetch(min(limit - len(messages), max(1, left_bytes // MAX_RECORD_BYTES)))
            for message in found:
                left_bytes -= len(message)
                line = (str(message.topic()), int(message.partition() or 0))
                after[line] = self._take(message, messages, after[line])
                if after[line] >= ends[line]:
                    left.discard(line)
            deadline = time.monotonic() + LIMIT_S if found else deadline
            if self._connection.is_refused or time.monotonic() > deadline:
                raise self._connection.failure(None)
        if left:
            self._next = {line: after[line] for line in self._next}
        else:
            self._consumer.unassign()  # at the end it would poll all the time
            self._next = {}
        return messages, after

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _fetch(self, most: int) -> list[Message]:
        found = self._consumer.consume(most, 0)
        if not found:
            one = self._consumer.poll(_LOOK_S)
            found = [one] if one is not None else []
        return found

    def _take(self, message: Message, messages: list[Message], offset: int) -> int:
        """Add a message to the others, unless it is an error; return the offset after it."""
        error = message.error()
        if error is None:
            messages.append(message)
            return int(message.offset() or 0) + 1
        if error.code() == KafkaError._PARTITION_EOF:
            return max(offset, int(message.offset() or 0))
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise TrimmedMeanwhile
        if error.retriable() and not error.fatal():
            return offset
        raise self._connection.failure(error)
