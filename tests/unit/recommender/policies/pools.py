"""Small pools with and without rules, and random ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from recommender.policies.slots import Floats, Mask, PolicyPool, Unlikeness, ValueLimit
from recommender.requests.list_policy import ListPolicy, NewItemsShare

BRANDS = (("a",), ("a",), ("b",), ("a", "b"), (), ("c",), ("c",))
SCORES = np.array([3.0, 2.4, 2.3, 1.0, 0.9, 0.2, -1.0])
LIFTS = np.random.default_rng(2).standard_normal((40, len(SCORES)))
DEVIATIONS = 2 * np.random.default_rng(4).standard_normal((40, len(SCORES)))
NEW = (3, 5, 6)
UNLISTED = (6,)


def mask(places: Sequence[int], size: int = len(SCORES)) -> Mask:
    return np.isin(np.arange(size), places)


def brands(limit: int, **beside: int) -> ValueLimit:
    return ValueLimit(limit=limit, values_P=BRANDS, taken=Counter(beside))


def unlikeness(strength: float, scores_P: Floats = SCORES) -> Unlikeness:
    """Return a rule by vectors of which neighbours in the pool are alike."""
    angle_P = np.linspace(0, np.pi, len(scores_P))
    width = float(scores_P[0] - scores_P[-1])
    return Unlikeness(
        strength=strength,
        unit_PD=np.stack([np.cos(angle_P), np.sin(angle_P)], axis=1).astype(np.float32),
        relevance_P=(scores_P - scores_P[-1]) / width,
        unit=width / float(scores_P.std()),
    )


def pool(*, limits: Sequence[ValueLimit] = (), unlike: Unlikeness | None = None) -> PolicyPool:
    """Return seven items; the last is new and not of the list's own, and two others are new."""
    return PolicyPool(
        scores_P=SCORES,
        spread=float(SCORES.std()),
        is_listed_P=~mask(UNLISTED),
        is_new_P=mask(NEW),
        limits=limits,
        unlikeness=unlike,
        lifts_MP=LIFTS,
    )


POOLS = {
    "plain": pool(),
    "doubts": replace(pool(), deviations_MP=DEVIATIONS),
    "doubts of both": replace(
        pool(limits=[brands(2, a=1)], unlike=unlikeness(0.3)), deviations_MP=DEVIATIONS
    ),
    "at_most": pool(limits=[brands(1)]),
    "diversity": pool(unlike=unlikeness(0.4)),
    "both": pool(limits=[brands(2, a=1)], unlike=unlikeness(0.3)),
}


@st.composite
def random_pools(draw: st.DrawFn) -> PolicyPool:
    """Return pools of up to eight items with ties, limits, likeness and new items."""
    size = draw(st.integers(1, 8))
    scores = sorted(draw(st.lists(st.integers(-3, 3), min_size=size, max_size=size)))[::-1]
    scores_P = np.array(scores, np.float64)
    values = st.lists(st.sampled_from("abc"), max_size=2).map(tuple)
    flags = st.lists(st.booleans(), min_size=size, max_size=size)
    limits = []
    if draw(st.booleans()):
        values_P = draw(st.lists(values, min_size=size, max_size=size))
        taken = draw(st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)))
        limits.append(
            ValueLimit(limit=draw(st.integers(1, 3)), values_P=values_P, taken=Counter(taken))
        )
    angle_P = np.array(draw(st.lists(st.floats(0, 6), min_size=size, max_size=size)))
    unlike = None
    if draw(st.booleans()):
        unlike = Unlikeness(
            strength=draw(st.floats(0.01, 1)),
            unit_PD=np.stack([np.cos(angle_P), np.sin(angle_P)], axis=1).astype(np.float32),
            relevance_P=scores_P / 3,
            unit=draw(st.floats(0.1, 10)),
        )
    members = st.none() | st.lists(
        st.lists(st.integers(-2, 2), min_size=size, max_size=size), min_size=1, max_size=4
    )
    lifts, deviations = draw(members), draw(members)
    return PolicyPool(
        scores_P=scores_P,
        spread=draw(st.floats(0.1, 10)),
        is_listed_P=np.array(draw(flags)),
        is_new_P=np.array(draw(flags)),
        limits=limits,
        unlikeness=unlike,
        lifts_MP=None if lifts is None else np.array(lifts, np.float64),
        deviations_MP=None if deviations is None else np.array(deviations, np.float64),
    )


random_policies = st.builds(
    ListPolicy,
    name=st.sampled_from(["greedy", "epsilon", "plackett_luce", "thompson", "ucb"]),
    epsilon=st.floats(0, 1),
    temperature=st.floats(0.001, 1_000),
    new_items=st.none() | st.builds(NewItemsShare, share=st.floats(0, 1), ids=st.just(())),
)
