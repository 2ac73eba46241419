"""The price of exploration: exact where propensities tell it, and unknown elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from cron.evaluation.exploration_price import price_of
from cron.evaluation.intervals import Resampling
from cron.evaluation.logged_slates import LoggedSlates

EPSILON, NUM_ITEMS, K = 0.2, 5, 2
GOOD, OTHER = 0.6, 0.1  # the rewards of greedy's item and of the others
RESAMPLING = Resampling(resamples=300)


def epsilon_lists(num_slates: int) -> LoggedSlates:
    """Return lists by `epsilon`, each with a pin at its end."""
    generator = np.random.default_rng(4)
    is_greedy_NK = generator.random((num_slates, K)) < 1 - EPSILON + EPSILON / NUM_ITEMS
    greedy, other = 1 - EPSILON + EPSILON / NUM_ITEMS, EPSILON / NUM_ITEMS
    logging_NK = np.where(is_greedy_NK, greedy, other)
    chance_NK = np.where(is_greedy_NK, GOOD, OTHER)
    reward_NK = (generator.random((num_slates, K)) < chance_NK).astype(float)
    ones_N1 = np.ones((num_slates, 1))
    logging_R = np.hstack([logging_NK, ones_N1]).ravel()
    return LoggedSlates(
        slate_R=np.repeat(np.arange(num_slates), K + 1),
        position_R=np.tile(np.arange(K + 1), num_slates),
        user_R=np.repeat(np.arange(num_slates), K + 1),
        reward_R=np.hstack([reward_NK, 0 * ones_N1]).ravel(),
        logging_R=logging_R,
        target_R=logging_R,
    )


def test_the_price_of_epsilon_is_known() -> None:
    price = price_of(epsilon_lists(5_000), "epsilon", resampling=RESAMPLING)
    moved = EPSILON * (1 - 1 / NUM_ITEMS)
    truth = K * moved * (GOOD - OTHER)
    assert price.moved_share == pytest.approx(moved * K / (K + 1), abs=0.01)
    assert price.low is not None
    assert price.high is not None
    assert 0 < price.low < truth < price.high
    assert (price.num_slates, price.num_items) == (5_000, 15_000)


def test_few_lists_give_no_estimate() -> None:
    price = price_of(epsilon_lists(60), "epsilon", resampling=RESAMPLING)
    assert price.moved_share is not None
    assert price.given_up is None
    assert "at least" in (price.why_unknown or "")


def test_the_price_of_plackett_luce_is_unknown() -> None:
    price = price_of(epsilon_lists(5_000), "plackett_luce", resampling=RESAMPLING)
    assert (price.moved_share, price.given_up) == (None, None)
    assert "do not say which items greedy ones" in (price.why_unknown or "")
    assert price.earned > 0
