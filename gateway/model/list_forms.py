"""The form of a question for a list: the shortest that the model reads.

A release of an earlier Freshet reads no history in columns, and refuses it. Questions are then sent
as elements for a minute, since the next release may read columns. A worker of the model may lack a
posterior that is asked for by its id; it gets the whole.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from gateway.bodies.refusal import Refusal
from gateway.model.answers import Answer, ModelQuestion
from gateway.model.questions import TopItemsQuestion

ELEMENTS_S = 60.0  # how long elements are sent after columns were refused
_HISTORY, _POSTERIOR = "user_seq", "policy.posterior"  # the fields that are refused


class ListForms:
    """Sends questions for lists in the shortest form that the model accepts."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._elements_until = 0.0  # by the clock

    async def ask(
        self,
        question: TopItemsQuestion,
        answer_type: type[Answer],
        ask: Callable[[ModelQuestion[Answer]], Awaitable[Answer | Refusal]],
    ) -> Answer | Refusal:
        """Send the question with `ask`, and again in another form if that one is refused."""
        form = question
        if form.has_columns and self._clock() < self._elements_until:
            form = form.in_elements()
        answer = await ask(ModelQuestion(content=form.encode(), answer_type=answer_type))
        if form.has_columns and _refuses(answer, _HISTORY):
            self._elements_until = self._clock() + ELEMENTS_S
            form = form.in_elements()
            answer = await ask(ModelQuestion(content=form.encode(), answer_type=answer_type))
        if form.has_posterior and _refuses(answer, _POSTERIOR):
            whole = form.encode(is_whole=True)
            answer = await ask(ModelQuestion(content=whole, answer_type=answer_type))
        return answer


def _refuses(answer: object, field: str) -> bool:
    return isinstance(answer, Refusal) and answer.error.field == field
