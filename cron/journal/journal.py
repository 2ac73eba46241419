"""The journal: all accepted records, each once, numbered 1, 2, 3, ….

It consists of segments (Parquet files in the artifact store) and their entries in the ledger. The
slates of the same log have segments of their own (`cron.slates.slate_store`), committed with them.
It has one writer at a time, the holder of the lease, and any number of readers.

A segment is stored before it is committed, and the index is updated afterwards. If the process dies
in between, the ledger alone decides what was accepted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cron.errors import ArtifactMissing
from cron.journal import adoption, compaction, segments
from cron.journal.adoption import Adopted
from cron.journal.dedup_index import DedupIndex
from cron.journal.erasure import COLUMNS, Eraser, erase_segments
from cron.journal.index_file import IndexDamaged, delete_index
from cron.journal.segment_files import SegmentFiles, first_kept
from cron.journal.sent_pictures import SentPictures
from cron.journal.tally import tally
from cron.journal.user_events import UserEvents
from cron.ledger import forgotten, journal_rows
from cron.ledger.event_rows import EventTally
from cron.ledger.forgotten import Mark
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Range, Segment
from cron.ports import ArtifactStore, Cursor
from cron.slates.slate_store import SlateStore
from recommender.records.events import Event, Record
from recommender.records.slates import Slate


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The result of one batch. Events of forgotten users are not counted; facts count as items.

    `segment` is None if every record was a duplicate.
    """

    segment: Segment | None
    num_events: int
    num_items: int
    num_duplicates: int
    num_slates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCounts:
    """Records in a range of journal numbers; `items` includes facts."""

    events: int
    items: int


class Journal:
    """The journal of one ledger and artifact store.

    `folder` holds what can be fetched or rebuilt: copies of segments, and the indexes. `by_user`
    reads the events of single users, `slates` the lists that were served.
    """

    def __init__(self, ledger: Ledger, artifacts: ArtifactStore, folder: Path) -> None:
        self._ledger = ledger
        self._files = SegmentFiles(artifacts, folder / "segments")
        self._sent = SentPictures(artifacts, folder)
        self._index_path = folder / "seen.db"
        self._index: DedupIndex | None = None
        self._keys = forgotten.keys_of(ledger)
        self.slates = SlateStore(ledger, artifacts, folder / "slates", self._keys)
        self.by_user = UserEvents(ledger, self._files, self._keys, folder / "users.db")

    @property
    def first_seq(self) -> int:
        """Return the first number whose event is kept; last + 1 if there is none."""
        return first_kept(journal_rows.oldest_first(self._ledger))

    @property
    def last_seq(self) -> int:
        """Return the last assigned number, 0 before the first."""
        return journal_rows.last_seq(self._ledger)

    @property
    def log_cursor(self) -> Cursor:
        """Return the cursor in the log up to which the journal holds everything."""
        return journal_rows.log_cursor(self._ledger)

    def ranges(self) -> tuple[Range, ...]:
        """Return the numbers of each segment, ascending."""
        return tuple(
            (segment.first_seq, segment.last_seq) for segment in journal_rows.segments(self._ledger)
        )

    def accept(
        self,
        records: Sequence[Record],
        cursor: Cursor,
        lease: Lease,
        *,
        slates: Sequence[Slate] = (),
    ) -> Accepted:
        """Number the new records in order and commit them with the log's new cursor.

        For records of forgotten users only the number is kept. Pictures in records are stored as
        artifacts. Slates are committed too, without numbers. Raise LeaseLost.
        """
        try:
            index = self._updated_index()
            new = self._unseen(records, index)
        except IndexDamaged:
            index = self._rebuild_index()
            new = self._unseen(records, index)
        segment: Segment | None = None
        counts: EventTally | None = None
        if new:
            first_seq = self.last_seq + 1
            stored = self._sent.store(new)
            table = self._eraser_of(new).erase(segments.table_of(stored, first_seq=first_seq))
            segment = self._files.put(
                table, covers=(first_seq, first_seq + len(new) - 1), lease=lease
            )
            counts = tally(table, now=self._ledger.now())
        new_slates = self.slates.put(slates, lease)
        journal_rows.commit_segment(
            self._ledger, segment, cursor, lease, tally=counts, slates=new_slates
        )
        if segment is not None:
            with suppress(IndexDamaged):  # the next batch notices the damage
                index.add(table["event_id"].to_pylist(), through=segment.last_seq)
        num_events = segment.num_events if segment is not None else 0
        num_items = segment.num_items if segment is not None else 0
        return Accepted(
            segment=segment,
            num_events=num_events,
            num_items=num_items,
            num_duplicates=len(records) - len(new),
            num_slates=new_slates.counts.num_slates if new_slates is not None else 0,
        )

    def first_number_since(self, at: datetime) -> int:
        """Return the first number of the segments with events of a time or later.

        It is the next number if there are none.
        """
        segments = journal_rows.oldest_first(self._ledger)
        found = (segment.first_seq for segment in segments if segment.last_at >= at)
        return min(found, default=self.last_seq + 1)

    def read(
        self, first_seq: int, last_seq: int, *, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the events and items numbered first to last, inclusive, in ascending order.

        Columns are those of `segments.SCHEMA`. Of dropped segments the latest items remain. Events
        of forgotten users are left out at once, before they are erased. Raise ArtifactMissing or
        ArtifactCorrupt.
        """
        # Read the marks first: once a mark is gone, later segments hold nothing of its user.
        eraser = Eraser(marks=forgotten.pending(self._ledger), keys=self._keys)
        overlapping = self._overlapping(first_seq, last_seq)
        needed = segments.SCHEMA.names
        if columns is not None:
            needed = sorted({"seq", "kind", *columns, *(COLUMNS if eraser.marks else ())})
        try:
            tables = [
                eraser.without(self._part(segment, first_seq, last_seq, needed))
                for segment in overlapping
            ]
        except ArtifactMissing:
            if self._overlapping(first_seq, last_seq) == overlapping:
                raise
            return self.read(first_seq, last_seq, columns=columns)  # merged meanwhile
        whole = pa.concat_tables([segments.SCHEMA.empty_table().select(needed), *tables])
        return whole if columns is None else whole.select(list(columns))

    def read_segments(
        self, first_seq: int, last_seq: int, *, columns: Sequence[str]
    ) -> Iterator[pa.Table]:
        """Yield what `read` returns, one segment at a time; raise as `read`."""
        for segment in self._overlapping(first_seq, last_seq):
            first, last = max(first_seq, segment.first_seq), min(last_seq, segment.last_seq)
            yield self.read(first, last, columns=columns)

    def read_items(self, first_seq: int, last_seq: int) -> pa.Table:
        """Return the items and facts numbered first to last; raise as `read`.

        Segments without any are not opened.
        """
        tables = [segments.SCHEMA.empty_table()]
        for segment in self._overlapping(first_seq, last_seq):
            if segment.num_items:
                first, last = max(first_seq, segment.first_seq), min(last_seq, segment.last_seq)
                records = self.read(first, last)
                tables.append(records.filter(pc.not_equal(records["kind"], "event")))
        return pa.concat_tables(tables)

    def read_facts(self, last_seq: int, *, heads: pa.Array | None = None) -> pa.Table:
        """Return the facts numbered up to last, of some heads or all; raise as `read`.

        They have FACT_COLUMNS. Of each segment the heads are read first, and no more if it has none
        of those wanted.
        """
        tables = [segments.SCHEMA.empty_table().select(segments.FACT_COLUMNS)]
        for segment in self._overlapping(1, last_seq):
            numbers = (segment.first_seq, min(last_seq, segment.last_seq))
            if segment.num_items and self._has_facts(numbers, heads):
                records = self.read(*numbers, columns=segments.FACT_COLUMNS)
                tables.append(records.filter(_is_about(records, heads)))
        return pa.concat_tables(tables)

    def count(self, first_seq: int, last_seq: int) -> RecordCounts:
        """Count what `read` would return; only the segments at the ends of the range are opened."""
        events = items = 0
        for segment in self._overlapping(first_seq, last_seq):
            if first_seq <= segment.first_seq and segment.last_seq <= last_seq:
                events += segment.num_events
                items += segment.num_items
            else:
                kinds = self.read(
                    max(first_seq, segment.first_seq),
                    min(last_seq, segment.last_seq),
                    columns=["kind"],
                )["kind"]
                num_events = pc.sum(pc.equal(kinds, "event")).as_py() or 0
                events += num_events
                items += len(kinds) - num_events
        return RecordCounts(events=events, items=items)

    def compact_and_drop(self, *, older_than: datetime, needed_from: int, lease: Lease) -> int:
        """Drop the oldest segments whose events are all too old and unneeded; return how many.

        All their events are older than `older_than` and numbered below `needed_from`. What a
        catalogue needs stays, and a dropped record is never accepted again.
        """
        return compaction.drop_old(
            self._ledger, self._files, older_than=older_than, needed_from=needed_from, lease=lease
        )

    def merge_small(self, lease: Lease) -> int:
        """Merge adjacent small segments once there are many; return how many were merged."""
        return compaction.merge_small(self._ledger, self._files, lease=lease)

    def delete_stale_copies(self) -> None:
        """Delete local copies of segments that the ledger no longer names."""
        self._files.delete_copies(but=journal_rows.numbers_by_name(self._ledger))

    def erase(self, marks: Sequence[Mark], lease: Lease) -> Counter[str]:
        """Erase what forgotten users did; return how many events by user key. Safe to repeat.

        The lists that they were shown are erased too.
        """
        self.slates.erase(marks, lease)
        with suppress(IndexDamaged):  # the next batch rebuilds it from what remains
            self._updated_index()

        def replace_ids(event_ids: dict[str, str]) -> None:
            with suppress(IndexDamaged):
                if self._index is not None:
                    self._index.replace(event_ids)

        eraser = Eraser(marks=marks, keys=self._keys)
        num_erased = erase_segments(
            self._ledger, self._files, eraser, replace_ids=replace_ids, lease=lease
        )
        self.by_user.erase()
        return num_erased

    def forgotten(self) -> dict[str, datetime]:
        """Return the time up to which each forgotten user's events stay out, by user key."""
        return {mark.user_key: mark.up_to for mark in forgotten.every(self._ledger)}

    def refuse_newer(self, *, is_log_trimmed: bool = False) -> None:
        """Raise JournalAhead if the store has newer records than the ledger, which was restored."""
        adoption.refuse_newer(self._ledger, self._files, is_log_trimmed=is_log_trimmed)

    def adopt(self, cursor: Cursor, lease: Lease) -> Adopted:
        """Add unknown stored segments to the ledger, with the log cursor to continue from."""
        return adoption.adopt(self._ledger, self._files, cursor, lease)

    def close(self) -> None:
        """Close the indexes."""
        self.by_user.close()
        self._close_index()

    def _overlapping(self, first_seq: int, last_seq: int) -> list[Segment]:
        return list(journal_rows.segments(self._ledger, within=(first_seq, last_seq)))

    def _part(
        self, segment: Segment, first_seq: int, last_seq: int, columns: Sequence[str]
    ) -> pa.Table:
        is_whole = first_seq <= segment.first_seq and segment.last_seq <= last_seq
        numbers = None if is_whole else (first_seq, last_seq)
        table = self._files.read(segment, columns, numbers=numbers)
        return table.filter(pc.not_equal(table["kind"], "id"))

    def _updated_index(self) -> DedupIndex:
        """Return the index of all committed segments; rebuild one of another journal."""
        index = self._index
        if index is None:
            index = self._index = DedupIndex(self._index_path)
            if not self._is_ours(index):
                return self._rebuild_index()
        if index.through() < self.last_seq:
            for segment in self._overlapping(index.through() + 1, self.last_seq):
                index.add(
                    self._files.read(segment, ["event_id"])["event_id"].to_pylist(),
                    through=segment.last_seq,
                )
        return index

    def _close_index(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None

    def _rebuild_index(self) -> DedupIndex:
        self._close_index()
        delete_index(self._index_path)
        return self._updated_index()

    def _is_ours(self, index: DedupIndex) -> bool:
        """Return whether the last indexed record has the same number in this journal.

        It has not if the ledger was restored or created again.
        """
        through, last = index.through(), index.last_event_id() or ""
        found = self._files.event_id_at(self._overlapping(through, through), through)
        return through == 0 or found in (last, self._keys.of_event(last))  # erased elsewhere

    def _has_facts(self, numbers: Range, heads: pa.Array | None) -> bool:
        records = self.read(*numbers, columns=("kind", "item_id"))
        return bool(pc.any(_is_about(records, heads)).as_py())

    def _eraser_of(self, records: Sequence[Record]) -> Eraser:
        """Return the eraser for forgotten users among the records."""
        if not forgotten.any_forgotten(self._ledger):
            return Eraser(marks=(), keys=self._keys)
        users = {record.user_id for record in records if isinstance(record, Event)}
        return Eraser(
            marks=forgotten.among(self._ledger, {self._keys.of_user(user_id) for user_id in users}),
            keys=self._keys,
        )

    def _unseen(self, records: Sequence[Record], index: DedupIndex) -> list[Record]:
        """Return the records, in order, whose ids are new to the journal and to this batch."""
        seen = index.among([record.event_id for record in records])
        if forgotten.any_forgotten(self._ledger):
            hashes = {self._keys.of_event(record.event_id): record.event_id for record in records}
            seen |= {hashes[one] for one in index.among(list(hashes))}
        new = []
        for record in records:
            if record.event_id not in seen:
                seen.add(record.event_id)
                new.append(record)
        return new


def _is_about(records: pa.Table, heads: pa.Array | None) -> pa.ChunkedArray:
    """Mark the facts, of some heads or all."""
    is_fact = pc.equal(records["kind"], "fact")
    return is_fact if heads is None else pc.and_(is_fact, pc.is_in(records["item_id"], heads))
