"""A long text in parts: each is verified against its own item and sent when it is ready.

A paragraph about several items is written as one text about each of them. So no part can give an
item what another one has, a part is written once for all paragraphs, and a part that is late or
rejected is a template while the others stay.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from copywriter.brief import Brief
from copywriter.ready_text import ReadyText
from gateway.bodies.copy import MIN_CHARS
from gateway.copy.lists import CopySources
from gateway.copy.one_text import brief_of
from gateway.copy.questions import NEWSLETTER_CHARS, CopyQuestion
from gateway.model.recommendations import Answered

# writes the text of a brief within some seconds, or takes a ready one, or the template
WritePart = Callable[[Brief, float], Awaitable[ReadyText]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LongText:
    """The brief of a whole text, and those of its parts in their order."""

    whole: Brief
    parts: tuple[Brief, ...]


def long_text_of(question: CopyQuestion, answered: Answered, sources: CopySources) -> LongText:
    """Return a text in parts, with the reasons of an answer; raise UnknownItem. It blocks.

    A newsletter has a part for each item; every other text is one part.
    """
    whole = brief_of(question, answered, sources)
    if question.kind != "newsletter":
        return LongText(whole=whole, parts=(whole,))
    max_chars = max(MIN_CHARS, question.style.max_chars // NEWSLETTER_CHARS)
    style = replace(question.style, max_chars=max_chars)
    parts = [
        brief_of(
            replace(question, item_ids=(item_id,), kind="item_blurb", style=style),
            answered,
            sources,
        )
        for item_id in question.item_ids
    ]
    return LongText(whole=whole, parts=tuple(parts))


async def written_parts(
    text: LongText, write: WritePart, *, within_s: float
) -> AsyncIterator[ReadyText]:
    """Yield the parts as they are written, as long as they fit; each has its share of the time."""
    ends_at = time.monotonic() + within_s
    num_chars = 0
    for number, brief in enumerate(text.parts):
        left_s = max(0.0, ends_at - time.monotonic())
        part = await write(brief, left_s / (len(text.parts) - number))
        num_chars += len(part.text)
        if number and num_chars > text.whole.max_chars:
            return
        yield part


def join_parts(parts: list[ReadyText], whole: Brief) -> ReadyText:
    """Return the whole text; a writer's or an editor's only if all parts are."""
    between = "" if whole.language == "zh" else " "
    sources = {part.source for part in parts}
    source = sources.pop() if len(sources) == 1 else "template"
    return ReadyText(text=between.join(part.text for part in parts), source=source)
