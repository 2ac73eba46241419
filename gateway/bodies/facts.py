"""The bodies and answers of the calls about facts.

`recommender.records.facts` parses the records; `FactBody` describes what it accepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from gateway.bodies.codec import is_none
from gateway.bodies.records import At, EventId, Id
from recommender.records.facts import MAX_RELATION_CHARS
from recommender.records.ids import MAX_ID_CHARS


@dataclass(frozen=True, slots=True, kw_only=True)
class FactBody:
    """Something that is known about an item or another entity.

    Records with the same head, relation and tail are about one fact; the latest `at` counts.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    head: Annotated[
        Id,
        Field(
            description="What the fact is about: the id of an item, or of any other entity. Text "
            f"of 1 to {MAX_ID_CHARS} characters without control characters, or a whole number.",
            examples=["new-1"],
        ),
    ]
    relation: Annotated[
        Annotated[str, Field(min_length=1, max_length=MAX_RELATION_CHARS)] | int,
        Field(
            description="How head and tail are related. `name` says how the head is called.",
            examples=["director"],
        ),
    ]
    tail: Annotated[
        Id,
        Field(
            description="What the head is related to: an id as that of `head`, or a name.",
            examples=["Ann Lee"],
        ),
    ]
    withdrawn: Annotated[bool, Field(description="Whether the fact no longer holds.")] = False
    at: At = None
    event_id: EventId = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFact:
    """A fact about the item of an answer."""

    relation: Annotated[str, Field(description="The relation.", examples=["director"])]
    tail: Annotated[str, Field(description="What the item is related to.", examples=["m.0184dt"])]
    name: Annotated[
        str | None,
        Field(
            description="How the tail is called: the title of an item, or the tail of its fact "
            "`name`. Only when it has one.",
            examples=["Ann Lee"],
            exclude_if=is_none,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawnFact:
    """A fact that was withdrawn."""

    head: Annotated[str, Field(description="What the fact was about.", examples=["new-1"])]
    relation: Annotated[str, Field(description="The relation.", examples=["director"])]
    tail: Annotated[str, Field(description="What the head was related to.", examples=["Ann Lee"])]
    withdrawn: Annotated[Literal[True], Field(description="Always true.")] = True
    at: Annotated[
        str,
        Field(
            description="When. A record of a later time states the fact again.",
            examples=["2026-01-31T12:00:00+00:00"],
        ),
    ]
