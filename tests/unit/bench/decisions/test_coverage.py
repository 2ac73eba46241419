"""A small version of the bench of coverage, and the planted world that it measures against."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.decisions.coverage import WORLDS, CoverageWorld, coverage
from bench.decisions.planted_slates import WorldShape, planted_log, planted_world

NUM_LOGS = 40


@pytest.mark.parametrize("title", [title for title in WORLDS if "least" not in title])
def test_intervals_cover_the_truth(title: str) -> None:
    """At 95 %, four misses in 40 logs are already unusual; the bench has 200 logs."""
    world = WORLDS[title]
    quick = replace(world, estimators=[world.estimators[0], world.estimators[-1]])
    for name, tally in coverage(quick, NUM_LOGS, seed=1).items():
        assert len(tally.values) >= 0.9 * NUM_LOGS, f"{name}: {tally.note()}"
        assert tally.share_covering >= 0.875, f"{name}: {tally.share_covering}"


def test_logs_that_cannot_say_are_counted_as_unknown() -> None:
    world = CoverageWorld(shape=WorldShape(temperature=0.2), num_users=50, estimators=["ips"])
    tally = coverage(world, 5, seed=1)["ips"]
    assert tally.values == []
    assert tally.note() == "unknown on all 5 logs"


def test_the_truth_is_what_the_policy_earns_when_it_serves() -> None:
    world = planted_world(WorldShape(), seed=2)
    served = planted_log(replace(world, logging=world.target), num_users=20_000, seed=3).slates
    slates = served.reward_R.reshape(-1, 3).sum(axis=1)
    error = slates.std() / np.sqrt(len(slates))
    assert slates.mean() == pytest.approx(world.truth(), abs=5 * error)
