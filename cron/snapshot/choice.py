"""The choice of a snapshot's events: what is trained, replayed, scored, and their context."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cron.journal.journal import Journal
from cron.snapshot.judged import newest_judged, older_judged, positive_of
from cron.snapshot.limits import Kept, within_limits
from cron.snapshot.pools import JournalParts, PoolSizes
from cron.snapshot.request import SnapshotRequest
from cron.snapshot.shift import HISTORY_RATIO, MIN_HISTORY, Shift, shift_of
from cron.snapshot.timeline import (
    Mask,
    Numbers,
    ReplayDraw,
    Timeline,
    context_of,
    in_ranges,
    replay_sample,
    with_roles,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The tables of events, and counts taken while choosing them."""

    tables: dict[str, pa.Table]
    judged: tuple[int, int]  # users and choices that are scored
    num_older: int
    kept: Kept
    shift: Shift | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pools:
    """The events among which a snapshot chooses, and the numbers of those that are scored.

    `ends` are the numbers of the events with which replayed runs may end; None means any.
    """

    events: Timeline
    score: Numbers
    older_score: Numbers
    shift: Shift | None
    ends: Numbers | None = None


def choose(journal: Journal, request: SnapshotRequest, sizes: PoolSizes) -> Chosen:
    """Choose the events of a snapshot; raise ArtifactMissing or ArtifactCorrupt."""
    parts = JournalParts(
        journal=journal,
        first=journal.first_seq,
        through=request.through,
        excluded=request.excluded,
        is_panel=lambda user_id: (
            request.panel.holds(user_id) or request.scored_panel.holds(user_id)
        ),
        sizes=sizes,
    )
    takes_parts = request.mode in ("update", "items") and parts.num_numbers > sizes.whole_up_to
    pools = _part_pools(parts, request) if takes_parts else _whole_pools(parts, request)
    return _choose(pools, request)


def _whole_pools(parts: JournalParts, request: SnapshotRequest) -> _Pools:
    """Return pools of all events."""
    events = parts.every()
    older = events.before(request.older_before or 0)
    return _Pools(
        events=events,
        score=_newest_judged(events, request),
        older_score=_older_judged(older, request),
        shift=shift_of(events, request.shift_range) if request.shift_range else None,
    )


def _part_pools(parts: JournalParts, request: SnapshotRequest) -> _Pools:
    """Return pools of parts of the journal, at a cost that does not grow with it."""
    need, panel = request.need, request.scored_panel

    def is_enough(events: Timeline, score: Numbers) -> bool:
        chosen_N = np.isin(events.seq_N, score) & _positive(events, request)
        return need.met_by(len(np.unique(events.user_N[chosen_N])), int(chosen_N.sum()))

    newest = parts.newest(
        parts.through, lambda events: is_enough(events, _newest_judged(events, request))
    )
    older = parts.spread(
        (request.older_before or 1) - 1,
        4 * need.min_events / max(panel.share, 0.01),
        lambda events: is_enough(events, _older_judged(events, request)),
    )
    score, older_score = _newest_judged(newest, request), _older_judged(older, request)
    new = parts.timeline([one for one in (request.target_range, request.fresh_range) if one])
    ends, replayed = _replay_ends(parts, request, new)
    users = {*new.users, *newest.users_at(score), *older.users_at(older_score), *replayed}
    return _Pools(
        events=parts.lives(sorted(users)),
        score=score,
        older_score=older_score,
        shift=_recent_shift(parts, request.shift_range) if request.shift_range else None,
        ends=ends,
    )


def _recent_shift(parts: JournalParts, new: tuple[int, int]) -> Shift | None:
    num_before = max(MIN_HISTORY, HISTORY_RATIO * (new[1] - new[0] + 1))
    before = parts.newest(new[0] - 1, lambda events: len(events.seq_N) >= num_before)
    first = int(before.seq_N.min(initial=new[0]))
    return shift_of(parts.timeline([(first, new[1])]), new)


def _replay_ends(
    parts: JournalParts, request: SnapshotRequest, new: Timeline
) -> tuple[Numbers, list[str]]:
    """Return the numbers of events with which replayed runs may end, and users with enough."""
    num_targets = int((_inside_target(new, request) & new.lasting_N & ~new.panel_N).sum())
    size = round(request.replay_ratio * num_targets)
    if request.mode != "update" or request.target_range is None or not size:
        return np.zeros(0, np.int64), []
    older = parts.random_part(request.target_range[0] - 1, size, seed=request.seed)
    ends = np.flatnonzero(older.lasting_N & ~older.panel_N)
    ends = np.random.default_rng(request.seed).permutation(ends)
    users = list(dict.fromkeys(older.users[user] for user in older.user_N[ends]))
    last, run = request.target_range[0] - 1, request.max_history
    return older.seq_N[ends], parts.first_with(users, size, last=last, run=run)


def _choose(pools: _Pools, request: SnapshotRequest) -> Chosen:
    events = pools.events
    kept = within_limits(events, _inside_target(events, request) & ~events.panel_N, request.limits)
    replay_N = _replay(events, request, kept.mask_N, pools.ends)
    positive_N = _positive(events, request)
    score_N = np.isin(events.seq_N, pools.score)
    older = events.before(request.older_before or 0)
    older_N = np.isin(older.seq_N, pools.older_score)
    fresh_range = request.fresh_range
    if fresh_range is None and request.mode == "update":
        fresh_range = request.target_range
    fresh_N = in_ranges(events.seq_N, [fresh_range] if fresh_range else []) & events.lasting_N
    return Chosen(
        tables={
            "events": _with_context(events, request, target=kept.mask_N, replay=replay_N),
            "panel": _with_context(events, request, score=score_N),
            "older": _with_context(older, request, score=older_N),
            "fresh": _with_context(events, request, score=fresh_N),
        },
        judged=(
            len(np.unique(events.user_N[score_N & positive_N])),
            int((score_N & positive_N).sum()),
        ),
        num_older=int((older_N & _positive(older, request)).sum()),
        kept=kept,
        shift=pools.shift,
    )


def _newest_judged(events: Timeline, request: SnapshotRequest) -> Numbers:
    """Return the numbers of the newest events that are scored."""
    judged_N = events.by_user(request.scored_panel.holds) > 0
    score_N = newest_judged(events, _positive(events, request), judged_N, request.need)
    return events.seq_N[score_N]


def _older_judged(older: Timeline, request: SnapshotRequest) -> Numbers:
    """Return the numbers of the older events that are scored."""
    judged_N = older.by_user(request.scored_panel.holds) > 0
    score_N = older_judged(older, _positive(older, request), judged_N, request.need)
    return older.seq_N[score_N]


def _positive(events: Timeline, request: SnapshotRequest) -> Mask:
    return positive_of(events, request.positive_types, request.positive_rating)


def _inside_target(events: Timeline, request: SnapshotRequest) -> Mask:
    return in_ranges(events.seq_N, [request.target_range] if request.target_range else [])


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


def _with_context(events: Timeline, request: SnapshotRequest, **roles: Mask) -> pa.Table:
    """Return the events in these roles, and the events of their users before each of them."""
    chosen_N = np.logical_or.reduce(list(roles.values()))
    context_N = context_of(events, chosen_N, max_history=request.max_history)
    return with_roles(events, [*roles.items(), ("context", context_N)])
