"""Fewer segments: old ones dropped but for what must stay, small ones merged, stray ones swept.

Numbers never change, so lineages don't notice. Each change is one ledger transaction, after the new file was put and before the old
ones are deleted; whatever dies in between leaves stray files, for the next sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

import pyarrow as pa

from cron import segments
from cron.ledger import Ledger
from cron.lineage import Lease, Segment
from cron.segment_files import SegmentFiles, is_compacted, token_of

SMALL_RECORDS = 5_000
NUM_MERGED = 64  # small segments beside others; a turn every two minutes makes 720 a day, and each costs milliseconds at every read


def drop_old(ledger: Ledger, files: SegmentFiles, *, older_than: datetime, needed_from: int, lease: Lease) -> int:
    """Drop the oldest segments whose events are all older than a time and numbered below `needed_from`; return how many.

    Their latest items and all their event ids move into one segment that stays.
    """
    old: list[Segment] = []
    for segment in ledger.segments():
        if segment.last_at >= older_than or segment.last_seq >= needed_from:
            break
        old.append(segment)
    num_dropped = sum(not is_compacted(segment) for segment in old)
    if num_dropped:
        kept = files.put(segments.compacted(_rows(files, old)), covers=(old[0].first_seq, old[-1].last_seq), lease=lease, compacted=True)
        ledger.drop_segments([segment.name for segment in old], kept=kept, lease=lease)
    sweep(ledger, files, lease=lease)
    return num_dropped


def merge_small(ledger: Ledger, files: SegmentFiles, *, lease: Lease) -> int:
    """Merge small segments that are neighbours, once there are many of them; return how many were merged."""
    runs = _small_neighbours(ledger.segments())
    num_merged = sum(map(len, runs))
    if num_merged < NUM_MERGED:
        return 0
    for run in runs:
        merged = files.put(_rows(files, run), covers=(run[0].first_seq, run[-1].last_seq), lease=lease)
        ledger.drop_segments([segment.name for segment in run], kept=merged, lease=lease)
    sweep(ledger, files, lease=lease)
    return num_merged


def sweep(ledger: Ledger, files: SegmentFiles, *, lease: Lease) -> None:
    """Delete segments that no ledger entry names: dropped ones, and those whose writer died before it could commit them.

    Raise LeaseLost. A holder that was paused anywhere in here deletes nothing of its successor's when it wakes up: files put under a later
    lease than ours stay, and those of an earlier one can't be committed any more, whatever the time.
    """
    names = files.names()
    committed = {segment.name for segment in ledger.segments()}
    ledger.check_lease(lease)
    files.delete([name for name in names if name not in committed and token_of(name) <= lease.token])


def _small_neighbours(ordered: Sequence[Segment]) -> list[list[Segment]]:
    """Return the small segments by runs of two or more; one alone between large ones would only be merged with a large one."""
    runs = [list(run) for small, run in groupby(ordered, key=_is_small) if small]
    return [run for run in runs if len(run) > 1]


def _is_small(segment: Segment) -> bool:
    return not is_compacted(segment) and segment.last_seq - segment.first_seq < SMALL_RECORDS


def _rows(files: SegmentFiles, old: list[Segment]) -> pa.Table:
    return pa.concat_tables([files.read(segment) for segment in old])
