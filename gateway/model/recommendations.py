"""Recommendations for a user, a session or both: ranked by the model, or popular items."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from msgspec import structs
from starlette.concurrency import run_in_threadpool

from cron.epoch import micros
from cron.list_ids import draw_list_id
from cron.past_event import PastEvent
from cron.ports import Histories
from gateway.bodies.recommendations import (
    FallbackAnswer,
    FilterValue,
    RankedAnswer,
    RankedItem,
)
from gateway.bodies.refusal import Refusal
from gateway.errors import BadQuery
from gateway.model.answers import ListPropensities, NoAnswer, Ranked, TooLarge
from gateway.model.asked_history import asked_history
from gateway.model.drawn_hidden import DrawnHidden
from gateway.model.fact_reasons import named_in_facts, without_hidden
from gateway.model.fallback import Fallback
from gateway.model.inference import Inference
from gateway.model.lately_hidden import LatelyHidden
from gateway.model.questions import (
    QuestionElement,
    TopItemsQuestion,
    encode_filter,
)
from gateway.model.recommendation_request import RecommendationRequest
from gateway.model.shadow import Shadow
from gateway.model.stored_history import hidden_items, larger_k, past_events
from recommender.requests.list_policy import MAX_SEED

MAX_DRAWS = 4  # of a list by a policy, while it has items that were hidden after the training
NUM_SEEN = 1000  # the newest seen items that are excluded; Histories keeps at least as many
# a decimal number; 01234 is a code and not the same as 1234
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")
_IN_HISTORY = re.compile(r"user_seq\[(\d+)\]")

Answered = RankedAnswer | FallbackAnswer | Refusal


class Recommendations:
    """Answers recommendation requests; one for the whole process."""

    def __init__(
        self,
        histories: Histories,
        inference: Inference,
        fallback: Fallback,
        lately_hidden: LatelyHidden,
        *,
        max_history: int,
        shadow: Shadow | None = None,
    ) -> None:
        self._histories = histories
        self._shadow = shadow
        self._inference = inference
        self._fallback = fallback
        self._max_history = max_history
        self._lately_hidden = lately_hidden
        self._drawn_hidden = DrawnHidden()

    async def answer(self, request: RecommendationRequest, events: Sequence[PastEvent]) -> Answered:
        """Return the ranked items, the popular ones as a fallback, or the model's refusal.

        `events` are those that `stored_events` returned; the placement was applied already.
        """
        try:
            return await self._rank(request, events)
        except (NoAnswer, TooLarge) as why:
            return await run_in_threadpool(self._fallback.answer, request, events, str(why))

    async def propensities(
        self,
        request: RecommendationRequest,
        events: Sequence[PastEvent],
        items: Sequence[str],
        *,
        alternatives: int = 0,
    ) -> ListPropensities | Refusal:
        """Return the propensities of a list under the policy of a question; arguments as `answer`.

        Raise NoAnswer, TooLarge or Overloaded: popular items have no propensities.
        """
        question = structs.replace(
            self._question(request, events), propensities_of=items, alternatives=alternatives
        )
        question = _without(question, self._lately_hidden.ids(request.at))
        return await self._inference.propensities(question)

    def refresh_hidden(self) -> None:
        """Read which items were hidden lately; it blocks, and raises as the stores do."""
        self._lately_hidden.refresh()

    async def stored_events(self, request: RecommendationRequest) -> Sequence[PastEvent]:
        """Return the user's stored events up to the time of the question."""
        if request.user_id is None:
            return ()
        events = await past_events(self._histories, request.user_id, NUM_SEEN)
        if request.at is None:
            return events
        at_us = micros(request.at)
        return [event for event in events if event.at_us <= at_us]

    async def _rank(
        self, request: RecommendationRequest, events: Sequence[PastEvent]
    ) -> RankedAnswer | Refusal:
        """Ask the model, drop items hidden after it was trained, ask again if too few remain.

        Nearly always nothing is dropped, while a list of all hidden items, perhaps 100,000, would
        slow down every call.
        """
        question, deadline = self._question(request, events), self._inference.deadline()
        question = await self._without_hidden(question)
        num_asked = 0
        while True:
            answer = await self._ask(question, request.version, deadline)
            if isinstance(answer, Refusal):
                num_stored = min(len(events), self._max_history)
                return _refuse_in_words_of_the_client(answer, num_stored=num_stored)
            num_asked += 1
            ids = [item.id for item in answer.items]
            every = await hidden_items(self._histories, [*ids, *named_in_facts(answer.items)])
            hidden = every.intersection(ids)
            if question.policy is not None:
                self._drawn_hidden.note(answer.model_version, hidden)
            again = _next_question(question, ids, hidden, wanted=request.k)
            if again is None or (request.policy is not None and num_asked == MAX_DRAWS):
                return self._ranked_answer(request, answer, every)
            question = again

    async def _ask(
        self, question: TopItemsQuestion, version: int | None, deadline: float
    ) -> Ranked | Refusal:
        began = time.perf_counter()
        answer = await self._inference.recommend(question, deadline=deadline, version=version)
        if self._shadow is not None and version is None and isinstance(answer, Ranked):
            self._shadow.offer(question, answer, seconds=time.perf_counter() - began)
        return answer

    async def _without_hidden(self, question: TopItemsQuestion) -> TopItemsQuestion:
        """Return a question with a policy without what was hidden after the release was trained.

        What was hidden in the last seconds is known once it was drawn.
        """
        known = {*self._lately_hidden.ids(None), *self._drawn_hidden.ids}
        if question.policy is None or not known:
            return question
        # some may be shown again
        return _without(question, await hidden_items(self._histories, sorted(known)))

    def _ranked_answer(
        self, request: RecommendationRequest, answer: Ranked, hidden: frozenset[str]
    ) -> RankedAnswer:
        left = [item for item in answer.items if item.id not in hidden][: request.k]
        return RankedAnswer(
            recommendation_id=draw_list_id(answer.model_version),
            user_id=request.user_id,
            model_version=answer.model_version,
            policy=answer.policy,
            items=tuple(
                RankedItem(
                    rank=rank,
                    id=item.id,
                    title=item.title,
                    score=item.score,
                    rating=item.rating,
                    reason=without_hidden(item.reason, hidden),
                    moved=item.moved,
                    propensity=item.propensity,
                    greedy_rank=item.greedy_rank,
                )
                for rank, item in enumerate(left, 1)
            ),
            unknown=answer.unknown,
            not_applied=answer.not_applied,
        )

    def _question(
        self, request: RecommendationRequest, events: Sequence[PastEvent]
    ) -> TopItemsQuestion:
        """Return the question. What the model reads as history counts as seen there too."""
        past = asked_history(events, max_history=self._max_history)
        seen = past.unread if request.exclude_seen else frozenset[str]()
        context = None
        if request.context is not None:
            at = request.at or datetime.now(UTC)
            context = QuestionElement(id=request.context, at=at.timestamp())
        return TopItemsQuestion(
            user_seq=past.followed_by(request.history),
            k=request.k,
            exclude_seen=request.exclude_seen,
            exclude=sorted(seen.union(request.exclude)),
            filter=encode_filter(request.filter),
            candidates=request.candidates,
            context=context,
            explain=request.explain,
            rules=request.rules,
            policy=request.policy,
        )


def _next_question(
    question: TopItemsQuestion, ids: Sequence[str], hidden: frozenset[str], *, wanted: int
) -> TopItemsQuestion | None:
    """Return the question that makes up for hidden items; None if the answer is enough.

    A list that a policy chose is drawn again without them: to leave them out afterwards would
    change the propensities of the others. The draw has a seed of its own, since numbers that led to
    a hidden item would favour its neighbours.
    """
    if question.policy is not None:
        if not hidden:
            return None
        policy = structs.replace(question.policy, seed=secrets.randbelow(MAX_SEED + 1))
        return structs.replace(_without(question, hidden), policy=policy)
    num_left = sum(item_id not in hidden for item_id in ids)
    k = larger_k(question.k, num_found=len(ids), num_left=num_left, wanted=wanted)
    return None if k is None else structs.replace(question, k=k)


def _without(question: TopItemsQuestion, hidden: Iterable[str]) -> TopItemsQuestion:
    """Return the question with hidden items excluded."""
    left_out = sorted({*question.exclude, *hidden})
    return structs.replace(question, exclude=left_out)


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


def _refuse_in_words_of_the_client(refusal: Refusal, *, num_stored: int) -> Refusal:
    """Return a refusal that names an element by its place in the client's own history."""

    def own_place(found: re.Match[str]) -> str:
        return f"history[{int(found[1]) - num_stored}]"

    error = refusal.error
    if error.field is None or not _IN_HISTORY.match(error.field):
        return refusal
    field, reason = (_IN_HISTORY.sub(own_place, text, 1) for text in (error.field, error.reason))
    return replace(refusal, error=replace(error, field=field, reason=reason))
