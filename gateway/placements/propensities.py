"""A question for the propensities of a list, parsed strictly, and its answer.

A field that is null counts as missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, fields

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
from recommender.requests.wire import MAX_K, BadRequest

_FIELDS = {field.name for field in fields(PropensitiesBody)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PropensitiesRequest:
    """The question of a list without its policy, the list, and the policy that is asked about.

    `policy` is None for that of the placement.
    """

    request: RecommendationRequest
    items: tuple[str, ...]
    policy: PlacementPolicy | None


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
    return PropensitiesRequest(request=request, items=items, policy=policy)


def propensities_answer(
    found: ListPropensities, asked: PropensitiesRequest, pinned: Set[str]
) -> PropensitiesAnswer:
    """Return the model's propensities at their items; a pinned item has none."""
    left = iter(found.propensities)
    propensities: list[float | None] = []
    for item_id in asked.items:
        propensities.append(None if item_id in pinned else next(left))
    return PropensitiesAnswer(
        policy=found.policy, propensities=tuple(propensities), model_version=found.model_version
    )
