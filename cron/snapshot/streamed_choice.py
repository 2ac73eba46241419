"""The choice of a full retrain's events from a large journal, by ranges of users.

The events are written once to files of a range of users each. One pass counts what the limits need,
one chooses. Memory holds one file's events, the counts of the items, and the scored users' events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cron.journal.user_parts import read_part
from cron.snapshot.choice import Chosen, recent_shift
from cron.snapshot.limits import newest_of_users
from cron.snapshot.pools import JournalParts
from cron.snapshot.request import SnapshotRequest
from cron.snapshot.roles import fresh, inside_target, with_context
from cron.snapshot.scored import add_scored, scored_of_parts
from cron.snapshot.tables import SnapshotTables
from cron.snapshot.timeline import (
    COLUMNS,
    Mask,
    Numbers,
    Timeline,
    dictionary_codes,
    in_ranges,
    lasting,
)

# Counts of items from this many rows are added up: a million items take 30 MB.
_COUNTS_AT_ONCE = 2_000_000
_NO_COUNTS = pa.table(
    {
        "item_id": pa.array([], pa.string()),
        "is_lasting": pa.array([], pa.bool_()),
        "count": pa.array([], pa.int64()),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ItemKey:
    """An item, and whether it is about its impressions or its other events."""

    item_id: str
    is_lasting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ceilings:
    """What the limits allow: events of a user, and of some items those from a number on."""

    of_user: int
    from_seq: Mapping[_ItemKey, int]


def choose_by_users(
    parts: JournalParts, request: SnapshotRequest, tables: SnapshotTables, folder: Path
) -> Chosen:
    """Write the choice of a full retrain or a baseline; raise as the methods of JournalParts.

    `folder` is empty, and is empty again at the end. It needs 41 bytes for an event with short ids.
    """
    scored = scored_of_parts(parts, request)
    files = parts.by_user(folder)
    ceilings = _ceilings(parts, request, files)
    lives = []
    num_over_user = num_over_item = 0
    # A snapshot has its tables even if there are no events.
    none = parts.timeline_of(parts.no_events())
    for events in chain([none], _timelines(parts, files)):
        trainable_N = _trainable(events, request)
        of_users_N = _mask(events, newest_of_users(events, trainable_N, ceilings.of_user))
        kept_N = of_users_N & ~_over_item(events, ceilings)
        num_over_user += int(trainable_N.sum() - of_users_N.sum())
        num_over_item += int(of_users_N.sum() - kept_N.sum())
        tables.add("events", with_context(events, request, target=kept_N))
        tables.add("fresh", with_context(events, request, score=fresh(events, request)))
        lives.append(_of_users(events, scored.users))
    for file in files:
        file.unlink()
    return Chosen(
        scored=add_scored(tables, parts.timeline_of(pa.concat_tables(lives)), request, scored),
        over_user=num_over_user,
        over_item=num_over_item,
        shift=recent_shift(parts, request.shift_range),
    )


def _ceilings(parts: JournalParts, request: SnapshotRequest, files: Sequence[Path]) -> _Ceilings:
    """Return what the limits allow, of the events of all files together."""
    num_trainable, counts = _census(parts, request, files)
    of_user, of_item = request.limits.of_user(num_trainable), request.limits.of_item(num_trainable)
    over = counts.filter(pc.greater(counts["count"], of_item))
    keys = [
        _ItemKey(item_id=one["item_id"], is_lasting=one["is_lasting"]) for one in over.to_pylist()
    ]
    numbers: dict[_ItemKey, list[Numbers]] = {key: [] for key in keys}
    for events in _timelines(parts, files) if keys else ():
        of_users_N = _mask(events, newest_of_users(events, _trainable(events, request), of_user))
        for key, found in numbers.items():
            found.append(events.seq_N[of_users_N & _is_of(events, key)])
    from_seq = {key: np.concatenate(found) for key, found in numbers.items()}
    return _Ceilings(
        of_user=of_user,
        from_seq={
            key: int(np.partition(seqs, -of_item)[-of_item])
            for key, seqs in from_seq.items()
            if len(seqs) > of_item
        },
    )


def _census(
    parts: JournalParts, request: SnapshotRequest, files: Sequence[Path]
) -> tuple[int, pa.Table]:
    """Return how many events could be trained on, and the count of each item's among them.

    Impressions are counted separately.
    """
    num_trainable, counts = 0, []
    for file in files:
        events = read_part(file)
        users, user_N = dictionary_codes(events["user_id"])
        of_panel = np.array([parts.is_panel(user_id) for user_id in users], np.bool_)
        ranges = [request.target_range] if request.target_range else []
        trainable_N = in_ranges(events["seq"].to_numpy(), ranges) & ~of_panel[user_N]
        num_trainable += int(trainable_N.sum())
        keys = pa.table(
            {"item_id": events["item_id"], "is_lasting": pa.array(lasting(events["type"]))}
        )
        ones = keys.append_column("count", pa.repeat(1, keys.num_rows))
        counts.append(_sum_counts(ones.filter(pa.array(trainable_N))))
        if sum(table.num_rows for table in counts) > _COUNTS_AT_ONCE:
            counts = [_sum_counts(pa.concat_tables(counts))]
    return num_trainable, _sum_counts(pa.concat_tables([_NO_COUNTS, *counts]))


def _sum_counts(counts: pa.Table) -> pa.Table:
    sums = counts.group_by(_NO_COUNTS.column_names[:2]).aggregate([("count", "sum")])
    return sums.rename_columns({"count_sum": "count"}).select(_NO_COUNTS.column_names)


def _timelines(parts: JournalParts, files: Sequence[Path]) -> Iterator[Timeline]:
    for file in files:
        yield parts.timeline_of(read_part(file))


def _trainable(events: Timeline, request: SnapshotRequest) -> Mask:
    """Mark the events that could be trained on."""
    return inside_target(events, request) & ~events.panel_N


def _over_item(events: Timeline, ceilings: _Ceilings) -> Mask:
    over_N = np.zeros(len(events.seq_N), np.bool_)
    for key, seq in ceilings.from_seq.items():
        over_N |= _is_of(events, key) & (events.seq_N < seq)
    return over_N


def _is_of(events: Timeline, key: _ItemKey) -> Mask:
    is_item_N: Mask = pc.equal(events.table["item_id"], key.item_id).to_numpy()
    found_N: Mask = is_item_N & (events.lasting_N == key.is_lasting)
    return found_N


def _of_users(events: Timeline, users: frozenset[str]) -> pa.Table:
    """Return the events of some users."""
    wanted = np.array([user_id in users for user_id in events.users], np.bool_)
    rows = np.flatnonzero(wanted[events.user_N]) if len(wanted) else np.zeros(0, np.int64)
    return events.table.select(list(COLUMNS)).take(pa.array(rows))


def _mask(events: Timeline, rows: Numbers) -> Mask:
    marked_N = np.zeros(len(events.seq_N), np.bool_)
    marked_N[rows] = True
    return marked_N
