"""Records and Kafka's messages. What others send is checked like what comes through the gateway's door, and may be no record at all.

A record's JSON is what `POST /v1/events` takes, with `kind` where a topic holds both. A message
without `event_id` gets one from its place, so that every reading gives the same; one without `at`
has Kafka's own timestamp. `at` is compared with that timestamp, not with the reader's clock: two
readers, or one that reads again after an outage, must not come to different verdicts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from cron.backends.kafka.writer import Outgoing
from cron.ports import Rejected
from cron.stored_records import shown
from cron.urls.kafka import KafkaUrl
from recommender.events import Event, InvalidRecord, Record, parse_event, parse_item, to_json

# Kafka 4 refuses messages that are stamped an hour ahead of the broker's clock; the second hour is
# for clocks that differ.
MAX_LEAD = timedelta(hours=2)


def to_message(record: Record, url: KafkaUrl) -> Outgoing:
    """Return the message of a record; the key keeps one user's events, and one item's records, in one partition, hence in order."""
    topic, key = (
        (url.events, record.user_id) if isinstance(record, Event) else (url.items, record.item_id)
    )
    return Outgoing(topic, key.encode(), to_json(record).encode())


def from_message(
    message: Message, url: KafkaUrl, ids: Mapping[str, str], *, now: datetime
) -> Record | Rejected:
    """Return the record of a message, or why it is none; `ids` are the topics'."""
    value = message.value()
    try:
        return _parsed(value, message, url, ids, now)
    except InvalidRecord as error:
        reason = error.reason
    except RecursionError:
        reason = "record: found deep nesting, expected a flat JSON object"
    except ValueError as error:  # no JSON, no UTF-8, or a number of thousands of digits
        reason = f"record: found no JSON ({error})"
    return Rejected(
        source=f"kafka {place(message, ids)}",
        reason=reason,
        raw="null" if value is None else shown(value),
    )


def place(message: Message, ids: Mapping[str, str]) -> str:
    """Return where a message lies, unlike that of any other message, of a topic made anew too."""
    topic = str(message.topic())
    # padded: ties in time keep the order of the partition
    return f"{topic}.{ids[topic]}:{message.partition():04}:{message.offset():012}"


def _parsed(
    value: bytes | None, message: Message, url: KafkaUrl, ids: Mapping[str, str], now: datetime
) -> Record:
    if value is None:
        raise InvalidRecord(
            "record",
            found=None,
            expected='a JSON object (an item is taken away with "hidden": true)',
        )
    fields = json.loads(value.decode())
    kind = fields.pop("kind", None) if isinstance(fields, dict) else None
    if kind not in (None, "event", "item"):
        raise InvalidRecord("kind", found=kind, expected='"event" or "item"')
    sent_at = _sent_at(message, now)
    if isinstance(fields, dict) and fields.get("at") is None:
        fields["at"] = sent_at.isoformat()
    is_item = kind == "item" if kind else message.topic() != url.events
    return (parse_item if is_item else parse_event)(
        fields, now=sent_at, new_id=lambda: place(message, ids)
    )


def _sent_at(message: Message, now: datetime) -> datetime:
    """Return Kafka's timestamp of a message: what its record is compared with, so that every reader comes to the same verdict.

    Our own clock judges only that timestamp, and only beyond what a broker accepts.
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
