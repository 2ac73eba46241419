"""What the served choices were worth, and what two policies would have been worth on them.

Inverse propensity scoring: a policy's value is the mean of `share * reward / probability`, where
`share` is the policy's probability of the shown action and `probability` that of the serving
policy. The model's share is from before it learned the reward, so it is judged on what it has not
seen. Older choices count less: each new one multiplies their weights by `KEPT`. An interval is the
mean ± 1.96 standard errors; a policy with choices that could not be served has no value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from cron.contextual.example import Example

KEPT = 1 - 1 / 10_000
_NORMAL_95 = 1.96
_LEAST_SUPPORT = 1 - 1e-3  # of the policy's choices; those of the first moments are forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanReward:
    """A mean reward for a choice, and its 95 % interval."""

    mean: float
    low: float
    high: float


class PolicyTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over one policy's weighted rewards: of them, of their squares, and of the support."""

    reward: float = 0.0
    square: float = 0.0
    supported: float = 0.0


class ValueTotals(msgspec.Struct, frozen=True, kw_only=True):
    """All sums. `weight` is that of all choices, `weight_square` of their squared weights."""

    num_choices: int = 0
    weight: float = 0.0
    weight_square: float = 0.0
    agreement: float = 0.0
    served: PolicyTotals = PolicyTotals()
    learned: PolicyTotals = PolicyTotals()
    baseline: PolicyTotals = PolicyTotals()


def add_choice(totals: ValueTotals, example: Example, reward: float) -> ValueTotals:
    """Return the sums with one more choice."""
    learned = example.learned_share / example.probability * reward
    baseline = example.is_baseline / example.probability * reward
    return ValueTotals(
        num_choices=totals.num_choices + 1,
        weight=KEPT * totals.weight + 1,
        weight_square=KEPT * KEPT * totals.weight_square + 1,
        agreement=KEPT * totals.agreement + example.agreement,
        served=_add(totals.served, reward, 1.0),
        learned=_add(totals.learned, learned, example.supported_share),
        baseline=_add(totals.baseline, baseline, float(example.has_baseline)),
    )


def agreement(totals: ValueTotals) -> float | None:
    """Return how often the model would choose the baseline action; None without choices."""
    return totals.agreement / totals.weight if totals.weight else None


def value_of(totals: ValueTotals, policy: PolicyTotals) -> MeanReward | None:
    """Return a policy's value; None when the choices cannot say it."""
    if not totals.weight or policy.supported < _LEAST_SUPPORT * totals.weight:
        return None
    mean = policy.reward / totals.weight
    variance = max(0.0, policy.square / totals.weight - mean * mean)
    half = _NORMAL_95 * math.sqrt(variance * totals.weight_square) / totals.weight
    return MeanReward(mean=mean, low=mean - half, high=mean + half)


def _add(policy: PolicyTotals, reward: float, supported: float) -> PolicyTotals:
    return PolicyTotals(
        reward=KEPT * policy.reward + reward,
        square=KEPT * policy.square + reward * reward,
        supported=KEPT * policy.supported + supported,
    )
