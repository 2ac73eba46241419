"""Ask a gateway how probable slates are under a policy, many in one call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cron.placement_policy import PlacementPolicy, policy_json
from cron.verbs.evaluations.served import RewardedSlate
from cron.verbs.gateway_calls import GatewayCalls

SLATES_A_CALL = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSlate:
    """A slate with the propensities of the target policy; those of pinned items are None.

    `version` is the release that answered.
    """

    slate: RewardedSlate
    policy: str
    propensities: tuple[float | None, ...]
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAnswered:
    """A slate that the gateway gave no propensities for, and why."""

    reason: str


def ask_propensities(
    calls: GatewayCalls, slates: Sequence[RewardedSlate], policy: PlacementPolicy | None
) -> Iterator[Sequence[TargetSlate | NotAnswered]]:
    """Yield the answers for groups of slates; raise as the calls.

    `policy` is None for that of each placement. Each slate has an item that is not pinned.
    """
    for start in range(0, len(slates), SLATES_A_CALL):
        group = slates[start : start + SLATES_A_CALL]
        lines = [json.dumps(_question(slate, policy)).encode() for slate in group]
        answers = calls.post_lines(lines)
        yield [_target(slate, one) for slate, one in zip(group, answers, strict=True)]


def _question(slate: RewardedSlate, policy: PlacementPolicy | None) -> Mapping[str, object]:
    chosen = zip(slate.items, slate.propensities, strict=True)
    return {
        "user_id": slate.user_id,
        "placement": slate.placement,
        "at": slate.at.isoformat(),
        "items": [item_id for item_id, propensity in chosen if propensity is not None],
        "k": len(slate.items),
        "policy": None if policy is None else policy_json(policy),
    }


def _target(slate: RewardedSlate, answer: Mapping[str, object]) -> TargetSlate | NotAnswered:
    error = answer.get("error")
    if isinstance(error, dict):
        return NotAnswered(reason=str(error["reason"]))
    propensities, version = answer["propensities"], answer["model_version"]
    assert isinstance(propensities, list)
    assert isinstance(version, int)
    if None in propensities:
        return NotAnswered(reason="the placement now pins an item that a policy chose then")
    left = iter(propensities)
    found: list[float | None] = []
    for logged in slate.propensities:
        found.append(None if logged is None else float(next(left)))
    return TargetSlate(
        slate=slate, policy=str(answer["policy"]), propensities=tuple(found), version=version
    )
