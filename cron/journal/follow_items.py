"""Copy the event log into the item records and their counts, beside the histories.

The item records store a cursor of their own, so they can be lost, and rebuilt, alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from cron.errors import LogGap
from cron.item_counts import count_events, earliest_counted
from cron.journal import segments
from cron.journal.journal import Journal
from cron.lineage import Range
from cron.ports import BATCH_BYTES, START, Batch, Cursor, EventLog, ItemRecords
from cron.rebuild_marks import is_mark, next_mark
from recommender.records.events import Event, Record, descriptions_of

BATCH_RECORDS = 5_000
_ABANDONED_S = 60.0  # a rebuild moves its mark with every chunk


@dataclass(slots=True, kw_only=True)
class ItemFollower:
    """The item records, which events count, and the clock."""

    item_records: ItemRecords
    counts: Callable[[Event], bool]
    now: Callable[[], datetime]
    # another's mark, and since when it has not moved by time.monotonic()
    _watched: tuple[Cursor, float] | None = field(default=None, init=False)

    def copy(self, batch: Batch, *, after: Cursor) -> None:
        """Copy a batch that was read after a cursor; do nothing when they are at another place."""
        self._add(batch.records, after=after, cursor=batch.cursor)

    def keep_up(self, journal: Journal, log: EventLog) -> None:
        """Copy all of the log that is left; rebuild from the journal what was lost.

        Raise LogGap if the journal was not collected from this log, or ArtifactMissing or
        ArtifactCorrupt if the journal is incomplete.
        """
        place = self.item_records.cursor()
        if is_mark(place):
            if self._is_abandoned(place):
                self.rebuild(journal, log)
            return
        is_lost = place == START and journal.log_cursor != START
        try:
            if not is_lost:
                self._copy_rest(log)
                return
        except LogGap:
            pass  # the log was trimmed past their place; the journal has the rest
        self.rebuild(journal, log)

    def rebuild(self, journal: Journal, log: EventLog) -> None:
        """Rebuild everything from the journal, then from what the log has after it.

        An interrupted rebuild leaves its mark and must be repeated. When another rebuild begins
        meanwhile, leave the records to that one.
        """
        log.read(journal.log_cursor, 1)
        for first_seq, last_seq in journal.ranges():
            journal.read(first_seq, last_seq, columns=["seq"])  # fetched and verified
        mark = self.item_records.clear()
        cursor, ranges = _cursor_and_ranges(journal)
        for chunk in self._chunks(journal, ranges):
            if not self._add(chunk, after=mark, cursor=next_mark(mark)):
                self._leave_to_another()
                return
            mark = next_mark(mark)
        journal.delete_stale_copies()
        if not self._add((), after=mark, cursor=cursor):
            self._leave_to_another()
            return
        self._copy_rest(log)

    def _leave_to_another(self) -> None:
        self._watched = (self.item_records.cursor(), time.monotonic())

    def _is_abandoned(self, mark: Cursor) -> bool:
        """Return whether no other rebuild moves this mark, as far as this follower knows."""
        if self._watched is None:
            return True
        if self._watched[0] != mark:
            self._watched = (mark, time.monotonic())
        return time.monotonic() - self._watched[1] > _ABANDONED_S

    def _chunks(self, journal: Journal, ranges: Sequence[Range]) -> Iterator[Sequence[Record]]:
        for first_seq, last_seq in ranges:
            yield ()  # moves the mark: years of events that are no longer counted have no chunk
            needed = self._needed_rows(journal.read(first_seq, last_seq))
            for part in segments.parts_of(needed, part_bytes=BATCH_BYTES):
                records = segments.records_of(part)
                for start in range(0, len(records), BATCH_RECORDS):
                    yield records[start : start + BATCH_RECORDS]

    def _copy_rest(self, log: EventLog) -> None:
        after = self.item_records.cursor()
        while not is_mark(after) and (batch := log.read(after, BATCH_RECORDS)).cursor != after:
            self.copy(batch, after=after)
            after = batch.cursor

    def _add(self, records: Sequence[Record], *, after: Cursor, cursor: Cursor) -> bool:
        return self.item_records.follow(
            descriptions_of(records),
            count_events(records, counts=self.counts, now=self.now()),
            after=after,
            cursor=cursor,
        )

    def _needed_rows(self, table: pa.Table) -> pa.Table:
        """Return the rows of items and facts, and of the events that are still counted."""
        is_item = pc.not_equal(table["kind"], "event")
        is_recent = pc.greater_equal(table["at_us"], earliest_counted(self.now()))
        return table.filter(pc.or_(is_item, is_recent))


def _cursor_and_ranges(journal: Journal) -> tuple[Cursor, Sequence[Range]]:
    """Return a cursor in the log and the segments that hold everything up to it, and no more."""
    while True:
        cursor, ranges = journal.log_cursor, journal.ranges()
        if journal.log_cursor == cursor:  # nothing was collected between the two
            return cursor, ranges
