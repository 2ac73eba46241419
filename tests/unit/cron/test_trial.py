"""Who is in a canary."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

from cron.trial import CandidateTrial

TRIAL = CandidateTrial(
    version=7,
    run_id=1,
    live=6,
    canary_share=0.1,
    shadow_share=0.0,
    after_seq=0,
    started_at=datetime(2026, 3, 1, tzinfo=UTC),
)
USERS = [f"user-{number}" for number in range(5_000)]


def arms_of(trial: CandidateTrial) -> list[str]:
    return [trial.arm_of(user) for user in USERS]


def test_a_canary_has_its_share_of_the_users() -> None:
    counts = Counter(arms_of(TRIAL))
    assert 0.08 * len(USERS) < counts["candidate"] < 0.12 * len(USERS)
    assert counts.total() == len(USERS)


def test_each_trial_draws_its_users_again() -> None:
    pairs = Counter(zip(arms_of(TRIAL), arms_of(replace(TRIAL, version=8)), strict=True))
    both = pairs["candidate", "candidate"]
    assert 0.004 * len(USERS) < both < 0.02 * len(USERS)


def test_a_shadow_alone_has_no_users() -> None:
    assert set(arms_of(replace(TRIAL, canary_share=0.0, shadow_share=1.0))) == {"control"}
