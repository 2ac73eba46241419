"""The limits on how much one user and one item may contribute to a run's training.

The newest events within a limit are kept, by journal number: a sender can choose ids and times, but
not these numbers. Pure array work; suffix N: one entry per event.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cron.snapshot.judged import earlier_equals
from cron.snapshot.timeline import Mask, Numbers, Timeline

# events; below that a share means little: a single film fan rates 700 films in an evening
FLOOR = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The greatest shares of a run's events from one user and of one item.

    `floor` events are always allowed.
    """

    user_share: float
    item_share: float
    floor: int = FLOOR

    def of_user(self, num_events: int) -> int:
        """Return how many of a run's events may be one user's."""
        return max(self.floor, round(self.user_share * num_events))

    def of_item(self, num_events: int) -> int:
        """Return how many of a run's events may be one item's."""
        return max(self.floor, round(self.item_share * num_events))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The events within the limits, and how many exceed the limit of their user or item."""

    mask_N: Mask
    over_user: int
    over_item: int


def within_limits(events: Timeline, chosen_N: Mask, limits: Limits) -> Kept:
    """Keep the newest of each user's, and then of each item's, chosen events.

    Impressions are counted separately.
    """
    rows = np.flatnonzero(chosen_N)
    kept = newest_of_users(events, chosen_N, limits.of_user(len(rows)))
    of_item = limits.of_item(len(rows))
    left = kept[earlier_equals(2 * events.item_N[kept] + events.lasting_N[kept]) < of_item]
    mask_N = np.zeros_like(chosen_N)
    mask_N[left] = True
    return Kept(mask_N=mask_N, over_user=len(rows) - len(kept), over_item=len(kept) - len(left))


def newest_of_users(events: Timeline, chosen_N: Mask, limit: int) -> Numbers:
    """Return the indices of each user's newest chosen events, newest first.

    Of a user there are at most `limit`, and as many impressions.
    """
    rows = np.flatnonzero(chosen_N)
    rows = rows[np.argsort(events.seq_N[rows])[::-1]]
    kept: Numbers = rows[earlier_equals(2 * events.user_N[rows] + events.lasting_N[rows]) < limit]
    return kept
