"""Lists of the past in the verdict: what is refused, what is allowed, and what people read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cron.gate.list_estimates import ListEstimate, ListEvidence, ListValue, list_reasons
from cron.gate.offline_verdict import offline_verdict
from cron.gate.wording import Against
from cron.settings.tree import OffPolicySettings
from tests.unit.cron.gate.reports import (
    AGAINST,
    ERRORS,
    LIVE,
    SETTINGS,
    candidate,
    refusals,
    report,
    scores,
)
from trainer.report import Scores

JUDGE = OffPolicySettings(mode="judge")
JUDGING = replace(SETTINGS, off_policy=JUDGE)
UNKNOWN = ListEstimate(estimator="doubly_robust", reason="few users have most of the weight")


def estimate(difference: float, *, name: str = "interaction_snips") -> ListEstimate:
    """Return an estimate whose difference from live's 1.0 is known to ±.1."""

    def value(middle: float) -> ListValue:
        return ListValue(value=middle, low=middle - 0.1, high=middle + 0.1)

    return ListEstimate(
        estimator=name,
        candidate=value(1.0 + difference),
        live=value(1.0),
        difference=value(difference),
        effective_size=412.0,
    )


def evidence(*estimates: ListEstimate, learned: bool = False) -> ListEvidence:
    return ListEvidence(
        num_lists=1_250,
        num_users=300,
        num_places=3,
        estimates=estimates,
        learned_lists=learned,
    )


def test_lists_that_surely_earn_less_are_refused() -> None:
    lists = evidence(estimate(-0.3), estimate(-0.2, name="doubly_robust"))
    verdict = offline_verdict(candidate(), JUDGING, AGAINST, lists=lists)
    assert refusals(verdict) == ["lists_interaction_snips", "lists_doubly_robust"]
    reason = verdict.reasons[1]
    assert (reason.value, reason.limit) == (-0.3, -0.05)
    assert reason.text == (
        "lists of the past, by interaction_snips: the first 3 places would earn 0.7 (0.6 to 0.8),"
        " those of version 3 1 (0.9 to 1.1); difference −.300 (−.400 to −.200), from"
        " 1,250 lists of 300 panel users, worth 412; refused if surely below −.050: not accepted"
    )
    assert verdict.metrics["lists_doubly_robust_candidate"] == pytest.approx(0.8)
    assert verdict.metrics["lists_doubly_robust_live"] == 1.0


@pytest.mark.parametrize(
    "lists",
    [
        None,
        evidence(),
        evidence(estimate(-0.12)),  # perhaps only −.02
        evidence(estimate(-0.3), estimate(0.0, name="doubly_robust")),
        evidence(replace(UNKNOWN, estimator="interaction_snips"), UNKNOWN),
    ],
)
def test_doubt_refuses_nobody(lists: ListEvidence | None) -> None:
    assert offline_verdict(candidate(), JUDGING, AGAINST, lists=lists).is_accepted


def test_one_estimate_decides_where_the_other_is_unknown() -> None:
    verdict = offline_verdict(
        candidate(), JUDGING, AGAINST, lists=evidence(estimate(-0.3), UNKNOWN)
    )
    assert refusals(verdict) == ["lists_interaction_snips"]
    assert "unknown what the candidate's would earn, since few users" in verdict.reasons[2].text


def test_a_report_alone_refuses_and_allows_nothing() -> None:
    settings = OffPolicySettings(mode="report")
    reporting = replace(SETTINGS, off_policy=settings)
    harmful = list_reasons(evidence(estimate(-0.3)), settings, AGAINST)
    assert [one.ok for one in harmful] == [True]
    assert harmful[0].text.endswith("only reported")
    better = evidence(estimate(0.3), learned=True)
    assert "ndcg_live" in refusals(
        offline_verdict(candidate(-0.1), reporting, AGAINST, lists=better)
    )


def test_who_learned_from_lists_may_rank_choices_worse() -> None:
    """A third of live's NDCG, and below popularity: allowed for lists that surely earn more."""
    made = report(models(0.3))
    made = replace(made, older=made.panel)
    earns_more = evidence(estimate(0.3), learned=True)
    accepted = offline_verdict(made, JUDGING, AGAINST, lists=earns_more)
    assert accepted.is_accepted, refusals(accepted)
    floor = next(one for one in accepted.reasons if one.name == "ndcg_floor")
    assert "so it needs only 10% of version 3" in floor.text
    perhaps = evidence(estimate(0.05), learned=True)
    unknown = evidence(UNKNOWN, learned=True)
    for lists in (replace(earns_more, learned_lists=False), perhaps, unknown, None):
        refused = refusals(offline_verdict(made, JUDGING, AGAINST, lists=lists))
        assert "ndcg_live" in refused
        assert "ndcg_popularity" in refused


def test_a_ruined_candidate_is_below_the_floor() -> None:
    lists = evidence(estimate(0.3), learned=True)
    verdict = offline_verdict(report(models(0.05)), JUDGING, AGAINST, lists=lists)
    assert refusals(verdict) == ["ndcg_floor"]
    strict = replace(JUDGING, off_policy=replace(JUDGE, next_choice_floor=0.5))
    assert not offline_verdict(report(models(0.3)), strict, AGAINST, lists=lists).is_accepted


def test_the_next_one_is_compared_with_its_own_kind() -> None:
    """After a release that learned from lists, one like it is below popularity, too."""
    alike = report(models(1.0, popularity=2.0, anchor=3.0))
    equal = evidence(estimate(0.0), learned=True)
    both = {"live", "anchor"}
    for learners, refused in ((both, ["ndcg_anchor"]), ({"live"}, []), (set(), None)):
        against = replace(AGAINST, list_learners=frozenset(learners))
        found = refusals(offline_verdict(alike, JUDGING, against, lists=equal))
        assert found == (["ndcg_anchor", "ndcg_popularity"] if refused is None else refused)
    against = Against(live=3, anchor=1, list_learners=frozenset({"live"}))
    worse = report(models(0.5, popularity=2.0))
    assert "ndcg_live" in refusals(offline_verdict(worse, JUDGING, against, lists=equal))


def models(share: float, *, popularity: float = 0.5, anchor: float = 1.0) -> dict[str, Scores]:
    """Return models whose NDCG are shares of live's, with equal rating errors."""
    wobble = np.random.default_rng(1).normal(0, 0.001, len(LIVE))
    return {
        "candidate": scores(share * LIVE + wobble - wobble.mean(), ERRORS),
        "live": scores(LIVE, ERRORS),
        "anchor": scores(anchor * LIVE, ERRORS),
        "popularity": scores(popularity * LIVE, None),
    }
