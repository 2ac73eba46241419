"""Stored entries of an event log, read back as records or rejected entries.

An entry may not be a valid record: a newer release wrote it, or somebody else did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from cron.ports import Batch, Cursor, Rejected
from recommender.records.events import Event, Item, Record, from_json
from recommender.records.ids import PLAIN_ID
from recommender.records.record_fields import InvalidRecord

MAX_RAW_BYTES = 16_384  # more than a dead letter displays
# Most entries match this, which takes a third of the time of `from_json` and checks the same.
_PLAIN_EVENT = re.compile(
    rf'{{"kind":"event","event_id":"({PLAIN_ID})","user_id":"({PLAIN_ID})",'
    rf'"item_id":"({PLAIN_ID})","type":"([\w-]+)","at":"([\dT:.-]+\+00:00)",'
    r'"rating":(?:null|(-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?))}',
    re.ASCII,
)


def read_stored(body: bytes, *, source: str) -> Record | Rejected:
    """Return the record that `to_json` wrote, or the rejected entry with its reason.

    `source` is its place in the log.
    """
    try:
        text = body.decode()
        return _plain_event(text) or from_json(text)
    except InvalidRecord as error:
        reason = error.reason
    except UnicodeDecodeError as error:
        reason = f"record: found bytes that are not UTF-8 ({error})"
    return Rejected(source=source, reason=reason, raw=truncated_text(body))


def _plain_event(text: str) -> Event | None:
    """Return the event that `to_json` wrote in its usual form; None for anything else."""
    found = _PLAIN_EVENT.fullmatch(text)
    if found is None:
        return None
    event_id, user_id, item_id, type_, at, rating = found.groups()
    with suppress(ValueError):  # not a time
        return Event(
            event_id=event_id,
            user_id=user_id,
            item_id=item_id,
            type=type_,
            at=datetime.fromisoformat(at),
            rating=None if rating is None else float(rating),
        )
    return None


def truncated_text(body: bytes) -> str:
    """Return the beginning of an entry, as a dead letter stores it."""
    return body[:MAX_RAW_BYTES].decode(errors="replace")


def batch_of(found: Iterable[Record | Rejected], cursor: Cursor) -> Batch:
    """Return the batch up to a cursor, with records and rejected entries apart."""
    records: list[Record] = []
    rejected: list[Rejected] = []
    for one in found:
        if isinstance(one, Event | Item):
            records.append(one)
        else:
            rejected.append(one)
    return Batch(records=tuple(records), cursor=cursor, rejected=tuple(rejected))
