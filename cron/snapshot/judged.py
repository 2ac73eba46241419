"""The panel events that a candidate is judged on, and the panel size that suffices for it.

One rule serves both: the events counted when the panel is chosen are the events that the evaluation
scores. An event can be judged when its user chose the item (`trainer.data.positives`) or rated it;
only users with a choice among their events count. Suffix N: one entry per event; R: one entry per
row of the panel, newest first. Pure array work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cron.settings.tree import GateSettings
from cron.snapshot.timeline import Mask, Numbers, Timeline
from trainer.data.positives import mark_positive

# The panel is chosen larger than needed: events are excluded and users forgotten afterwards.
SLACK = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """The users and events that the gate needs, and the greatest share of one item in them."""

    min_users: int
    min_events: int
    max_item_share: float

    @property
    def user_limit(self) -> int:
        """Events that one user may contribute.

        The gate resamples users, so a user's hundredth event adds no certainty.
        """
        return max(1, 2 * self.min_events // max(1, self.min_users))

    def item_limit(self, num_items: int) -> int:
        """Return how many events one item may contribute.

        At least one per user, and enough that few items can fill the panel.
        """
        return max(
            math.ceil(SLACK * max(1, self.min_users)),
            math.ceil(self.max_item_share * self.min_events),
            math.ceil(2 * self.min_events / max(1, num_items)),
        )

    def met_by(self, num_users: int, num_events: float, *, slack: float = 1.0) -> bool:
        """Return whether this many users and events are enough."""
        return num_users >= slack * self.min_users and num_events >= slack * self.min_events


def need_of(gate: GateSettings) -> Need:
    """Return the need that the settings ask for."""
    return Need(
        min_users=gate.min_users, min_events=gate.min_events, max_item_share=gate.max_item_share
    )


def positive_of(events: Timeline, types: Sequence[str], rating: float | None) -> Mask:
    """Mark what users chose: events of these types that are not rated below the threshold."""
    names, type_N = events.types()
    return mark_positive(
        names, type_N, events.rating_N, positive_types=types, positive_rating=rating
    )


def newest_judged(events: Timeline, positive_N: Mask, pool_N: Mask, need: Need) -> Mask:
    """Mark the newest events of the pool that can be judged, as few as are needed.

    If there are fewer, all that are within the limits.
    """
    rows = _within_limits(events, positive_N, _newest_first(events, positive_N, pool_N), need)
    return _mask(events, rows[: _num_needed(events, positive_N, rows, need)])


def older_judged(events: Timeline, positive_N: Mask, pool_N: Mask, need: Need) -> Mask:
    """Mark twice the needed events of the pool, spread evenly over the journal.

    So no burst of events can make up most of them. The events within a user's or an item's limit
    are drawn at random too, so that a user's newest do not displace the others.
    """
    rows = _newest_first(events, positive_N, pool_N)
    rows = _within_limits(events, positive_N, np.random.default_rng(0).permutation(rows), need)
    rows = rows[np.argsort(events.seq_N[rows])]
    wanted, spread = 2 * need.min_events, rows
    if len(rows) > wanted:
        spread = rows[np.linspace(0, len(rows) - 1, wanted).round().astype(np.int64)]
    num_users = len(np.unique(events.user_N[spread[positive_N[spread]]]))
    return _mask(events, spread if num_users >= need.min_users else rows)


def smallest_enough_share(
    events: Timeline, positive_N: Mask, fraction: Callable[[str], float], gate: GateSettings
) -> float:
    """Return the smallest share within the settings' bounds whose panel is large enough.

    Large enough includes SLACK; if no share is, return the greatest. Shares have four decimals.
    `fraction` returns a user's place in the panel's hash.
    """
    need = need_of(gate)
    fraction_N = events.by_user(fraction)
    rows = _newest_first(events, positive_N, fraction_N < gate.max_panel_share)
    low, high = math.ceil(gate.min_panel_share * 10_000), math.floor(gate.max_panel_share * 10_000)
    while low < high:
        middle = (low + high) // 2
        held = _within_limits(events, positive_N, rows[fraction_N[rows] < middle / 10_000], need)
        chosen = held[positive_N[held]]
        if need.met_by(len(np.unique(events.user_N[chosen])), len(chosen), slack=SLACK):
            high = middle
        else:
            low = middle + 1
    return min(max(low / 10_000, gate.min_panel_share), gate.max_panel_share)


def _newest_first(events: Timeline, positive_N: Mask, pool_N: Mask) -> Numbers:
    rows = np.flatnonzero(pool_N & events.lasting_N & (positive_N | ~np.isnan(events.rating_N)))
    newest: Numbers = rows[np.lexsort((events.seq_N[rows], events.at_us_N[rows]))[::-1]]
    return newest


def _within_limits(events: Timeline, positive_N: Mask, rows: Numbers, need: Need) -> Numbers:
    """Drop events over a user's or an item's limit; choices and mere ratings count separately."""
    rows = rows[earlier_equals(2 * events.user_N[rows] + positive_N[rows]) < need.user_limit]
    item_limit = need.item_limit(len(np.unique(events.item_N[rows])))
    return rows[earlier_equals(2 * events.item_N[rows] + positive_N[rows]) < item_limit]


def _num_needed(events: Timeline, positive_N: Mask, rows: Numbers, need: Need) -> int:
    """Return how many of the first rows contain the needed users and events."""
    chosen = np.flatnonzero(positive_N[rows])
    _, firsts = np.unique(events.user_N[rows[chosen]], return_index=True)
    if len(firsts) < need.min_users or len(chosen) < need.min_events:
        return len(rows)
    num_chosen = need.min_events
    if need.min_users:
        num_chosen = max(num_chosen, int(np.sort(firsts)[need.min_users - 1]) + 1)
    return int(chosen[num_chosen - 1]) + 1 if num_chosen else 0


def _mask(events: Timeline, rows: Numbers) -> Mask:
    marked_N = np.zeros(len(events.seq_N), np.bool_)
    marked_N[rows] = True
    return marked_N


def earlier_equals(key_R: Numbers) -> Numbers:
    """Return for each key how many equal keys come before it."""
    by_key = np.argsort(key_R, kind="stable")
    starts = np.flatnonzero(np.diff(key_R[by_key], prepend=-1))
    lengths = np.diff(starts, append=len(key_R))
    place_R = np.empty(len(key_R), np.int64)
    place_R[by_key] = np.arange(len(key_R)) - np.repeat(starts, lengths)
    return place_R
