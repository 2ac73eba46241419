"""The client for programs with asyncio: the calls of `client`, with `await`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Callable, Optional, TypeVar, Union

import httpx

from freshet_client import answers, calls
from freshet_client.async_event_queue import AsyncEventQueue
from freshet_client.attempts import USUAL_RETRIES, Attempts, NoReply, Reply, Retries
from freshet_client.calls import Names, Texts
from freshet_client.connection import gateway_at, no_reply, reply_of
from freshet_client.copy_texts import CopyText, DecidedCopy
from freshet_client.questions import CopyDecision, CopyQuestion, Filter, Id, ItemChange, Question
from freshet_client.records import Event, Fact, Item
from freshet_client.status import Status
from freshet_client.waiting_events import USUAL_LIMITS, OnUnsent, QueueLimits

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

Answer = TypeVar("Answer")
Element = TypeVar("Element")


class AsyncFreshet:
    """A gateway of Freshet: `AsyncFreshet("http://127.0.0.1:8000", key="…")`.

    Every call raises Refused when something is wrong with it, and Unavailable when no answer came.
    `http` is an httpx.AsyncClient of yours (proxies, certificates); it stays open.
    """

    def __init__(
        self,
        url: str,
        key: Optional[str] = None,
        *,
        retries: Retries = USUAL_RETRIES,
        timeout_s: float = 10.0,
        http: Optional[httpx.AsyncClient] = None,
    ) -> None:
        self._retries = retries
        self._gateway = gateway_at(url, key, timeout_s)
        self._http = http or httpx.AsyncClient()
        self._is_own = http is None
        self._queues: list[AsyncEventQueue] = []

    async def recommend(self, **question: Unpack[Question]) -> answers.Recommendations:
        """Recommend items to a user (`user_id`), to a session (`history`) or to both as one."""
        return await self._send(calls.recommend(question))

    async def recommend_many(
        self, questions: Iterable[Question]
    ) -> AsyncIterator[answers.ListOrError]:
        """Yield the list of each question, in order, or why there is none.

        Questions are read as their answers are needed, some hundred at a time.
        """
        for call in calls.recommend_many(questions):
            for answered in await self._send(call):
                yield answered

    async def write_copy(self, **question: Unpack[CopyQuestion]) -> answers.WrittenCopy:
        """Write a text about items that says nothing but what their facts support."""
        return await self._send(calls.write_copy(question))

    async def copy_texts(self, *, only: str = "all", k: int = 20) -> tuple[CopyText, ...]:
        """List texts about items, the newest first: `all`, `rejected` ones, or `edited` ones."""
        return (await self._send(calls.copy_texts(only, k))).texts

    async def copy_text(self, digest: str) -> CopyText:
        """Read what is shown for a brief; Refused with status 404 when it is not known."""
        return await self._send(calls.copy_text(digest))

    async def decide_copy(self, digest: str, **decision: Unpack[CopyDecision]) -> DecidedCopy:
        """Decide on a text, as an editor: `action` is `pin`, `edit` (with `text`) or `ban`."""
        return await self._send(calls.decide_copy(digest, decision))

    async def undo_copy(self, digest: str) -> DecidedCopy:
        """Delete what an editor decided; the writer's text or the template is shown again."""
        return await self._send(calls.undo_copy(digest))

    async def search(
        self,
        q: str,
        *,
        user_id: Optional[Id] = None,
        k: int = 10,
        filter: Optional[Filter] = None,
        attributes: Names = None,
        texts: Texts = None,
    ) -> answers.FoundItems:
        """Find items by the words of their titles and by what their texts mean."""
        return await self._send(calls.search(q, user_id, k, filter, attributes, texts))

    async def similar(
        self,
        item_id: Id,
        *,
        by: str = "taste",
        k: int = 10,
        filter: Optional[Filter] = None,
        attributes: Names = None,
        texts: Texts = None,
    ) -> answers.SimilarItems:
        """List the items similar to one, by `taste`, `text`, `both`, `picture` or `facts`."""
        return await self._send(calls.similar(item_id, by, k, filter, attributes, texts))

    async def similar_to_picture(
        self,
        picture: bytes,
        *,
        k: int = 10,
        filter: Optional[Filter] = None,
        attributes: Names = None,
    ) -> answers.LookAlikes:
        """List the items whose pictures look most like one: PNG, JPEG, WebP, GIF or BMP."""
        return await self._send(calls.similar_to_picture(picture, k, filter, attributes))

    async def pictures(self, item_ids: Sequence[Id]) -> dict[str, str]:
        """Return where the thumbnails of items are, as paths on the gateway, by item id."""
        return (await self._send(calls.pictures(item_ids))).pictures

    async def popular(
        self,
        *,
        window: Optional[str] = None,
        k: int = 10,
        filter: Optional[Filter] = None,
        attributes: Names = None,
        texts: Texts = None,
    ) -> answers.PopularItems:
        """List popular items, of a window such as `7d` or of all time."""
        return await self._send(calls.popular(window, k, filter, attributes, texts))

    async def trending(
        self,
        *,
        window: str = "24h",
        k: int = 10,
        filter: Optional[Filter] = None,
        attributes: Names = None,
        texts: Texts = None,
    ) -> answers.TrendingItems:
        """List the items whose share of the events grew most unusually."""
        return await self._send(calls.trending(window, k, filter, attributes, texts))

    async def new(
        self,
        *,
        k: int = 10,
        filter: Optional[Filter] = None,
        attributes: Names = None,
        texts: Texts = None,
    ) -> answers.NewItems:
        """List the newest items."""
        return await self._send(calls.new(k, filter, attributes, texts))

    async def item(self, item_id: Id) -> answers.StoredItem:
        """Read an item; Refused with status 404 when it has no record."""
        return await self._send(calls.item(item_id))

    def items(
        self, *, filter: Optional[Filter] = None, page_size: int = 1000
    ) -> AsyncIterator[answers.StoredItem]:
        """Yield all items in order of id, read page by page."""
        return self._each(lambda cursor: calls.items(filter, page_size, cursor))

    async def change_item(self, item_id: Id, **change: Unpack[ItemChange]) -> answers.StoredItem:
        """Change some fields of an item; None removes a text or an attribute."""
        return await self._send(calls.change_item(item_id, change))

    async def delete_item(self, item_id: Id) -> answers.DeletedItem:
        """Delete an item; Refused with status 404 when it has no record, or no longer."""
        return await self._send(calls.delete_item(item_id))

    async def send_items(self, items: Iterable[Item]) -> answers.Stored:
        """Store items. After Unavailable, send the same objects again: repeats are harmless."""
        return calls.sum_of([await self._send(call) for call in calls.send_items(items)])

    async def send_facts(self, facts: Iterable[Fact]) -> answers.Stored:
        """Store facts. After Unavailable, send the same objects again: repeats are harmless."""
        return calls.sum_of([await self._send(call) for call in calls.send_facts(facts)])

    async def withdraw_fact(self, head: Id, relation: Id, tail: Id) -> answers.WithdrawnFact:
        """Withdraw a fact; Refused with status 404 when nothing states it, or no longer."""
        return await self._send(calls.withdraw_fact(head, relation, tail))

    async def send_events(self, events: Iterable[Event]) -> answers.Stored:
        """Store events. After Unavailable, send the same objects again: repeats are harmless."""
        return calls.sum_of([await self._send(call) for call in calls.send_events(events)])

    def history(self, user_id: Id, *, page_size: int = 100) -> AsyncIterator[answers.HistoryEvent]:
        """Yield the newest 1,000 events of a user, the newest first, read page by page."""
        return self._each(lambda cursor: calls.history(user_id, page_size, cursor))

    async def forget_user(self, user_id: Id) -> answers.ForgottenUser:
        """Forget a user: a cold user from now on."""
        return await self._send(calls.forget_user(user_id))

    async def status(self) -> Status:
        """Read what is live, how good it is, what waits and what runs."""
        return await self._send(calls.status())

    def event_queue(
        self, limits: QueueLimits = USUAL_LIMITS, *, on_unsent: Optional[OnUnsent] = None
    ) -> AsyncEventQueue:
        """Return a queue that sends events in batches, in a task of its own of the running loop.

        `on_unsent` is called in that task with each event that was not stored, and why. Without
        it, they are logged.
        """
        queue = AsyncEventQueue(self.send_events, limits, on_unsent)
        self._queues.append(queue)
        return queue

    async def close(self) -> None:
        """Close the queues, which sends what waits, and the connections."""
        for queue in self._queues:
            await queue.close()
        if self._is_own:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _each(
        self, page_of: Callable[[Optional[str]], calls.Call[answers.Page[Element]]]
    ) -> AsyncIterator[Element]:
        page = await self._send(page_of(None))
        for element in page.elements:
            yield element
        while page.next_cursor is not None:
            page = await self._send(page_of(page.next_cursor))
            for element in page.elements:
                yield element

    async def _send(self, call: calls.Call[Answer]) -> Answer:
        attempts = Attempts(call, self._retries)
        while (answer := attempts.settle(await self._try(call))) is None:
            await asyncio.sleep(attempts.wait_s)
        return answer

    async def _try(self, call: calls.Call[Answer]) -> Union[Reply, NoReply]:
        try:
            return reply_of(await self._http.send(self._gateway.request(call, self._http)))
        except httpx.RequestError as error:
            return no_reply(error)
