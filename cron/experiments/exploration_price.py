"""The price of exploration as a record; `cron.evaluation.given_up` computes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Assumption = Literal["cascade", "place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplorationPrice:
    """What exploring in the lists of a placement cost; per slate.

    `moved_share` is the share of items that greedy lists would not have shown; None if that is
    unknown. `given_up` has an interval from `low` to `high`; `why_unknown` says why there is
    none. It assumes that a reward depends on no item below (`cascade`), or on the item and its
    place alone (`place`).
    """

    num_slates: int
    num_items: int
    moved_share: float | None
    earned: float
    given_up: float | None = None
    low: float | None = None
    high: float | None = None
    why_unknown: str | None = None
    assumes: Assumption | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementPrice:
    """The price in the lists of a placement (None: lists without one) by a policy, and when."""

    placement: str | None
    policy: str
    measured_at: datetime
    price: ExplorationPrice
