"""The tolerance tests: losses against live, the anchor and popularity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cron.gate.offline_verdict import offline_verdict
from tests.unit.cron.gate.reports import (
    AGAINST,
    ERRORS,
    LIVE,
    SETTINGS,
    candidate,
    refusals,
    report,
    scores,
    with_older,
)


def test_a_loss_beyond_the_tolerance_is_refused_readably() -> None:
    verdict = offline_verdict(candidate(-0.02), SETTINGS, AGAINST)
    assert refusals(verdict) == ["ndcg_live", "ndcg_anchor"]
    text = verdict.reasons[1].text
    assert text.startswith("NDCG@10 −.020 against version 3, 95 % lower bound −.02")
    assert text.endswith("limit −.010: not accepted")


def test_small_losses_do_not_add_up_beyond_the_anchor() -> None:
    drifted = candidate(-0.005)
    assert drifted.panel is not None
    models = {**drifted.panel.models, "anchor": scores(LIVE + 0.03, ERRORS)}
    verdict = offline_verdict(
        replace(drifted, panel=replace(drifted.panel, models=models)), SETTINGS, AGAINST
    )
    assert refusals(verdict) == ["ndcg_anchor"]
    assert "the last full retrain, version 1" in verdict.reasons[2].text


def test_an_uncertain_difference_is_refused() -> None:
    assert refusals(offline_verdict(candidate(0.0, noise=0.2), SETTINGS, AGAINST)) == [
        "ndcg_live",
        "ndcg_anchor",
    ]


def test_a_ranker_that_is_popularity_is_refused() -> None:
    popular = LIVE / 3
    same = report(
        {
            "candidate": scores(popular, ERRORS),
            "live": scores(popular, ERRORS),
            "popularity": scores(popular, None),
        }
    )
    assert refusals(offline_verdict(same, SETTINGS, AGAINST)) == ["ndcg_popularity"]


def test_worse_ratings_are_refused_if_there_is_a_scale() -> None:
    worse = candidate(error_change=0.3)
    assert refusals(offline_verdict(worse, SETTINGS, AGAINST)) == ["rmse_live"]
    assert offline_verdict(replace(worse, rating_scale=None), SETTINGS, AGAINST).is_accepted


def test_a_rating_error_that_may_have_grown_is_refused() -> None:
    """The mean is within the limit, but the bound is not: some users' errors are far worse."""
    errors = ERRORS.copy()
    errors[:4] += 1.2
    spoilt = candidate()
    assert spoilt.panel is not None
    models = {**spoilt.panel.models, "candidate": scores(LIVE, errors)}
    verdict = offline_verdict(
        replace(spoilt, panel=replace(spoilt.panel, models=models)), SETTINGS, AGAINST
    )
    (reason,) = [one for one in verdict.reasons if one.name == "rmse_live"]
    assert reason.value is not None
    assert reason.high is not None
    assert reason.limit is not None
    assert 0 < reason.value < reason.limit < reason.high
    assert refusals(verdict) == ["rmse_live"]


def test_a_few_ratings_do_not_refuse_a_better_ranking() -> None:
    """In a shop, one event in fifty is a rating: their error is noise, unless it is ruined."""
    few = candidate(ndcg_change=0.1, error_change=0.3)
    assert few.panel is not None
    rated = replace(few.panel, num_ratings=(1,) * len(few.panel.user_ids))
    verdict = offline_verdict(replace(few, panel=rated), SETTINGS, AGAINST)
    assert verdict.is_accepted
    assert "sanity_rmse" in {one.name for one in verdict.reasons}
    ruined = candidate(ndcg_change=0.1, error_change=8.0)
    assert ruined.panel is not None
    rated = replace(rated, models=ruined.panel.models)
    assert refusals(offline_verdict(replace(ruined, panel=rated), SETTINGS, AGAINST)) == [
        "sanity_rmse"
    ]


def test_an_improvement_on_the_newest_events_alone_is_refused() -> None:
    """A flood of new panel events looks like a gain; older events show what the others lose."""
    flooded = with_older(candidate(0.08), -0.03)
    verdict = offline_verdict(flooded, SETTINGS, AGAINST)
    assert refusals(verdict) == ["ndcg_older"]
    (reason,) = [one for one in verdict.reasons if not one.ok]
    assert reason.text.startswith(
        "NDCG@10 −.030 against version 3 on older events, 95 % lower bound −.030, limit −.015"
    )
    assert offline_verdict(flooded, replace(SETTINGS, older_tolerance=0.04), AGAINST).is_accepted


def test_a_gain_on_the_newest_events_alone_is_explained() -> None:
    """A flood that harms nobody else is accepted, and the verdict explains the gain."""
    verdict = offline_verdict(with_older(candidate(0.084)), SETTINGS, AGAINST)
    assert verdict.is_accepted
    (reason,) = [one for one in verdict.reasons if one.name == "newest_alone"]
    assert reason.text.startswith(
        "the gain of +.084 is on the newest events alone, the older ones say 0: the data changed"
    )
    shared = offline_verdict(with_older(candidate(0.084), 0.05), SETTINGS, AGAINST)
    assert "newest_alone" not in {one.name for one in shared.reasons}


def test_ratings_that_got_worse_on_older_events_are_refused() -> None:
    assert refusals(offline_verdict(with_older(candidate(0.08), 0.0, 0.3), SETTINGS, AGAINST)) == [
        "rmse_older"
    ]


def test_few_older_events_are_reported_and_never_refuse() -> None:
    verdict = offline_verdict(with_older(candidate(), -0.3, num_users=9), SETTINGS, AGAINST)
    assert verdict.is_accepted
    assert (
        "only 180 older panel events of 9 users, 1000 of 50 are needed: the newest alone decide"
        in [r.text for r in verdict.reasons]
    )


def test_a_flood_of_new_users_does_not_refuse_an_update() -> None:
    """No ranker beats popularity on five hundred new users with three random views each."""
    quick = replace(SETTINGS, resamples=300)
    nothing = scores([0.003] * 500, None)
    flood = report(
        {"candidate": nothing, "live": nothing, "anchor": nothing, "popularity": nothing},
        events_each=3,
        num_users=500,
    )
    assert flood.panel is not None
    flood = replace(
        flood, panel=replace(flood.panel, user_ids=tuple(f"new{number}" for number in range(500)))
    )
    assert refusals(offline_verdict(flood, quick, AGAINST)) == ["ndcg_popularity"]
    assert offline_verdict(with_older(flood), quick, AGAINST).is_accepted
    popular = with_older(flood)
    assert popular.older is not None
    models = {
        **popular.older.models,
        "candidate": popular.older.models["popularity"],
        "live": popular.older.models["popularity"],
    }
    same = replace(popular, older=replace(popular.older, models=models))
    assert refusals(offline_verdict(same, quick, AGAINST)) == ["ndcg_popularity"], (
        "one that is popularity still is"
    )


def test_a_user_with_newest_and_older_events_is_one_user() -> None:
    """Two copies of everybody's events are no more certain than one."""
    noisy = candidate(0.0, noise=0.2)
    alone = next(
        r for r in offline_verdict(noisy, SETTINGS, AGAINST).reasons if r.name == "ndcg_popularity"
    )
    twice = next(
        r
        for r in offline_verdict(replace(noisy, older=noisy.panel), SETTINGS, AGAINST).reasons
        if r.name == "ndcg_popularity"
    )
    assert (twice.low, twice.high) == pytest.approx((alone.low, alone.high))
