"""Copy the event log into the item records and their counts, beside the histories.

The item records store a cursor of their own, so they can be lost, and rebuilt, alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from cron.errors import LogGap
from cron.item_counts import count_events, earliest_counted
from cron.journal import segments
from cron.journal.journal import Journal
from cron.ports import BATCH_BYTES, START, Batch, Cursor, EventLog, ItemRecords
from recommender.events import Event, Item, Record

BATCH_RECORDS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFollower:
    """The item records, which events count, and the clock."""

    item_records: ItemRecords
    counts: Callable[[Event], bool]
    now: Callable[[], datetime]

    def copy(self, batch: Batch, *, after: Cursor) -> None:
        """Copy a batch that was read after a cursor; do nothing when they are at another place."""
        self._add(batch.records, after=after, cursor=batch.cursor)

    def keep_up(self, journal: Journal, log: EventLog) -> None:
        """Copy all of the log that is left; rebuild from the journal what was lost.

        Raise LogGap if the journal was not collected from this log, or ArtifactMissing or
        ArtifactCorrupt if the journal is incomplete.
        """
        is_lost = self.item_records.cursor() == START and journal.log_cursor != START
        try:
            if not is_lost:
                self._copy_rest(log)
                return
        except LogGap:
            pass  # the log was trimmed past their place; the journal has the rest
        self.rebuild(journal, log)

    def rebuild(self, journal: Journal, log: EventLog) -> None:
        """Rebuild everything from the journal, then from what the log has after it.

        An interrupted rebuild leaves no cursor and must be repeated.
        """
        log.read(journal.log_cursor, 1)
        for first_seq, last_seq in journal.ranges():
            journal.read(first_seq, last_seq, columns=["seq"])  # fetched and verified
        self.item_records.clear()
        cursor = journal.log_cursor  # before the ranges, which then include everything up to it
        for first_seq, last_seq in journal.ranges():
            needed = self._needed_rows(journal.read(first_seq, last_seq))
            for part in segments.parts_of(needed, part_bytes=BATCH_BYTES):
                records = segments.records_of(part)
                for start in range(0, len(records), BATCH_RECORDS):
                    chunk = records[start : start + BATCH_RECORDS]
                    self._add(chunk, after=START, cursor=START)
        journal.delete_stale_copies()
        self._add((), after=START, cursor=cursor)
        self._copy_rest(log)

    def _copy_rest(self, log: EventLog) -> None:
        after = self.item_records.cursor()
        while (batch := log.read(after, BATCH_RECORDS)).cursor != after:
            self.copy(batch, after=after)
            after = batch.cursor

    def _add(self, records: Sequence[Record], *, after: Cursor, cursor: Cursor) -> None:
        self.item_records.follow(
            [record for record in records if isinstance(record, Item)],
            count_events(records, counts=self.counts, now=self.now()),
            after=after,
            cursor=cursor,
        )

    def _needed_rows(self, table: pa.Table) -> pa.Table:
        """Return the rows of items, and of the events that are still counted."""
        is_item = pc.equal(table["kind"], "item")
        is_recent = pc.greater_equal(table["at_us"], earliest_counted(self.now()))
        return table.filter(pc.or_(is_item, is_recent))
