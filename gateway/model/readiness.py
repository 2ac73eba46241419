"""Whether a live model answers, asked once for all who ask at the same time: probes show no key, so they must cost little.

Knows a plain question; does not know HTTP.
"""

from __future__ import annotations

import asyncio

from gateway.model.inference import Answer, Inference

_QUESTION = {"user_seq": [], "k": 1}


class Readiness:
    """Used in one event loop."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._asking: asyncio.Task[Answer] | None = None

    async def ask(self) -> Answer:
        """Return the model's answer to a plain question; raise NoAnswer. Who comes while it is asked shares the answer."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._inference.predict(_QUESTION))
            self._asking.add_done_callback(_look_at)
        return await asyncio.shield(self._asking)


def _look_at(asked: asyncio.Task[Answer]) -> None:
    """Take note of an error that nobody waits for any more, or asyncio logs it."""
    if not asked.cancelled():
        asked.exception()
