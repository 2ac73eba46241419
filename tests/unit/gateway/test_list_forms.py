"""Questions for lists are asked in another form where the model refuses the first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from cron.past_event import PastEvent
from gateway.bodies.refusal import Refusal, refusal
from gateway.model.answers import ModelQuestion, Ranked
from gateway.model.asked_history import asked_history
from gateway.model.list_forms import ELEMENTS_S, ListForms
from gateway.model.questions import PolicyQuestion, PosteriorQuestion, TopItemsQuestion

ANSWER = Ranked(items=(), model_version=1)
PAST = [PastEvent(1_500_000, "a", "1", "rating", 0.5), PastEvent(2_000_000, "b", "2", "view", None)]
COLUMNS = {"id": ["1", "2"], "type": ["rating", "view"], "rating": [0.5, None], "at": [1.5, 2.0]}
ELEMENTS = [
    {"id": "1", "type": "rating", "rating": 0.5, "at": 1.5},
    {"id": "2", "type": "view", "at": 2.0},
]
LEARNER = PolicyQuestion(
    name="ucb", posterior=PosteriorQuestion(id="0" * 32, ids=["1"], sums="AAAA")
)


@dataclass(kw_only=True)
class Model:
    """Answers questions, and records the history and the posterior of each.

    It refuses what an earlier release, or a worker without the posterior, does.
    """

    reads_columns: bool = True
    has_posterior: bool = True
    histories: list[object] = field(default_factory=list)
    posteriors: list[object] = field(default_factory=list)

    async def answer(self, question: ModelQuestion[Any]) -> Ranked | Refusal:
        body = json.loads(question.content)
        self.histories.append(body["user_seq"])
        if not self.reads_columns and isinstance(body["user_seq"], dict):
            return refusal("user_seq", "user_seq: found an object, expected a list")
        if "policy" in body:
            posterior = body["policy"]["posterior"]
            self.posteriors.append(posterior)
            if not self.has_posterior and "sums" not in posterior:
                return refusal("policy.posterior", "this worker lacks it")
        return ANSWER


def _question(*, policy: PolicyQuestion | None = None) -> TopItemsQuestion:
    past = asked_history(PAST, max_history=10)
    return TopItemsQuestion(
        user_seq=past.followed_by(()), k=3, exclude_seen=True, exclude=(), policy=policy
    )


def _ask(forms: ListForms, model: Model, question: TopItemsQuestion) -> object:
    return asyncio.run(forms.ask(question, Ranked, model.answer))


def _clock(times: list[float]) -> Callable[[], float]:
    return lambda: times[-1]


def test_a_release_that_reads_columns_gets_them() -> None:
    model, forms = Model(), ListForms()
    assert _ask(forms, model, _question()) == ANSWER
    assert model.histories == [COLUMNS]


def test_an_earlier_release_gets_elements_for_a_while() -> None:
    times = [100.0]
    model, forms = Model(reads_columns=False), ListForms(clock=_clock(times))
    for _ in range(2):
        assert _ask(forms, model, _question()) == ANSWER
    assert model.histories == [COLUMNS, ELEMENTS, ELEMENTS]
    times.append(100.0 + ELEMENTS_S)
    model.reads_columns = True
    assert _ask(forms, model, _question()) == ANSWER
    assert model.histories[3:] == [COLUMNS]


@pytest.mark.parametrize("reads_columns", [True, False])
def test_a_worker_without_the_posterior_gets_the_whole(reads_columns: bool) -> None:
    model = Model(reads_columns=reads_columns, has_posterior=False)
    assert _ask(ListForms(), model, _question(policy=LEARNER)) == ANSWER
    assert model.posteriors == [
        {"id": "0" * 32},
        {"id": "0" * 32, "ids": ["1"], "sums": "AAAA"},
    ]
    assert model.histories[-1] == (COLUMNS if reads_columns else ELEMENTS)


def test_another_refusal_is_the_answer() -> None:
    class Refusing(Model):
        async def answer(self, question: ModelQuestion[Any]) -> Ranked | Refusal:
            await super().answer(question)
            return refusal("filter.genre", "no such attribute")

    model = Refusing()
    assert _ask(ListForms(), model, _question()) == refusal("filter.genre", "no such attribute")
    assert model.histories == [COLUMNS]
