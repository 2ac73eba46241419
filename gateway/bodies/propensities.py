"""The body and the answer of `POST /v1/propensities`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from gateway.bodies.placements import PlacementPolicyBody
from gateway.bodies.recommendations import ItemId, Score
from gateway.bodies.records import Id
from recommender.requests.list_policy import PolicyName
from recommender.requests.wire import MAX_ALTERNATIVES, MAX_K


@dataclass(frozen=True, slots=True, kw_only=True)
class PropensitiesBody:
    """A list, and for whom and where it was made. A field that is null counts as missing."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    items: Annotated[
        list[Id],
        Field(
            min_length=1,
            max_length=MAX_K,
            description="The list in its order. Leave out what was pinned in it.",
            examples=[["50", "181", "172"]],
        ),
    ]
    user_id: Annotated[
        Id | None,
        Field(
            description="The user, whose stored history is read. Default: a visitor without a "
            "history.",
            examples=["ann"],
        ),
    ] = None
    placement: Annotated[
        str | None,
        Field(
            max_length=64,
            description="The place that shows the list: its rules are applied.",
            examples=["home"],
        ),
    ] = None
    at: Annotated[
        str | float | None,
        Field(
            description="When the list is made: ISO 8601 or epoch seconds, from 1990 on. Later "
            "events of the stored history are not read. Default: now.",
            examples=["2026-01-31T12:00:00Z"],
        ),
    ] = None
    policy: Annotated[
        PlacementPolicyBody | None,
        Field(description="The policy. Default: the placement's; without one, `greedy`."),
    ] = None
    k: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_K,
            description="How many items the list was asked for; the pool that a policy chooses "
            "from depends on it. Default: the number of `items`.",
            examples=[10],
        ),
    ] = None
    alternatives: Annotated[
        int | None,
        Field(
            ge=0,
            le=MAX_ALTERNATIVES,
            description="For each place, say also which so many items the policy would most "
            "probably have chosen, and how probably. Default: 0.",
            examples=[10],
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativeItem:
    """An item that a policy might have chosen for a place."""

    id: ItemId
    score: Score
    propensity: Annotated[
        float, Field(description="Its probability there, given the items before it.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PropensitiesAnswer:
    """How probable a list would have been."""

    policy: Annotated[PolicyName, Field(description="The policy that was asked.")]
    propensities: Annotated[
        tuple[float | None, ...],
        Field(
            description="For each item of `items`: the probability with which the policy would "
            "have chosen it for its place, given the items before it. 0 for an item that the "
            "policy cannot choose there; null for one that the placement pins.",
            examples=[[0.1184, 0.0672, 0.1031]],
        ),
    ]
    model_version: Annotated[int, Field(description="The release that answered.", examples=[3])]
    alternatives: Annotated[
        tuple[tuple[AlternativeItem, ...] | None, ...] | None,
        Field(
            description="For each item of `items`, the likeliest ones for its place, which may "
            "include itself; null for a pinned item. Null if none were asked for."
        ),
    ] = None
