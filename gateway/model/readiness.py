"""Readiness: whether a live model answers.

Probes need no key, so they must be cheap: all that arrive while one is under way share its answer.
"""

from __future__ import annotations

import asyncio

from gateway.bodies.refusal import Refusal
from gateway.model.answers import NoAnswer, Ranked
from gateway.model.inference import Inference
from gateway.model.questions import NO_HISTORY, TopItemsQuestion

_QUESTION = TopItemsQuestion(user_seq=NO_HISTORY, k=1, exclude_seen=True, exclude=())


class Readiness:
    """Asks the model a plain question. Used in one event loop."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._asking: asyncio.Task[Ranked | Refusal] | None = None

    async def live_version(self) -> int:
        """Return the version that answers; raise NoAnswer."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._inference.recommend(_QUESTION))
            self._asking.add_done_callback(_retrieve_error)
        answer = await asyncio.shield(self._asking)
        if isinstance(answer, Refusal):
            raise NoAnswer("the live model refused a plain question with 400")
        return answer.model_version


def _retrieve_error(asked: asyncio.Task[Ranked | Refusal]) -> None:
    """Retrieve an error that nobody waits for any more; otherwise asyncio logs it."""
    if not asked.cancelled():
        asked.exception()
