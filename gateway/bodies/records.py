"""The bodies of the calls that bring records, and of the one that forgets a user.

`recommender.records.events` parses the records themselves: it also reads them from files and from
Kafka, and names the field of each mistake. `EventBody` and `ItemBody` describe what it accepts; a
test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from gateway.bodies.codec import is_none
from recommender.records.event_details import (
    MAX_DWELL_S,
    MAX_QUANTITY,
    MAX_QUERY_CHARS,
    MAX_VALUE,
    MIN_QUANTITY,
)
from recommender.records.events import MAX_RATING, MAX_TITLE_CHARS
from recommender.records.ids import MAX_ID_CHARS
from recommender.records.images import MAX_IMAGES
from recommender.records.record_fields import MAX_TYPE_CHARS

_STRICT = ConfigDict(extra="forbid")

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS)] | int
EventId = Annotated[
    Id | None,
    Field(
        description="Makes a repeat harmless: the same id counts once. A UUIDv7 is assigned and "
        "returned when it is missing or null.",
        examples=["order-7312"],
    ),
]
ItemId = Annotated[
    Id,
    Field(
        description=f"The item: text of 1 to {MAX_ID_CHARS} characters without control "
        'characters. A whole number is the id of its decimal string: 17 and "17" are the same.',
        examples=["50"],
    ),
]
At = Annotated[
    str | int | float | None,
    Field(
        description="When it happened: ISO 8601 or epoch seconds, from 1990 on, at most five "
        "minutes ahead of the gateway's clock. Missing or null is now. No time zone is UTC.",
        examples=["2026-01-31T12:00:00Z"],
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBody:
    """Something that a user did to an item."""

    __pydantic_config__ = _STRICT

    user_id: Annotated[
        Id,
        Field(
            description=f"The user: text of 1 to {MAX_ID_CHARS} characters without control "
            "characters, or a whole number. Words for nobody, such as `null`, are refused.",
            examples=["ann"],
        ),
    ]
    item_id: ItemId
    type: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_TYPE_CHARS,
            description="What happened: `view`, `click`, `add_to_cart`, `purchase`, or any word of "
            "yours. `rating` needs a `rating`; `impression` is something shown and not chosen.",
            examples=["rating"],
        ),
    ]
    rating: Annotated[
        float | None,
        Field(
            ge=-MAX_RATING,
            le=MAX_RATING,
            description="The rating, on your own scale.",
            examples=[5],
        ),
    ] = None
    value: Annotated[
        float | None,
        Field(
            ge=0,
            le=MAX_VALUE,
            description="What it was worth in all: the price times the quantity.",
            examples=[59.8],
        ),
    ] = None
    currency: Annotated[
        str | None,
        Field(pattern="^[A-Z]{3}$", description="The currency (ISO 4217).", examples=["EUR"]),
    ] = None
    quantity: Annotated[
        float | None,
        Field(ge=MIN_QUANTITY, le=MAX_QUANTITY, description="How many.", examples=[2]),
    ] = None
    dwell_s: Annotated[
        float | None,
        Field(
            ge=0,
            le=MAX_DWELL_S,
            description="How long the user looked at the item, in seconds.",
            examples=[12.5],
        ),
    ] = None
    query: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_QUERY_CHARS,
            description="The search that led to the item.",
            examples=["river films"],
        ),
    ] = None
    recommendation_id: Annotated[
        Id | None,
        Field(
            description="The list of recommendations that showed the item.",
            examples=["01a21201-e281-7a76-aed1-b5da2d1fa61f"],
        ),
    ] = None
    at: At = None
    event_id: EventId = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemBody:
    """What is known about an item. The record with the latest `at` replaces the others."""

    __pydantic_config__ = _STRICT

    item_id: ItemId
    title: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_TITLE_CHARS,
            description="The title, which answers return and the text encoder reads.",
            examples=["The River (2026)"],
        ),
    ]
    text: Annotated[
        str | None,
        Field(
            description="A description, which the text encoder reads.",
            examples=["A river floods a valley."],
        ),
    ] = None
    attributes: Annotated[
        dict[str, str | float | list[str]] | None,
        Field(
            description="Facts to filter by: strings, numbers or lists of strings.",
            examples=[{"genre": ["Drama"], "year": 2026}],
        ),
    ] = None
    images: Annotated[
        list[str] | None,
        Field(
            max_length=MAX_IMAGES,
            description="Pictures, the main one first: URLs, `file:///` paths of the worker, "
            "`data:image/…;base64,` pictures, or `artifact:pictures/` names. The worker fetches "
            "them, from allowed hosts alone.",
            examples=[["https://shop.example/river.jpg"]],
        ),
    ] = None
    hidden: Annotated[
        bool,
        Field(description="Leave the item out of all recommendations, from the next call on."),
    ] = False
    at: At = None
    event_id: EventId = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRecord:
    """A record that was not stored."""

    index: Annotated[int, Field(description="Its place in the call, from 0.", examples=[3])]
    field: Annotated[
        str,
        Field(description="The field at fault; `record` for all of it.", examples=["rating"]),
    ]
    reason: Annotated[
        str,
        Field(
            description="What was found, and what was expected.",
            examples=["rating: found 'five', expected a number from -1,000,000 to 1,000,000"],
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedId:
    """The event id that was assigned to a record without one."""

    index: Annotated[int, Field(description="The record's place in the call, from 0.")]
    event_id: Annotated[
        str,
        Field(
            description="A UUIDv7; later ones are greater.",
            examples=["01a21201-e281-7a76-aed1-b5da2d1fa61f"],
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsAnswer:
    """What became of the records of one call. Accepted records are durable."""

    accepted: Annotated[int, Field(description="Records that were stored.", examples=[2])]
    duplicates: Annotated[
        int,
        Field(
            description="Records whose id the event log holds already. The journal finds the "
            "others later; each counts once.",
            examples=[1],
        ),
    ]
    rejected: Annotated[
        tuple[RejectedRecord, ...],
        Field(description="The first 1,000 records that were not stored."),
    ]
    more_rejected: Annotated[
        int | None,
        Field(
            description="How many more were rejected. Only when there are more than 1,000.",
            examples=[1500],
            exclude_if=is_none,
        ),
    ] = None
    event_ids: Annotated[
        tuple[AssignedId, ...] | None,
        Field(
            description="The assigned ids. Only when a record came without an id.",
            exclude_if=is_none,
        ),
    ] = None


def stored_events_json(
    accepted: int, duplicates: int, assigned: Sequence[int], event_ids: Sequence[str]
) -> bytes:
    """Return the JSON of a RecordsAnswer without rejected records, in a fifth of the time.

    `assigned` are the places of the assigned ids, which need no escapes, among all `event_ids`.
    """
    text = f'{{"accepted":{accepted},"duplicates":{duplicates},"rejected":[]'
    if assigned:
        ids = ",".join(f'{{"index":{one},"event_id":"{event_ids[one]}"}}' for one in assigned)
        text += f',"event_ids":[{ids}]'
    return f"{text}}}\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenUser:
    """A user who is forgotten: a cold user from the next call on."""

    user_id: Annotated[str, Field(description="The user.", examples=["ann"])]
    forgotten: Annotated[Literal[True], Field(description="Always true.")] = True
    up_to: Annotated[
        str,
        Field(
            description="Everything that the user did before this time is erased.",
            examples=["2026-01-31T12:00:00+00:00"],
            json_schema_extra={"format": "date-time"},
        ),
    ]
