"""Estimate what a candidate's lists would have earned, from lists of panel users.

The snapshot has the lists with their rewards, and the trainer has asked the candidate and the live
model how probable they are under their placement's policy. `cron.evaluation` estimates from both;
the gate gets the result as a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from cron.epoch import moment
from cron.evaluation.answered_slates import (
    RewardedSlate,
    TargetSlate,
    list_chances,
    target_slate,
)
from cron.evaluation.comparison import PolicyComparison, compare_on_slates
from cron.evaluation.estimate import PolicyUnknown, PolicyValue
from cron.evaluation.evaluate import EvaluationOptions
from cron.gate.list_estimates import ListEstimate, ListEvidence, ListValue
from cron.snapshot.judged_lists import SLATES
from trainer.report import Report

ANSWERS, CREDITS = "list_answers.parquet", "list_credits.parquet"


def list_evidence(
    snapshot: Path, candidate: Path, report: Report, options: EvaluationOptions | None = None
) -> ListEvidence | None:
    """Compare the candidate's lists with the live release's; None if no list was asked about.

    A list that one of the two gave no answer about is left out for both.
    """
    path = candidate / ANSWERS
    answers = pq.read_table(path).to_pylist() if path.is_file() else ()
    if not answers:
        return None
    credit_path = candidate / CREDITS
    credit = _credits(credit_path) if credit_path.is_file() else None
    slates = _slates(snapshot / f"{SLATES}.parquet", credit)
    mine, theirs = list[TargetSlate](), list[TargetSlate]()
    for answer in answers:
        slate = slates[answer["recommendation_id"]]
        both = [_target(slate, answer[name]) for name in ("candidate", "live")]
        if both[0] is not None and both[1] is not None:
            mine.append(both[0])
            theirs.append(both[1])
    compared = compare_on_slates(mine, theirs, options)
    estimates = [_estimate(one) for one in compared.found]
    if not mine:
        why = f"none of {len(answers):,} questions about lists was answered by both models"
        estimates = [replace(one, reason=why) for one in estimates]
    learned = report.policy_gradient
    return ListEvidence(
        num_lists=len(mine),
        num_users=len({one.slate.user_id for one in mine}),
        num_places=compared.num_places,
        estimates=estimates,
        has_later_rewards=credit is not None,
        learned_lists=learned is not None and learned.num_epochs > 0,
    )


def _slates(
    path: Path, credit: Mapping[tuple[str, int], float] | None
) -> Mapping[str, RewardedSlate]:
    """Return the snapshot's slates by id; with credits, these are their rewards."""
    order = [("recommendation_id", "ascending"), ("position", "ascending")]
    table = pq.read_table(path).sort_by(order)
    ids, positions = table["recommendation_id"].to_pylist(), table["position"].to_pylist()
    rewards = table["reward"].to_pylist()
    if credit is not None:
        rewards = [credit[place] for place in zip(ids, positions, strict=True)]
    columns = [table[name].to_pylist() for name in ("user_id", "at_us", "version")]
    items, propensities = table["item_id"].to_pylist(), table["propensity"].to_pylist()
    slates = {}
    for start, stop in _runs(ids):
        user_id, at_us, version = (column[start] for column in columns)
        slates[ids[start]] = RewardedSlate(
            user_id=user_id,
            at=moment(at_us),
            version=version,
            items=tuple(items[start:stop]),
            propensities=tuple(propensities[start:stop]),
            rewards=tuple(rewards[start:stop]),
        )
    return slates


def _runs(ids: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where each run of equal ids begins and where it ends."""
    start = 0
    for place in range(1, len(ids) + 1):
        if place == len(ids) or ids[place] != ids[start]:
            yield start, place
            start = place


def _credits(path: Path) -> Mapping[tuple[str, int], float]:
    table = pq.read_table(path)
    columns = [table[name].to_pylist() for name in ("recommendation_id", "position", "credit")]
    return {(one, place): value for one, place, value in zip(*columns, strict=True)}


def _target(slate: RewardedSlate, answer: str | None) -> TargetSlate | None:
    if answer is None:
        return None
    target = target_slate(slate, list_chances(answer))
    return target if isinstance(target, TargetSlate) else None


def _estimate(found: PolicyComparison | PolicyUnknown) -> ListEstimate:
    if isinstance(found, PolicyUnknown):
        return ListEstimate(estimator=found.estimator, reason=found.reason)
    interval = found.interval
    return ListEstimate(
        estimator=found.mine.estimator,
        candidate=_value(found.mine),
        live=_value(found.theirs),
        difference=ListValue(value=found.difference, low=interval.low, high=interval.high),
        effective_size=found.mine.effective_size,
    )


def _value(found: PolicyValue) -> ListValue:
    assert found.interval is not None  # both estimators have one
    return ListValue(value=found.value, low=found.interval.low, high=found.interval.high)
