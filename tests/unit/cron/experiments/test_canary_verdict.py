"""What becomes of a canary: by its rewards, its age and its guardrails."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from cron.experiments.canary_verdict import CanaryRules, judge_canary
from cron.experiments.outcome import ArmSums
from cron.experiments.user_sums import UserSums, UserTotals, sum_users

RULES = CanaryRules(tolerated=0.05, min_s=600, max_s=3_600)


def sums_of(rewards: list[float]) -> UserSums:
    return sum_users(UserTotals(reward=reward) for reward in rewards)


def of_ten(num_buyers: int, num_users: int) -> UserSums:
    return sums_of([float(number % 10 < num_buyers) for number in range(num_users)])


def arms(control: UserSums, candidate: UserSums) -> list[ArmSums]:
    return [
        ArmSums(name="control", share=0.5, reward=control),
        ArmSums(name="candidate", share=0.5, reward=candidate),
    ]


@pytest.mark.parametrize(
    ("buyers", "num_users", "age_s", "decision", "text"),
    [
        ((5, 2), 1_000, 60, "take_back", "a loss of more than 5%"),
        ((5, 8), 1_000, 60, "wait", "reward +60.0%"),
        ((5, 8), 1_000, 600, "promote", "not a loss of more than 5%"),
        ((5, 5), 1_000, 600, "wait", "interval"),
        ((5, 5), 100_000, 600, "promote", "not a loss of more than 5%"),
        ((5, 5), 1_000, 3_600, "promote", "is not shown"),
        ((0, 0), 1_000, 60, "wait", "no rewards to compare"),
        ((5, 2), 20, 60, "wait", "20 of the 100 users that a comparison needs"),
        ((5, 2), 20, 3_600, "promote", "promoted by the gate alone: after 1.0 hours"),
    ],
)
def test_a_canary_is_decided_by_what_is_certain(
    buyers: tuple[int, int], num_users: int, age_s: float, decision: str, text: str
) -> None:
    verdict = judge_canary(
        arms(*(of_ten(number, num_users) for number in buyers)), RULES, age_s=age_s
    )
    assert verdict.decision == decision
    assert text in verdict.reason.text
    assert verdict.reason.ok == (decision != "take_back")


def test_lost_users_take_it_back() -> None:
    verdict = judge_canary(arms(of_ten(5, 3_000), of_ten(5, 2_000)), RULES, age_s=60)
    assert verdict.decision == "take_back"
    assert "do not have their shares of the users" in verdict.reason.text


def test_a_small_certain_loss_is_tolerated() -> None:
    """Two in a hundred fewer, which a hundred thousand users make certain."""
    control = sums_of([float(number % 100 < 50) for number in range(400_000)])
    candidate = sums_of([float(number % 100 < 49) for number in range(400_000)])
    verdict = judge_canary(arms(control, candidate), RULES, age_s=600)
    assert verdict.reason.high is not None
    assert verdict.reason.high < 0
    assert verdict.decision == "promote"


@pytest.mark.parametrize(("num_errors", "decision"), [(25, "wait"), (400, "take_back")])
def test_a_few_errors_of_a_restart_are_tolerated(num_errors: int, decision: str) -> None:
    """While a restarted server loads the candidate again, the live release makes its lists."""
    errors = {"control": 0, "candidate": num_errors}
    found = [
        replace(
            arm,
            guardrails={
                "errors": sums_of([float(number < errors[arm.name]) for number in range(1_000)])
            },
        )
        for arm in arms(of_ten(5, 1_000), of_ten(5, 1_000))
    ]
    assert judge_canary(found, RULES, age_s=60).decision == decision


def test_an_equal_candidate_is_hardly_ever_taken_back() -> None:
    """It is looked at ten times as the users come; at most one in twenty may be taken back."""
    rng = random.Random(7)
    num_canaries, taken_back = 200, 0
    for _ in range(num_canaries):
        found: tuple[list[float], list[float]] = ([], [])
        for _ in range(10):
            for rewards in found:
                rewards += [float(rng.random() < 0.3) for _ in range(60)]
            verdict = judge_canary(arms(*map(sums_of, found)), RULES, age_s=60)
            if verdict.decision == "take_back":
                taken_back += 1
                break
    assert taken_back <= 0.05 * num_canaries
