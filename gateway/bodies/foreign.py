"""The bodies of the calls that bring events of other programs, and their answer.

They describe the fields that are read. Other fields are allowed and not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from gateway.bodies.codec import is_none
from gateway.bodies.records import Id, RejectedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackCall:
    """A `track` call of Segment or RudderStack. Calls of other types are counted as ignored."""

    event: Annotated[str, Field(description="The name of the event.", examples=["Order Completed"])]
    properties: Annotated[
        dict[str, object],
        Field(description="The product, or `products`, a list of them; and `currency`."),
    ]
    type: Annotated[Literal["track"], Field(description="The type of the call.")] = "track"
    userId: Annotated[
        Id | None, Field(description="The user. Without one, it is `anonymousId`.")
    ] = None
    anonymousId: Annotated[Id | None, Field(description="A visitor without a user id.")] = None
    messageId: Annotated[
        Id | None,
        Field(description="Makes a repeat harmless: each event's id is made from it."),
    ] = None
    timestamp: Annotated[
        str | None, Field(description="When it happened, as ISO 8601; now if missing.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackBatch:
    """Several calls of Segment or RudderStack."""

    batch: Annotated[tuple[TrackCall, ...], Field(min_length=1, description="The calls.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ga4Event:
    """An event of Google Analytics 4."""

    name: Annotated[str, Field(description="The name of the event.", examples=["purchase"])]
    params: Annotated[
        dict[str, object],
        Field(description="`items`, a list; `currency`; of a purchase, `transaction_id`."),
    ]
    timestamp_micros: Annotated[
        int | str | None, Field(description="When it happened, in microseconds since 1970.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ga4Body:
    """A body of the Measurement Protocol."""

    events: Annotated[tuple[Ga4Event, ...], Field(min_length=1, description="The events.")]
    client_id: Annotated[Id | None, Field(description="A visitor without a user id.")] = None
    user_id: Annotated[Id | None, Field(description="The user.")] = None
    timestamp_micros: Annotated[
        int | str | None,
        Field(description="When the events without a time of their own happened; default now."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredEvents:
    """Events that the mapping does not name."""

    event: Annotated[
        str,
        Field(description="The name of the event, cut after 64.", examples=["Products Searched"]),
    ]
    count: Annotated[int, Field(description="How many of the call.", examples=[2])]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignAnswer:
    """What became of the events of one call. Accepted ones are durable."""

    accepted: Annotated[
        int, Field(description="Events that were stored: one for each product.", examples=[3])
    ]
    duplicates: Annotated[
        int, Field(description="Events whose id the event log holds already.", examples=[0])
    ]
    rejected: Annotated[
        tuple[RejectedRecord, ...],
        Field(description="The first 1,000 events that were not stored, in the sender's words."),
    ]
    more_rejected: Annotated[
        int | None,
        Field(
            description="How many more were rejected. Only when there are more than 1,000.",
            examples=[1500],
            exclude_if=is_none,
        ),
    ] = None
    ignored: Annotated[
        tuple[IgnoredEvents, ...],
        Field(description="What the mapping does not name, the most frequent 100 names."),
    ] = ()
    more_ignored: Annotated[
        int | None,
        Field(
            description="How many more events were ignored, of other names.",
            examples=[3],
            exclude_if=is_none,
        ),
    ] = None
