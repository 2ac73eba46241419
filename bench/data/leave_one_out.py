"""Leave-one-out with full ranking, as in the papers: the split, and NDCG@10 of a list.

The split leaks the future, since a user's last event may be earlier than another user's first. It
is here for comparison with papers. There are two stages, the same for every contestant. `tuning`
trains on all but the last two events of each user and asks for the last but one; everything is
chosen there. The test trains on all but the last event, the tuning event included, as a product
would, and asks for the last.
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
    """Events to train on, which are also the histories, and the events that are asked for.

    `asked_E` marks at most one event per user.
    """

    data: RatingsSet
    train_E: Flags
    asked_E: Flags
    tuning: bool

    @property
    def protocol(self) -> str:
        """The stage's name in rows of results."""
        return "leave-one-out, tuning event" if self.tuning else "leave-one-out"

    @property
    def targets_U(self) -> NDArray[np.int64]:
        """The item to find for each user, −1 for a user who is not asked."""
        targets_U = np.full(self.data.num_users, MISS, np.int64)
        targets_U[self.data.users_E[self.asked_E]] = self.data.items_E[self.asked_E]
        return targets_U


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingResult:
    """NDCG@10 of each asked user (0 on a miss), and the wall and processor time of training."""

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
    """Return NDCG@10 of each asked user's list, best item first.

    With one target it is 1 / log2(place + 1), and 0 if the target is not among the ten.
    """
    return np.array(
        [
            _gain(list(top[:TOP]), int(target))
            for top, target in zip(tops, targets_U, strict=True)
            if target != MISS
        ]
    )


def _gain(top: list[int], target: int) -> float:
    return 1.0 / float(np.log2(top.index(target) + 2.0)) if target in top else 0.0


def score_gains(
    scores_UN: NDArray[np.floating], seen_UN: NDArray[np.bool_], targets_U: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return NDCG@10 of each asked user from the scores of all items.

    Seen items are filtered, so a target that was seen before is a miss. Of equal scores the target
    comes last.
    """
    asked_U = targets_U != MISS
    open_UN = np.where(seen_UN, -np.inf, scores_UN)[asked_U]
    own_U1 = np.take_along_axis(open_UN, targets_U[asked_U, None], axis=1)
    place_U = (open_UN >= own_U1).sum(1)  # 1 if no other score is as high
    return np.where((place_U <= TOP) & np.isfinite(own_U1[:, 0]), 1.0 / np.log2(place_U + 1.0), 0.0)
