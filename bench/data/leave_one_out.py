"""Leave-one-out with full ranking, as the papers do it: what is trained on, what is asked, and what a list of ten is worth.

It leaks the future, since a user's last event may lie before another's first; it is here to stand
beside papers. Two stages, the same for every contestant: `tuning` trains on all but each user's
last two events and asks for the last but one, and there everything is chosen; the test trains on
all but the last event, the tuning event with it, as a product would, and asks for the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.data.sets import RatingsSet
from bench.data.snapshots import Flags

TOP = 10
MISS = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """`train_E` is trained on and is the history at the question; `asked_E` is at most one event a user."""

    data: RatingsSet
    train_E: Flags
    asked_E: Flags
    tuning: bool

    @property
    def protocol(self) -> str:
        """Name the stage for a row of results."""
        return "leave-one-out, tuning event" if self.tuning else "leave-one-out"

    @property
    def targets_U(self) -> NDArray[np.int64]:
        """Each user's item to be found, −1 for a user who is not asked."""
        found = np.full(self.data.num_users, MISS, np.int64)
        found[self.data.users_E[self.asked_E]] = self.data.items_E[self.asked_E]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """NDCG@10 of each user who is asked, 0 where the item is not among the ten; seconds and processor time that training took."""

    ndcg_U: Sequence[float]
    seconds: float
    cpu_s: float


def split_of(data: RatingsSet, *, tuning: bool = False) -> Split:
    """Return the split of a set for one of the stages."""
    last_E, before_E = data.last_of_users(), data.last_of_users(but=1)
    if tuning:
        return Split(data=data, train_E=~(last_E | before_E), asked_E=before_E, tuning=True)
    return Split(data=data, train_E=~last_E, asked_E=last_E, tuning=False)


def list_gains(tops: Sequence[Sequence[int]], targets_U: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return 1 / log2(place + 1) for each asked user's list (best first), 0 for an item that is not in it: NDCG@10 with one target."""
    pairs = [
        (list(top[:TOP]), int(target))
        for top, target in zip(tops, targets_U, strict=True)
        if target != MISS
    ]
    return np.array(
        [1.0 / np.log2(top.index(target) + 2.0) if target in top else 0.0 for top, target in pairs]
    )


def score_gains(
    scores_UN: NDArray[np.floating], seen_UN: NDArray[np.bool_], targets_U: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the same from scores of all items: seen ones are filtered, a tie counts against us, an item seen before is a miss."""
    asked_U = targets_U != MISS
    open_UN = np.where(seen_UN, -np.inf, scores_UN)[asked_U]
    own_U1 = np.take_along_axis(open_UN, targets_U[asked_U, None], axis=1)
    place_U = (open_UN >= own_U1).sum(1)  # 1 when nothing is as high
    return np.where((place_U <= TOP) & np.isfinite(own_U1[:, 0]), 1.0 / np.log2(place_U + 1.0), 0.0)
