"""Stored records: what an event log of ours holds, read back as records and rejected entries.

Knows that an entry may be no record: a newer release wrote it, or somebody else did. Does not know
where a log keeps its entries.
"""

from __future__ import annotations

from collections.abc import Iterable

from cron.ports import Batch, Cursor, Rejected
from recommender.events import Event, InvalidRecord, Item, Record, from_json

MAX_RAW_BYTES = 16_384  # more than a dead letter shows


def read_stored(body: bytes, *, source: str) -> Record | Rejected:
    """Return the record that `to_json` wrote, or why the bytes are not one; `source` names their place in the log."""
    try:
        return from_json(body.decode())
    except InvalidRecord as error:
        reason = error.reason
    except UnicodeDecodeError as error:
        reason = f"record: found bytes that are not UTF-8 ({error})"
    return Rejected(source=source, reason=reason, raw=shown(body))


def shown(body: bytes) -> str:
    """Return the beginning of an entry as a dead letter keeps it."""
    return body[:MAX_RAW_BYTES].decode(errors="replace")


def batch_of(found: Iterable[Record | Rejected], cursor: Cursor) -> Batch:
    """Return what was read up to a cursor, records apart from what is rejected."""
    records: list[Record] = []
    rejected: list[Rejected] = []
    for one in found:
        if isinstance(one, Event | Item):
            records.append(one)
        else:
            rejected.append(one)
    return Batch(records=tuple(records), cursor=cursor, rejected=tuple(rejected))
