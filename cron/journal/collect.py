"""Collect: from the event log into the journal.

Knows the order of things; what a duplicate is, and what is committed when, is the journal's
business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cron.journal.dead_letters import DeadLetters
from cron.journal.journal import Journal
from cron.ledger import journal_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.ports import Batch, EventLog, Rejected

BATCH_RECORDS = (
    10_000  # one segment; a few hundred bytes a record, so a batch is a few megabytes in memory
)
_OTHERS_LETTERS = (
    1000  # dead letters that gateway and ingest may have written since a batch was buried
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What one collection brought: new events and items, duplicates left out, what was no record, the journal's last number."""

    num_events: int
    num_items: int
    num_duplicates: int
    num_rejected: int
    last_seq: int


def collect(
    log: EventLog,
    journal: Journal,
    ledger: Ledger,
    lease: Lease,
    *,
    limit: int | None = None,
    show: Callable[[Batch], None] | None = None,
) -> Collected:
    """Bring the log's new records, at most `limit` of them, into the journal; raise LogGap or LeaseLost.

    `show` is shown each batch before it is committed, so what it does for one is done again after a
    death in between. May die anywhere and be called again: nothing is lost and nothing counts
    twice.
    """
    num_events = num_items = num_duplicates = num_rejected = num_read = 0
    while limit is None or num_read < limit:
        wanted = BATCH_RECORDS if limit is None else min(BATCH_RECORDS, limit - num_read)
        after = journal_rows.log_cursor(ledger)
        batch = log.read(after, wanted)
        if batch.cursor == after:
            break
        if show is not None:
            show(batch)
        new = journal.accept(batch.records, batch.cursor, lease)
        num_read += len(batch.records) + len(batch.rejected)
        num_events += new.num_events
        num_items += new.num_items
        num_duplicates += new.num_duplicates
        num_rejected += len(batch.rejected)
    journal.merge_small(lease)
    return Collected(
        num_events=num_events,
        num_items=num_items,
        num_duplicates=num_duplicates,
        num_rejected=num_rejected,
        last_seq=journal.last_seq,
    )


def bury(letters: DeadLetters, rejected: Sequence[Rejected], *, at: datetime) -> None:
    """Keep what was no record, each once: those of a batch that is shown again after a death are among the newest letters."""
    if not rejected:
        return
    known = {letter.source for letter in letters.newest(len(rejected) + _OTHERS_LETTERS)}
    for one in rejected:
        if one.source not in known:
            letters.add(source=one.source, reason=one.reason, raw=one.raw, at=at)
