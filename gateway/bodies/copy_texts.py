"""Texts about items as editors see them, and what they decide about one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from copywriter.brief import Kind, Language
from copywriter.verifier.verdict import Rule
from gateway.bodies.codec import is_none
from gateway.bodies.copy import MAX_CHARS, Source, Text
from gateway.bodies.reasons import Moment

EditorAction = Literal["pin", "edit", "ban"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyObjection:
    """What the verifier objects to in a text."""

    rule: Annotated[Rule, Field(description="The rule that the text breaks.")]
    words: Annotated[str, Field(description="The words that break it.", examples=["Oscars"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedCopy:
    """A text of a writer that the verifier rejected."""

    text: Text
    objections: Annotated[tuple[CopyObjection, ...], Field(description="Why.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyText:
    """What is shown for a brief, who wrote it, and what was rejected before it."""

    digest: Annotated[str, Field(description="The SHA-256 of the brief.", examples=["5d1f…"])]
    kind: Annotated[Kind, Field(description="What kind of text it is.")]
    language: Annotated[Language, Field(description="The language of the text.")]
    placement: Annotated[
        str | None,
        Field(description="Where it is shown, if that was named.", exclude_if=is_none),
    ] = None
    titles: Annotated[
        tuple[str, ...],
        Field(description="Titles of the items that it is about.", examples=[["Blue Train"]]),
    ]
    text: Text
    source: Source
    action: Annotated[EditorAction | None, Field(description="What an editor decided, if one did.")]
    decided_by: Annotated[
        str | None, Field(description="Which editor.", examples=["the key 'ops'"])
    ]
    at: Annotated[
        Moment | None,
        Field(description="When it was written or decided; null while it waits for a writer."),
    ]
    rejected: Annotated[
        tuple[RejectedCopy, ...], Field(description="Texts of the writer that are not shown.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTextList:
    """Texts, newest first."""

    texts: Annotated[tuple[CopyText, ...], Field(description="The texts.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyDecisionBody:
    """What an editor decides about the text of a brief."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    action: Annotated[
        EditorAction,
        Field(
            description="`pin` keeps the writer's text, `edit` shows `text`, `ban` shows the "
            "template: whoever writes later."
        ),
    ]
    text: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_CHARS,
            pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$",
            description="The editor's text, on one line. Only with `edit`.",
            examples=["A quiet film about a long journey."],
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyDecisionAnswer:
    """What is shown now."""

    shown: Annotated[CopyText, Field(description="The text of the brief.")]
    objections: Annotated[
        tuple[CopyObjection, ...],
        Field(description="What the verifier objects to in an editor's text, which is shown."),
    ] = ()
