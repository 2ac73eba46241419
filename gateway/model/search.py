"""Search in the catalogue, by the live model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from cron.ports import Histories
from gateway.bodies.recommendations import FilterValue
from gateway.bodies.refusal import Refusal
from gateway.bodies.search import FoundItem, SearchAnswer
from gateway.errors import BadQuery
from gateway.model.answers import FoundItems, NoAnswer
from gateway.model.inference import Inference
from gateway.model.questions import (
    QuestionElement,
    SearchQuestion,
    encode_filter,
    stored_elements,
)
from gateway.model.stored_history import hidden_items, larger_k, past_events
from recommender.requests.wire import MAX_SEARCH_CHARS

_UNKNOWN = "search: found an unknown field"  # how releases made before there was search refuse it


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequestOfShop:
    """What a client asks for; without a user the order is that of a cold one."""

    text: str
    user_id: str | None
    k: int
    filter: Mapping[str, FilterValue]


class Search:
    """Answers searches; one for the whole process.

    `version_for` returns the side version that answers a user, or None for the live one.
    """

    def __init__(
        self,
        histories: Histories,
        inference: Inference,
        version_for: Callable[[str | None], int | None],
        *,
        max_history: int,
    ) -> None:
        self._histories = histories
        self._version_for = version_for
        self._inference = inference
        self._max_history = max_history

    async def answer(self, request: SearchRequestOfShop) -> SearchAnswer | Refusal:
        """Return the found items without hidden ones; raise NoAnswer, TooLarge or Overloaded.

        Items hidden after the model was trained are dropped, and more is asked for if too few
        remain.
        """
        deadline, version = self._inference.deadline(), self._version_for(request.user_id)
        question = SearchQuestion(
            search=request.text,
            user_seq=await self._history(request.user_id),
            k=request.k,
            filter=encode_filter(request.filter),
        )
        while True:
            answer = await self._inference.search(question, deadline=deadline, version=version)
            if isinstance(answer, Refusal):
                return _refusal_for_client(answer)
            ids = [item.id for item in answer.items]
            hidden = await hidden_items(self._histories, ids)
            num_left = sum(item_id not in hidden for item_id in ids)
            k = larger_k(question.k, num_found=len(ids), num_left=num_left, wanted=request.k)
            if k is None:
                return _answer(request, answer, hidden)
            question = structs.replace(question, k=k)

    async def _history(self, user_id: str | None) -> Sequence[QuestionElement]:
        if user_id is None:
            return ()
        events = await past_events(self._histories, user_id, self._max_history)
        return stored_elements(events)


def check_text(text: str) -> None:
    """Raise BadQuery for a text that is blank or too long to search for."""
    if not text.strip() or len(text) > MAX_SEARCH_CHARS:
        found = f"{len(text):,} characters" if text.strip() else "nothing"
        raise BadQuery("q", f"q: found {found}, expected a text of 1 to {MAX_SEARCH_CHARS}")


def _answer(
    request: SearchRequestOfShop, answer: FoundItems, hidden: frozenset[str]
) -> SearchAnswer:
    left = [item for item in answer.items if item.id not in hidden][: request.k]
    items = [
        FoundItem(rank=rank, id=one.id, title=one.title, score=one.score, match=one.match)
        for rank, one in enumerate(left, 1)
    ]
    return SearchAnswer(
        user_id=request.user_id, model_version=answer.model_version, items=tuple(items)
    )


def _refusal_for_client(refusal: Refusal) -> Refusal:
    """Return a refusal of what the client sent; raise NoAnswer for a release without search."""
    if refusal.error.reason.startswith(_UNKNOWN):
        raise NoAnswer(
            "the live release was made by a version of Freshet that could not search; the next "
            "release can"
        )
    return refusal
