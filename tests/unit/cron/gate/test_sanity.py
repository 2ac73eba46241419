"""The sanity tests: what a small panel can and cannot refuse."""

from __future__ import annotations

import pytest

from cron.gate.offline_verdict import offline_verdict
from tests.unit.cron.gate.reports import AGAINST, ERRORS, LIVE, SETTINGS, refusals, report, scores
from trainer.report import Report


def small_panel(candidate_ndcg: list[float], live_ndcg: list[float]) -> Report:
    return report(
        {"candidate": scores(candidate_ndcg, None), "live": scores(live_ndcg, None)},
        events_each=3,
        num_users=len(live_ndcg),
    )


def test_with_few_panel_events_only_ruin_is_refused() -> None:
    few = {"candidate": scores(LIVE[:9] * 0.9, ERRORS[:9]), "live": scores(LIVE[:9], ERRORS[:9])}
    verdict = offline_verdict(report(few, num_users=9), SETTINGS, AGAINST)
    assert verdict.is_accepted
    assert (
        "only 180 panel events of 9 users, 1000 of 50 are needed: sanity tests"
        in verdict.reasons[1].text
    )
    ruined = {**few, "candidate": scores(LIVE[:9] * 0.3, ERRORS[:9] * 9)}
    assert refusals(offline_verdict(report(ruined, num_users=9), SETTINGS, AGAINST)) == [
        "sanity_ndcg",
        "sanity_rmse",
    ]


def test_a_loss_that_may_be_noise_of_a_dozen_users_is_accepted() -> None:
    """The mean is below half of the live version's, but only because of two users' lucky hits."""
    live = [0.5, 0.4, *[0.0] * 10]
    noisy = [0.0, 0.0, 0.1, 0.2, *[0.0] * 8]
    verdict = offline_verdict(small_panel(noisy, live), SETTINGS, AGAINST)
    (reason,) = [one for one in verdict.reasons if one.name == "sanity_ndcg"]
    assert verdict.is_accepted
    assert reason.value == pytest.approx((sum(noisy) - sum(live) / 2) / 12)
    assert reason.low is not None
    assert reason.high is not None
    assert reason.value is not None
    assert reason.low < reason.value < 0 <= reason.high
    assert reason.text.startswith(
        "sanity: NDCG@10 0.025, half of that of version 3 is 0.038: difference −.013, 95 % bounds "
    )


def test_a_ranker_that_hits_nothing_is_refused() -> None:
    live = [0.1, 0.3, 0.2, 0.0, 0.1, 0.0, 0.2, 0.3, 0.0, 0.1, 0.0, 0.0]
    broken = small_panel([0.0] * 12, live)
    assert refusals(offline_verdict(broken, SETTINGS, AGAINST)) == ["sanity_ndcg"]


def test_four_users_are_too_few_for_sanity_tests() -> None:
    verdict = offline_verdict(small_panel([0.0] * 4, [0.3] * 4), SETTINGS, AGAINST)
    assert verdict.is_accepted
    assert "sanity_ndcg" not in {reason.name for reason in verdict.reasons}
