"""The price of exploration: known for all policies, and unknown where the lists cannot say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cron.evaluation.dense import Booleans
from cron.evaluation.given_up import ExploredSlates, price_of, ranks_by_propensities
from cron.evaluation.intervals import Resampling
from cron.evaluation.logged_slates import Floats, Integers, LoggedSlates
from cron.evaluation.support import Requirements
from tests.unit.cron.evaluation.luce_shop import LuceShop

EPSILON, NUM_ITEMS, K = 0.2, 5, 2
GOOD, OTHER = 0.6, 0.1  # the rewards of greedy's item and of the others
RESAMPLING = Resampling(resamples=300)


def slates_of(
    ranks_NK: Integers, propensities_NK: Floats, rewards_NK: Floats, pins_NK: Booleans
) -> ExploredSlates:
    """Return slates of one length, each of a user of its own."""
    num_slates, length = ranks_NK.shape
    logging_R = propensities_NK.ravel()
    slate_R = np.repeat(np.arange(num_slates), length)
    logged = LoggedSlates(
        slate_R=slate_R,
        position_R=np.tile(np.arange(length), num_slates),
        user_R=slate_R,
        reward_R=rewards_NK.ravel(),
        logging_R=logging_R,
        target_R=logging_R,
    )
    return ExploredSlates(logged=logged, is_pin_R=pins_NK.ravel(), rank_R=ranks_NK.ravel())


def epsilon_lists(num_slates: int) -> ExploredSlates:
    """Return lists by `epsilon`, each with a pin at its end; no item of greedy's is explored."""
    generator = np.random.default_rng(4)
    is_greedy_NK = generator.random((num_slates, K)) < 1 - EPSILON + EPSILON / NUM_ITEMS
    greedy, other = 1 - EPSILON + EPSILON / NUM_ITEMS, EPSILON / NUM_ITEMS
    logging_NK = np.where(is_greedy_NK, greedy, other)
    chance_NK = np.where(is_greedy_NK, GOOD, OTHER)
    reward_NK = (generator.random((num_slates, K)) < chance_NK).astype(float)
    ones_N1 = np.ones((num_slates, 1))
    return slates_of(
        np.hstack([np.where(is_greedy_NK, is_greedy_NK.cumsum(axis=1), 0), 0 * ones_N1]).astype(
            np.int64
        ),
        np.hstack([logging_NK, ones_N1]),
        np.hstack([reward_NK, 0 * ones_N1]),
        np.hstack([is_greedy_NK & False, ones_N1 == 1]),
    )


def test_the_price_of_epsilon_is_known() -> None:
    price = price_of(epsilon_lists(5_000), "epsilon", resampling=RESAMPLING)
    moved = EPSILON * (1 - 1 / NUM_ITEMS)
    truth = K * moved * (GOOD - OTHER)
    assert price.moved_share == pytest.approx(moved * K / (K + 1), abs=0.01)
    assert price.low is not None
    assert price.high is not None
    assert 0 < price.low < truth < price.high
    assert price.assumes == "cascade"
    assert (price.num_slates, price.num_items) == (5_000, 15_000)


def test_propensities_tell_the_ranks_of_epsilon_lists() -> None:
    """So lists of earlier releases, which have no ranks, have the same price."""
    slates = epsilon_lists(300)
    logged = slates.logged
    ranks_R = ranks_by_propensities(logged.logging_R, logged.slate_R, slates.is_pin_R)
    assert ranks_R.tolist() == slates.rank_R.tolist()


def test_few_lists_give_no_estimate() -> None:
    price = price_of(epsilon_lists(60), "epsilon", resampling=RESAMPLING)
    assert price.moved_share is not None
    assert price.given_up is None
    assert "at least" in (price.why_unknown or "")


@pytest.mark.parametrize("examined", ["all places alike", "the top most"])
def test_the_price_of_plackett_luce_is_known(examined: str) -> None:
    """Hardly a list of ten is the greedy one, and items stand at places that are not theirs."""
    shop = LuceShop(temperature=0.5, has_position_bias=examined == "the top most")
    drawn = shop.serve(8_000, seed=6)
    price = price_of(
        slates_of(drawn.rank_NK, drawn.propensity_NK, drawn.reward_NK, drawn.rank_NK < 0),
        "plackett_luce",
        resampling=RESAMPLING,
    )
    assert price.moved_share == pytest.approx(drawn.outside)
    assert price.assumes == "place"
    assert price.low is not None
    assert price.high is not None
    assert 0 < price.low < drawn.given_up < price.high
    assert price.high - price.low < 3 * drawn.given_up


def test_the_intervals_cover_what_greedy_would_earn() -> None:
    """At least 93 of 100, of which the requirements of lists are left out of account."""
    shop = LuceShop(temperature=0.5, has_position_bias=True)
    lenient = Requirements(min_effective_size=50, min_rewarded_users=5)
    covered = []
    for seed in range(40):
        drawn = shop.serve(1_500, seed=seed)
        price = price_of(
            slates_of(drawn.rank_NK, drawn.propensity_NK, drawn.reward_NK, drawn.rank_NK < 0),
            "plackett_luce",
            resampling=Resampling(resamples=200),
            requirements=lenient,
        )
        assert price.low is not None
        assert price.high is not None
        covered.append(price.low <= drawn.given_up <= price.high)
    assert np.mean(covered) >= 0.93


def test_what_a_policy_never_shows_is_unknown() -> None:
    """As of `ucb`, which leaves nothing to chance: half of the lists begin with another item."""
    ranks_NK = np.tile([[1, 2], [0, 1]], (500, 1))
    rewards_NK = np.tile([[1.0, 0.0], [0.0, 1.0]], (500, 1))
    price = price_of(slates_of(ranks_NK, np.ones((1_000, 2)), rewards_NK, ranks_NK < 0), "ucb")
    assert price.moved_share == 0.25
    assert price.given_up is None
    assert "the logs have none" in (price.why_unknown or "")


def test_ranks_beyond_a_shortened_list_count_as_outside() -> None:
    """A pin pushed the last item off, so the greedy list is shorter by one, too."""
    ranks_NK = np.tile([[0, 1, 3]], (10, 1))
    pins_NK = np.tile([[True, False, False]], (10, 1))
    price = price_of(slates_of(ranks_NK, np.ones((10, 3)), np.ones((10, 3)), pins_NK), "thompson")
    assert price.moved_share == pytest.approx(1 / 3)


@settings(max_examples=30, deadline=None)
@given(
    ranks=st.lists(
        st.integers(0, 6), min_size=1, max_size=6, unique_by=lambda rank: rank or object()
    ),
    num_slates=st.integers(1, 4),
    reward=st.sampled_from([0.0, 1.0, -2.5]),
)
def test_any_few_lists_have_a_share_and_no_estimate(
    ranks: list[int], num_slates: int, reward: float
) -> None:
    ranks_NK = np.tile(np.array([ranks], np.int64), (num_slates, 1))
    rewards_NK = np.full(ranks_NK.shape, reward)
    price = price_of(
        slates_of(ranks_NK, np.full(ranks_NK.shape, 0.5), rewards_NK, ranks_NK < 0), "ucb"
    )
    num_outside = sum(not 1 <= rank <= len(ranks) for rank in ranks)
    assert price.moved_share == pytest.approx(num_outside / len(ranks))
    assert price.given_up is None
