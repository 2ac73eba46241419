"""Messages into topics, each acknowledged by all replicas in sync before the call returns. Threads share one producer."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from cron.backends.kafka.connection import LIMIT_S, Connection

_LOOK_S = 0.05
_TURN_S = 0.005  # how soon another thread goes on polling when the one that did has its answers
_MARGIN_S = 5.0  # librdkafka gives up on a message after LIMIT_S, and tells


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send."""

    topic: str
    key: bytes
    value: bytes


class Writer:
    """A producer, made at the first use; raise Unavailable when any message of a call was not acknowledged."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._making = threading.Lock()
        self._polling = threading.Lock()
        self._producer: Producer | None = None

    def write(self, messages: Sequence[Outgoing]) -> None:
        """Send and wait."""
        producer = self._made()
        call = _Call(len(messages))
        deadline = time.monotonic() + LIMIT_S + _MARGIN_S
        for message in messages:
            self._queue(producer, message, call, deadline)
        while not call.ended.is_set() and time.monotonic() < deadline:
            self._poll(producer, call)
        if call.error is not None and call.error.fatal():
            self._producer = None  # the next call makes another
        if call.error is not None or not call.ended.is_set():
            raise self._connection.failure(call.error, topic=call.topic)
        self._connection.works()

    def close(self) -> None:
        """Wait for what is on its way."""
        if self._producer is not None:
            self._producer.flush(LIMIT_S)

    def _made(self) -> Producer:
        with self._making:
            if self._producer is None:
                self._producer = self._connection.producer()
            return self._producer

    def _queue(self, producer: Producer, message: Outgoing, call: _Call, deadline: float) -> None:
        while True:
            try:
                producer.produce(message.topic, message.value, message.key, on_delivery=call.told)
            except BufferError:  # full: other calls are on their way too
                producer.poll(_LOOK_S)
                if time.monotonic() > deadline:
                    raise self._connection.failure(None, silence="its queue stays full") from None
            except KafkaException as error:
                raise self._connection.failure(error.args[0], topic=message.topic) from error
            else:
                return

    def _poll(self, producer: Producer, call: _Call) -> None:
        """Let callbacks be called, those of other threads too; while another thread does so, wait for ours."""
        if self._polling.acquire(blocking=False):
            try:
                producer.poll(_LOOK_S)
            finally:
                self._polling.release()
        else:
            call.ended.wait(_TURN_S)


class _Call:
    """How many messages of one call are not acknowledged yet, and the first error."""

    def __init__(self, num_messages: int) -> None:
        self._left = num_messages
        self.error: KafkaError | None = None
        self.topic: str | None = None  # of the error
        self.ended = threading.Event()

    def told(self, error: KafkaError | None, message: Message) -> None:
        self._left -= 1
        if error is not None and self.error is None:
            self.error, self.topic = error, message.topic()
        if self._left == 0:
            self.ended.set()
