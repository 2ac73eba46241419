"""Collect: from the event log into the journal, and trimming the log behind it.

Knows the order of the two; what a duplicate is, and what is committed when, is the journal's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cron.journal import Journal
from cron.ledger import Ledger
from cron.lineage import Lease
from cron.ports import START, Cursor, EventLog
from recommender.events import Record

BATCH_RECORDS = 10_000  # one segment; a few hundred bytes a record, so a batch is a few megabytes in memory
_EXACT_BACKLOG = 100_000  # above it a back end may estimate, which is no ground to delete records on


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What one collection brought: new events and items, duplicates left out, the journal's last number."""

    num_events: int
    num_items: int
    num_duplicates: int
    last_seq: int


def collect(
    log: EventLog,
    journal: Journal,
    ledger: Ledger,
    lease: Lease,
    *,
    limit: int | None = None,
    accepted: Callable[[Sequence[Record]], None] | None = None,
) -> Collected:
    """Bring the log's new records, at most `limit` of them, into the journal; raise LogGap or LeaseLost.

    `accepted` is shown each batch once it is committed, duplicates included.
    May die anywhere and be called again: nothing is lost and nothing counts twice.
    """
    num_events = num_items = num_duplicates = num_read = 0
    while limit is None or num_read < limit:
        wanted = BATCH_RECORDS if limit is None else min(BATCH_RECORDS, limit - num_read)
        batch = log.read(ledger.log_cursor(), wanted)
        if not batch.records:
            break
        new = journal.accept(batch.records, batch.cursor, lease)
        num_read += len(batch.records)
        num_events += new.num_events
        num_items += new.num_items
        num_duplicates += new.num_duplicates
        if accepted is not None:
            accepted(batch.records)
    journal.merge_small(lease)
    return Collected(num_events=num_events, num_items=num_items, num_duplicates=num_duplicates, last_seq=journal.last_seq)


def trim_log(log: EventLog, cursors: Sequence[Cursor]) -> Cursor | None:
    """Trim the log up to the cursor that is furthest behind (the journal's, the histories', …); return it, None when nothing was trimmed.

    A cursor can't be compared with another one, but the one with more records after it is behind.
    """
    if START in cursors or not cursors:
        return None
    backlogs = [(log.backlog(cursor), cursor) for cursor in cursors]
    if len(set(cursors)) > 1 and max(backlogs)[0] >= _EXACT_BACKLOG:
        return None
    behind = max(backlogs, key=lambda one: one[0])[1]
    log.trim(behind)
    return behind
