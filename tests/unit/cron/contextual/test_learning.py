"""The learner finds what is planted, and says what its policy and the baseline are worth."""

from __future__ import annotations

from statistics import fmean

import pytest

from bench.decisions.action_shop import (
    BASELINE,
    FAVOURITE,
    ORACLE,
    RANDOM,
    ActionShop,
    action,
    context,
)
from cron.contextual.features import FeatureVector, interactions
from cron.contextual.linear_model import LinearModel
from cron.contextual.policy_values import agreement, value_of


@pytest.fixture(scope="module")
def online() -> tuple[ActionShop, list[float]]:
    """Return a shop after 3,000 visits with exploration, and what they earned."""
    shop = ActionShop(seed=1)
    return shop, shop.visits(3_000)


def test_it_beats_random_and_the_existing_logic(online: tuple[ActionShop, list[float]]) -> None:
    _shop, earned = online
    best = 0.8 * ORACLE + 0.2 * RANDOM  # with a fifth of the choices at random
    assert fmean(earned[-500:]) > best - 0.03
    assert fmean(earned) > 1.5 * max(BASELINE, RANDOM)


def test_the_policies_values_are_estimated(online: tuple[ActionShop, list[float]]) -> None:
    """The baseline was served in a few choices of a hundred, and its interval holds the truth."""
    shop, earned = online
    totals = shop.totals
    baseline = value_of(totals, totals.baseline)
    learned = value_of(totals, totals.learned)
    served = value_of(totals, totals.served)
    assert baseline is not None
    assert learned is not None
    assert served is not None
    assert baseline.low < BASELINE < baseline.high < learned.low
    assert served.mean == pytest.approx(fmean(earned), abs=0.03)
    assert served.high < learned.mean  # exploration costs something


def test_an_apprentice_comes_to_agree_and_takes_over() -> None:
    shop = ActionShop(seed=2)
    first = fmean(shop.visits(1_500, "apprentice"))
    assert first == pytest.approx(BASELINE, abs=0.03)  # nothing else was served
    assert shop.agreement() == 1
    values = (value_of(shop.totals, one) for one in (shop.totals.baseline, shop.totals.learned))
    assert next(values) is not None
    assert next(values) is None  # what the model alone would have chosen was never served
    share = agreement(shop.totals)
    assert share is not None
    assert share > 0.8
    # no worse than the existing logic at once, but for what exploration takes
    assert fmean(shop.visits(300)) > 0.8 * BASELINE + 0.2 * RANDOM - 0.03
    shop.visits(2_000)
    assert fmean(shop.visits(300)) > 0.35


def test_without_choices_nothing_is_said() -> None:
    totals = ActionShop(seed=0).totals
    assert agreement(totals) is None
    assert value_of(totals, totals.served) is None


def test_a_model_is_the_same_after_a_restart(online: tuple[ActionShop, list[float]]) -> None:
    shop, _earned = online
    again = LinearModel.from_bytes(shop.model.to_bytes())
    asked = action_of(0)
    assert again.predict(asked) == shop.model.predict(asked) != 0
    again.learn(asked, 1.0, weight=1.0)
    shop.model.learn(asked, 1.0, weight=1.0)
    assert again.predict(asked) == shop.model.predict(asked)
    assert LinearModel.from_bytes(LinearModel().to_bytes()).predict(asked) == 0


def test_a_copy_learns_alone() -> None:
    model = LinearModel()
    copy = model.copy()
    copy.learn(action_of(1), 1.0, weight=1.0)
    assert model.predict(action_of(1)) == 0 < copy.predict(action_of(1))


@pytest.mark.parametrize("weight", [0.01, 1.0, 20.0, 1e6])
def test_a_step_never_goes_beyond_the_reward(weight: float) -> None:
    model = LinearModel()
    before = 0.0
    for _ in range(20):
        model.learn(action_of(2), FAVOURITE, weight=weight)
        after = model.predict(action_of(2))
        assert before <= after <= FAVOURITE + 1e-6
        before = after
    assert before > 0


def action_of(number: int) -> FeatureVector:
    return interactions(context(user="user 0", hour=1), action(name=f"action {number}"))
