"""Our estimators against sb-obp, the Open Bandit authors' library, on the same logs.

Its wheel (1.4 MB) is fetched from the package index at the first run.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.decisions.obp_library import ObpLibrary, obp_library
from bench.decisions.obp_values import choice_values, slate_values
from bench.decisions.open_bandit import (
    as_choices,
    bandit_log,
    predicted_clicks,
    thompson_probabilities,
)
from bench.decisions.planted_slates import WorldShape, planted_log, planted_world
from cron.evaluation.contributions import Contributions
from cron.evaluation.dense import DenseSlates, dense_slates
from cron.evaluation.doubly_robust import direct
from cron.evaluation.estimate import PolicyValue
from cron.evaluation.evaluate import DIRECT, WEIGHTED, evaluate_policy


@pytest.fixture(scope="module")
def library() -> ObpLibrary:
    return obp_library()


@pytest.mark.parametrize("clip", [None, 5.0])
def test_choices_are_worth_the_same(library: ObpLibrary, clip: float | None) -> None:
    log = bandit_log(library, "random", "all")
    target_AK = thompson_probabilities(library, "all", log.num_items, num_draws=500)
    predicted_NA = predicted_clicks(log)
    dense = dense_slates(as_choices(log, target_AK, predicted_NA))
    theirs = choice_values(library, log, target_AK, predicted_NA, clip=clip)
    assert len(theirs) == (4 if clip is None else 2)
    for name, value in theirs.items():
        assert contributions(dense, name, clip).value() == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("is_interacting", [True, False])
def test_slates_are_worth_the_same(library: ObpLibrary, is_interacting: bool) -> None:
    world = planted_world(WorldShape(is_interacting=is_interacting), seed=5)
    log = planted_log(world, num_users=100, seed=6)
    theirs = slate_values(library, world, log)
    assert set(theirs) == set(WEIGHTED)
    for name, value in theirs.items():
        ours = contributions(dense_slates(log.slates), name, None).value()
        assert ours == pytest.approx(value, abs=1e-9), name


def test_the_thompson_policys_clicks_are_in_the_interval(library: ObpLibrary) -> None:
    """From the random policy's log, compared with what the policy itself got in the same week."""
    log = bandit_log(library, "random", "all")
    target_AK = thompson_probabilities(library, "all", log.num_items, num_draws=3_000)
    choices = as_choices(log, target_AK, predicted_clicks(log))
    answer = evaluate_policy(replace(choices, marginal=None), "doubly_robust")
    assert isinstance(answer, PolicyValue)
    assert answer.interval is not None
    truth = np.mean(bandit_log(library, "bts", "all").click_N)
    assert answer.interval.low < truth < answer.interval.high


def contributions(dense: DenseSlates, name: str, clip: float | None) -> Contributions:
    return direct(dense) if name == DIRECT else WEIGHTED[name](dense, clip)
