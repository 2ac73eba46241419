"""The journal: all accepted records, each once, numbered 1, 2, 3, … It is the truth about data.

Knows segments (Parquet files in the artifact store) and their entries in the ledger; does not know the log that records come from nor
what is trained on. One writer at a time, the holder of the lease; readers as many as like.

A segment is put before it is committed, and the index is told after: whatever dies in between, the ledger alone decides what was
accepted. A segment's name carries its digest, so that one that was put and never committed is in nobody's way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cron import segments
from cron.dedup_index import DedupIndex
from cron.errors import ArtifactCorrupt
from cron.ledger import Ledger
from cron.lineage import Lease, Range, Segment
from cron.ports import ArtifactStore, Cursor
from recommender.events import Record
from trainer.archive import sha256_of

PREFIX = "journal/"
COMPACTED_SUFFIX = "-compacted.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of one batch; no segment when every record was a duplicate."""

    segment: Segment | None
    num_events: int
    num_items: int
    num_duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Records in a range of journal numbers."""

    events: int
    items: int


class Journal:
    """The journal of one ledger and artifact store; `folder` holds what can be fetched or rebuilt: segments and the index of ids."""

    def __init__(self, ledger: Ledger, artifacts: ArtifactStore, folder: Path) -> None:
        self._ledger = ledger
        self._artifacts = artifacts
        self._cache = folder / "segments"
        self._index_path = folder / "seen.db"
        self._index: DedupIndex | None = None

    @property
    def first_seq(self) -> int:
        """Return the first number whose event is kept; one after the last when there is none."""
        kept = (segment.first_seq for segment in self._ledger.segments() if not is_compacted(segment))
        return next(kept, self.last_seq + 1)

    @property
    def last_seq(self) -> int:
        """Return the last number given, 0 before the first."""
        return self._ledger.last_seq()

    @property
    def log_cursor(self) -> Cursor:
        """Return the place in the log up to which the journal holds everything."""
        return self._ledger.log_cursor()

    def ranges(self) -> tuple[Range, ...]:
        """Return the numbers of each segment, ascending."""
        return tuple((segment.first_seq, segment.last_seq) for segment in self._ledger.segments())

    def accept(self, records: Sequence[Record], cursor: Cursor, lease: Lease) -> Accepted:
        """Number the records that are new, in their order, and commit them with the log's new cursor; raise LeaseLost."""
        index = self._caught_up_index()
        new = _unseen(records, index)
        segment = self._put(new) if new else None
        self._ledger.commit_segment(segment, cursor, lease)
        if segment is not None:
            index.add([record.event_id for record in new], segment)
        num_events = segment.num_events if segment is not None else 0
        num_items = segment.num_items if segment is not None else 0
        return Accepted(segment=segment, num_events=num_events, num_items=num_items, num_duplicates=len(records) - len(new))

    def read(self, first_seq: int, last_seq: int, *, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the events and items numbered first to last, both included, ascending; columns of `segments.SCHEMA`.

        Of dropped segments the latest items are still there. Raise ArtifactMissing or ArtifactCorrupt.
        """
        needed = None if columns is None else sorted({"seq", "kind", *columns})
        overlapping = [one for one in self._ledger.segments() if one.first_seq <= last_seq and one.last_seq >= first_seq]
        tables = [segments.SCHEMA.empty_table().select(needed or segments.SCHEMA.names)]
        for segment in overlapping:
            table = segments.read(self.local(segment), needed)
            if is_compacted(segment):
                table = table.filter(pc.not_equal(table["kind"], "id"))
            if segment.first_seq < first_seq or segment.last_seq > last_seq:
                table = table.filter(pc.and_(pc.greater_equal(table["seq"], first_seq), pc.less_equal(table["seq"], last_seq)))
            tables.append(table)
        whole = pa.concat_tables(tables)
        return whole if columns is None else whole.select(list(columns))

    def count(self, first_seq: int, last_seq: int) -> Counts:
        """Count what `read` would return; only the segments at the ends of the range are opened."""
        events = items = 0
        for segment in self._ledger.segments():
            if segment.first_seq > last_seq or segment.last_seq < first_seq:
                continue
            if first_seq <= segment.first_seq and segment.last_seq <= last_seq:
                events += segment.num_events
                items += segment.num_items
            else:
                kinds = self.read(max(first_seq, segment.first_seq), min(last_seq, segment.last_seq), columns=["kind"])["kind"]
                num_events = pc.sum(pc.equal(kinds, "event")).as_py() or 0
                events += num_events
                items += len(kinds) - num_events
        return Counts(events=events, items=items)

    def local(self, segment: Segment) -> Path:
        """Return the segment's file in our folder, fetched when it isn't there or was damaged."""
        path = self._cache / Path(segment.name).name
        if not path.is_file() or sha256_of(path) != segment.sha256:
            self._artifacts.fetch(segment.name, path)
            found = sha256_of(path)
            if found != segment.sha256:
                path.unlink()
                raise ArtifactCorrupt(segment.name, expected=segment.sha256, found=found)
        return path

    def put_segment(self, table: pa.Table, *, covers: tuple[int, int], suffix: str = ".parquet") -> Segment:
        """Write rows to the artifact store as the segment that covers a range of numbers; it counts once the ledger says so."""
        self._cache.mkdir(parents=True, exist_ok=True)
        unfinished = self._cache / f".unfinished-{covers[0]}"
        segments.write(table, unfinished)
        sha256 = sha256_of(unfinished)
        name = f"{PREFIX}{covers[0]:012}-{covers[1]:012}-{sha256[:12]}{suffix}"
        self._artifacts.put(name, unfinished)
        unfinished.replace(self._cache / Path(name).name)
        num_events = pc.sum(pc.equal(table["kind"], "event")).as_py() or 0
        num_items = pc.sum(pc.equal(table["kind"], "item")).as_py() or 0
        last_at = segments.moment(pc.max(table["at_us"]).as_py())
        return Segment(
            name=name, sha256=sha256, first_seq=covers[0], last_seq=covers[1], num_events=num_events, num_items=num_items, last_at=last_at
        )

    def compact_and_drop(self, *, older_than: datetime, needed_from: int, lease: Lease) -> int:
        """Drop the oldest segments whose events are all older than a time and numbered below `needed_from`; return how many.

        First their latest items and all their event ids move into one segment that stays, so that nothing is forgotten that
        a catalogue needs and nothing is accepted twice.
        """
        old: list[Segment] = []
        for segment in self._ledger.segments():
            if segment.last_at >= older_than or segment.last_seq >= needed_from:
                break
            old.append(segment)
        num_dropped = sum(not is_compacted(segment) for segment in old)
        if num_dropped:
            rows = pa.concat_tables([segments.read(self.local(segment)) for segment in old])
            covers = (old[0].first_seq, old[-1].last_seq)
            kept = self.put_segment(segments.compacted(rows), covers=covers, suffix=COMPACTED_SUFFIX)
            self._ledger.drop_segments([segment.name for segment in old], kept=kept, lease=lease)
        self._sweep()
        return num_dropped

    def close(self) -> None:
        """Close the index."""
        if self._index is not None:
            self._index.close()
            self._index = None

    def _put(self, records: Sequence[Record]) -> Segment:
        first_seq = self.last_seq + 1
        table = segments.table_of(records, first_seq=first_seq)
        return self.put_segment(table, covers=(first_seq, first_seq + len(records) - 1))

    def _caught_up_index(self) -> DedupIndex:
        """Return the index with every committed segment in it; one that belongs to another journal is rebuilt."""
        first_use = self._index is None
        index = self._index if self._index is not None else DedupIndex(self._index_path)
        self._index = index
        if not first_use and index.through() == self.last_seq:
            return index
        committed = self._ledger.segments()
        if index.through() and not any(index.ends_with(segment) for segment in committed):
            index.clear()
        for segment in committed:
            if segment.last_seq > index.through():
                index.add(segments.read(self.local(segment), ["event_id"])["event_id"].to_pylist(), segment)
        return index

    def _sweep(self) -> None:
        """Delete segments that no ledger entry names: dropped ones, and those whose writer died before it could commit them."""
        last_seq = self.last_seq
        names = [name for name in self._artifacts.names() if name.startswith(PREFIX)]
        committed = {segment.name for segment in self._ledger.segments()}
        for name in names:
            # Above the last number a segment may be about to be committed.
            if name not in committed and int(Path(name).name.split("-")[1]) <= last_seq:
                self._artifacts.delete(name)
                (self._cache / Path(name).name).unlink(missing_ok=True)


def is_compacted(segment: Segment) -> bool:
    """Tell whether a segment stands for dropped ones."""
    return segment.name.endswith(COMPACTED_SUFFIX)


def _unseen(records: Sequence[Record], index: DedupIndex) -> list[Record]:
    """Return the records whose ids neither the journal nor an earlier one of them bears, in their order."""
    seen = index.known([record.event_id for record in records])
    new = []
    for record in records:
        if record.event_id not in seen:
            seen.add(record.event_id)
            new.append(record)
    return new
