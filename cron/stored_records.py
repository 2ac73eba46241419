"""Stored entries of an event log, read back as records or rejected entries.

An entry may not be a valid record: a newer release wrote it, or somebody else did.
"""

from __future__ import annotations

from collections.abc import Iterable

from cron.ports import Batch, Cursor, Rejected
from recommender.events import Event, Item, Record, from_json
from recommender.record_fields import InvalidRecord

MAX_RAW_BYTES = 16_384  # more than a dead letter displays


def read_stored(body: bytes, *, source: str) -> Record | Rejected:
    """Return the record that `to_json` wrote, or the rejected entry with its reason.

    `source` is its place in the log.
    """
    try:
        return from_json(body.decode())
    except InvalidRecord as error:
        reason = error.reason
    except UnicodeDecodeError as error:
        reason = f"record: found bytes that are not UTF-8 ({error})"
    return Rejected(source=source, reason=reason, raw=truncated_text(body))


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
