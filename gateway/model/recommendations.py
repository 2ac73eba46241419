"""Recommendations for a user id: the live model's ranking, or the popular items."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from cron.ports import Histories
from gateway.bodies.recommendations import (
    FallbackAnswer,
    FallbackItem,
    FilterValue,
    HistoryElementBody,
    RankedAnswer,
    TopItemsQuestion,
)
from gateway.bodies.refusal import Refusal
from gateway.model.answers import NoAnswer, TooLarge
from gateway.model.inference import Inference
from gateway.model.live_release import LiveRelease
from recommender.events import Event

MAX_K = 1000  # the endpoint's own limit
NUM_SEEN = 1000  # the newest seen items that are excluded; Histories keeps at least as many
# a decimal number; 01234 is a code and not the same as 1234
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")


class BadQuery(ValueError):
    """A query parameter that is refused: its name and the reason."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationRequest:
    """What a client asks for."""

    user_id: str
    k: int
    exclude_seen: bool
    filter: Mapping[str, FilterValue]


class Recommendations:
    """Answers recommendation requests; one for the whole process."""

    def __init__(
        self, histories: Histories, inference: Inference, live: LiveRelease, *, max_history: int
    ) -> None:
        self._histories = histories
        self._inference = inference
        self._live = live
        self._max_history = max_history

    async def answer(
        self, request: RecommendationRequest
    ) -> RankedAnswer | FallbackAnswer | Refusal:
        """Return the ranked items, the popular ones as a fallback, or the model's refusal."""
        events = await run_in_threadpool(self._histories.recent, request.user_id, NUM_SEEN)
        try:
            return await self._rank(request, events)
        except (NoAnswer, TooLarge) as why:
            seen = {event.item_id for event in events}
            return await run_in_threadpool(self._fall_back, request, seen, str(why))

    async def _rank(
        self, request: RecommendationRequest, events: Sequence[Event]
    ) -> RankedAnswer | Refusal:
        """Ask the model, drop items hidden after it was trained, ask for more if too few remain.

        Nearly always nothing is dropped, while a list of all hidden items, perhaps 100,000, would
        slow down every call.
        """
        k, deadline = request.k, self._inference.deadline()
        while True:
            question = self._question(request, events, k=k)
            answer = await self._inference.recommend(question, deadline=deadline)
            if isinstance(answer, Refusal):
                return answer
            hidden = await run_in_threadpool(
                self._histories.hidden_among, [item.id for item in answer.items]
            )
            left = [item for item in answer.items if item.id not in hidden][: request.k]
            if not hidden or len(left) == request.k or k == MAX_K:
                return RankedAnswer(
                    user_id=request.user_id, model_version=answer.model_version, items=tuple(left)
                )
            k = min(10 * k, MAX_K)

    def _question(
        self, request: RecommendationRequest, events: Sequence[Event], *, k: int
    ) -> TopItemsQuestion:
        seen = {event.item_id for event in events} if request.exclude_seen else set()
        return TopItemsQuestion(
            user_seq=tuple(_element(event) for event in events[-self._max_history :]),
            k=k,
            exclude_seen=request.exclude_seen,
            exclude=tuple(sorted(seen)),
            filter=dict(request.filter) or None,
        )

    def _fall_back(
        self, request: RecommendationRequest, seen: set[str], why: str
    ) -> FallbackAnswer:
        release = self._live.get()
        popular = release.manifest.popular if release else ()
        hidden = self._histories.hidden_among([item.item_id for item in popular])
        unwanted = hidden | seen if request.exclude_seen else hidden
        items = [
            FallbackItem(id=item.item_id, title=item.title)
            for item in popular
            if item.item_id not in unwanted
        ]
        # the popular list has no attributes, and an item that may not match must not be returned
        if request.filter:
            items, why = [], f"{why}, and the popular items can't be filtered"
        return FallbackAnswer(
            user_id=request.user_id,
            model_version=release.version if release else None,
            items=tuple(items[: request.k]),
            reason=why,
        )


def parse_filter(texts: Sequence[str]) -> dict[str, FilterValue]:
    """Parse `filter` parameters: `genre:Comedy` or one JSON object; raise BadQuery.

    Several values of one name match any of them. In the short form a value is text and, where it
    reads as a number, that number too; JSON says exactly what is meant.
    """
    if len(texts) == 1 and texts[0].lstrip().startswith("{"):
        return _json_filter(texts[0])
    wanted: dict[str, list[str]] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or not value.strip():
            raise BadQuery(
                "filter",
                f"filter: found {text[:80]!a}, expected NAME:VALUE or a JSON object such as "
                '{"genre": "Comedy"}',
            )
        wanted.setdefault(name.strip(), []).append(value.strip())
    return {name: _filter_value(values) for name, values in wanted.items()}


def _json_filter(text: str) -> dict[str, FilterValue]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadQuery(
            "filter",
            f"filter: found malformed JSON ({error}), expected NAME:VALUE or a JSON object",
        ) from error
    return dict(found)


def _filter_value(values: Sequence[str]) -> FilterValue:
    """Return the texts to look for, each number's shortest decimal included.

    The endpoint finds numeric attributes by that decimal.
    """
    decimals = [f"{float(value) + 0.0:.15g}" for value in values if _NUMBER.fullmatch(value)]
    texts: list[object] = list(dict.fromkeys([*values, *decimals]))
    return texts if len(texts) > 1 else values[0]


def _element(event: Event) -> HistoryElementBody:
    return HistoryElementBody(
        id=event.item_id, type=event.type, rating=event.rating, at=event.at.isoformat()
    )
