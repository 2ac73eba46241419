"""The intervals: repeatable, by user, and wide enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.decisions.planted_slates import WorldShape, planted_log, planted_world
from cron.evaluation.contributions import gradients_of, values_of
from cron.evaluation.dense import dense_slates
from cron.evaluation.evaluate import WEIGHTED
from cron.evaluation.intervals import MAX_UNITS, Resampling, studentised_interval, sums_by_unit
from cron.evaluation.inverse_propensity import ips, snips
from cron.evaluation.logged_slates import LoggedSlates
from tests.unit.cron.evaluation.choices import choices, many_choices

QUICK = Resampling(resamples=300)


def width(log: LoggedSlates, resampling: Resampling = QUICK) -> float:
    low, high = studentised_interval(ips(dense_slates(log)), resampling)
    return high - low


def test_the_same_seed_gives_the_same_interval() -> None:
    contributions = snips(dense_slates(many_choices()))
    first = studentised_interval(contributions, QUICK)
    assert studentised_interval(contributions, QUICK) == first
    assert studentised_interval(contributions, replace(QUICK, seed=1)) != first


def test_an_interval_of_equal_rewards_is_a_point() -> None:
    log = dense_slates(choices(np.full(50, 2.0), np.full(50, 0.5), np.full(50, 0.5)))
    assert studentised_interval(ips(log), QUICK) == (2.0, 2.0)


def test_one_user_gives_a_point() -> None:
    log = replace(many_choices(20), user_R=np.zeros(20, dtype=np.int64))
    low, high = studentised_interval(ips(dense_slates(log)), QUICK)
    assert low == high


def test_a_users_slates_are_not_independent() -> None:
    """Each choice repeated ten times by the same user tells no more than once."""
    once = many_choices(300)
    rows = np.arange(3_000)
    ten_times = LoggedSlates(
        slate_R=rows,
        position_R=np.zeros_like(rows),
        user_R=once.user_R.repeat(10),
        reward_R=once.reward_R.repeat(10),
        logging_R=once.logging_R.repeat(10),
        target_R=once.target_R.repeat(10),
    )
    assert width(ten_times) == pytest.approx(width(once))
    strangers = replace(ten_times, user_R=rows)
    assert width(strangers) < 0.5 * width(once)


def test_many_users_are_drawn_in_groups() -> None:
    many = many_choices(3 * MAX_UNITS)
    sums_US = sums_by_unit(np.ones((len(many.user_R), 1)), many.user_R, np.random.default_rng(0))
    assert sums_US[:, 0].tolist() == [3.0] * MAX_UNITS
    contributions = ips(dense_slates(many))
    low, high = studentised_interval(contributions, QUICK)
    spread = contributions.earned_NK.std() / np.sqrt(contributions.num_slates)
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_more_confidence_is_wider() -> None:
    log = many_choices(200)
    assert width(log, replace(QUICK, confidence=0.99)) > width(log)


@pytest.mark.parametrize("name", list(WEIGHTED))
def test_the_gradient_is_the_derivative(name: str) -> None:
    log = planted_log(planted_world(WorldShape(), seed=3), num_users=40, seed=4)
    contributions = WEIGHTED[name](dense_slates(log.slates), None)
    sums, terms = contributions.sums(), contributions.num_terms
    steps = np.eye(len(sums)) * 1e-4
    above, below = values_of(sums + steps, terms), values_of(sums - steps, terms)
    found = gradients_of(sums[np.newaxis], terms)[0]
    np.testing.assert_allclose(found, (above - below) / 2e-4, rtol=1e-5, atol=1e-9)
