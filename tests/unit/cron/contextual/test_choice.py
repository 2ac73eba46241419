"""Probabilities are exact: they sum to 1, and draws follow them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.decisions.action_shop import ACTIONS, context
from cron.contextual import example
from cron.contextual.choice import ActionQuestion, choose
from cron.contextual.exploration import best_shares, draw, with_exploration
from cron.contextual.features import interactions
from cron.contextual.linear_model import LinearModel

CONTEXT = context(user="user 1")
scored = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5]), st.booleans()), min_size=1).filter(
    lambda actions: any(is_allowed for _score, is_allowed in actions)
)


def question(*, allowed: list[bool] | None = None, baseline: int = 0) -> ActionQuestion:
    return ActionQuestion(
        context=CONTEXT, actions=ACTIONS, allowed=allowed or [True] * 6, baseline=baseline
    )


def learned_model() -> LinearModel:
    """Return a model that prefers the third action."""
    model = LinearModel()
    model.learn(interactions(CONTEXT, ACTIONS[2]), 1.0, weight=1.0)
    model.learn(interactions(CONTEXT, ACTIONS[3]), -1.0, weight=1.0)
    return model


@given(scored, st.floats(0, 1))
def test_probabilities_sum_to_one(actions: list[tuple[float, bool]], epsilon: float) -> None:
    scores, allowed = [one for one, _ in actions], [one for _, one in actions]
    shares = best_shares(scores, allowed)
    found = with_exploration(shares, allowed, epsilon=epsilon)
    assert sum(found) == pytest.approx(1)
    for probability, is_allowed in zip(found, allowed, strict=True):
        assert (probability > 0) <= is_allowed
        assert probability >= epsilon / sum(allowed) * is_allowed


def test_draws_follow_the_probabilities() -> None:
    probabilities = (0.1, 0.0, 0.6, 0.3)
    counts = Counter(draw(probabilities, seed=str(seed)) for seed in range(50_000))
    assert counts[1] == 0
    for place, probability in enumerate(probabilities):
        # four standard errors
        assert counts[place] / 50_000 == pytest.approx(probability, abs=0.0092)


def test_the_same_seed_draws_the_same_action() -> None:
    model = learned_model()
    asked = [choose(model, question(), mode="online", epsilon=1, seed="event 1") for _ in "ab"]
    assert asked[0].chosen == asked[1].chosen


def test_a_new_model_chooses_among_all_that_are_allowed() -> None:
    allowed = [True, False, True, True, False, True]
    found = choose(LinearModel(), question(allowed=allowed), mode="online", epsilon=0.2, seed="s")
    assert found.probabilities == pytest.approx((0.25, 0, 0.25, 0.25, 0, 0.25))
    assert found.example.agreement == 0.25


def test_a_learned_model_explores_the_rest() -> None:
    found = choose(learned_model(), question(), mode="online", epsilon=0.3, seed="s")
    assert found.probabilities == pytest.approx((0.05, 0.05, 0.75, 0.05, 0.05, 0.05))
    assert found.example.agreement == 0


def test_an_apprentice_shows_the_existing_action() -> None:
    found = choose(learned_model(), question(baseline=4), mode="apprentice", epsilon=0.3, seed="s")
    assert (found.chosen, found.probabilities) == (4, (0, 0, 0, 0, 1, 0))
    assert (found.example.supported_share, found.example.has_baseline) == (0, True)
    assert len(found.example.others) == 5


def test_without_exploration_the_baseline_has_no_support() -> None:
    found = choose(learned_model(), question(), mode="online", epsilon=0, seed="s")
    assert found.chosen == 2
    assert (found.example.supported_share, found.example.has_baseline) == (1, False)


def test_a_taken_baseline_has_no_support() -> None:
    asked = ActionQuestion(context=CONTEXT, actions=ACTIONS, allowed=[True] * 6, baseline=None)
    found = choose(LinearModel(), asked, mode="online", epsilon=0.2, seed="s")
    assert (found.example.has_baseline, found.example.agreement) == (False, 0)


@pytest.mark.parametrize("mode", ["online", "apprentice"])
def test_an_example_is_the_same_after_a_restart(mode: str) -> None:
    before = choose(
        learned_model(),
        question(),
        mode="apprentice" if mode == "apprentice" else "online",
        epsilon=0.2,
        seed="s",
    ).example
    after = example.from_bytes(example.to_bytes(before))
    assert (after.probability, after.agreement) == (before.probability, before.agreement)
    assert len(after.others) == len(before.others)
    assert (after.shown.hashes == before.shown.hashes).all()
    assert (after.context.values == before.context.values).all()
