"""One text, asked for now: a stored one, one by a model within a deadline, or a template."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import anyio
import anyio.to_thread
from starlette.concurrency import run_in_threadpool

from copywriter.brief import Brief, BriefFact, BriefItem
from copywriter.list_briefs import (
    CopyStyle,
    ListReason,
    audience_of,
    describe_item,
    item_brief,
    row_brief,
)
from copywriter.ready_text import ReadyText
from copywriter.templates.template import from_template
from cron.copy.ready_texts import ReadyTexts
from cron.known_item import KnownItem
from cron.ports import ItemRecords
from gateway.bodies.recommendations import PinnedItem
from gateway.bodies.refusal import Refusal
from gateway.copy.lists import CopySources
from gateway.copy.questions import ABOUT_ONE, CopyQuestion
from gateway.copy.reasons import ids_to_read, reasoned_item
from gateway.errors import UnknownItem
from gateway.items.shown_facts import facts_of
from gateway.model.recommendation_request import RecommendationRequest
from gateway.model.recommendations import Answered
from gateway.placements.lists import PlacementLists

# writes a text for a brief within some seconds; None if the verifier accepts none
WriteText = Callable[[Brief, float], ReadyText | None]


class OneText:
    """Answers questions for one text. For the event loop.

    So many calls at once ask the model; others wait for their turn. A writer answers its calls in
    order: a slow one would work on calls that nobody waits for any more, before the new ones.
    """

    def __init__(
        self,
        lists: PlacementLists,
        sources: CopySources,
        write: WriteText | None = None,
        *,
        at_once: int = 1,
    ) -> None:
        self._lists = lists
        self._sources = sources
        self._write = write
        self._turns = asyncio.Semaphore(at_once)

    @property
    def sources(self) -> CopySources:
        """Where texts come from."""
        return self._sources

    @property
    def style(self) -> CopyStyle:
        """How texts are written where a question does not say."""
        return self._sources.style

    async def brief(self, question: CopyQuestion) -> Brief | Refusal:
        """Return what a text may say; raise UnknownItem for an item without a record, or hidden."""
        answered = await self.reasons(question)
        if isinstance(answered, Refusal):
            return answered
        return await run_in_threadpool(brief_of, question, answered, self._sources)

    async def reasons(self, question: CopyQuestion) -> Answered:
        """Return a list of the question's items, with the reason of each."""
        return await self._lists.answer(_question_for_reasons(question))

    async def text(self, brief: Brief, within_s: float) -> ReadyText:
        """Return the text of a brief: one that is ready, a model's within a time, a template."""
        text = await run_in_threadpool(_ready_or_template, brief, self._sources.ready)
        if text.source == "template" and self._write is not None and within_s > 0:
            text = await self._model_text(brief, within_s) or text
        if self._sources.ready is not None:
            self._sources.ready.count_shown([text])
        return text

    async def _model_text(self, brief: Brief, timeout_s: float) -> ReadyText | None:
        """Return a model's text; None when none came in time.

        A call that is late goes on in its thread, and what it writes is stored for the next one.
        """
        assert self._write is not None
        with anyio.move_on_after(timeout_s) as limit:
            async with self._turns:
                left_s = limit.deadline - anyio.current_time()
                return await anyio.to_thread.run_sync(
                    self._write, brief, left_s, abandon_on_cancel=True
                )
        return None


def _ready_or_template(brief: Brief, ready: ReadyTexts | None) -> ReadyText:
    """Return the stored text of a brief, else its template; it blocks."""
    digest = brief.digest()
    found = {} if ready is None else ready.texts([digest])
    if ready is not None and digest not in found:
        ready.want({digest: brief})
    return found.get(digest) or ReadyText(text=from_template(brief), source="template")


def brief_of(question: CopyQuestion, answered: Answered, sources: CopySources) -> Brief:
    """Return what a text may say, with the reasons of an answer; it blocks."""
    known = sources.items.records.find(question.item_ids)
    missing = [one for one in question.item_ids if one not in known or known[one].record.hidden]
    if missing:
        raise UnknownItem(missing[0], field="item_ids")
    items = [_item_with_facts(known[one], sources) for one in question.item_ids]
    reasons = _reasons(question.item_ids, answered, sources)
    audience = audience_of(items, question.audience)
    if question.kind == "row_title":
        return replace(row_brief(items, reasons, question.style), audience=audience)
    brief = item_brief(items[0], reasons[0], question.style, kind=question.kind)
    if question.kind not in ABOUT_ONE:
        row = row_brief(items, reasons, question.style)
        brief = replace(brief, items=tuple(items), reason=row.reason)
    return replace(brief, audience=audience)


def _question_for_reasons(question: CopyQuestion) -> RecommendationRequest:
    """Return a question for a list of the items alone: its answer has their reasons."""
    return RecommendationRequest(
        user_id=question.user_id,
        history=question.history,
        k=len(question.item_ids),
        exclude_seen=False,
        filter={},
        candidates=question.item_ids,
        explain=True,
    )


def _reasons(item_ids: Sequence[str], answered: Answered, sources: CopySources) -> list[ListReason]:
    """Return the reason of each item; none for an item that the release does not know."""
    if isinstance(answered, Refusal):
        return [ListReason() for _ in item_ids]
    shown = [one for one in answered.items if not isinstance(one, PinnedItem)]
    known = sources.items.read(ids_to_read(shown))
    by_id = {one.id: reasoned_item(one, known, sources.items.private).reason for one in shown}
    return [by_id.get(one, ListReason()) for one in item_ids]


def _item_with_facts(found: KnownItem, sources: CopySources) -> BriefItem:
    facts = named_facts(found.record.item_id, sources.items.records)
    return describe_item(
        found.record.title, found.record.attributes, facts, private=sources.items.private
    )


def named_facts(item_id: str, item_records: ItemRecords) -> list[BriefFact]:
    """Return the facts of an item with a name, without those that name a hidden item."""
    facts = facts_of(item_id, item_records) or ()
    tails = item_records.find([fact.tail for fact in facts])
    return [
        BriefFact(relation=fact.relation, name=fact.name)
        for fact in facts
        if fact.name is not None and not (fact.tail in tails and tails[fact.tail].record.hidden)
    ]
