"""How stale the live weights are, and whether a full retrain is worth its cost. Pure.

Updates learn from new events, and a full retrain still gives better lists. What the last ones gave
was measured: on the same events, their NDCG@10 by that of the model that updates had kept. That gap
is taken to grow by the same share with each event. After N events the lists are then `decay × N`
worse than they could be, and the sum of that over the events since the last full retrain is
`decay × N² / 2`: what has been lost by not retraining. A retrain is worth its cost as soon as that
sum is, as for the size of lots in a store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NUM_MEASURED = 3  # the newest full retrains count; a single gap is measured within a few percent
# the unit of `worker.full_worth`: lists that are 1 % better, for a thousand events
UNIT = 0.01 * 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRetrain:
    """What a full retrain gave: its NDCG@10 by that of the live model, minus 1.

    `num_events` are those that updates had learned from since the full retrain before.
    """

    gain: float
    num_events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Staleness:
    """An estimate: lists are `share` worse now, and `loss` is the sum over events, in units."""

    decay: float
    num_events: int

    @property
    def share(self) -> float:
        """The share by which lists are worse than after a full retrain."""
        return self.decay * self.num_events

    @property
    def loss(self) -> float:
        """What was lost since the last full retrain, in units of 1 % for 1,000 events."""
        return self.decay * self.num_events**2 / 2 / UNIT


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainCost:
    """What a full retrain costs: a price, or seconds of a device; `unit` says which in words."""

    value: float
    unit: str


def decay_per_event(measured: Sequence[MeasuredRetrain]) -> float | None:
    """Return the mean decay over the newest retrains, given oldest first; None without any.

    It is 0 where updates were as good.
    """
    newest = [one for one in measured if one.num_events > 0][-NUM_MEASURED:]
    if not newest:
        return None
    gain = sum(one.gain for one in newest)
    return max(0.0, gain / sum(one.num_events for one in newest))


def is_worth(staleness: Staleness, *, cost: float, worth: float) -> bool:
    """Return whether what was lost is worth the cost; `worth` is the value of a unit."""
    return staleness.loss * worth >= cost
