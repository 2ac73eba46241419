"""How often the intervals of estimates cover the truth, on simulated logs of planted worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.decisions.planted_slates import WorldShape, planted_log, planted_world
from cron.evaluation.contributions import Contributions, values_of
from cron.evaluation.dense import dense_slates
from cron.evaluation.estimate import PolicyValue
from cron.evaluation.evaluate import WEIGHTED, EvaluationOptions, evaluate_policy
from cron.evaluation.intervals import Resampling, draws_of_units, sums_by_unit
from cron.evaluation.support import Requirements

RESAMPLING = Resampling(resamples=500)
_CHOICES = ("ips", "snips", "doubly_robust")
_CASCADE = ("ips", "snips", "interaction_ips", "interaction_snips", "doubly_robust")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageWorld:
    """A world, the users of a log, and the estimators whose assumptions it meets."""

    shape: WorldShape
    num_users: int
    estimators: Sequence[str]
    requirements: Requirements = field(default_factory=Requirements)


WORLDS: Mapping[str, CoverageWorld] = {
    "choices among 12": CoverageWorld(
        shape=WorldShape(num_items=12, num_positions=1, temperature=0.7),
        num_users=400,
        estimators=_CHOICES,
    ),
    "lists, items interact": CoverageWorld(
        shape=WorldShape(), num_users=1_000, estimators=_CASCADE
    ),
    "lists, items do not interact": CoverageWorld(
        shape=WorldShape(is_interacting=False),
        num_users=1_000,
        estimators=tuple(WEIGHTED),
    ),
    "lists, near the least effective size": CoverageWorld(
        shape=WorldShape(), num_users=800, estimators=_CASCADE
    ),
    "lists, less than the least effective size": CoverageWorld(
        shape=WorldShape(),
        num_users=500,
        estimators=_CASCADE,
        requirements=Requirements(min_effective_size=100),
    ),
    "lists, rare rewards": CoverageWorld(
        shape=WorldShape(base=-4.0), num_users=1_600, estimators=_CASCADE
    ),
}


@dataclass(slots=True, kw_only=True)
class CoverageTally:
    """What one estimator answered on the logs of one world."""

    truth: float
    values: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    num_logs: int = 0
    num_covering: int = 0
    num_covering_by_percentiles: int = 0

    @property
    def share_covering(self) -> float:
        """The share of the answers whose interval covers the truth; NaN without answers."""
        return self.num_covering / len(self.values) if self.values else float("nan")

    def note(self) -> str:
        """Describe the logs, and what a percentile interval of the same draws covers."""
        num = len(self.values)
        if not num:
            return f"unknown on all {self.num_logs} logs"
        by_percentiles = self.num_covering_by_percentiles / num
        return (
            f"percentile intervals {by_percentiles:.1%}; {num} of {self.num_logs} logs had an"
            f" answer; truth {self.truth:.4g}, mean estimate {np.mean(self.values):.4g}, worth"
            f" {np.mean(self.sizes):.0f} slates on average"
        )


def coverage(world: CoverageWorld, num_logs: int, seed: int) -> Mapping[str, CoverageTally]:
    """Estimate on `num_logs` logs and count how often the interval covers the truth."""
    planted = planted_world(world.shape, seed)
    tallies = {name: CoverageTally(truth=planted.truth()) for name in world.estimators}
    options = EvaluationOptions(resampling=RESAMPLING, requirements=world.requirements)
    for log_number in range(num_logs):
        slates = planted_log(planted, world.num_users, seed * 1_000_000 + log_number).slates
        dense = dense_slates(slates)
        for name, tally in tallies.items():
            tally.num_logs += 1
            answer = evaluate_policy(slates, name, options)
            if isinstance(answer, PolicyValue) and answer.interval is not None:
                low, high = percentile_interval(WEIGHTED[name](dense, None), RESAMPLING)
                tally.values.append(answer.value)
                tally.sizes.append(answer.effective_size)
                interval = answer.interval
                tally.num_covering += interval.low <= tally.truth <= interval.high
                tally.num_covering_by_percentiles += low <= tally.truth <= high
    return tallies


def percentile_interval(
    contributions: Contributions, resampling: Resampling
) -> tuple[float, float]:
    """Return the percentiles of the resampled estimates, which the product's are compared with."""
    generator = np.random.default_rng(resampling.seed)
    sums_US = sums_by_unit(contributions.statistics(), contributions.user_N, generator)
    values = [
        values_of(draws_BU @ sums_US, contributions.num_terms)
        for draws_BU in draws_of_units(len(sums_US), resampling.resamples, generator)
    ]
    low, high = np.percentile(np.concatenate(values), resampling.percentiles)
    return float(low), float(high)
