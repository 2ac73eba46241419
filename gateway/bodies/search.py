"""The answer of `GET /v1/search`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from gateway.bodies.copy import Copy, RowTitle
from gateway.bodies.items import ShownAttributes
from gateway.bodies.recommendations import ForUser, ItemId, Rank, Score, Title

Match = Annotated[
    Literal["exact", "title", "text", "picture"],
    Field(
        description="How the item was found. `exact`: its title has just the words of `q`. "
        "`title`: its title has some of them. `text`: by what its text means. "
        "`picture`: by what its picture shows alone.",
        examples=["title"],
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundItem:
    """A found item."""

    rank: Rank
    id: ItemId
    title: Title
    score: Score
    match: Match
    attributes: ShownAttributes = None
    copy: Copy = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchAnswer:
    """Found items."""

    user_id: ForUser
    model_version: Annotated[int, Field(description="The release that answered.", examples=[3])]
    items: Annotated[
        tuple[FoundItem, ...],
        Field(description="At most `k` items, the best first. Empty when no item is left."),
    ]
    row_title: RowTitle = None
