"""Two policies on the same slates."""

from __future__ import annotations

from cron.evaluation.comparison import ESTIMATORS, PolicyComparison, compare_on_slates
from cron.evaluation.estimate import PolicyUnknown
from cron.evaluation.evaluate import EvaluationOptions
from cron.evaluation.intervals import Resampling
from tests.unit.cron.evaluation.served_lists import (
    BETTER_I,
    EVEN_I,
    WORSE_I,
    asked_about,
    drawn_slates,
    exact_value,
)

OPTIONS = EvaluationOptions(resampling=Resampling(resamples=300))


def test_the_difference_of_two_policies_is_covered() -> None:
    slates = drawn_slates(3_000, 2)
    compared = compare_on_slates(
        asked_about(slates, BETTER_I), asked_about(slates, WORSE_I), OPTIONS
    )
    truth = exact_value(BETTER_I, 2) - exact_value(WORSE_I, 2)
    assert compared.num_places == 2
    assert len(compared.found) == len(ESTIMATORS)
    for one in compared.found:
        assert isinstance(one, PolicyComparison)
        assert 0 < one.interval.low < truth < one.interval.high
        assert abs(one.difference - (one.mine.value - one.theirs.value)) < 1e-9


def test_a_policy_differs_from_itself_by_nothing() -> None:
    targets = asked_about(drawn_slates(600, 2), BETTER_I)
    for one in compare_on_slates(targets, targets, OPTIONS).found:
        assert isinstance(one, PolicyComparison)
        assert abs(one.difference) < 1e-9
        assert one.interval.low <= one.difference <= one.interval.high


def test_long_lists_are_compared_at_their_first_places() -> None:
    """A whole list of another policy is hardly ever in the log, its first places often are."""
    slates = drawn_slates(1_000, 6)
    compared = compare_on_slates(
        asked_about(slates, 3 * BETTER_I), asked_about(slates, EVEN_I), OPTIONS
    )
    assert 1 <= compared.num_places < 6
    one = compared.found[0]
    assert isinstance(one, PolicyComparison)
    assert one.interval.low > 0
    assert one.mine.effective_size >= 200


def test_too_few_slates_are_unknown() -> None:
    targets = asked_about(drawn_slates(100, 3), BETTER_I)
    compared = compare_on_slates(targets, targets, OPTIONS)
    assert compared.num_places == 1
    for one in compared.found:
        assert isinstance(one, PolicyUnknown)
        assert "are needed" in one.reason
    nothing = compare_on_slates([], [], OPTIONS).found[0]
    assert isinstance(nothing, PolicyUnknown)
    assert nothing.reason == "no slate was logged"
