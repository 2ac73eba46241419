"""The bodies and answers of the calls about items, and of a user's history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from gateway.bodies.codec import is_none
from gateway.bodies.facts import ItemFact
from recommender.records.events import MAX_TITLE_CHARS

NextCursor = Annotated[
    str | None,
    Field(
        description="The `cursor` of the next page; null at the end. A page may have fewer items "
        "than asked for, even none, and not be the last.",
        examples=["WyI1MCJd"],
    ),
]
Attributes = dict[str, str | int | float | tuple[str, ...]]
ShownAttributes = Annotated[
    Attributes | None,
    Field(
        description="Those of the `attributes` asked for that the item's newest record has. Only "
        "when attributes were asked for.",
        examples=[{"genre": ["Drama"], "price": 9.5}],
        exclude_if=is_none,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAnswer:
    """An item, as its newest record describes it."""

    item_id: Annotated[str, Field(description="The item's id.", examples=["new-1"])]
    title: Annotated[str, Field(description="The title.", examples=["The River (2026)"])]
    text: Annotated[
        str | None,
        Field(description="The description; null without one.", examples=["A river floods."]),
    ]
    attributes: Annotated[
        Attributes,
        Field(description="Facts to filter by.", examples=[{"genre": ["Drama"], "year": 2026}]),
    ]
    images: Annotated[
        tuple[str, ...],
        Field(
            description="Its pictures, the main one first. One that was sent as bytes has its name "
            "in the artifact store.",
            examples=[["https://shop.example/river.jpg"]],
        ),
    ]
    hidden: Annotated[
        bool, Field(description="Whether the item is left out of all lists of recommendations.")
    ]
    at: Annotated[
        str,
        Field(description="The time of the record.", examples=["2026-01-31T12:00:00+00:00"]),
    ]
    first_at: Annotated[
        str,
        Field(
            description="The earliest time of a record of this item.",
            examples=["2026-01-31T12:00:00+00:00"],
        ),
    ]
    facts: Annotated[
        tuple[ItemFact, ...] | None,
        Field(
            description="The first 200 facts about the item. Only of a single item that has any.",
            exclude_if=is_none,
        ),
    ] = None
    pictures: Annotated[
        tuple[str, ...] | None,
        Field(
            description="The paths of the thumbnails on this gateway, the main one first. Only of "
            "a single item that has any and is not hidden.",
            examples=[[f"/v1/pictures/{'5e' * 32}.jpg"]],
            exclude_if=is_none,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsPage:
    """A page of items."""

    items: Annotated[
        tuple[ItemAnswer, ...], Field(description="At most `limit` items, in order of id.")
    ]
    next_cursor: NextCursor


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChangeBody:
    """What to change in an item: a JSON merge patch (RFC 7396).

    A field that is missing stays; null removes it, or makes it what it is by default.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    title: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_TITLE_CHARS,
            description="A new title. An item can't be without one, so null is refused.",
            examples=["The River (2026)"],
        ),
    ] = None
    text: Annotated[
        str | None, Field(description="A new description; null removes it.", examples=[None])
    ] = None
    attributes: Annotated[
        dict[str, str | float | list[str] | None] | None,
        Field(
            description="Attributes to set; those that are null are removed, and those that are "
            "missing stay. Null removes all.",
            examples=[{"price": 9.5, "genre": None}],
        ),
    ] = None
    images: Annotated[
        list[str] | None,
        Field(
            description="The new pictures, in place of all earlier ones; null removes them.",
            examples=[["https://shop.example/river-2.jpg"]],
        ),
    ] = None
    hidden: Annotated[
        bool | None,
        Field(description="Leave the item out of all lists, or no longer; null is false."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedItem:
    """An item that was deleted."""

    item_id: Annotated[str, Field(description="The item's id.", examples=["new-1"])]
    deleted: Annotated[Literal[True], Field(description="Always true.")] = True
    at: Annotated[
        str,
        Field(
            description="When. A record of a later time brings the item back.",
            examples=["2026-01-31T12:00:00+00:00"],
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEvent:
    """Something that the user did."""

    event_id: Annotated[str, Field(description="The event's id.", examples=["order-7312"])]
    item_id: Annotated[str, Field(description="The item.", examples=["50"])]
    title: Annotated[
        str | None,
        Field(
            description="The item's title; null when it has no record.",
            examples=["Star Wars (1977)"],
        ),
    ]
    type: Annotated[str, Field(description="What the user did.", examples=["rating"])]
    rating: Annotated[
        float | None, Field(description="The rating, if any.", examples=[5], exclude_if=is_none)
    ] = None
    at: Annotated[str, Field(description="When.", examples=["2026-01-31T12:00:00+00:00"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """A page of a user's history."""

    user_id: Annotated[str, Field(description="The user who was asked for.", examples=["ann"])]
    events: Annotated[
        tuple[HistoryEvent, ...],
        Field(description="At most `limit` events, the newest first. An unknown user has none."),
    ]
    next_cursor: NextCursor
