"""Recommendations for a user id: history from the histories, ranking by the live model, the popular items when that is away.

Knows the endpoint's request; does not know HTTP, nor how the model ranks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from cron.ports import Histories
from gateway.model.inference import Answer, Inference, NoAnswer, TooLarge
from gateway.model.live_release import LiveRelease
from recommender.events import Event

MAX_K = 1000  # the endpoint's own limit
NUM_SEEN = 1000  # so many of the newest seen items are excluded; Histories promises to keep as many
_NUMBER = re.compile(
    r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?"
)  # not 01234, which is a code, and another one than 1234


class BadQuery(ValueError):
    """A query parameter that can't be: its name and the reason."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for."""

    user_id: str
    k: int
    exclude_seen: bool
    filter: Mapping[str, object]


class Recommendations:
    """Answers wishes; one for the whole process."""

    def __init__(
        self, histories: Histories, inference: Inference, live: LiveRelease, *, max_history: int
    ) -> None:
        self._histories = histories
        self._inference = inference
        self._live = live
        self._max_history = max_history

    async def answer(self, wish: Wish) -> Answer:
        """Return the ranked items, or the popular ones marked `fallback`; 400 where the model finds the wish wrong."""
        events = await run_in_threadpool(self._histories.recent, wish.user_id, NUM_SEEN)
        try:
            return await self._ranked(wish, events)
        except (NoAnswer, TooLarge) as why:
            return await run_in_threadpool(
                self._fallback, wish, {event.item_id for event in events}, str(why)
            )

    async def _ranked(self, wish: Wish, events: Sequence[Event]) -> Answer:
        """Ask the model. What was hidden since it was made it still offers: that is dropped, and more is asked for where it leaves a gap.

        Nearly always nothing is dropped, while a list of all hidden items, perhaps 100,000, would
        weigh on every call.
        """
        k, deadline = wish.k, self._inference.deadline()
        while True:
            answer = await self._inference.predict(
                self._request(wish, events, k=k), deadline=deadline
            )
            if answer.status != 200 or not isinstance(answer.body, dict):
                return answer
            items = _listed(answer.body)
            hidden = await run_in_threadpool(
                self._histories.hidden_among, [str(item["id"]) for item in items]
            )
            left = [item for item in items if item["id"] not in hidden][: wish.k]
            if not hidden or len(left) == wish.k or k == MAX_K:
                body = {
                    "user_id": wish.user_id,
                    "model_version": answer.body.get("model_version"),
                    "items": left,
                }
                return Answer(status=200, body=body)
            k = min(10 * k, MAX_K)

    def _request(self, wish: Wish, events: Sequence[Event], *, k: int) -> dict[str, object]:
        seen = {event.item_id for event in events} if wish.exclude_seen else set()
        request: dict[str, object] = {
            "user_seq": [_element(event) for event in events[-self._max_history :]],
            "k": k,
            "exclude_seen": wish.exclude_seen,
            "exclude": sorted(seen),
        }
        return request | ({"filter": dict(wish.filter)} if wish.filter else {})

    def _fallback(self, wish: Wish, seen: set[str], why: str) -> Answer:
        release = self._live.get()
        popular = release.manifest.popular if release else ()
        hidden = self._histories.hidden_among([item.item_id for item in popular])
        unwanted = hidden | seen if wish.exclude_seen else hidden
        items = [
            {"id": item.item_id, "title": item.title}
            for item in popular
            if item.item_id not in unwanted
        ]
        # the popular list knows no attributes, and an item that may not match is no answer to a
        # filter
        if wish.filter:
            items, why = [], f"{why}, and the popular items can't be filtered"
        version = release.version if release else None
        body = {
            "user_id": wish.user_id,
            "model_version": version,
            "items": items[: wish.k],
            "fallback": True,
            "reason": why,
        }
        return Answer(status=200, body=body)


def parse_filter(texts: Sequence[str]) -> dict[str, object]:
    """Parse `filter` parameters: `genre:Comedy` (repeated: any of them), or one JSON object; raise BadQuery.

    In the short form a value is text, and where it reads as a number, that number too; JSON says
    exactly what is meant.
    """
    if len(texts) == 1 and texts[0].lstrip().startswith("{"):
        return _json_filter(texts[0])
    wanted: dict[str, list[str]] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or not value.strip():
            raise BadQuery(
                "filter",
                f'filter: found {text[:80]!a}, expected NAME:VALUE or a JSON object such as {{"genre": "Comedy"}}',
            )
        wanted.setdefault(name.strip(), []).append(value.strip())
    return {name: _value(values) for name, values in wanted.items()}


def _listed(body: Mapping[str, object]) -> list[dict[str, object]]:
    items = body.get("items", [])
    if not isinstance(items, list) or not all(
        isinstance(item, dict) and isinstance(item.get("id"), str) for item in items
    ):
        raise NoAnswer("the model server's answer has no list of items")
    return items


def _json_filter(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadQuery(
            "filter",
            f"filter: found malformed JSON ({error}), expected NAME:VALUE or a JSON object",
        ) from error
    return dict(found)


def _value(values: Sequence[str]) -> object:
    """Return what the endpoint shall look for: an attribute's text, or a number's shortest decimal, by which it finds numbers too."""
    decimals = [f"{float(value) + 0.0:.15g}" for value in values if _NUMBER.fullmatch(value)]
    texts = list(dict.fromkeys([*values, *decimals]))
    return texts if len(texts) > 1 else texts[0]


def _element(event: Event) -> dict[str, object]:
    element: dict[str, object] = {
        "id": event.item_id,
        "type": event.type,
        "at": event.at.isoformat(),
    }
    return element if event.rating is None else element | {"rating": event.rating}
