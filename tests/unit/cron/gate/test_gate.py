"""The gate on made-up reports: what passes, what is refused, and how the reasons read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.gate.bootstrap import paired_mean_difference, paired_root_difference
from cron.gate.probe_answers import difference
from cron.gate.verdicts import Against, Probe, Verdict, offline_verdict, online_verdict
from cron.gate.wording import signed
from cron.settings.tree import GateSettings
from trainer.report import Evaluation, Report, Scores

SETTINGS = GateSettings()
AGAINST = Against(live=3, anchor=1)
NUM_USERS = 80
RNG = np.random.default_rng(5)
LIVE = RNG.uniform(0.0, 0.4, NUM_USERS)
ERRORS = RNG.uniform(0.6, 1.2, NUM_USERS)


def scores(ndcg: Iterable[float], errors: Iterable[float] | None, coverage: float = 0.5) -> Scores:
    values = tuple(ndcg)
    squared = tuple(errors) if errors is not None else (None,) * len(values)
    return Scores(ndcg=values, squared_error=squared, coverage=coverage)


def report(
    models: Mapping[str, Scores], *, events_each: int = 20, num_users: int = NUM_USERS
) -> Report:
    panel = Evaluation(
        user_ids=tuple(f"u{number}" for number in range(num_users)),
        num_events=(events_each,) * num_users,
        num_ratings=(events_each,) * num_users,
        models=models,
    )
    return Report(
        mode="update",
        finite_weights=True,
        num_targets=1000,
        num_replay=2000,
        num_items=40,
        rating_scale=(1.0, 5.0),
        panel=panel,
        fresh=None,
        losses=(1.0,),
        popular=(),
        data_digest="d",
        bundle_digest="b",
        versions={},
        seconds={},
    )


def candidate(
    ndcg_change: float = 0.0,
    error_change: float = 0.0,
    *,
    coverage: float = 0.5,
    noise: float = 0.01,
) -> Report:
    """Return a report whose candidate differs from live by so much, with noise a user."""
    wobble = np.random.default_rng(1).normal(0, noise, NUM_USERS)
    wobble -= wobble.mean()
    return report(
        {
            "candidate": scores(LIVE + ndcg_change + wobble, ERRORS + error_change, coverage),
            "live": scores(LIVE, ERRORS),
            "anchor": scores(LIVE, ERRORS),
            "popularity": scores(LIVE / 3, None),
        }
    )


def with_older(
    made: Report, ndcg_change: float = 0.0, error_change: float = 0.0, *, num_users: int = NUM_USERS
) -> Report:
    """Return the report with older events, on which the candidate differs from live by so much."""
    models = {
        "candidate": scores(LIVE[:num_users] + ndcg_change, ERRORS[:num_users] + error_change),
        "live": scores(LIVE[:num_users], ERRORS[:num_users]),
        "popularity": scores(LIVE[:num_users] / 3, None),
    }
    return replace(made, older=report(models, num_users=num_users).panel)


def refusals(verdict: Verdict) -> list[str]:
    return [reason.name for reason in verdict.reasons if not reason.ok]


def test_an_honest_update_is_accepted_and_every_test_leaves_its_figures() -> None:
    verdict = offline_verdict(candidate(0.001), SETTINGS, AGAINST)
    assert verdict.accepted
    assert [reason.name for reason in verdict.reasons] == [
        "finite_weights",
        "ndcg_live",
        "ndcg_anchor",
        "ndcg_popularity",
        "rmse_live",
        "coverage",
    ]
    bounded = verdict.reasons[1]
    assert bounded.figure == pytest.approx(0.001)
    assert bounded.low is not None
    assert bounded.high is not None
    assert bounded.low < 0.001 < bounded.high
    assert verdict.figures["ndcg_candidate"] == pytest.approx(verdict.figures["ndcg_live"] + 0.001)
    assert verdict.figures["rmse_live"] == pytest.approx(np.sqrt(ERRORS.mean()))


def test_ratings_worse_than_the_biases_are_told_and_decide_nothing() -> None:
    made = candidate()
    assert made.panel is not None
    models = {**made.panel.models, "biases": scores([0.0] * NUM_USERS, ERRORS / 4)}
    verdict = offline_verdict(
        replace(made, panel=replace(made.panel, models=models)), SETTINGS, AGAINST
    )
    assert verdict.accepted
    assert verdict.reasons[-1].name == "rmse_biases"
    assert verdict.reasons[-1].limit == pytest.approx(np.sqrt(ERRORS.mean()) / 2)
    assert "ndcg_biases" not in verdict.figures


def test_a_loss_beyond_the_tolerance_is_refused_in_words_that_people_read() -> None:
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


def test_an_uncertain_difference_is_refused_though_its_mean_is_fine() -> None:
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


def test_worse_ratings_are_refused_and_without_a_rating_scale_not_looked_at() -> None:
    worse = candidate(error_change=0.3)
    assert refusals(offline_verdict(worse, SETTINGS, AGAINST)) == ["rmse_live"]
    assert offline_verdict(replace(worse, rating_scale=None), SETTINGS, AGAINST).accepted


def test_a_rating_error_that_may_have_grown_is_refused_though_its_mean_is_fine() -> None:
    """The mean is within the tolerance; what counts is the upper bound, which some users' much worse errors push over it."""
    errors = ERRORS.copy()
    errors[:4] += 1.2
    spoilt = candidate()
    assert spoilt.panel is not None
    models = {**spoilt.panel.models, "candidate": scores(LIVE, errors)}
    verdict = offline_verdict(
        replace(spoilt, panel=replace(spoilt.panel, models=models)), SETTINGS, AGAINST
    )
    (reason,) = [one for one in verdict.reasons if one.name == "rmse_live"]
    assert reason.figure is not None
    assert reason.high is not None
    assert reason.limit is not None
    assert 0 < reason.figure < reason.limit < reason.high
    assert refusals(verdict) == ["rmse_live"]


def test_an_improvement_on_the_newest_events_alone_is_refused() -> None:
    """A flood of the newest panel events reads as a gain there; the older events tell what the others lose."""
    flooded = with_older(candidate(0.08), -0.03)
    verdict = offline_verdict(flooded, SETTINGS, AGAINST)
    assert refusals(verdict) == ["ndcg_older"]
    (reason,) = [one for one in verdict.reasons if not one.ok]
    assert reason.text.startswith(
        "NDCG@10 −.030 against version 3 on older events, 95 % lower bound −.030, limit −.015"
    )
    assert offline_verdict(flooded, replace(SETTINGS, older_tolerance=0.04), AGAINST).accepted


def test_a_gain_on_the_newest_events_alone_does_not_read_as_one() -> None:
    """Floods that spoil nothing for the others are accepted, and the verdict says what the gain is."""
    verdict = offline_verdict(with_older(candidate(0.084)), SETTINGS, AGAINST)
    assert verdict.accepted
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


def test_few_older_events_are_said_and_decide_nothing() -> None:
    verdict = offline_verdict(with_older(candidate(), -0.3, num_users=9), SETTINGS, AGAINST)
    assert verdict.accepted
    assert (
        "only 180 older panel events of 9 users, 1000 of 50 are needed: the newest alone decide"
        in [r.text for r in verdict.reasons]
    )


def test_a_flood_of_users_without_a_past_does_not_refuse_an_honest_update() -> None:
    """Of five hundred new users with three random views each no ranker knows more than popularity does."""
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
    assert offline_verdict(with_older(flood), quick, AGAINST).accepted
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
    """Compared with popularity on all events: two halves of everybody's are no more certain than the whole."""
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


def test_a_collapse_of_coverage_is_refused() -> None:
    assert refusals(offline_verdict(candidate(coverage=0.2), SETTINGS, AGAINST)) == ["coverage"]


def test_a_first_training_need_not_cover_what_a_baseline_does() -> None:
    assert offline_verdict(
        candidate(coverage=0.2), SETTINGS, Against(live=0, anchor=None, live_is_baseline=True)
    ).accepted


def test_weights_that_are_not_finite_are_refused_whatever_the_scores() -> None:
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
    assert "ndcg_candidate" not in verdict.figures


def test_too_few_panel_events_are_said_and_only_ruin_is_refused() -> None:
    few = {"candidate": scores(LIVE[:9] * 0.9, ERRORS[:9]), "live": scores(LIVE[:9], ERRORS[:9])}
    verdict = offline_verdict(report(few, num_users=9), SETTINGS, AGAINST)
    assert verdict.accepted
    assert (
        "only 180 panel events of 9 users, 1000 of 50 are needed: sanity tests"
        in verdict.reasons[1].text
    )
    ruined = {**few, "candidate": scores(LIVE[:9] * 0.3, ERRORS[:9] * 9)}
    assert refusals(offline_verdict(report(ruined, num_users=9), SETTINGS, AGAINST)) == [
        "sanity_ndcg",
        "sanity_rmse",
    ]


def small_panel(candidate_ndcg: list[float], live_ndcg: list[float]) -> Report:
    return report(
        {"candidate": scores(candidate_ndcg, None), "live": scores(live_ndcg, None)},
        events_each=3,
        num_users=len(live_ndcg),
    )


def test_sanity_accepts_what_a_dozen_users_cannot_tell_from_noise() -> None:
    """The mean is below half of the live version's, but only because of two users' lucky hits."""
    live = [0.5, 0.4, *[0.0] * 10]
    noisy = [0.0, 0.0, 0.1, 0.2, *[0.0] * 8]
    verdict = offline_verdict(small_panel(noisy, live), SETTINGS, AGAINST)
    (reason,) = [one for one in verdict.reasons if one.name == "sanity_ndcg"]
    assert verdict.accepted
    assert reason.figure == pytest.approx((sum(noisy) - sum(live) / 2) / 12)
    assert reason.low is not None
    assert reason.figure is not None
    assert reason.high is not None
    assert reason.low < reason.figure < 0 <= reason.high
    assert reason.text.startswith(
        "sanity: NDCG@10 0.025, half of that of version 3 is 0.038: difference −.013, 95 % bounds "
    )


def test_sanity_refuses_a_ranker_that_hits_nothing() -> None:
    live = [0.1, 0.3, 0.2, 0.0, 0.1, 0.0, 0.2, 0.3, 0.0, 0.1, 0.0, 0.0]
    broken = small_panel([0.0] * 12, live)
    assert refusals(offline_verdict(broken, SETTINGS, AGAINST)) == ["sanity_ndcg"]


def test_sanity_says_nothing_of_four_users() -> None:
    verdict = offline_verdict(small_panel([0.0] * 4, [0.3] * 4), SETTINGS, AGAINST)
    assert verdict.accepted
    assert "sanity_ndcg" not in {reason.name for reason in verdict.reasons}


def test_without_any_panel_event_the_verdict_says_so() -> None:
    verdict = offline_verdict(replace(candidate(), panel=None), SETTINGS, AGAINST)
    assert verdict.accepted
    assert verdict.reasons[1].text.startswith("only 0 panel events of 0 users")


def test_a_baseline_must_only_be_finite() -> None:
    baseline = replace(candidate(-0.3), mode="baseline")
    assert offline_verdict(baseline, SETTINGS, AGAINST).accepted
    assert not offline_verdict(replace(baseline, finite_weights=False), SETTINGS, AGAINST).accepted


def test_only_users_in_every_panel_are_compared() -> None:
    """The candidate is bad for users whom live was trained on; they must not count."""
    ndcg = LIVE.copy()
    ndcg[70:] -= 0.3
    models = {"candidate": scores(ndcg, ERRORS), "live": scores(LIVE, ERRORS)}
    users = frozenset(f"u{number}" for number in range(70))
    assert not offline_verdict(report(models), SETTINGS, AGAINST).accepted
    verdict = offline_verdict(report(models), SETTINGS, AGAINST, users=users)
    assert verdict.accepted
    assert verdict.figures["panel_users"] == 70


def test_the_same_report_always_gets_the_same_verdict() -> None:
    assert offline_verdict(candidate(0.001), SETTINGS, AGAINST) == offline_verdict(
        candidate(0.001), SETTINGS, AGAINST
    )


def test_the_lower_bound_is_right_nineteen_times_of_twenty() -> None:
    """Draw panels from a known population: a one-sided 95 % bound lies above the truth in about 5 % of them."""
    rng = np.random.default_rng(0)
    above = 0
    for _ in range(300):
        change = rng.normal(0.01, 0.05, 100)
        above += (
            paired_mean_difference(
                change, np.zeros(100), rng.integers(1, 30, 100).astype(float), resamples=300
            ).low
            > 0.01
        )
    assert 0.02 <= above / 300 <= 0.10


def test_heavy_users_weigh_by_their_events() -> None:
    interval = paired_mean_difference(
        np.array([1.0, 0.0]), np.array([0.0, 0.0]), np.array([3.0, 1.0]), resamples=50
    )
    assert interval.figure == 0.75
    assert interval.low >= 0.0
    assert interval.high <= 1.0
    roots = paired_root_difference(
        np.array([4.0, 4.0]), np.array([1.0, 1.0]), np.array([3.0, 1.0]), resamples=50
    )
    assert (roots.figure, roots.low, roots.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0123, "+.012"),
        (-0.0111, "−.011"),
        (0.0, "0"),
        (-0.0001, "0"),
        (1.5, "+1.500"),
        (-12.3, "−12.300"),
        (-0.9999, "−1.000"),
    ],
)
def test_differences_read_with_sign_and_without_leading_zero(value: float, shown: str) -> None:
    assert signed(value) == shown


def items(*pairs: tuple[str, float]) -> dict[str, object]:
    return {
        "items": [
            {"id": name, "title": name.upper(), "score": score, "rating": 4.0}
            for name, score in pairs
        ]
    }


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ({"score": 3.91}, {"score": 3.9101, "model_version": 7}),
        ({"scores": [1.0, 2]}, {"scores": [1.0, 2.0]}),
        (items(("a", 9.0), ("b", 8.0)), items(("a", 9.004), ("b", 8.0))),
        (items(("a", 9.0), ("b", 8.999)), items(("b", 9.0), ("a", 8.999))),
        (items(("a", 9.0), ("b", 8.0)), items(("a", 9.0), ("c", 8.0))),
    ],
)
def test_answers_within_the_tolerance_are_the_same(expected: object, found: object) -> None:
    assert difference(expected, found) is None


@pytest.mark.parametrize(
    ("expected", "found", "told"),
    [
        ({"score": 3.91}, {"score": 3.95}, "answer.score: expected 3.91, found 3.95"),
        ({"score": 3.91}, {"refused": 503}, "answer.score: missing"),
        ({"score": 3.91}, {"score": 3.91, "more": 1}, "answer.more: not expected"),
        ({"score": 3.91}, {"score": True}, "answer.score"),
        ({"scores": [1.0, 2.0]}, {"scores": [1.0]}, "answer.scores"),
        ({"score": 1.0}, None, "answer"),
        (items(("a", 9.0), ("b", 8.0)), items(("b", 9.0), ("a", 8.0)), "score"),
        (
            items(("a", 9.0), ("b", 8.0)),
            items(("c", 9.0), ("b", 8.0)),
            "items[0].id: expected 'a', found 'c'",
        ),
        (items(("a", 9.0), ("b", 8.0)), items(("a", 9.0)), "expected '2 items'"),
        (items(("a", 9.0), ("b", 9.0)), items(("a", 9.0), ("a", 9.0)), "an item is there twice"),
        (
            {"items": [{"id": "a", "title": "A", "score": 1.0}]},
            {"items": [{"id": "a", "title": "B", "score": 1.0}]},
            "title",
        ),
    ],
)
def test_answers_that_differ_are_told_apart(expected: object, found: object, told: str) -> None:
    text = difference(expected, found)
    assert text is not None
    assert told in text


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(-1e6, 1e6) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_every_answer_equals_itself(answer: object) -> None:
    assert difference(answer, answer) is None


def test_online_the_answers_and_the_slowest_probe_decide() -> None:
    probes = [
        Probe(expected={"score": 1.0}, found={"score": 1.0}, latency_ms=20.0 + number)
        for number in range(20)
    ]
    verdict = online_verdict(probes, SETTINGS)
    assert verdict.accepted
    assert verdict.figures == {"probe_p99_ms": 39.0}
    slow = [*probes[:-1], replace(probes[-1], latency_ms=400.0)]
    assert refusals(online_verdict(slow, SETTINGS)) == ["latency"]
    wrong = [*probes[:-1], replace(probes[-1], found={"score": 2.0})]
    assert refusals(online_verdict(wrong, SETTINGS)) == ["golden_answers"]
    assert (
        "1 of 20 golden answers differ: answer.score: expected 1.0, found 2.0"
        in online_verdict(wrong, SETTINGS).reasons[0].text
    )
