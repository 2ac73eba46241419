"""Lists that a simulated model drew and another one is asked about, with known values.

Items are drawn by Plackett and Luce's model from scores that are the same for everybody. A user
takes each item with a probability of its own, so the value of any policy can be computed exactly.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations

import numpy as np

from cron.evaluation.answered_slates import LikelyItem, RewardedSlate, TargetSlate
from cron.evaluation.logged_slates import Floats

AT = datetime(2026, 1, 31, tzinfo=UTC)
NUM_ITEMS = 8
RATE_I = np.array([0.5, 0.1, 0.3, 0.05, 0.2, 0.4, 0.02, 0.15])
EVEN_I = np.zeros(NUM_ITEMS)
BETTER_I, WORSE_I = 2.0 * RATE_I, -2.0 * RATE_I


def chances(score_I: Floats, taken: list[int]) -> Floats:
    """Return the probability of each item after those taken."""
    weight_I = np.exp(score_I)
    weight_I[taken] = 0.0
    return np.asarray(weight_I / weight_I.sum())


def drawn_slates(num: int, length: int, *, seed: int = 0) -> list[RewardedSlate]:
    """Return lists of a policy without preferences; each user has two."""
    generator = np.random.default_rng(seed)
    slates = []
    for number in range(num):
        items = generator.permutation(NUM_ITEMS)[:length].tolist()
        rewards = (generator.random(length) < RATE_I[items]).astype(float).tolist()
        slates.append(
            RewardedSlate(
                user_id=f"u{number // 2}",
                at=AT,
                version=1,
                items=tuple(f"i{item}" for item in items),
                propensities=tuple(1 / (NUM_ITEMS - place) for place in range(length)),
                rewards=tuple(rewards),
            )
        )
    return slates


def asked_about(
    slates: list[RewardedSlate], score_I: Floats, *, num_likely: int = 3
) -> list[TargetSlate]:
    """Return what a model with these scores says about lists."""
    return [_answer_about(slate, score_I, num_likely) for slate in slates]


def exact_value(score_I: Floats, length: int) -> float:
    """Return what a list of a policy earns on average."""
    value = 0.0
    for items in permutations(range(NUM_ITEMS), length):
        probability = 1.0
        for place, item in enumerate(items):
            probability *= chances(score_I, list(items[:place]))[item]
        value += probability * RATE_I[list(items)].sum()
    return value


def _answer_about(slate: RewardedSlate, score_I: Floats, num_likely: int) -> TargetSlate:
    propensities, alternatives, taken = list[float](), [], list[int]()
    for item_id in slate.items:
        chance_I = chances(score_I, taken)
        best = np.argsort(-chance_I, kind="stable")[:num_likely].tolist()
        alternatives.append(
            tuple(
                LikelyItem(id=f"i{item}", score=score_I[item], propensity=chance_I[item])
                for item in best
            )
        )
        taken.append(int(item_id[1:]))
        propensities.append(float(chance_I[taken[-1]]))
    return TargetSlate(
        slate=slate,
        policy="plackett_luce",
        propensities=tuple(propensities),
        alternatives=tuple(alternatives),
    )
