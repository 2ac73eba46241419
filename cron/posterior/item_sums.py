"""Sums of what shown items earned, which fade: the evidence of a posterior.

An impression of age t counts 0.5 ** (t / half-life). S is the sums' columns, E the items.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cron.posterior.open_lists import ListImpression, RewardChange
from recommender.requests.reward_evidence import MAX_EVIDENCE_ITEMS, SUMS, RewardEvidence

_MIN_IMPRESSIONS = 0.01  # an item with fewer is as good as never shown
_OF_SHOWN = [SUMS.index(name) for name in ("n", "s", "p", "ss", "sp", "pp")]
_OF_REWARD = [SUMS.index(name) for name in ("r", "rs", "rp")]
_SQUARES = SUMS.index("rr")


class ItemSums:
    """The sums of the items that were shown most; older ones fade."""

    def __init__(self, *, half_life_s: float, at_us: int) -> None:
        self._half_life_us = half_life_s * 1_000_000
        self._at_us = at_us  # an impression of this time counts 1
        self._places: dict[str, int] = {}
        self._sums_ES = np.zeros((0, len(SUMS)))

    def restore(self, evidence: RewardEvidence) -> None:
        """Take what was stored at the time of these sums."""
        self._places = {item_id: place for place, item_id in enumerate(evidence.ids)}
        self._sums_ES = np.frombuffer(evidence.sums, "<f4").reshape(-1, len(SUMS)).astype(float)

    def show(self, shown: ListImpression) -> None:
        """Count an impression."""
        weight, place = self._weight(shown.at_us), self._place(shown.item_id)
        score, position = shown.score, shown.position
        values = (1.0, score, position, score * score, score * position, position * position)
        self._sums_ES[place, _OF_SHOWN] += weight * np.array(values)

    def reward(self, change: RewardChange) -> None:
        """Count what a shown item earned more than before."""
        shown, more = change.shown, change.after - change.before
        weight, place = self._weight(shown.at_us), self._place(shown.item_id)
        self._sums_ES[place, _OF_REWARD] += (
            weight * more * np.array((1.0, shown.score, shown.position))
        )
        self._sums_ES[place, _SQUARES] += weight * (change.after**2 - change.before**2)

    def fade(self, at_us: int) -> None:
        """Let all impressions age until a time, and drop what has faded."""
        if at_us <= self._at_us:
            return
        self._sums_ES *= 0.5 ** ((at_us - self._at_us) / self._half_life_us)
        self._at_us = at_us
        weights = self._sums_ES[: len(self._places), 0]
        kept = np.argsort(-weights, kind="stable")[:MAX_EVIDENCE_ITEMS]
        kept = np.sort(kept[weights[kept] >= _MIN_IMPRESSIONS])
        if len(kept) < len(self._places):
            ids = [*self._places]
            self._sums_ES = self._sums_ES[kept]
            self._places = {ids[old]: place for place, old in enumerate(kept.tolist())}

    def evidence(self) -> RewardEvidence:
        """Return the sums of the items that count."""
        sums: npt.NDArray[np.float64] = self._sums_ES[: len(self._places)]
        return RewardEvidence(ids=tuple(self._places), sums=sums.astype("<f4").tobytes())

    def _weight(self, shown_us: int) -> float:
        """Return what an impression counts; one from a clock that is ahead counts 1."""
        age_us = max(self._at_us - shown_us, 0)
        return float(0.5 ** (age_us / self._half_life_us))

    def _place(self, item_id: str) -> int:
        place = self._places.setdefault(item_id, len(self._places))
        if place >= len(self._sums_ES):
            more_ES = np.zeros((len(self._sums_ES) + 64, len(SUMS)))
            self._sums_ES = np.concatenate([self._sums_ES, more_ES])
        return place
