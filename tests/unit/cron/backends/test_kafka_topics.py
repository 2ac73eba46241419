"""Questions about topics while their leaders change."""

from __future__ import annotations

from concurrent.futures import Future
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from cron.backends.kafka.connection import KafkaConnection
from cron.backends.kafka.topics import Topics
from cron.errors import TopicMissing, Unavailable
from cron.urls.kafka import parse


class Described:
    """What Kafka says of a topic."""

    topic_id = "an-id"
    partitions = ()


class SettlingBroker:
    """An admin client whose first answers are errors with these codes."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.num_calls = 0

    def describe_topics(self, topics: object, request_timeout: float) -> dict[str, Future[object]]:
        """Answer for the two topics at once; an error is that of the first."""
        self.num_calls += 1
        first: Future[object] = Future()
        second: Future[object] = Future()
        second.set_result(Described())
        if self.codes:
            first.set_exception(KafkaException(KafkaError(self.codes.pop(0), "a reason")))
        else:
            first.set_result(Described())
        return {"shop": first, "shop-items": second}

    def poll(self, timeout: float) -> None:
        """Run no callback."""


class SettlingConnection(KafkaConnection):
    """A connection whose admin client is the settling broker."""

    def __init__(self, broker: SettlingBroker) -> None:
        super().__init__(parse("kafka://a/shop?items=shop-items"), {})
        self._broker = broker

    def admin(self) -> AdminClient:
        """Return the broker as the client."""
        return cast("AdminClient", self._broker)


def test_a_question_is_asked_again_while_leaders_change() -> None:
    broker = SettlingBroker(KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION)
    state = Topics(SettlingConnection(broker)).describe()
    assert state.ids == {"shop": "an-id", "shop-items": "an-id"}
    assert broker.num_calls == 3


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, TopicMissing, "shop"),
        (KafkaError.INVALID_REQUEST, Unavailable, "a reason"),
    ],
)
def test_another_error_is_reported_at_once(code: int, error: type[Exception], text: str) -> None:
    broker = SettlingBroker(code)
    with pytest.raises(error, match=text):
        Topics(SettlingConnection(broker)).describe()
    assert broker.num_calls == 1
