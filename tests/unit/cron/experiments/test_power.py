"""Power calculations: equal to textbook numbers, and kept by simulated experiments."""

from __future__ import annotations

import numpy as np
import pytest

from bench.decisions.experiments import null_runs, planted_runs, share_by_day
from bench.decisions.simulated_visitors import AUDIENCES, NUM_DAYS
from cron.experiments.power import (
    Traffic,
    crossing_probabilities,
    first_day,
    fixed_information,
    plan,
)


def test_one_look_needs_the_users_of_a_textbook() -> None:
    """Lehr's rule: about 16 variances over the squared effect in each of two groups."""
    found = plan(Traffic(users_per_day=100, variance=1.0), effect=0.1)
    assert found.fixed_users == pytest.approx(2 * 15.7 / 0.01, rel=0.01)


def test_looking_daily_needs_more_users_but_ends_early() -> None:
    found = plan(Traffic(users_per_day=100, variance=1.0), effect=0.1)
    assert found.users is not None
    assert found.median_days is not None
    assert found.days is not None
    assert found.fixed_users < found.users < 2 * found.fixed_users
    assert found.median_days < found.days


def test_an_effect_that_takes_years_is_not_planned() -> None:
    found = plan(Traffic(users_per_day=10, variance=1.0), effect=0.001)
    assert (found.users, found.days, found.median_days) == (None, None, None)


def test_without_an_effect_the_border_is_rarely_crossed() -> None:
    """The recursion and the bound agree: with hardly any drift, at most alpha ever cross."""
    days = [0.002 * day for day in range(1, 400)]
    found = crossing_probabilities(days, effect=1e-3, alpha=0.05)
    assert found[-1] < 1e-6
    assert fixed_information(1.0, alpha=0.05, power=0.8) == pytest.approx(7.849, abs=1e-3)


def test_daily_looks_rarely_find_an_effect_that_is_not_there() -> None:
    """A test made for one look does, so the experiments could have shown it."""
    for name in ("visitors who return", "few and skewed purchases"):
        found = null_runs(AUDIENCES[name], np.random.default_rng(3), num_runs=60)
        shares = {test: share_by_day(days)[-1] for test, days in found.items()}
        assert shares["normal mixture"] <= 0.05
        assert shares["one-look test, every day"] > 0.1


def test_an_effect_is_found_in_the_planned_time() -> None:
    name = "the same visitors every day"
    found = planted_runs(name, AUDIENCES[name], np.random.default_rng(4), num_runs=80)
    assert len(found.measured) == NUM_DAYS
    for share in (0.5, 0.8):
        planned = first_day(found.planned, share)
        assert planned is not None
        assert abs(found.measured[planned - 1] - share) < 0.2


@pytest.mark.parametrize("users_per_day", [1e5, 1e6, 1e9, 1e12])
def test_many_users_a_day_find_an_effect_on_the_first(users_per_day: float) -> None:
    """The score then grows by more in a day than any border is high."""
    found = plan(Traffic(users_per_day=users_per_day, variance=25.0), effect=5.0)
    assert (found.days, found.median_days) == (1, 1)
