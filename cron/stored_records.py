"""Stored entries of an event log, read back as records or rejected entries.

An entry may not be a valid record: a newer release wrote it, or somebody else did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from cron.ports import Batch, Cursor, Rejected
from cron.stored_slates import plain_slate
from recommender.records.events import Event, LogRecord, Record, from_json
from recommender.records.ids import PLAIN_ID
from recommender.records.record_fields import InvalidRecord
from recommender.records.slates import Slate

MAX_RAW_BYTES = 16_384  # more than a dead letter displays
# Most entries match this, which takes a third of the time of `from_json` and checks the same.
_PLAIN_EVENT = re.compile(
    rf'{{"kind":"event","event_id":"({PLAIN_ID})","user_id":"({PLAIN_ID})",'
    rf'"item_id":"({PLAIN_ID})","type":"([\w-]+)","at":"([\dT:.-]+\+00:00)",'
    r'"rating":(?:null|(-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?))}',
    re.ASCII,
)


def read_stored(body: bytes, *, source: str) -> LogRecord | Rejected:
    """Return the record that `to_json` wrote, or the rejected entry with its reason.

    `source` is its place in the log.
    """
    try:
        return plain_slate(body) or plain_event(body) or from_json(body.decode())
    except InvalidRecord as error:
        reason = error.reason
    except UnicodeDecodeError as error:
        reason = f"record: found bytes that are not UTF-8 ({error})"
    return Rejected(source=source, reason=reason, raw=truncated_text(body))


def plain_event(body: bytes) -> Event | None:
    """Return the event of an entry that `to_json` wrote in its usual form; None for any other."""
    found = _PLAIN_EVENT.fullmatch(body.decode(errors="replace"))
    if found is None:
        return None
    event_id, user_id, item_id, type_, at, rating = found.groups()
    try:
        return Event(
            event_id=event_id,
            user_id=user_id,
            item_id=item_id,
            type=type_,
            at=datetime.fromisoformat(at),
            rating=None if rating is None else float(rating),
        )
    except ValueError:  # not a time
        return None


def truncated_text(body: bytes) -> str:
    """Return the beginning of an entry, as a dead letter stores it."""
    return body[:MAX_RAW_BYTES].decode(errors="replace")


def log_key(record: LogRecord) -> str:
    """Return the key by which a log recognises a record that it has already.

    A shop may give an event the id of its list. The line break keeps a slate from being taken for
    that event: no id has one.
    """
    return f"slate\n{record.event_id}" if isinstance(record, Slate) else record.event_id


def batch_of(found: Iterable[LogRecord | Rejected], cursor: Cursor) -> Batch:
    """Return the batch up to a cursor, with records, slates and rejected entries apart."""
    records: list[Record] = []
    slates: list[Slate] = []
    rejected: list[Rejected] = []
    for one in found:
        match one:
            case Rejected():
                rejected.append(one)
            case Slate():
                slates.append(one)
            case _:
                records.append(one)
    return Batch(
        records=tuple(records), slates=tuple(slates), cursor=cursor, rejected=tuple(rejected)
    )
