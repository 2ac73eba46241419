"""Ask a gateway how probable slates are under a policy, many in one call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from cron.evaluation.answered_slates import (
    NotAnswered,
    RewardedSlate,
    TargetSlate,
    list_chances,
    target_slate,
)
from cron.placement_policy import PlacementPolicy, policy_json
from cron.verbs.gateway_calls import GatewayCalls

SLATES_A_CALL = 200


def ask_propensities(
    calls: GatewayCalls,
    slates: Sequence[RewardedSlate],
    policy: PlacementPolicy | None,
    *,
    alternatives: int = 0,
) -> Iterator[Sequence[TargetSlate | NotAnswered]]:
    """Yield the answers for groups of slates; raise as the calls.

    `policy` is None for that of each placement. Each slate has an item that is not pinned. A reward
    model needs `alternatives`.
    """
    for start in range(0, len(slates), SLATES_A_CALL):
        group = slates[start : start + SLATES_A_CALL]
        lines = [json.dumps(_question(slate, policy, alternatives)).encode() for slate in group]
        answers = calls.post_lines(lines)
        yield [_target(slate, one) for slate, one in zip(group, answers, strict=True)]


def _question(
    slate: RewardedSlate, policy: PlacementPolicy | None, alternatives: int
) -> Mapping[str, object]:
    return {
        "user_id": slate.user_id,
        "placement": slate.placement,
        "at": slate.at.isoformat(),
        "items": slate.chosen_items,
        "k": len(slate.items),
        "policy": None if policy is None else policy_json(policy),
        "alternatives": alternatives or None,
    }


def _target(slate: RewardedSlate, answer: Mapping[str, object]) -> TargetSlate | NotAnswered:
    error = answer.get("error")
    if isinstance(error, dict):
        return NotAnswered(reason=str(error["reason"]))
    version = answer["model_version"]
    assert isinstance(version, int)
    return target_slate(slate, list_chances(answer), version=version)
