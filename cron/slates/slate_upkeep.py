"""Keep the segments of slates few and recent: adopt, drop, merge, delete.

Each change is one ledger transaction, after the new file was put and before the old ones are
deleted. A crash in between leaves files for the next turn.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import date, datetime

import pyarrow as pa

from cron.ledger import forgotten, lease_row, slate_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, SlateSegment
from cron.slates import exploring
from cron.slates.slate_erasure import SlateEraser
from cron.slates.slate_files import SlateFiles, token_of
from cron.user_keys import UserKeys

SMALL_SLATES = 5_000
MERGED_BYTES = 64 << 20  # of rows in one merged segment, as for events
NUM_MERGED = 64  # how many small segments of a day start a merge before the day has ended

log = logging.getLogger(__name__)


def adopt_strays(ledger: Ledger, files: SlateFiles, keys: UserKeys, *, lease: Lease) -> int:
    """Add stored files to the ledger that have no row in it; return how many.

    After an older ledger was restored these have the only copy of their slates. A worker that died
    before it committed leaves such a file too; its slates then come twice, which readers drop.
    Files of a later lease belong to its holder. What they hold of forgotten users is erased.
    """
    stored = files.names()  # first: what is committed meanwhile has a row
    known = slate_rows.names(ledger)
    strays = [
        name
        for name in stored
        if name not in known and (token := token_of(name)) is not None and token <= lease.token
    ]
    if not strays:
        return 0
    eraser = SlateEraser(marks=forgotten.every(ledger), keys=keys)
    adopted, replaced = [], []
    for name in strays:
        segment, table = files.describe(name)
        left = eraser.without(table)
        if left.num_rows == table.num_rows:
            adopted.append(segment)
            continue
        replaced.append(name)
        if left.num_rows:
            adopted.append(files.put(left, lease=lease))
    gone = {segment.name for segment in slate_rows.segments(ledger)}.difference(stored)
    slate_rows.adopt(ledger, adopted, gone=gone, lease=lease)
    files.delete(replaced)
    log.warning("segments of slates adopted", extra={"num_segments": len(adopted)})
    return len(adopted)


def drop_old(ledger: Ledger, *, older_than: datetime, lease: Lease) -> int:
    """Drop the segments whose slates are all older; return how many."""
    old = [one.name for one in slate_rows.segments(ledger) if one.last_at < older_than]
    if old:
        slate_rows.replace(ledger, old, lease=lease)
    return len(old)


def merge_small(ledger: Ledger, files: SlateFiles, *, lease: Lease) -> int:
    """Merge the small segments of each day, and return how many were merged.

    A segment never spans much more than a day, so that retention can drop it. Those of an ended day
    are merged at once, those of the newest day when there are many.
    """
    small: dict[date, list[SlateSegment]] = {}
    for segment in slate_rows.segments(ledger):
        if segment.num_slates < SMALL_SLATES:
            small.setdefault(segment.last_at.date(), []).append(segment)
    num_merged = 0
    for day, ordered in small.items():
        is_ended = day < ledger.now().date()
        if len(ordered) < (2 if is_ended else NUM_MERGED):
            continue
        for group in _groups(ordered):
            rows = pa.concat_tables([files.read(segment) for segment in group]).sort_by("at_us")
            kept = files.put(rows, lease=lease)
            names = [segment.name for segment in group]
            slate_rows.replace(ledger, names, kept=kept, lease=lease)
            num_merged += len(group)
    return num_merged


def count_explored(
    ledger: Ledger, files: SlateFiles, *, since: datetime, lease: Lease
) -> tuple[SlateSegment, ...]:
    """Return the segments with slates since a time, and count what chance had a part in.

    An earlier release stored segments without this count.
    """
    for segment in slate_rows.segments(ledger, since=since):
        if segment.explored is None:
            counts = exploring.count_explored(files.read(segment, exploring.COLUMNS))
            slate_rows.store_explored(ledger, segment.name, counts, lease=lease)
    return slate_rows.segments(ledger, since=since)


def delete_dropped(ledger: Ledger, files: SlateFiles, *, lease: Lease) -> None:
    """Delete the files of dropped segments, then their rows."""
    dropped = slate_rows.names(ledger, dropped=True)
    if dropped:
        lease_row.check(ledger, lease)
        files.delete(dropped)
        slate_rows.remove_dropped(ledger, dropped, lease=lease)


def _groups(ordered: Sequence[SlateSegment]) -> Iterator[list[SlateSegment]]:
    """Yield groups of two or more segments with about MERGED_BYTES of rows."""
    group: list[SlateSegment] = []
    for segment in ordered:
        if sum(one.size_bytes for one in [*group, segment]) > MERGED_BYTES:
            if len(group) > 1:
                yield group
            group = []
        group.append(segment)
    if len(group) > 1:
        yield group
