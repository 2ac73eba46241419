"""Lists with a text for each item: one that is ready, else a template. No model is asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from copywriter.brief import Brief
from copywriter.list_briefs import CopyStyle, item_brief, row_brief
from copywriter.ready_text import ReadyText
from copywriter.templates.template import from_template
from cron.copy.ready_texts import ReadyTexts
from cron.placement import CopyPolicy
from gateway.bodies.copy import ItemCopy
from gateway.bodies.recommendations import (
    FallbackAnswer,
    FallbackItem,
    PinnedItem,
    RankedAnswer,
    RankedItem,
)
from gateway.bodies.refusal import Refusal
from gateway.copy.described_items import DescribedItem, DescribedItems
from gateway.copy.reasons import ShownItem, ids_to_read, reasoned_item
from gateway.model.recommendation_request import RecommendationRequest
from gateway.model.recommendations import Answered
from gateway.placements.lists import PlacementLists

Shown = TypeVar("Shown", bound=RankedItem | PinnedItem | FallbackItem)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySources:
    """Where texts come from: the newest items, ready texts if any, and the shop's style."""

    items: DescribedItems
    style: CopyStyle
    ready: ReadyTexts | None = None


class CopyLists:
    """Answers questions for lists; adds texts where they are asked for. For the event loop."""

    def __init__(
        self,
        lists: PlacementLists,
        sources: CopySources,
        note: Callable[[RecommendationRequest], None],
    ) -> None:
        self._lists = lists
        self._sources = sources
        self._note = note  # called with each question whose list had a writer's texts or may have

    async def answer(self, request: RecommendationRequest) -> Answered:
        """Return the list; with `copy`, each item has a text and the list a title."""
        if not request.copy:
            return await self._lists.answer(request)
        answered = await self._lists.answer(replace(request, explain=True))
        if isinstance(answered, Refusal):
            return answered
        policies = self._lists.copy_policies(request, answered)
        if set(policies) == {"none"}:
            return _with_texts(answered, None, explain=request.explain)
        if "writer" in policies:
            self._note(request)
        texts = await texts_of(answered.items, self._style(request), self._sources, policies)
        return _with_texts(answered, texts, explain=request.explain)

    def _style(self, request: RecommendationRequest) -> CopyStyle:
        style = self._sources.style
        return replace(
            style, language=request.language or style.language, placement=request.placement
        )


async def texts_of(
    items: Sequence[ShownItem],
    style: CopyStyle,
    sources: CopySources,
    policies: Sequence[CopyPolicy],
) -> Sequence[ReadyText | None]:
    """Return a text for each item, and after them the title of the list.

    Each is by its policy; None for one without a text.
    """
    known = await sources.items.find(ids_to_read(items))
    pairs = list(zip(briefs_of(items, style, known, sources.items.private), policies, strict=True))
    written = iter(
        await ready_or_template([brief for brief, one in pairs if one == "writer"], sources.ready)
    )
    texts: list[ReadyText | None] = []
    for brief, policy in pairs:
        match policy:
            case "none":
                texts.append(None)
            case "template":
                texts.append(_prepare(brief).template)
            case "writer":
                texts.append(next(written))
    if sources.ready is not None:
        sources.ready.count_shown([text for text in texts if text is not None])
    return texts


def briefs_of(
    items: Sequence[ShownItem],
    style: CopyStyle,
    known: Mapping[str, DescribedItem],
    private: Collection[str],
) -> Sequence[Brief]:
    """Return the brief of each item, and after them that of the list's title.

    `known` has the items of `ids_to_read`.
    """
    reasoned = [reasoned_item(one, known, private) for one in items]
    briefs = [item_brief(one.item, one.reason, style) for one in reasoned]
    row = row_brief([one.item for one in reasoned], [one.reason for one in reasoned], style)
    return [*briefs, row]


async def ready_or_template(
    briefs: Sequence[Brief], ready: ReadyTexts | None
) -> Sequence[ReadyText]:
    """Return the text that is ready for each brief, else its template."""
    prepared = [_prepare(brief) for brief in briefs]
    if ready is None:
        return [one.template for one in prepared]
    digests = [one.digest for one in prepared]
    found = ready.texts_at_once(digests)
    if found is None:
        found = await run_in_threadpool(ready.texts, digests)
    ready.want({one.digest: one.brief for one in prepared if one.digest not in found})
    return [found.get(one.digest) or one.template for one in prepared]


@dataclass(frozen=True, slots=True, kw_only=True)
class _PreparedBrief:
    """A brief with all that a list needs of it: its digest, and its template."""

    brief: Brief
    digest: str
    template: ReadyText


@lru_cache(maxsize=8_192)  # of some 2 KB; the same items have the same reasons again and again
def _prepare(brief: Brief) -> _PreparedBrief:
    template = ReadyText(text=from_template(brief), source="template")
    return _PreparedBrief(brief=brief, digest=brief.digest(), template=template)


def _with_texts(
    answered: RankedAnswer | FallbackAnswer,
    texts: Sequence[ReadyText | None] | None,
    *,
    explain: bool,
) -> RankedAnswer | FallbackAnswer:
    """Return the answer with texts, if any; reasons and moved ranks stay if they were asked for."""
    copies: list[ItemCopy | None] = [None] * (len(answered.items) + 1)
    for place, one in enumerate(texts or ()):
        if one is not None:
            copies[place] = ItemCopy(text=one.text, source=one.source)
    *lines, title = copies
    if isinstance(answered, FallbackAnswer):
        popular = _with_lines(answered.items, lines, explain=explain)
        return replace(answered, items=popular, row_title=title)
    ranked = _with_lines(answered.items, lines, explain=explain)
    return replace(answered, items=ranked, row_title=title)


def _with_lines(
    items: Sequence[Shown], lines: Sequence[ItemCopy | None], *, explain: bool
) -> tuple[Shown, ...]:
    shown: list[Shown] = []
    for item, line in zip(items, lines, strict=True):
        if isinstance(item, PinnedItem) or explain:
            shown.append(replace(item, copy=line))
        else:
            shown.append(replace(item, copy=line, reason=None, moved=None))
    return tuple(shown)
