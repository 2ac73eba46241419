"""The question to a model how probable a served list is under its placement's policy.

It is the question that the list was made with, with three differences. The share of new items is
left out, since which items were new then is not recorded, and so is freshness by an item's first
record. Policies that learn from rewards choose by the prior, since what they knew then is not kept,
and what they know now includes what this list earned. Pins are those that the list had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cron.evaluation.reward_model import ALTERNATIVES
from cron.past_event import PastEvent
from cron.placement import Placement
from cron.placement_policy import PlacementPolicy
from recommender.records.slates import Slate
from recommender.requests.list_policy import learns_from_rewards, strength_of
from recommender.requests.reward_evidence import RewardEvidence

_PRIOR = {"id": RewardEvidence().digest, "ids": [], "sums": ""}
NUM_SEEN = 1000  # events of a user that count as seen, as the histories keep them


def list_question(
    slate: Slate, placement: Placement, events: Sequence[PastEvent], *, max_history: int
) -> Mapping[str, object]:
    """Return the question as TorchServe's endpoint reads it.

    `events` are those of the user up to the slate, oldest first, without impressions.
    """
    events = events[-NUM_SEEN:]
    read, unread = events[-max_history:], events[:-max_history]
    leaves_out_seen = not placement.exclude
    excluded = {event.item_id for event in unread} if leaves_out_seen else set()
    excluded |= _excluded_ids(placement, events, at_s=slate.at.timestamp())
    pairs = list(zip(slate.items, slate.propensities, strict=True))
    pinned = [item_id for item_id, propensity in pairs if propensity is None]
    question: dict[str, object] = {
        "user_seq": [_element(event) for event in read],
        "k": len(slate.items),
        "exclude_seen": leaves_out_seen,
        "exclude": sorted(excluded),
        "filter": {name: _plain(value) for name, value in placement.filter.items()},
        "policy": _policy(placement.policy),
        "propensities_of": [item_id for item_id, one in pairs if one is not None],
        "alternatives": ALTERNATIVES,
    }
    rules = _rules(placement, pinned, at_s=slate.at.timestamp())
    return question | {"rules": rules} if rules else question


def _element(event: PastEvent) -> Mapping[str, object]:
    element: dict[str, object] = {"id": event.item_id, "type": event.type, "at": event.at_s}
    return element if event.rating is None else element | {"rating": event.rating}


def _excluded_ids(placement: Placement, events: Sequence[PastEvent], *, at_s: float) -> set[str]:
    """Return the items with an event of an excluded type that was not older than its age."""
    found = set()
    for event in events:
        limit_s = placement.exclude.get(event.type, 0)
        if event.type in placement.exclude and (limit_s is None or at_s - event.at_s <= limit_s):
            found.add(event.item_id)
    return found


def _policy(policy: PlacementPolicy | None) -> Mapping[str, object]:
    if policy is None:
        return {"name": "greedy"}
    strengths = {
        "epsilon": policy.epsilon,
        "temperature": policy.temperature,
        "width": policy.width,
    }
    question: dict[str, object] = {"name": policy.name}
    strength = strength_of(policy.name)
    if strength is not None:
        question[strength] = strengths[strength]
    if learns_from_rewards(policy.name):
        question["posterior"] = _PRIOR
    return question


def _rules(placement: Placement, pinned: Sequence[str], *, at_s: float) -> Mapping[str, object]:
    fresh = placement.freshness
    rules: dict[str, object] = {
        "boosts": [
            {"attribute": one.attribute, "value": _plain(one.value), "add": one.add}
            for one in placement.boosts
        ],
        "min_rating": placement.min_rating,
        "diversity": placement.diversity or None,
        "at_most": dict(placement.at_most),
        "pinned": list(pinned),
    }
    if fresh is not None and fresh.attribute is not None:
        rules["freshness"] = {
            "attribute": fresh.attribute,
            "add": fresh.add,
            "half_life_s": fresh.half_life_s,
            "at": at_s,
        }
    return {name: value for name, value in rules.items() if value not in (None, {}, [])}


def _plain(value: str | float | tuple[str, ...]) -> object:
    return list(value) if isinstance(value, tuple) else value
