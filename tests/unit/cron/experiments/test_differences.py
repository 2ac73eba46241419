"""The difference of two arms: equal to textbook values, smaller with what was before."""

from __future__ import annotations

import math
from random import Random
from statistics import fmean, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.experiments.differences import adjustment, difference, reward_estimate
from cron.experiments.user_sums import UserSums, UserTotals, sum_users

REWARDS = st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=30)
USERS = st.lists(
    st.builds(
        UserTotals,
        reward=st.integers(0, 100).map(float),
        exposure=st.integers(1, 30).map(float),
        before=st.integers(0, 5).map(float),
    ),
    min_size=1,
    max_size=20,
)


@given(REWARDS, REWARDS)
def test_means_differ_with_the_variance_of_a_textbook(a: list[float], b: list[float]) -> None:
    found = difference(*(sum_users(UserTotals(reward=one) for one in arm) for arm in (a, b)))
    assert found is not None
    assert found.value == pytest.approx(fmean(b) - fmean(a), abs=1e-9)
    expected = variance(a) / len(a) + variance(b) / len(b)
    assert found.variance == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(USERS, USERS)
def test_sums_of_two_parts_are_the_sums_of_all(
    first: list[UserTotals], second: list[UserTotals]
) -> None:
    assert sum_users(first) + sum_users(second) == sum_users([*first, *second])


@given(USERS, st.floats(0.1, 100))
def test_the_unit_of_exposure_does_not_change_significance(
    users: list[UserTotals], unit: float
) -> None:
    scaled = [
        UserTotals(reward=user.reward, exposure=user.exposure * unit, before=user.before / unit)
        for user in users
    ]
    plain, other = reward_estimate(sum_users(users)), reward_estimate(sum_users(scaled))
    if plain is None or other is None:
        assert plain is other
        return
    assert other.value * unit == pytest.approx(plain.value)
    assert other.variance * unit * unit == pytest.approx(plain.variance, rel=1e-5, abs=1e-6)


def test_nothing_is_concluded_from_one_user() -> None:
    one, many = sum_users([UserTotals(reward=1)]), sum_users([UserTotals(reward=1)] * 5)
    assert difference(one, many) is None
    assert reward_estimate(UserSums()) is None


def test_rewards_before_make_the_interval_narrower() -> None:
    """The past explains a known share of the variance, and the effect stays what it is."""
    random = Random(7)
    arms = []
    for effect in (0.0, 0.5):
        users = []
        for _ in range(4_000):
            past = random.gauss(3, 2)
            users.append(UserTotals(reward=past + random.gauss(0, 1) + effect, before=past))
        arms.append(sum_users(users))
    adjusted, plain = (difference(*arms, adjust=one) for one in (True, False))
    assert adjusted is not None
    assert plain is not None
    assert adjustment(*arms) == pytest.approx(1, abs=0.02)
    assert adjusted.variance / plain.variance == pytest.approx(1 / 5, abs=0.02)
    assert abs(adjusted.value - 0.5) < 4 * math.sqrt(adjusted.variance)


def test_users_without_a_past_change_nothing() -> None:
    arms = [sum_users(UserTotals(reward=one) for one in rewards) for rewards in ([1, 2], [3, 5])]
    assert difference(*arms, adjust=True) == difference(*arms, adjust=False)
