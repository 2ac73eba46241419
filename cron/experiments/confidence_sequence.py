"""Confidence sequences: intervals that hold at all times together, however often one looks.

The normal mixture of Robbins (1970), which is the mixture SPRT of Johari, Koomen, Pekelis, Walsh
(2022) and, with an estimated variance, the asymptotic confidence sequence of Waudby-Smith, Arbour,
Sinha, Kennedy, Ramdas (2024). The likelihood ratio of "the effect is drawn from N(0, scale^2)" to
"there is no effect", for an estimate d with variance v and the information I = 1 / v, is

    L = (1 + scale^2 I)^(-1/2) exp( (d^2 / v) scale^2 I / (2 (1 + scale^2 I)) )

Without an effect it exceeds 1 / alpha at any time with a probability of at most alpha (Ville 1939).
The interval has the effects that this test does not reject:

    d +- sqrt( v (1 + 1 / (scale^2 I)) (2 log(1 / alpha) + log(1 + scale^2 I)) )

It is narrowest where scale is about the size of the effect, and is valid for every scale that does
not depend on the result. Time is information, so it does not matter whether it comes from more
users or from more days of the same users.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cron.experiments.differences import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class AnytimeInterval:
    """The values from `low` to `high`."""

    low: float
    high: float

    def has(self, value: float) -> bool:
        """Return whether a value is inside."""
        return self.low <= value <= self.high


EVERYTHING = AnytimeInterval(low=-math.inf, high=math.inf)


def interval_at_all_times(estimate: Estimate, *, scale: float, alpha: float) -> AnytimeInterval:
    """Return the interval of a confidence sequence at this time; all values without information."""
    if estimate.variance <= 0 or scale <= 0:
        return EVERYTHING
    radius = critical_ratio(1 / estimate.variance, scale=scale, alpha=alpha)
    radius *= math.sqrt(estimate.variance)
    return AnytimeInterval(low=estimate.value - radius, high=estimate.value + radius)


def critical_ratio(information: float, *, scale: float, alpha: float) -> float:
    """Return how many standard errors from zero an estimate is significant at."""
    relative = scale * scale * information
    return math.sqrt((1 + 1 / relative) * (2 * math.log(1 / alpha) + math.log1p(relative)))


def p_value_at_all_times(estimate: Estimate, *, scale: float) -> float:
    """Return the always-valid p-value: 1 / L, at most 1."""
    if estimate.variance <= 0 or scale <= 0:
        return 1.0
    relative = scale * scale / estimate.variance
    ratio_2 = estimate.value * estimate.value / estimate.variance
    log_ratio = ratio_2 * relative / (2 * (1 + relative)) - 0.5 * math.log1p(relative)
    return math.exp(-max(log_ratio, 0.0))
