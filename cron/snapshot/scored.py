"""The panel events that a candidate is scored on: find them, and write them with context."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cron.snapshot.judged import newest_judged, older_judged
from cron.snapshot.pools import JournalParts
from cron.snapshot.request import SnapshotRequest
from cron.snapshot.roles import positive, with_context
from cron.snapshot.tables import SnapshotTables
from cron.snapshot.timeline import Numbers, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredNumbers:
    """The numbers of the newest events that are scored, of the older ones, and their users."""

    newest: Numbers
    older: Numbers
    users: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredCounts:
    """The choices that are scored, the users of the newest ones, and the older choices."""

    num_users: int
    num_events: int
    num_older: int


def scored_of_all(events: Timeline, request: SnapshotRequest) -> ScoredNumbers:
    """Choose the scored events among all events."""
    older = events.before(request.older_before or 0)
    return ScoredNumbers(newest=_newest(events, request), older=_older(older, request))


def scored_of_parts(parts: JournalParts, request: SnapshotRequest) -> ScoredNumbers:
    """Choose the scored events in parts of a journal, at a cost that does not grow with it."""
    need, panel = request.need, request.scored_panel

    def is_enough(events: Timeline, score: Numbers) -> bool:
        chosen_N = np.isin(events.seq_N, score) & positive(events, request)
        return need.met_by(len(np.unique(events.user_N[chosen_N])), int(chosen_N.sum()))

    newest = parts.newest(parts.through, lambda events: is_enough(events, _newest(events, request)))
    older = parts.spread(
        (request.older_before or 1) - 1,
        4 * need.min_events / max(panel.share, 0.01),
        lambda events: is_enough(events, _older(events, request)),
    )
    score, older_score = _newest(newest, request), _older(older, request)
    users = frozenset({*newest.users_at(score), *older.users_at(older_score)})
    return ScoredNumbers(newest=score, older=older_score, users=users)


def add_scored(
    tables: SnapshotTables, events: Timeline, request: SnapshotRequest, scored: ScoredNumbers
) -> ScoredCounts:
    """Write the tables of panel events; `events` has all events of the scored users."""
    score_N = np.isin(events.seq_N, scored.newest)
    older = events.before(request.older_before or 0)
    older_N = np.isin(older.seq_N, scored.older)
    tables.add("panel", with_context(events, request, score=score_N))
    tables.add("older", with_context(older, request, score=older_N))
    chosen_N = score_N & positive(events, request)
    return ScoredCounts(
        num_users=len(np.unique(events.user_N[chosen_N])),
        num_events=int(chosen_N.sum()),
        num_older=int((older_N & positive(older, request)).sum()),
    )


def _newest(events: Timeline, request: SnapshotRequest) -> Numbers:
    judged_N = events.by_user(request.scored_panel.holds) > 0
    score_N = newest_judged(events, positive(events, request), judged_N, request.need)
    return events.seq_N[score_N]


def _older(older: Timeline, request: SnapshotRequest) -> Numbers:
    judged_N = older.by_user(request.scored_panel.holds) > 0
    score_N = older_judged(older, positive(older, request), judged_N, request.need)
    return older.seq_N[score_N]
