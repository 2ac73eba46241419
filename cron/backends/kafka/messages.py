"""Records and Kafka's messages.

Messages of other senders are checked like requests to the gateway. A record's JSON is that of
`POST /v1/events`, with `kind` where a topic holds several kinds. A message without `event_id` gets
one from its place, so every reading gives the same id; one without `at` gets Kafka's own timestamp.
A slate is read as strictly as it was written: only a gateway of ours writes them.
`at` is compared with that timestamp, not with the reader's clock: two readers, or one that reads
again after an outage, must come to the same verdict.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from cron.backends.kafka.writer import Outgoing
from cron.ports import Rejected
from cron.stored_records import truncated_text
from cron.urls.kafka import KafkaUrl
from recommender.records.events import (
    Event,
    LogRecord,
    from_json,
    parse_event,
    parse_item,
    to_json,
)
from recommender.records.facts import Fact, parse_fact
from recommender.records.record_fields import InvalidRecord
from recommender.records.slates import Slate

_PARSERS: Mapping[str, Callable[..., LogRecord]] = {
    "event": parse_event,
    "item": parse_item,
    "fact": parse_fact,
}
# Kafka 4 refuses timestamps an hour ahead of the broker's clock; the second hour is for clocks that
# differ.
MAX_LEAD = timedelta(hours=2)


def to_message(record: LogRecord, url: KafkaUrl) -> Outgoing:
    """Return the message of a record.

    The key keeps a user's events, an item's records, and the facts of an entity in one partition
    and so in order. Slates are in the topic of the events, facts in that of the items.
    """
    if isinstance(record, Event):
        return event_message(record.user_id, to_json(record), url)
    if isinstance(record, Fact):
        return Outgoing(url.items, record.head.encode(), to_json(record).encode())
    if isinstance(record, Slate):
        return event_message(record.user_id or record.event_id, to_json(record), url)
    return Outgoing(url.items, record.item_id.encode(), to_json(record).encode())


def event_message(user_id: str, line: str, url: KafkaUrl) -> Outgoing:
    """Return the message of a serialised event."""
    return Outgoing(url.events, user_id.encode(), line.encode())


def from_message(
    message: Message, url: KafkaUrl, ids: Mapping[str, str], *, now: datetime
) -> LogRecord | Rejected:
    """Return the record of a message, or why it is not valid; `ids` are the topics' ids."""
    value = message.value()
    try:
        return _parse(value, message, url, ids, now)
    except InvalidRecord as error:
        reason = error.reason
    except RecursionError:
        reason = "record: found deep nesting, expected a flat JSON object"
    except ValueError as error:  # not JSON, not UTF-8, or a number with thousands of digits
        reason = f"record: found invalid JSON ({error})"
    return Rejected(
        source=f"kafka {place(message, ids)}",
        reason=reason,
        raw="null" if value is None else truncated_text(value),
    )


def place(message: Message, ids: Mapping[str, str]) -> str:
    """Return the place of a message; unique even when its topic is recreated."""
    topic = str(message.topic())
    # padded, so that ties in time keep the order of the partition
    return f"{topic}.{ids[topic]}:{message.partition():04}:{message.offset():012}"


def _parse(
    value: bytes | None, message: Message, url: KafkaUrl, ids: Mapping[str, str], now: datetime
) -> LogRecord:
    if value is None:
        raise InvalidRecord(
            "record",
            found=None,
            expected='a JSON object (an item is removed with "hidden": true)',
        )
    text = value.decode()
    fields = json.loads(text)
    kind = fields.pop("kind", None) if isinstance(fields, dict) else None
    if kind == "slate":
        return from_json(text)
    if kind not in (None, "event", "item", "fact"):
        raise InvalidRecord("kind", found=kind, expected='"event", "item", "fact" or "slate"')
    sent_at = _sent_at(message, now)
    if isinstance(fields, dict) and fields.get("at") is None:
        fields["at"] = sent_at.isoformat()
    default = "event" if message.topic() == url.events else "item"
    return _PARSERS[kind or default](fields, now=sent_at, new_id=lambda: place(message, ids))


def _sent_at(message: Message, now: datetime) -> datetime:
    """Return Kafka's timestamp of a message, with which its record is compared.

    Our own clock is used only to check that timestamp, with more tolerance than a broker has.
    """
    kind, milliseconds = message.timestamp()
    if kind == TIMESTAMP_NOT_AVAILABLE:
        return now
    latest_ms = int((now + MAX_LEAD).timestamp() * 1000)
    if not 0 <= milliseconds <= latest_ms:
        raise InvalidRecord(
            "timestamp",
            found=milliseconds,
            expected=f"Kafka's timestamp in milliseconds, at most {latest_ms}",
        )
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
