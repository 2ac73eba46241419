"""What an experiment says: better, worse, the same, harmful, broken, or not known yet."""

from __future__ import annotations

from random import Random

from cron.experiments.outcome import ArmSums, ComparisonRules, Outcome, judge
from cron.experiments.user_sums import UserTotals, sum_users

RULES = ComparisonRules(effect=0.1)


def arm(
    name: str, *, rate: float, num_users: int = 4_000, share: float = 0.5, fallbacks: float = 0.01
) -> ArmSums:
    """Make an arm whose users are rewarded, and see fallbacks, with given probabilities."""
    random = Random(name)
    rewards = [float(random.random() < rate) for _ in range(num_users)]
    fell_back = [float(random.random() < fallbacks) for _ in range(num_users)]
    return ArmSums(
        name=name,
        share=share,
        reward=sum_users(UserTotals(reward=one) for one in rewards),
        guardrails={"fallbacks": sum_users(UserTotals(reward=one) for one in fell_back)},
    )


def outcome_of(*arms: ArmSums) -> Outcome:
    """Judge with the same rules."""
    return judge(arms, RULES)


def test_a_better_arm_wins() -> None:
    found = outcome_of(arm("a", rate=0.3), arm("b", rate=0.4))
    assert (found.state, found.winner) == ("decided", "b")
    (comparison,) = found.comparisons
    assert comparison.finding == "better"
    assert comparison.interval.has(0.1)
    assert comparison.p_value < 0.05


def test_a_worse_arm_leaves_the_control() -> None:
    found = outcome_of(arm("a", rate=0.4), arm("b", rate=0.3))
    assert (found.state, found.winner) == ("decided", "a")
    assert found.reason == "b is worse"


def test_equal_arms_end_when_a_worthwhile_effect_is_excluded() -> None:
    few = outcome_of(arm("a", rate=0.5, num_users=1_000), arm("b", rate=0.5, num_users=1_000))
    assert few.state == "undecided"
    many = outcome_of(arm("a", rate=0.5, num_users=40_000), arm("b", rate=0.5, num_users=40_000))
    assert (many.state, many.winner) == ("decided", "a")
    assert many.comparisons[0].finding == "same"


def test_lost_users_make_every_other_number_void() -> None:
    found = outcome_of(arm("a", rate=0.3, num_users=5_000), arm("b", rate=0.9, num_users=4_000))
    assert (found.state, found.winner) == ("broken", None)
    assert "a 5000, b 4000" in found.reason


def test_an_arm_that_falls_back_too_often_is_harmful() -> None:
    found = outcome_of(arm("a", rate=0.3), arm("b", rate=0.4, fallbacks=0.2))
    assert (found.state, found.winner) == ("decided", "a")
    assert found.reason == "b is harmful (fallbacks)"


def test_few_users_conclude_nothing() -> None:
    found = outcome_of(arm("a", rate=0.0, num_users=60), arm("b", rate=1.0, num_users=60))
    assert found.state == "undecided"
    assert "60 of 100 users" in found.reason


def test_no_users_at_all_are_undecided() -> None:
    found = outcome_of(arm("a", rate=0.3, num_users=0), arm("b", rate=0.3, num_users=0))
    assert (found.state, found.comparisons) == ("undecided", ())


def test_of_several_arms_the_best_wins() -> None:
    shares = [
        arm(name, rate=rate, share=1 / 3) for name, rate in zip("abc", (0.3, 0.4, 0.5), strict=True)
    ]
    found = outcome_of(*shares)
    assert (found.state, found.winner) == ("decided", "c")


def test_a_harmful_arm_ends_the_experiment_for_all_arms() -> None:
    third = 1 / 3
    found = outcome_of(
        arm("a", rate=0.3, share=third),
        arm("b", rate=0.3, share=third, fallbacks=0.2),
        arm("c", rate=0.31, share=third),
    )
    assert (found.state, found.winner) == ("decided", "a")
    assert "b is harmful (fallbacks)" in found.reason
