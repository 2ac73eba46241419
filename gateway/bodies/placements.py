"""The bodies and answers of the calls about placements.

`cron.placement` parses a placement and names the field of each mistake. `PlacementBody` describes
what it accepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from cron.placement import CopyPolicy
from cron.placement_policy import (
    DEFAULT_DAYS,
    DEFAULT_IMPRESSIONS,
    MAX_DAYS,
    MAX_IMPRESSIONS,
)
from gateway.bodies.codec import is_empty, is_none
from recommender.requests.list_policy import (
    MAX_DOUBT,
    MAX_TEMPERATURE,
    MAX_WIDTH,
    MIN_TEMPERATURE,
    PolicyName,
)

_STRICT = ConfigDict(extra="forbid")
_Age = Annotated[str, Field(examples=["30d"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostBody:
    """Items that match get `add` spreads on their score; a negative number buries them."""

    __pydantic_config__ = _STRICT

    attribute: Annotated[str, Field(description="The attribute.", examples=["brand"])]
    value: Annotated[
        str | float | list[str],
        Field(
            description="The value that it equals or contains; of a list, any of the values.",
            examples=["Acme"],
        ),
    ]
    add: Annotated[float, Field(ge=-1000, le=1000, description="Spreads of the list's scores.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessBody:
    """New items get `add` spreads, halved with each half-life."""

    __pydantic_config__ = _STRICT

    add: Annotated[float, Field(ge=-1000, le=1000, description="Spreads of a new item.")]
    half_life: Annotated[str, Field(description="A number of s, m, h, d or w.", examples=["30d"])]
    attribute: Annotated[
        str | None,
        Field(
            description="Its date gives the item's age; without it, the first record does.",
            exclude_if=is_none,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PinBody:
    """An item at a position, from 1."""

    __pydantic_config__ = _STRICT

    item_id: Annotated[str, Field(description="The item.", examples=["50"])]
    position: Annotated[int, Field(ge=1, le=1000, description="Its place in the list.")]
    begins_at: Annotated[
        str | float | None, Field(alias="from", description="When it begins.", exclude_if=is_none)
    ] = None
    until: Annotated[str | float | None, Field(description="When it ends.", exclude_if=is_none)] = (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItemsBudgetBody:
    """New items get a share of the slots until they are known."""

    __pydantic_config__ = _STRICT

    share: Annotated[float, Field(ge=0, le=1, description="The probability of each slot.")]
    impressions: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_IMPRESSIONS,
            description="An item with so many impressions and other events is known. Default: "
            f"{DEFAULT_IMPRESSIONS}.",
            exclude_if=is_none,
        ),
    ] = None
    days: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_DAYS,
            description=f"An item is new for so many days. Default: {DEFAULT_DAYS}.",
            exclude_if=is_none,
        ),
    ] = None
    doubt: Annotated[
        float | None,
        Field(
            ge=0,
            le=MAX_DOUBT,
            description="By how many spreads the score of an item that nobody has seen may be "
            "wrong. A new item then comes only where it may be worth more than what it displaces.",
            exclude_if=is_none,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementPolicyBody:
    """How the lists explore."""

    __pydantic_config__ = _STRICT

    name: Annotated[PolicyName, Field(description="The policy.", examples=["plackett_luce"])]
    epsilon: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Of `epsilon`: the probability of any item of the pool.",
            exclude_if=is_none,
        ),
    ] = None
    temperature: Annotated[
        float | None,
        Field(
            ge=MIN_TEMPERATURE,
            le=MAX_TEMPERATURE,
            description="Of `plackett_luce`: spreads of the list's scores.",
            examples=[0.5],
            exclude_if=is_none,
        ),
    ] = None
    width: Annotated[
        float | None,
        Field(
            ge=0,
            le=MAX_WIDTH,
            description="Of `ucb`: standard deviations above the mean that are hoped for.",
            examples=[1.0],
            exclude_if=is_none,
        ),
    ] = None
    new_items: Annotated[
        NewItemsBudgetBody | None,
        Field(description="The chance of new items.", exclude_if=is_none),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementBody:
    """The rules of a placement, in the order in which they are applied."""

    __pydantic_config__ = _STRICT

    k: Annotated[int | None, Field(ge=1, le=1000, description="How many items.")] = None
    filter: Annotated[
        dict[str, str | float | list[str]] | None,
        Field(max_length=20, description="Attributes that an item must have."),
    ] = None
    exclude: Annotated[
        dict[str, _Age] | None,
        Field(
            max_length=20,
            description="Event types whose items are left out for a time, or `forever`.",
            examples=[{"purchase": "30d"}],
        ),
    ] = None
    boosts: Annotated[
        list[BoostBody] | None, Field(max_length=50, description="Boosted and buried items.")
    ] = None
    freshness: Annotated[FreshnessBody | None, Field(description="The boost of new items.")] = None
    min_rating: Annotated[float | None, Field(description="The lowest predicted rating.")] = None
    diversity: Annotated[
        float | None, Field(ge=0, le=1, description="How strongly similar items are avoided.")
    ] = None
    at_most: Annotated[
        dict[str, int] | None,
        Field(max_length=10, description="How many items may have the same value."),
    ] = None
    policy: Annotated[
        PlacementPolicyBody | None, Field(description="Whether and how the lists explore.")
    ] = None
    pins: Annotated[
        list[PinBody] | None, Field(max_length=100, description="Items at fixed positions.")
    ] = None
    copy: Annotated[
        CopyPolicy | None,
        Field(
            description="Texts about the items, where a question asks for them: `none`, those of "
            "templates alone (`template`), or also those of a language model (`writer`, default)."
        ),
    ] = None


Rules = Annotated[
    dict[str, object],
    Field(
        description="The placement, in the form of the body of `PUT /v1/placements/{name}`.",
        examples=[{"k": 12, "diversity": 0.3}],
    ),
]
Name = Annotated[str, Field(description="The placement's name.", examples=["home"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementAnswer:
    """A placement."""

    name: Name
    source: Annotated[
        Literal["api", "settings"],
        Field(description="Where it was written. `api` overrides `settings` of the same name."),
    ]
    rules: Rules
    warnings: Annotated[
        tuple[str, ...],
        Field(
            description="Attributes that no item of the live release has, or why they were not "
            "looked up. Only in the answer to a write, and when there are any.",
            exclude_if=is_empty,
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementList:
    """All placements by name."""

    placements: Annotated[tuple[PlacementAnswer, ...], Field(description="By name.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedPlacement:
    """A placement that was deleted."""

    name: Name
    deleted: Annotated[Literal[True], Field(description="Always true.")] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementChangeAnswer:
    """A change of a placement."""

    at: Annotated[str, Field(description="When it was changed.")]
    by: Annotated[str, Field(description="Whose key it was changed with.", examples=["ops"])]
    before: Annotated[Rules | None, Field(description="Null: there was none.")]
    after: Annotated[Rules | None, Field(description="Null: it was deleted.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementChanges:
    """The newest changes of a placement, newest first."""

    name: Name
    changes: Annotated[tuple[PlacementChangeAnswer, ...], Field(description="Newest first.")]
