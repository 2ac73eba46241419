"""Reduce the number of segments: drop old ones, merge small ones, sweep stray files.

Journal numbers never change, so lineages are not affected. Each change is one ledger transaction,
after the new file was put and before the old ones are deleted. A crash in between leaves stray
files for the next sweep.

No step has more than MERGED_BYTES of rows and one segment in memory. The segments that replace
dropped ones are merged by size, like the bits of a counter: each id is written again whenever their
bytes double, not whenever something is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from cron.journal import segments
from cron.journal.adoption import strays_among
from cron.journal.segment_files import SegmentFiles, is_compacted
from cron.ledger import journal_rows, lease_row
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Segment

SMALL_RECORDS = 5_000
SMALL_BYTES = 4 << 20  # of rows; half of the batches that large records are cut into
# Of rows in one merged segment: some 700,000 ids, and as much memory again while it is read.
MERGED_BYTES = 64 << 20
# How many small neighbours start a merge. A turn every two minutes makes 720 segments per day, and
# each costs milliseconds at every read.
NUM_MERGED = 64
_KEY_COLUMNS = ("seq", "kind", *segments.FACT_KEY, "at_us", "event_id")


def drop_old(
    ledger: Ledger, files: SegmentFiles, *, older_than: datetime, needed_from: int, lease: Lease
) -> int:
    """Drop the oldest segments and return their number.

    All of their events are older than `older_than` and have numbers below `needed_from`. The latest
    records of their items and facts, and all their event ids, move into segments that stay.
    """
    old = _old_segments(ledger, older_than=older_than, needed_from=needed_from)
    if not old:
        sweep(ledger, files, lease=lease)  # files that a crash after an earlier drop left
        return 0
    for group, rows in _groups(files, old):
        _replace(ledger, files, group, segments.compact(rows), lease=lease)
    _merge_compacted(ledger, files, lease=lease)
    if any(segment.num_items for segment in old):
        _forget_replaced_items(ledger, files, lease=lease)
    sweep(ledger, files, lease=lease)
    return len(old)


def merge_small(ledger: Ledger, files: SegmentFiles, *, lease: Lease) -> int:
    """Merge small neighbouring segments if there are many; return how many were merged."""
    runs = _small_neighbours(journal_rows.short_segments(ledger, records=SMALL_RECORDS))
    num_merged = sum(map(len, runs))
    if num_merged < NUM_MERGED:
        return 0
    for run in runs:
        for group, rows in _groups(files, run):
            _replace(ledger, files, group, rows, lease=lease, compacted=False)
    sweep(ledger, files, lease=lease)
    return num_merged


def sweep(ledger: Ledger, files: SegmentFiles, *, lease: Lease) -> None:
    """Delete dropped segments, and those that were never committed; raise LeaseLost.

    Only segments whose records the ledger has are deleted. A segment that reaches past its last
    number, or replaces entries whose files are missing, is kept, because an older ledger may have
    been restored (`cron.journal.adoption`). A holder that was paused in here deletes no file of its
    successor: files put under a later lease than ours are kept, and files of an earlier lease can
    no longer be committed.
    """
    names = files.names()
    strays = strays_among(names, ledger)
    lease_row.check(ledger, lease)
    files.delete([stray.name for stray in strays.settled if stray.token <= lease.token])


def _old_segments(ledger: Ledger, *, older_than: datetime, needed_from: int) -> list[Segment]:
    """Return the oldest segments up to the first with a recent or needed event.

    Segments of items alone may be newer: a shop's items are ingested before its old events.
    """
    old: list[Segment] = []
    waiting: list[Segment] = []
    for segment in journal_rows.oldest_first(ledger):
        if segment.last_seq >= needed_from:
            break
        is_old = segment.last_at < older_than
        if segment.num_events and not is_old:
            break
        if is_compacted(segment):
            continue
        waiting.append(segment)
        if is_old:
            old += waiting
            waiting = []
    return old


def _small_neighbours(short: Sequence[Segment]) -> list[list[Segment]]:
    """Return the runs of two or more neighbouring small segments."""
    runs: list[list[Segment]] = []
    for segment in short:
        if is_compacted(segment) or segment.size_bytes >= SMALL_BYTES:
            continue
        if runs and runs[-1][-1].last_seq + 1 == segment.first_seq:
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return [run for run in runs if len(run) > 1]


def _groups(
    files: SegmentFiles, ordered: Sequence[Segment]
) -> Iterator[tuple[list[Segment], pa.Table]]:
    """Read neighbouring segments in groups of about MERGED_BYTES of rows."""
    group: list[Segment] = []
    tables: list[pa.Table] = []
    for segment in ordered:
        rows = files.read(segment)
        if group and sum(map(segments.size_bytes, [*tables, rows])) > MERGED_BYTES:
            yield group, pa.concat_tables(tables)
            group, tables = [], []
        group.append(segment)
        tables.append(rows)
    if group:
        yield group, pa.concat_tables(tables)


def _replace(
    ledger: Ledger,
    files: SegmentFiles,
    group: Sequence[Segment],
    rows: pa.Table,
    *,
    lease: Lease,
    compacted: bool = True,
) -> None:
    """Replace neighbouring segments by one with these rows."""
    covers = (group[0].first_seq, group[-1].last_seq)
    kept = files.put(rows, covers=covers, lease=lease, compacted=compacted)
    journal_rows.drop_segments(ledger, [segment.name for segment in group], kept=kept, lease=lease)


def _merge_compacted(ledger: Ledger, files: SegmentFiles, *, lease: Lease) -> None:
    """Merge the two newest compacted segments while they have similar sizes."""
    while True:
        pair = [segment for segment in journal_rows.segments(ledger) if is_compacted(segment)][-2:]
        if len(pair) < 2:
            return
        older, newer = pair
        if (
            older.size_bytes >= 2 * newer.size_bytes
            or older.size_bytes + newer.size_bytes > MERGED_BYTES
        ):
            return
        rows = pa.concat_tables([files.read(segment) for segment in pair])
        _replace(ledger, files, pair, segments.compact(rows), lease=lease)


def _forget_replaced_items(ledger: Ledger, files: SegmentFiles, *, lease: Lease) -> None:
    """Reduce records to bare ids where a later one in another segment replaces them.

    Only compacted segments are considered, and of those only where most items are replaced.
    """
    compacted = [
        segment
        for segment in journal_rows.segments(ledger)
        if is_compacted(segment) and segment.num_items
    ]
    keys = [files.read(segment, _KEY_COLUMNS) for segment in compacted]
    latest = segments.latest_records(pa.concat_tables(keys))["seq"]
    for segment in compacted:
        is_here = pc.and_(
            pc.greater_equal(latest, segment.first_seq), pc.less_equal(latest, segment.last_seq)
        )
        if 2 * (pc.sum(is_here).as_py() or 0) < segment.num_items:
            _replace(
                ledger,
                files,
                [segment],
                segments.compact(files.read(segment), only=latest),
                lease=lease,
            )
