"""Texts about items: in lists, and the body and the answer of `POST /v1/copy`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from copywriter.brief import Kind, Language, Tone
from copywriter.ready_text import CopySource
from gateway.bodies.codec import is_none
from gateway.bodies.records import Id

MIN_CHARS, MAX_CHARS = 20, 2_000
MAX_COPY_ITEMS = 10
MAX_WAIT_S = 30.0
DEFAULT_WAIT_S = 5.0

Text = Annotated[
    str, Field(description="The text.", examples=["Sci-fi and war, as in “Star Wars”."])
]
Source = Annotated[
    CopySource,
    Field(description="Who wrote it: a language model (`writer`), a `template`, or an `editor`."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemCopy:
    """A text that may be shown with an item."""

    text: Text
    source: Source


Copy = Annotated[
    ItemCopy | None,
    Field(
        description="A line that says why the item is in the list. Only with `copy`.",
        exclude_if=is_none,
    ),
]
RowTitle = Annotated[
    ItemCopy | None,
    Field(
        description="A title for the list: what most of its items have in common. Only with "
        "`copy`.",
        exclude_if=is_none,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyBody:
    """What to write about, and for whom. A field that is null counts as missing."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    item_ids: Annotated[
        list[Id],
        Field(
            min_length=1,
            max_length=MAX_COPY_ITEMS,
            description="The items. A `reason_line` and an `item_blurb` are about one.",
            examples=[["181"]],
        ),
    ]
    kind: Annotated[
        Kind | None,
        Field(
            description="`reason_line`: a line that says why the item is shown; `item_blurb`: what "
            "the item is; `row_title`: a title for the items; `newsletter`: a paragraph about them."
        ),
    ] = "reason_line"
    user_id: Annotated[
        Id | None,
        Field(
            description="The reader, whose stored history is read. Default: nobody, or the reader "
            "with this `history`.",
            examples=["ann"],
        ),
    ] = None
    history: Annotated[
        list[Id] | None,
        Field(
            max_length=100,
            description="Ids of items that the reader looked at, newest last.",
            examples=[["50"]],
        ),
    ] = None
    audience: Annotated[
        dict[str, str | list[str]] | None,
        Field(
            max_length=1,
            description="A segment of readers by what they like: one attribute and its values.",
            examples=[{"genre": "Sci-Fi"}],
        ),
    ] = None
    language: Annotated[
        Language | None,
        Field(description="`en` or `zh`. Default: by `Accept-Language`, then `copy.language`."),
    ] = None
    tone: Annotated[
        Tone | None, Field(description="`plain`, `warm` or `lively`. Default: `copy.tone`.")
    ] = None
    max_chars: Annotated[
        int | None,
        Field(
            ge=MIN_CHARS,
            le=MAX_CHARS,
            description="The longest text in characters. Default: `copy.max_chars`, and four times "
            "as many for a newsletter.",
        ),
    ] = None
    placement: Annotated[
        str | None,
        Field(max_length=64, description="Where the text will be shown.", examples=["home"]),
    ] = None
    timeout_s: Annotated[
        float | None,
        Field(
            gt=0,
            le=MAX_WAIT_S,
            description="How long a language model may take. After it, the template is returned. "
            "Default: 5.",
        ),
    ] = DEFAULT_WAIT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyAnswer:
    """A text that the facts of its items support."""

    text: Text
    source: Source
    kind: Annotated[Kind, Field(description="What kind of text it is.")]
    language: Annotated[Language, Field(description="The language of the text.")]
    digest: Annotated[
        str,
        Field(
            description="The SHA-256 of the brief: all that the text may say. An editor names a "
            "text by it.",
            examples=["5d1f…"],
        ),
    ]
