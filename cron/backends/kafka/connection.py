"""The settings of all our Kafka clients, and the translation of their errors.

librdkafka connects in the background and retries forever. Here a call ends after LIMIT_S, and the
last error from a broker is the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from cron.errors import AccessRefused, SettingsError, TopicMissing, Unavailable
from cron.urls.kafka import KafkaUrl

Client = TypeVar("Client", AdminClient, Consumer, Producer)
# enough for a broker that restarts, or for a new leader; nobody waits longer for an answer
LIMIT_S = 10.0
SECRETS = ("sasl.password", "ssl.key.password", "sasl.oauthbearer.client.secret")
_REFUSED = (
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
_SILENCE = (
    KafkaError._TIMED_OUT,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError.REQUEST_TIMED_OUT,
)
_MISSING = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
)


def variable(secret: str) -> str:
    """Return the environment variable that holds a secret property."""
    return "FRESHET_KAFKA_" + secret.upper().replace(".", "_")


class KafkaConnection:
    """Makes the clients for one URL, and remembers their last error.

    Raise SettingsError for properties that librdkafka does not accept.
    """

    def __init__(self, url: KafkaUrl, environment: Mapping[str, str] = os.environ) -> None:
        self.url = url
        self._settings = _settings(url, environment)
        self._heard: KafkaError | None = None  # the last error since an answer came
        self.is_refused = False  # since a call began; waiting does not help then

    def admin(self) -> AdminClient:
        """Return a new client for questions."""
        return self._new_client(AdminClient, {})

    def consumer(self) -> Consumer:
        """Return a new consumer without a group: it commits nothing and skips nothing silently."""
        ours = {
            "enable.auto.commit": False,
            # the end of a partition is after the marks of transactions, which no message shows
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            # the delay before the end of a partition is reported
            "fetch.wait.max.ms": 20,
            "queued.max.messages.kbytes": 16_384,
        }
        return self._new_client(Consumer, {"group.id": "freshet"}, ours)

    def producer(self) -> Producer:
        """Return a new producer whose own retries do not lose, double or reorder messages."""
        # with librdkafka's default, each append of one event would wait 5 ms
        defaults = {"compression.type": "lz4", "linger.ms": 1}
        # murmur2 is the default of Java's clients: a user's events are in one partition for every
        # sender
        ours = {
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "message.timeout.ms": int(1000 * LIMIT_S),
        }
        return self._new_client(Producer, defaults, ours)

    def failure(
        self, error: KafkaError | None, *, topic: str | None = None, silence: str = "no answer"
    ) -> Unavailable:
        """Return our error for a Kafka error, or for brokers that do not answer."""
        where = self.url.servers
        if error is None or error.code() in _SILENCE:
            error = self._heard or error
        if error is None:
            return Unavailable("Kafka", where=where, why=silence)
        if error.code() in _REFUSED:
            return AccessRefused("Kafka", where=where, why=error.str(), remedy=self._remedy(error))
        if error.code() in _MISSING:
            return TopicMissing(topic or " or ".join(self.url.topics), where=where)
        return Unavailable("Kafka", where=where, why=error.str())

    def begins(self) -> None:
        """Record that a call begins; an earlier refusal may no longer hold."""
        self.is_refused = False

    def works(self) -> None:
        """Record that an answer came."""
        self._heard = None

    def _remedy(self, error: KafkaError) -> str:
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED):
            password = variable("sasl.password")
            return f"check the user in store.events, and {password} in the environment"
        topics = " and ".join(self.url.topics)
        return f"allow our user Read, Write and Describe on {topics}, and Read on the group freshet"

    def _hear(self, error: KafkaError) -> None:
        self.is_refused = self.is_refused or error.code() in _REFUSED
        # "all brokers are down" follows the actual reason
        if self._heard is None or error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._heard = error

    def _new_client(
        self,
        client: Callable[[dict[str, Any]], Client],
        defaults: Mapping[str, object],
        ours: Mapping[str, object] | None = None,
    ) -> Client:
        # log_level 0: our errors have the same text, and a broker that is away would fill the log.
        # reconnect: a restarted broker is found within 1 s; librdkafka may wait up to 10 s.
        settings = {
            "log_level": 0,
            "reconnect.backoff.max.ms": 1000,
            **defaults,
            **self._settings,
            **(ours or {}),
            "error_cb": self._hear,
        }
        try:
            return client(settings)
        except KafkaException as error:
            raise SettingsError(
                f"store.events = {self.url.where!r}: {error.args[0].str()}"
            ) from error


def _settings(url: KafkaUrl, environment: Mapping[str, str]) -> dict[str, object]:
    settings: dict[str, object] = {}
    if url.properties is not None:
        settings |= _properties(url.properties)
    settings |= {"bootstrap.servers": url.servers, **url.client}
    settings |= {
        secret: environment[variable(secret)]
        for secret in SECRETS
        if variable(secret) in environment
    }
    if "sasl.username" in settings and "sasl.password" not in settings:
        missing = f"set {variable('sasl.password')} in the environment"
        raise SettingsError(
            f"store.events = {url.where!r}: there is a user without a password; {missing}"
        )
    return settings


def _properties(file: Path) -> dict[str, str]:
    """Read librdkafka's properties, one `name=value` per line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"store.events: properties={file} can't be read ({error})") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise SettingsError(f"{file}:{number}: expected name=value, a property of librdkafka")
        if name.strip() in SECRETS:
            raise SettingsError(
                f"{file}:{number}: {name.strip()} is a secret;"
                f" set {variable(name.strip())} in the environment instead"
            )
        found[name.strip()] = value.strip()
    return found
