"""Shadow mode: a candidate on trial answers in the background what the live one did.

No answer waits for it. One question is asked at a time; those that come while many wait already are
left out and counted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from cron.errors import FreshetError
from cron.experiments.list_agreement import overlap, rank_biased_overlap
from cron.trial import CandidateTrial, ShadowCounts
from gateway.bodies.refusal import Refusal
from gateway.model.answers import NoAnswer, Ranked, TooLarge
from gateway.model.inference import Inference
from gateway.model.questions import TopItemsQuestion
from gateway.waiting_queue import Overloaded

MAX_WAITING = 64
AddShadow = Callable[[Mapping[int, ShadowCounts]], None]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowQuestion:
    """A question that the live release answered, its answer, and the time that took."""

    version: int
    question: TopItemsQuestion
    answer: Ranked
    seconds: float


class Shadow:
    """Asks the candidate, compares and counts. Create it inside the event loop that uses it."""

    def __init__(
        self, inference: Inference, trial: Callable[[], CandidateTrial | None], add: AddShadow
    ) -> None:
        self._inference = inference
        self._trial = trial
        self._add = add
        self._waiting: asyncio.Queue[ShadowQuestion] = asyncio.Queue(MAX_WAITING)
        self._due = 0.0  # grows by the share with each list; at 1 the candidate is asked
        self._lock = threading.Lock()
        self._counts: dict[int, ShadowCounts] = {}

    def offer(self, question: TopItemsQuestion, answer: Ranked, *, seconds: float) -> None:
        """Have a list compared, if its turn has come; return at once.

        Lists of policies are left out, since chance makes them differ anyway.
        """
        trial = self._trial()
        if trial is None or trial.shadow_share == 0 or question.policy is not None:
            return
        if answer.model_version != trial.live:
            return
        self._due += trial.shadow_share
        if self._due < 1:
            return
        self._due -= 1
        asked = ShadowQuestion(
            version=trial.version, question=question, answer=answer, seconds=seconds
        )
        try:
            self._waiting.put_nowait(asked)
        except asyncio.QueueFull:
            self._count(trial.version, ShadowCounts(num_dropped=1))

    async def keep_asking(self) -> None:
        """Ask one question after another, until this task is cancelled."""
        while True:
            asked = await self._waiting.get()
            try:
                self._count(asked.version, await self._compare(asked))
            except Exception:  # around one question: the next ones must be asked all the same
                log.exception("shadow not compared", extra={"version": asked.version})

    def flush(self) -> None:
        """Add what was counted to the ledger; if that fails, it is tried again the next time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        if not counts:
            return
        try:
            self._add(counts)
        except BaseException:
            for version, count in counts.items():
                self._count(version, count)
            raise

    def close(self) -> None:
        """Add what was counted last; it is lost if the ledger does not answer now."""
        try:
            self.flush()
        except FreshetError as error:
            log.warning("shadow answers lost", extra={"why": str(error)})

    async def _compare(self, asked: ShadowQuestion) -> ShadowCounts:
        began = time.perf_counter()
        try:
            found = await self._inference.recommend_beside(
                asked.question, asked.version, deadline=self._inference.deadline()
            )
        except (NoAnswer, TooLarge, Overloaded):
            return ShadowCounts(num_errors=1)
        seconds = time.perf_counter() - began
        if isinstance(found, Refusal):
            return ShadowCounts(num_errors=1)
        live, candidate = ([item.id for item in one.items] for one in (asked.answer, found))
        return ShadowCounts(
            num_compared=1,
            overlap=overlap(live, candidate),
            rank_overlap=rank_biased_overlap(live, candidate),
            live_seconds=asked.seconds,
            seconds=seconds,
        )

    def _count(self, version: int, count: ShadowCounts) -> None:
        with self._lock:
            known = self._counts.get(version, ShadowCounts())
            names = [field.name for field in fields(ShadowCounts)]
            sums = {name: getattr(known, name) + getattr(count, name) for name in names}
            self._counts[version] = ShadowCounts(**sums)
