"""Confidence sequences: the interval is the test, and looking does not make errors."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cron.experiments.confidence_sequence import (
    EVERYTHING,
    critical_ratio,
    interval_at_all_times,
    p_value_at_all_times,
)
from cron.experiments.differences import Estimate

ESTIMATES = st.builds(Estimate, value=st.floats(-10, 10), variance=st.floats(1e-6, 100))


@given(ESTIMATES, st.floats(0.01, 10), st.floats(0.001, 0.5))
def test_zero_is_outside_when_the_p_value_is_small(
    estimate: Estimate, scale: float, alpha: float
) -> None:
    p_value = p_value_at_all_times(estimate, scale=scale)
    assume(not math.isclose(p_value, alpha, rel_tol=1e-6))
    interval = interval_at_all_times(estimate, scale=scale, alpha=alpha)
    assert interval.has(0.0) == (p_value > alpha)


@given(st.floats(0.1, 1e6), st.floats(0.001, 0.2))
def test_an_interval_for_all_times_is_wider_than_for_one(information: float, alpha: float) -> None:
    from statistics import NormalDist

    once = NormalDist().inv_cdf(1 - alpha / 2)
    assert critical_ratio(information, scale=1.0, alpha=alpha) > once


def test_without_information_everything_is_possible() -> None:
    nothing = Estimate(value=0.0, variance=0.0)
    assert interval_at_all_times(nothing, scale=1, alpha=0.05) == EVERYTHING
    assert p_value_at_all_times(nothing, scale=1) == 1


def test_the_interval_is_that_of_the_paper() -> None:
    """Waudby-Smith et al. 2024, equation 2: with t = 1,000 observations and rho = 0.1."""
    t, rho, alpha = 1_000, 0.1, 0.05
    of_paper = math.sqrt(
        2 * (t * rho**2 + 1) / (t**2 * rho**2) * math.log(math.sqrt(t * rho**2 + 1) / alpha)
    )
    interval = interval_at_all_times(Estimate(value=0.0, variance=1 / t), scale=rho, alpha=alpha)
    assert interval.high == pytest.approx(of_paper)
