"""The answers of the lists that need no user: similar, popular, trending and new items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gateway.bodies.codec import is_none
from gateway.bodies.copy import Copy, RowTitle
from gateway.bodies.items import ShownAttributes

Id = Annotated[str, Field(description="The item's id.", examples=["50"])]
Title = Annotated[
    str | None,
    Field(
        description="The item's title; null when no item record has come yet.",
        examples=["Star Wars (1977)"],
    ),
]
Events = Annotated[int, Field(description="Its events in the window.", examples=[140])]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarItem:
    """An item similar to another."""

    id: Id
    title: Title
    score: Annotated[
        float,
        Field(description="The cosine of the items' vectors, or their mean.", examples=[0.922643]),
    ]
    attributes: ShownAttributes = None
    copy: Copy = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarAnswer:
    """Similar items."""

    item_id: Annotated[str, Field(description="The item that was asked for.", examples=["50"])]
    title: Annotated[
        str | None,
        Field(
            description="Its title; null when it is hidden, or no item record has come yet.",
            examples=["Star Wars (1977)"],
        ),
    ]
    attributes: ShownAttributes = None
    model_version: Annotated[int, Field(description="The release that answered.", examples=[3])]
    items: Annotated[
        tuple[SimilarItem, ...],
        Field(description="At most `k` items, the most similar first."),
    ]
    row_title: RowTitle = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PopularItemAnswer:
    """A popular item."""

    id: Id
    title: Title
    events: Annotated[
        int | None,
        Field(
            description="Its events in the window; missing without a window.",
            examples=[140],
            exclude_if=is_none,
        ),
    ] = None
    attributes: ShownAttributes = None
    copy: Copy = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PopularAnswer:
    """Popular items."""

    items: Annotated[
        tuple[PopularItemAnswer, ...],
        Field(description="At most `k` items, the most popular first."),
    ]
    model_version: Annotated[
        int | None,
        Field(
            description="The release whose popular items these are; null with a window, and before "
            "the first release.",
            examples=[3],
        ),
    ]
    row_title: RowTitle = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendingItem:
    """An item whose share of the events grew."""

    id: Id
    title: Title
    score: Annotated[
        float,
        Field(
            description="How unusual its events are: the signed root of Dunning's likelihood "
            "ratio. About 3 is rare by chance.",
            examples=[7.41],
        ),
    ]
    events: Events
    expected: Annotated[
        float,
        Field(
            description="The events that it would have by its share of the four weeks before.",
            examples=[31.5],
        ),
    ]
    attributes: ShownAttributes = None
    copy: Copy = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendingAnswer:
    """Trending items."""

    items: Annotated[
        tuple[TrendingItem, ...],
        Field(description="At most `k` items, the most unusual first. May be empty."),
    ]
    row_title: RowTitle = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """A new item."""

    id: Id
    title: Title
    first_at: Annotated[
        str,
        Field(
            description="The earliest time of a record of this item.",
            examples=["2026-01-31T12:00:00+00:00"],
        ),
    ]
    attributes: ShownAttributes = None
    copy: Copy = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAnswer:
    """New items."""

    items: Annotated[tuple[NewItem, ...], Field(description="At most `k` items, the newest first.")]
    row_title: RowTitle = None
