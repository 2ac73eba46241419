"""The paired bootstrap: its bounds and its weights."""

from __future__ import annotations

import numpy as np

from cron.gate.bootstrap import paired_mean_difference, paired_root_difference


def test_the_lower_bound_is_right_nineteen_times_of_twenty() -> None:
    """Draw panels from a known population: the bound is above the truth in about 5 % of them."""
    rng = np.random.default_rng(0)
    above = 0
    for _ in range(300):
        change = rng.normal(0.01, 0.05, 100)
        above += (
            paired_mean_difference(
                change, np.zeros(100), rng.integers(1, 30, 100).astype(float), resamples=300
            ).low
            > 0.01
        )
    assert 0.02 <= above / 300 <= 0.10


def test_heavy_users_weigh_by_their_events() -> None:
    interval = paired_mean_difference(
        np.array([1.0, 0.0]), np.array([0.0, 0.0]), np.array([3.0, 1.0]), resamples=50
    )
    assert interval.difference == 0.75
    assert interval.low >= 0.0
    assert interval.high <= 1.0
    roots = paired_root_difference(
        np.array([4.0, 4.0]), np.array([1.0, 1.0]), np.array([3.0, 1.0]), resamples=50
    )
    assert (roots.difference, roots.low, roots.high) == (1.0, 1.0, 1.0)
