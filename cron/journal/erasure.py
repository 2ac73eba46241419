"""Erase the events of forgotten users from the journal.

Of an erased event, the journal keeps its number, its time and a keyed hash of its id, which does
not identify the user. So numbers never change, and a repeat of the event is still recognised.
Segments with such events are written again under a new name; each replaces the old one in one
ledger transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cron.epoch import micros
from cron.journal import segments
from cron.journal.compaction import sweep
from cron.journal.segment_files import SegmentFiles, is_compacted
from cron.ledger import journal_rows
from cron.ledger.forgotten import Mark
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.user_keys import UserKeys

COLUMNS = ("seq", "kind", "user_id", "at_us")  # needed to recognise an erased event


@dataclass(frozen=True, slots=True, kw_only=True)
class Eraser:
    """The marks of forgotten users, and the hashes by which their events are found."""

    marks: Sequence[Mark]
    keys: UserKeys

    def find(self, table: pa.Table) -> Found:
        """Return which rows are events of forgotten users; `table` has at least COLUMNS."""
        marks = {mark.user_key: mark for mark in self.marks}
        users = table["user_id"].combine_chunks().dictionary_encode()
        user_ids = users.dictionary.to_pylist()  # without null
        keys = [self.keys.of_user(user_id) for user_id in user_ids]
        found_U = np.array([key in marks for key in keys], np.bool_)
        if not found_U.any():
            return Found(rows_N=np.zeros(table.num_rows, np.bool_), num_events=Counter())
        up_to_U, through_U = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
        for user in np.flatnonzero(found_U):
            mark = marks[keys[user]]
            up_to_U[user], through_U[user] = micros(mark.up_to), mark.through_seq
        user_N = users.indices.fill_null(0).to_numpy(zero_copy_only=False)
        is_before_N = (table["at_us"].to_numpy() <= up_to_U[user_N]) | (
            table["seq"].to_numpy() <= through_U[user_N]
        )
        is_event_N = pc.equal(table["kind"], "event").to_numpy()
        rows_N = found_U[user_N] & is_event_N & is_before_N
        num_U = np.bincount(user_N[rows_N], minlength=len(keys))
        return Found(
            rows_N=rows_N,
            num_events=Counter(
                {str(keys[user]): int(num_U[user]) for user in np.flatnonzero(num_U)}
            ),
        )

    def without(self, table: pa.Table) -> pa.Table:
        """Return the rows without the events of forgotten users."""
        if not self.marks:
            return table
        rows_N = self.find(table).rows_N
        return table.filter(pa.array(~rows_N)) if rows_N.any() else table

    def erase(self, table: pa.Table) -> pa.Table:
        """Return all rows, with erased events reduced to number, time and hashed id."""
        if not self.marks:
            return table
        rows_N = self.find(table).rows_N
        if not rows_N.any():
            return table
        gone = table.filter(pa.array(rows_N))
        hashed = pa.array(
            [self.keys.of_event(event_id) for event_id in gone["event_id"].to_pylist()], pa.string()
        )
        bare = segments.bare_ids(
            gone.set_column(
                gone.schema.get_field_index("event_id"), segments.SCHEMA.field("event_id"), hashed
            )
        )
        return pa.concat_tables([table.filter(pa.array(~rows_N)), bare]).sort_by("seq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The rows of forgotten users, and their number by user key."""

    rows_N: NDArray[np.bool_]
    num_events: Counter[str]


def erase_segments(
    ledger: Ledger,
    files: SegmentFiles,
    eraser: Eraser,
    *,
    replace_ids: Callable[[dict[str, str]], None],
    lease: Lease,
) -> Counter[str]:
    """Erase events from every segment that has some; return their number by user key.

    `replace_ids` is called with the hashes that replace event ids, before the ledger is changed.
    The index may have either of them, so a crash in between does no harm. Raise LeaseLost.
    """
    num_erased: Counter[str] = Counter()
    for segment in [one for one in journal_rows.segments(ledger) if not is_compacted(one)]:
        found = eraser.find(files.read(segment, COLUMNS))
        if not found.num_events:
            continue
        table = files.read(segment)
        replace_ids(
            {
                one: eraser.keys.of_event(one)
                for one in table.filter(pa.array(found.rows_N))["event_id"].to_pylist()
            }
        )
        rewritten = files.put(
            eraser.erase(table), covers=(segment.first_seq, segment.last_seq), lease=lease
        )
        journal_rows.drop_segments(ledger, [segment.name], kept=rewritten, lease=lease)
        num_erased += found.num_events
    sweep(ledger, files, lease=lease)
    return num_erased
