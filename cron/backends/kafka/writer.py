"""Sends messages; a call returns once all replicas in sync have acknowledged each of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from cron.backends.kafka.connection import LIMIT_S, KafkaConnection

_LOOK_S = 0.05
_TURN_S = 0.005  # how soon another thread polls when the polling one has its answers
_MARGIN_S = 5.0  # librdkafka gives up on a message after LIMIT_S, and reports it


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send."""

    topic: str
    key: bytes
    value: bytes


class Writer:
    """One producer for all threads, created at the first use."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._making = threading.Lock()
        self._polling = threading.Lock()
        self._producer: Producer | None = None

    def write(self, messages: Sequence[Outgoing]) -> None:
        """Send and wait; raise Unavailable when any message was not acknowledged."""
        producer = self._shared_producer()
        delivery = _Delivery(len(messages))
        deadline = time.monotonic() + LIMIT_S + _MARGIN_S
        for message in messages:
            self._queue(producer, message, delivery, deadline)
        while not delivery.ended.is_set() and time.monotonic() < deadline:
            self._poll(producer, delivery)
        if delivery.error is not None and delivery.error.fatal():
            self._producer = None  # the next call creates another
        if delivery.error is not None or not delivery.ended.is_set():
            raise self._connection.failure(delivery.error, topic=delivery.topic)
        self._connection.works()

    def close(self) -> None:
        """Wait for messages in flight."""
        if self._producer is not None:
            self._producer.flush(LIMIT_S)

    def _shared_producer(self) -> Producer:
        with self._making:
            if self._producer is None:
                self._producer = self._connection.producer()
            return self._producer

    def _queue(
        self, producer: Producer, message: Outgoing, delivery: _Delivery, deadline: float
    ) -> None:
        while True:
            try:
                producer.produce(
                    message.topic, message.value, message.key, on_delivery=delivery.on_delivery
                )
            except BufferError:  # the queue is full with messages of other calls
                producer.poll(_LOOK_S)
                if time.monotonic() > deadline:
                    raise self._connection.failure(None, silence="its queue stays full") from None
            except KafkaException as error:
                raise self._connection.failure(error.args[0], topic=message.topic) from error
            else:
                return

    def _poll(self, producer: Producer, delivery: _Delivery) -> None:
        """Run delivery callbacks, or wait for ours while another thread runs them."""
        if self._polling.acquire(blocking=False):
            try:
                producer.poll(_LOOK_S)
            finally:
                self._polling.release()
        else:
            delivery.ended.wait(_TURN_S)


class _Delivery:
    """The number of unacknowledged messages of one call, and the first error."""

    def __init__(self, num_messages: int) -> None:
        self._left = num_messages
        self.error: KafkaError | None = None
        self.topic: str | None = None  # of the error
        self.ended = threading.Event()

    def on_delivery(self, error: KafkaError | None, message: Message) -> None:
        self._left -= 1
        if error is not None and self.error is None:
            self.error, self.topic = error, message.topic()
        if self._left == 0:
            self.ended.set()
