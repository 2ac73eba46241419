"""The body of `POST /v1/recommendations`.

`gateway.model.recommendation_body` parses it and names the field of each mistake.
`RecommendationBody` describes what it accepts; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from copywriter.brief import Language
from gateway.bodies.recommendations import HistoryElementBody
from gateway.bodies.records import Id

_STRICT = ConfigDict(extra="forbid")
MAX_LISTED = 10_000  # elements of `history`, ids of `exclude` and of `candidates`
DEFAULT_K = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContext:
    """Where the list will be shown."""

    __pydantic_config__ = _STRICT

    item_id: Annotated[
        Id,
        Field(
            description="The item that the visitor looks at. It is read as the newest view, the "
            "list leans to items like it, and it is left out.",
            examples=["50"],
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationBody:
    """What to recommend, and to whom. A field that is null counts as missing."""

    __pydantic_config__ = _STRICT

    user_id: Annotated[
        Id | None,
        Field(
            description="The user, whose stored history is read. An unknown one is a cold user. "
            "This or `history` is required.",
            examples=["ann"],
        ),
    ] = None
    session_id: Annotated[
        Id | None,
        Field(
            description="The session of a visitor without a `user_id`: it keeps the visitor in one "
            "arm of an experiment, and is recorded with the list. Not read with a `user_id`.",
            examples=["s-81f3"],
        ),
    ] = None
    history: Annotated[
        list[str | int | HistoryElementBody] | None,
        Field(
            max_length=MAX_LISTED,
            description="What the visitor did during this visit, newest last; it follows the "
            "stored history. A string is looked up as an id, then as an exact title, and is read "
            "as free text otherwise; a whole number is an id. An empty list is a visitor without "
            "a history.",
            examples=[["50", {"id": "181", "type": "view"}]],
        ),
    ] = None
    k: Annotated[int | None, Field(ge=1, le=1000, description="How many items.", examples=[10])] = (
        DEFAULT_K
    )
    filter: Annotated[
        dict[str, str | float | list[str]] | None,
        Field(
            max_length=20,
            description="Attributes that an item must have. An attribute matches when it equals "
            "the value or is a list that contains it; of a list of values one must match.",
            examples=[{"genre": ["Comedy", "Drama"]}],
        ),
    ] = None
    exclude: Annotated[
        list[Id] | None,
        Field(max_length=MAX_LISTED, description="Ids to leave out.", examples=[["1", "2"]]),
    ] = None
    exclude_seen: Annotated[
        bool | None,
        Field(
            description="Leave out the user's newest 1,000 seen items and those of `history`. "
            "Default: true."
        ),
    ] = True
    candidates: Annotated[
        list[Id] | None,
        Field(
            max_length=MAX_LISTED,
            description="Rank only these ids. Those that the release does not know are listed in "
            "the answer's `unknown`.",
            examples=[["50", "181", "new-1"]],
        ),
    ] = None
    context: Annotated[PageContext | None, Field(description="Where the list will be shown.")] = (
        None
    )
    at: Annotated[
        str | float | None,
        Field(
            description="The time of the question: ISO 8601 or epoch seconds, from 1990 on. "
            "Later events of the stored history are not read. Default: now.",
            examples=["2026-01-31T12:00:00Z"],
        ),
    ] = None
    placement: Annotated[
        str | None,
        Field(
            max_length=64,
            description="The place that shows the list: its rules are applied. `k` and "
            "`exclude_seen` of this body override its own; `filter` and `exclude` are added.",
            examples=["home"],
        ),
    ] = None
    attributes: Annotated[
        list[str] | None,
        Field(
            max_length=20,
            description="Attributes to return with each item, from the items' newest records.",
            examples=[["genre", "price"]],
        ),
    ] = None
    explain: Annotated[
        bool | None,
        Field(description="Return a `reason` with each item. Default: false."),
    ] = False
    copy: Annotated[
        bool | None,
        Field(
            description="Return a line of text with each item that says why it is there, and a "
            "title of the list. It waits for no language model. Default: false."
        ),
    ] = False
    language: Annotated[
        Language | None,
        Field(
            description="The language of `copy`: `en` or `zh`. Default: by `Accept-Language`, then "
            "`copy.language`."
        ),
    ] = None
