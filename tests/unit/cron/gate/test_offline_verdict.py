"""The offline verdict on made-up reports: what passes and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cron.gate.offline_verdict import offline_verdict
from cron.gate.wording import Against
from tests.unit.cron.gate.reports import (
    AGAINST,
    ERRORS,
    LIVE,
    NUM_USERS,
    SETTINGS,
    candidate,
    refusals,
    report,
    scores,
)


def test_an_honest_update_is_accepted_with_a_reason_per_test() -> None:
    verdict = offline_verdict(candidate(0.001), SETTINGS, AGAINST)
    assert verdict.is_accepted
    assert [reason.name for reason in verdict.reasons] == [
        "finite_weights",
        "ndcg_live",
        "ndcg_anchor",
        "ndcg_popularity",
        "rmse_live",
        "coverage",
    ]
    bounded = verdict.reasons[1]
    assert bounded.value == pytest.approx(0.001)
    assert bounded.low is not None
    assert bounded.high is not None
    assert bounded.low < 0.001 < bounded.high
    assert verdict.metrics["ndcg_candidate"] == pytest.approx(verdict.metrics["ndcg_live"] + 0.001)
    assert verdict.metrics["rmse_live"] == pytest.approx(np.sqrt(ERRORS.mean()))


def test_ratings_worse_than_the_biases_are_a_remark() -> None:
    made = candidate()
    assert made.panel is not None
    models = {**made.panel.models, "biases": scores([0.0] * NUM_USERS, ERRORS / 4)}
    verdict = offline_verdict(
        replace(made, panel=replace(made.panel, models=models)), SETTINGS, AGAINST
    )
    assert verdict.is_accepted
    assert verdict.reasons[-1].name == "rmse_biases"
    assert verdict.reasons[-1].limit == pytest.approx(np.sqrt(ERRORS.mean()) / 2)
    assert "ndcg_biases" not in verdict.metrics


def test_lists_that_miss_the_best_items_are_refused() -> None:
    complete = replace(candidate(), list_recall=0.985)
    assert not refusals(offline_verdict(complete, SETTINGS, AGAINST))
    incomplete = offline_verdict(replace(complete, list_recall=0.97), SETTINGS, AGAINST)
    assert refusals(incomplete) == ["list_recall"]
    assert "97.0%" in incomplete.reasons[-1].text


def test_a_collapse_of_coverage_is_refused() -> None:
    assert refusals(offline_verdict(candidate(coverage=0.2), SETTINGS, AGAINST)) == ["coverage"]


def test_a_first_training_may_cover_less_than_a_baseline() -> None:
    assert offline_verdict(
        candidate(coverage=0.2), SETTINGS, Against(live=0, anchor=None, live_is_baseline=True)
    ).is_accepted


def test_weights_that_are_not_finite_are_refused() -> None:
    assert refusals(
        offline_verdict(replace(candidate(), finite_weights=False), SETTINGS, AGAINST)
    ) == ["finite_weights"]
    hopeless = report(
        {
            "candidate": scores([float("nan")] * NUM_USERS, [float("nan")] * NUM_USERS),
            "live": scores(LIVE, ERRORS),
        }
    )
    verdict = offline_verdict(hopeless, SETTINGS, AGAINST)
    assert "ndcg_live" in refusals(verdict)
    assert "rmse_live" in refusals(verdict)
    assert "ndcg_candidate" not in verdict.metrics


def test_a_panel_without_events_is_reported() -> None:
    verdict = offline_verdict(replace(candidate(), panel=None), SETTINGS, AGAINST)
    assert verdict.is_accepted
    assert verdict.reasons[1].text.startswith("only 0 panel events of 0 users")


def test_a_baseline_must_only_be_finite() -> None:
    baseline = replace(candidate(-0.3), mode="baseline")
    assert offline_verdict(baseline, SETTINGS, AGAINST).is_accepted
    assert not offline_verdict(
        replace(baseline, finite_weights=False), SETTINGS, AGAINST
    ).is_accepted


def test_only_users_in_every_panel_are_compared() -> None:
    """The candidate is bad for users whom live was trained on; they must not count."""
    ndcg = LIVE.copy()
    ndcg[70:] -= 0.3
    models = {"candidate": scores(ndcg, ERRORS), "live": scores(LIVE, ERRORS)}
    users = frozenset(f"u{number}" for number in range(70))
    assert not offline_verdict(report(models), SETTINGS, AGAINST).is_accepted
    verdict = offline_verdict(report(models), SETTINGS, AGAINST, users=users)
    assert verdict.is_accepted
    assert verdict.metrics["panel_users"] == 70


def test_the_same_report_always_gets_the_same_verdict() -> None:
    assert offline_verdict(candidate(0.001), SETTINGS, AGAINST) == offline_verdict(
        candidate(0.001), SETTINGS, AGAINST
    )
