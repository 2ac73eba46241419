"""A question for the propensities of a list, parsed strictly, and its answer.

A field that is null counts as missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, fields
from typing import TypeVar

from cron.placement import check_name
from cron.placement_policy import PlacementPolicy, parse_policy
from gateway.bodies.propensities import PropensitiesAnswer, PropensitiesBody
from gateway.model.answers import ListPropensities
from gateway.model.recommendation_request import RecommendationRequest
from recommender.requests.body import read_time
from recommender.requests.body_fields import (
    describe,
    expect_known_fields,
    read_count,
    read_id,
    read_ids,
)
from recommender.requests.rule_fields import read_whole
from recommender.requests.wire import MAX_ALTERNATIVES, MAX_K, BadRequest

Value = TypeVar("Value")
_FIELDS = {field.name for field in fields(PropensitiesBody)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PropensitiesRequest:
    """The question of a list without its policy, the list, and the policy that is asked about.

    `policy` is None for that of the placement. `alternatives` are asked for at each place.
    """

    request: RecommendationRequest
    items: tuple[str, ...]
    policy: PlacementPolicy | None
    alternatives: int = 0


def parse_propensities(body: Mapping[str, object]) -> PropensitiesRequest:
    """Parse one JSON object; raise BadRequest."""
    expect_known_fields(body, _FIELDS)
    given = {name: value for name, value in body.items() if value is not None}
    items = read_ids(given.get("items", []), "items", limit=MAX_K)
    if not items:
        raise BadRequest("items", found="no item", expected="the ids of a list")
    k = read_count(given.get("k", len(items)))
    if k < len(items):
        raise BadRequest(
            "k", found=describe(k), expected=f"at least {len(items)}, as many as items"
        )
    request = RecommendationRequest(
        user_id=read_id(given["user_id"], "user_id") if "user_id" in given else None,
        k=k,
        filter={},
        at=read_time(given["at"], "at") if "at" in given else None,
        placement=check_name(given["placement"], "placement") if "placement" in given else None,
        left_out=frozenset({"exclude_seen"}),
    )
    policy = parse_policy(given["policy"], "policy") if "policy" in given else None
    alternatives = read_whole(given.get("alternatives", 0), "alternatives", 0, MAX_ALTERNATIVES)
    return PropensitiesRequest(
        request=request, items=items, policy=policy, alternatives=alternatives
    )


def propensities_answer(
    found: ListPropensities, asked: PropensitiesRequest, pinned: Set[str]
) -> PropensitiesAnswer:
    """Return the model's propensities at their items; a pinned item has none."""
    return PropensitiesAnswer(
        policy=found.policy,
        propensities=_in_their_places(found.propensities, asked.items, pinned),
        model_version=found.model_version,
        alternatives=_in_their_places(found.alternatives, asked.items, pinned)
        if asked.alternatives
        else None,
    )


def _in_their_places(
    values: Sequence[Value], items: Sequence[str], pinned: Set[str]
) -> tuple[Value | None, ...]:
    """Return the values of the items that are not pinned in the places of all items."""
    left = iter(values)
    found: list[Value | None] = []
    for item_id in items:
        found.append(None if item_id in pinned else next(left))
    return tuple(found)
