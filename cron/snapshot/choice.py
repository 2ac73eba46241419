"""The choice of a snapshot's events: what is trained, replayed, scored, and their context.

A full retrain of a large journal is chosen in `cron.snapshot.streamed_choice`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cron.lineage import Range
from cron.snapshot.limits import within_limits
from cron.snapshot.pools import JournalParts
from cron.snapshot.request import SnapshotRequest
from cron.snapshot.roles import fresh, inside_target, with_context
from cron.snapshot.scored import (
    ScoredCounts,
    ScoredNumbers,
    add_scored,
    scored_of_all,
    scored_of_parts,
)
from cron.snapshot.shift import HISTORY_RATIO, MIN_HISTORY, Shift, shift_of
from cron.snapshot.tables import SnapshotTables
from cron.snapshot.timeline import Mask, Numbers, ReplayDraw, Timeline, context_of, replay_sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Counts taken while a snapshot's events were chosen."""

    scored: ScoredCounts
    over_user: int
    over_item: int
    shift: Shift | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pools:
    """The events among which a snapshot chooses, and those that are scored.

    `ends` are the numbers of the events with which replayed runs may end; None means any.
    """

    events: Timeline
    scored: ScoredNumbers
    shift: Shift | None
    ends: Numbers | None = None


def choose_of_all(parts: JournalParts, request: SnapshotRequest, tables: SnapshotTables) -> Chosen:
    """Write a choice among all events; raise as the methods of JournalParts."""
    events = parts.every()
    shift = shift_of(events.table, request.shift_range) if request.shift_range else None
    pools = _Pools(events=events, scored=scored_of_all(events, request), shift=shift)
    return _choose(pools, request, tables)


def choose_of_parts(
    parts: JournalParts, request: SnapshotRequest, tables: SnapshotTables
) -> Chosen:
    """Write the choice of an update among parts of the journal; raise as `choose_of_all`.

    The cost does not grow with the journal.
    """
    scored = scored_of_parts(parts, request)
    new = parts.timeline([one for one in (request.target_range, request.fresh_range) if one])
    ends, replayed = _replay_ends(parts, request, new)
    pools = _Pools(
        events=parts.lives(sorted({*new.users, *scored.users, *replayed})),
        scored=scored,
        shift=recent_shift(parts, request.shift_range),
        ends=ends,
    )
    return _choose(pools, request, tables)


def recent_shift(parts: JournalParts, new: Range | None) -> Shift | None:
    """Return the shift of the events in a range, of a long range that of its newest events."""
    if new is None:
        return None
    newest = (max(new[0], new[1] - parts.sizes.compared + 1), new[1])
    events = parts.mix(newest)
    before = parts.mix_before(new[0], max(MIN_HISTORY, HISTORY_RATIO * events.num_rows))
    return shift_of(pa.concat_tables([before, events]), newest)


def _replay_ends(
    parts: JournalParts, request: SnapshotRequest, new: Timeline
) -> tuple[Numbers, list[str]]:
    """Return the numbers of events with which replayed runs may end, and users with enough."""
    num_targets = int((inside_target(new, request) & new.lasting_N & ~new.panel_N).sum())
    size = round(request.replay_ratio * num_targets)
    if request.mode != "update" or request.target_range is None or not size:
        return np.zeros(0, np.int64), []
    older = parts.random_part(request.target_range[0] - 1, size, seed=request.seed)
    ends = np.flatnonzero(older.lasting_N & ~older.panel_N)
    ends = np.random.default_rng(request.seed).permutation(ends)
    users = list(dict.fromkeys(older.users[user] for user in older.user_N[ends]))
    last, run = request.target_range[0] - 1, request.max_history
    return older.seq_N[ends], parts.first_with(users, size, last=last, run=run)


def _choose(pools: _Pools, request: SnapshotRequest, tables: SnapshotTables) -> Chosen:
    events = pools.events
    kept = within_limits(events, inside_target(events, request) & ~events.panel_N, request.limits)
    replay_N = _replay(events, request, kept.mask_N, pools.ends)
    tables.add("events", with_context(events, request, target=kept.mask_N, replay=replay_N))
    tables.add("fresh", with_context(events, request, score=fresh(events, request)))
    return Chosen(
        scored=add_scored(tables, events, request, pools.scored),
        over_user=kept.over_user,
        over_item=kept.over_item,
        shift=pools.shift,
    )


def _replay(
    events: Timeline, request: SnapshotRequest, target_N: Mask, ends: Numbers | None
) -> Mask:
    """Draw older events for an update, within the same limits, so that no flood is replayed."""
    size = round(request.replay_ratio * int((target_N & events.lasting_N).sum()))
    if request.mode != "update" or request.target_range is None or not size:
        return np.zeros_like(target_N)
    older_N = (events.seq_N < request.target_range[0]) & events.lasting_N & ~events.panel_N
    return replay_sample(
        events,
        within_limits(events, older_N, request.limits).mask_N,
        first_N=context_of(events, target_N, max_history=request.max_history),
        end_N=None if ends is None else np.isin(events.seq_N, ends),
        draw=ReplayDraw(size=size, run=request.max_history, seed=request.seed),
    )
