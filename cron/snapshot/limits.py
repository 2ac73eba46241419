"""How much one user and one item may contribute to what a run learns. Pure array work.

A sender may choose ids and times; the journal's numbers, by which the newest events stay, are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cron.snapshot.judged import places
from cron.snapshot.timeline import Mask, Timeline

# events: below that a share says little, and a single film fan rates 700 films in an evening
FLOOR = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Shares of a run's events that one user and one item may be; `floor` events are always allowed."""

    user_share: float
    item_share: float
    floor: int = FLOOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is within the limits, and how many events were left out for their user and for their item."""

    mask_N: Mask
    over_user: int
    over_item: int


def within_limits(events: Timeline, chosen_N: Mask, limits: Limits) -> Kept:
    """Keep the newest of each user's and then of each item's chosen events; impressions are counted by themselves."""
    rows = np.flatnonzero(chosen_N)
    rows = rows[np.argsort(events.seq_N[rows])[::-1]]
    of_user = max(limits.floor, round(limits.user_share * len(rows)))
    of_item = max(limits.floor, round(limits.item_share * len(rows)))
    kept = rows[places(2 * events.user_N[rows] + events.lasting_N[rows]) < of_user]
    left = kept[places(2 * events.item_N[kept] + events.lasting_N[kept]) < of_item]
    mask_N = np.zeros_like(chosen_N)
    mask_N[left] = True
    return Kept(mask_N=mask_N, over_user=len(rows) - len(kept), over_item=len(kept) - len(left))
