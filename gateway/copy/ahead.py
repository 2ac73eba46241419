"""Texts that are wanted ahead: of the next lists of active users, of popular and new items.

A user who was shown a list clicks, and the next list is another one. Some seconds after a list with
texts the same question is asked once more, without being counted or recorded: what it lacks is
wanted from the writer before it is shown. Users who were active on another gateway, or in a part of
the shop without lists, are asked about as the last one was who was shown such a list. All of this
comes after what was shown without a text.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from starlette.concurrency import run_in_threadpool

from copywriter.brief import Brief, BriefAttribute, Language
from copywriter.list_briefs import CopyStyle
from gateway.bodies.item_lists import NewItem, PopularItemAnswer
from gateway.bodies.refusal import Refusal
from gateway.copy.item_lists import ListedRow, ids_of_list, listed_briefs
from gateway.copy.lists import CopySources, briefs_of
from gateway.copy.one_text import OneText
from gateway.copy.questions import CopyQuestion
from gateway.copy.reasons import ShownItem, ids_to_read
from gateway.model.recommendation_request import RecommendationRequest
from gateway.placements.lists import PlacementLists

ROUND_S = 2.0
LISTS_OF_ROUND = 5  # a few a second, beside the calls of visitors
MAX_WAITING = 1_000  # questions; more are not asked ahead
ROWS_EVERY_S = 300.0
USERS_EVERY_S = 10.0
USERS_OF_ROUND = 20  # who were active lately; as many lists are asked for meanwhile
ROW_LENGTH = 20
_Key = tuple[str, str | None, Language | None]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsAhead:
    """The rows and users whose texts are wanted ahead, and the segments that have blurbs.

    `popular` and `newest` return at most so many items, without hidden ones, and `active_users` the
    users of events since the last call; they block.
    """

    popular: Callable[[int], Sequence[PopularItemAnswer]]
    newest: Callable[[int], Sequence[NewItem]]
    active_users: Callable[[int], Sequence[str]]
    languages: tuple[Language, ...]
    segments: tuple[BriefAttribute, ...] = ()


class ListsAhead:
    """For the event loop. Without a writer, or with `after_s` 0, nothing is wanted ahead."""

    def __init__(
        self,
        lists: PlacementLists,
        sources: CopySources,
        one_text: OneText,
        rows: RowsAhead,
        *,
        after_s: float,
    ) -> None:
        self._lists = lists.without_counts()
        self._sources = sources
        self._one_text = one_text
        self._rows = rows
        self._after_s = after_s
        self._is_on = after_s > 0 and sources.ready is not None and sources.ready.has_writer
        self._waiting: dict[_Key, tuple[float, RecommendationRequest]] = {}
        self._last: RecommendationRequest | None = None

    def note(self, request: RecommendationRequest) -> None:
        """Note that a user was shown a list with texts: the next one is asked for soon."""
        is_full = len(self._waiting) >= MAX_WAITING
        if not self._is_on or request.user_id is None or is_full:
            return
        self._last = request
        key = request.user_id, request.placement, request.language
        # what the page knew of the session is in the stored history by then
        asked = replace(request, history=(), explain=True, session_id=None)
        self._waiting.setdefault(key, (time.monotonic() + self._after_s, asked))

    async def keep_preparing(self) -> None:
        """Want texts ahead, again and again, until this task is cancelled."""
        if not self._is_on:
            return
        rows_at = users_at = time.monotonic()
        while True:
            await asyncio.sleep(min(ROUND_S, self._after_s))
            try:
                await self.prepare_lists(time.monotonic())
                if time.monotonic() >= users_at:
                    users_at += min(USERS_EVERY_S, self._after_s)
                    await self.note_active_users()
                if time.monotonic() >= rows_at:
                    rows_at += ROWS_EVERY_S
                    await self.prepare_rows()
            except Exception as error:  # if this task ended, nothing would be prepared any more
                log.warning("texts not wanted ahead", exc_info=error)

    async def note_active_users(self) -> None:
        """Note users who were active lately, for a list as the last one with texts."""
        users = await run_in_threadpool(self._rows.active_users, USERS_OF_ROUND)
        last = self._last
        if last is not None:
            for user_id in users:
                self.note(replace(last, user_id=user_id))

    async def prepare_lists(self, now: float) -> None:
        """Want the texts of a few users' next lists, of those that are due."""
        due = [key for key, (due_at, _) in self._waiting.items() if due_at <= now]
        for key in due[:LISTS_OF_ROUND]:
            _, request = self._waiting.pop(key)
            answered = await self._lists.answer(request)
            if isinstance(answered, Refusal):
                continue
            if "writer" in self._lists.copy_policies(request, answered):
                own = self._sources.style
                style = replace(
                    own, language=request.language or own.language, placement=request.placement
                )
                await run_in_threadpool(self._want_of, answered.items, style)

    async def prepare_rows(self) -> None:
        """Want the texts of popular and new items, and their blurbs for segments."""
        for language in self._rows.languages:
            popular = await run_in_threadpool(self._want_rows, language)
            for segment in self._rows.segments:
                for item in popular:
                    await self._want_blurb(item, segment, language)

    def _want_of(self, items: Sequence[ShownItem], style: CopyStyle) -> None:
        known = self._sources.items.read(ids_to_read(items))
        self._want(briefs_of(items, style, known, self._sources.items.private))

    def _want_rows(self, language: Language) -> Sequence[PopularItemAnswer]:
        """Want the lines of both rows; return the popular items."""
        style = replace(self._sources.style, language=language)
        popular, new = self._rows.popular(ROW_LENGTH), self._rows.newest(ROW_LENGTH)
        for items, row in ((popular, ListedRow(kind="popular")), (new, ListedRow(kind="new"))):
            known = self._sources.items.read(ids_of_list(items, row))
            self._want(listed_briefs(items, row, style, known))
        return popular

    async def _want_blurb(
        self, item: PopularItemAnswer, segment: BriefAttribute, language: Language
    ) -> None:
        """Want the blurb of an item for a segment, if it has what the segment likes."""
        question = CopyQuestion(
            item_ids=(item.id,),
            kind="item_blurb",
            user_id=None,
            history=(),
            audience=segment,
            style=replace(self._sources.style, language=language),
            timeout_s=0.0,
        )
        brief = await self._one_text.brief(question)
        if not isinstance(brief, Refusal) and brief.audience is not None:
            await run_in_threadpool(self._want, [brief])

    def _want(self, briefs: Sequence[Brief]) -> None:
        """Note the briefs without a text as wanted, after all that were shown without one."""
        ready = self._sources.ready
        assert ready is not None
        by_digest = {brief.digest(): brief for brief in briefs}
        found = ready.texts(list(by_digest))
        lacking = {digest: brief for digest, brief in by_digest.items() if digest not in found}
        ready.want(lacking, times=0)
