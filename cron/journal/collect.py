"""Collect records from the event log into the journal."""

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

# One segment. A record has a few hundred bytes, so a batch takes a few megabytes of memory.
BATCH_RECORDS = 10_000
# Dead letters that gateway and `ingest` may have written since a batch was buried.
_OTHERS_LETTERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The numbers of records of one collection, and the journal's last number after it.

    Facts count as items.
    """

    num_events: int
    num_items: int
    num_slates: int
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
    """Add the log's new records, at most `limit`, to the journal; raise LogGap or LeaseLost.

    `show` is called with each batch before it is committed, and called again with it after a crash
    in between. After a crash at any point, calling this again loses no record and counts none
    twice.
    """
    num_events = num_items = num_slates = num_duplicates = num_rejected = num_read = 0
    while limit is None or num_read < limit:
        wanted = BATCH_RECORDS if limit is None else min(BATCH_RECORDS, limit - num_read)
        after = journal_rows.log_cursor(ledger)
        batch = log.read(after, wanted)
        if batch.cursor == after:
            break
        if show is not None:
            show(batch)
        new = journal.accept(batch.records, batch.cursor, lease, slates=batch.slates)
        num_read += batch.num_entries
        num_events += new.num_events
        num_items += new.num_items
        num_slates += new.num_slates
        num_duplicates += new.num_duplicates
        num_rejected += len(batch.rejected)
    journal.merge_small(lease)
    return Collected(
        num_events=num_events,
        num_items=num_items,
        num_slates=num_slates,
        num_duplicates=num_duplicates,
        num_rejected=num_rejected,
        last_seq=journal.last_seq,
    )


def bury(letters: DeadLetters, rejected: Sequence[Rejected], *, at: datetime) -> None:
    """Store what was not a valid record as dead letters, each once.

    After a crash the same batch comes again; its letters are then among the newest ones.
    """
    if not rejected:
        return
    known = {letter.source for letter in letters.newest(len(rejected) + _OTHERS_LETTERS)}
    for one in rejected:
        if one.source not in known:
            letters.add(source=one.source, reason=one.reason, raw=one.raw, at=at)
