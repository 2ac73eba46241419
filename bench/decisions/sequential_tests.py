"""Tests of two arms that are looked at every day: ours and those that it is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from bench.decisions.simulated_visitors import NUM_DAYS, DayOfArms
from cron.experiments.confidence_sequence import critical_ratio
from cron.experiments.differences import Estimate, difference, mean_reward

ALPHA = 0.05
_LAW = 1.7  # the factor of the law of the iterated logarithm, as in the paper


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedDay:
    """What a border may depend on: the information, the day from 1, the effect looked for."""

    information: float
    day: int
    scale: float


def mixture_border(look: TestedDay) -> float:
    """Return the border of the normal mixture: the product's."""
    return critical_ratio(look.information, scale=look.scale, alpha=ALPHA)


def single_look_border(_: TestedDay) -> float:
    """Return the border of a test that was made for one look, used every day."""
    return NormalDist().inv_cdf(1 - ALPHA / 2)


def daily_share_border(_: TestedDay) -> float:
    """Return the border for alpha divided by the number of days (Bonferroni)."""
    return NormalDist().inv_cdf(1 - ALPHA / NUM_DAYS / 2)


def stitched_border(look: TestedDay) -> float:
    """Return the stitched border of Howard, Ramdas, McAuliffe, Sekhon (2021), equation 1.

    Its time is the information in units of that of one day.
    """
    return _LAW * math.sqrt(math.log(math.log(2 * look.day) + 1) + 0.72 * math.log(10.4 / ALPHA))


BORDERS: Mapping[str, Callable[[TestedDay], float]] = {
    "normal mixture": mixture_border,
    "stitched": stitched_border,
    "Bonferroni over the days": daily_share_border,
    "one-look test, every day": single_look_border,
}


def found_on_day(
    days: Sequence[DayOfArms],
    border: Callable[[TestedDay], float],
    *,
    effect: float,
    adjust: bool = True,
) -> int | None:
    """Return the first day, from 1, on which the difference is significant; None for never."""
    for day, (control, treatment) in enumerate(days, start=1):
        found = difference(control, treatment, adjust=adjust)
        if found is None or found.variance <= 0:
            continue
        scale = effect * mean_reward(control + treatment)
        ratio = abs(found.value) / math.sqrt(found.variance)
        if ratio > border(TestedDay(information=1 / found.variance, day=day, scale=scale)):
            return day
    return None


def final_difference(days: Sequence[DayOfArms], *, adjust: bool) -> Estimate:
    """Return the difference at the end of the last day."""
    found = difference(*days[-1], adjust=adjust)
    assert found is not None
    return found
