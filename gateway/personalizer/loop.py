"""The learning loop of one gateway: it chooses with the newest model that it knows.

Choices, rewards and activations are durable in the ledger before their calls are answered. Once a
second each gateway looks for choices whose rewards are known. One of them learns, and the others
read the new model.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

import msgspec
from starlette.concurrency import run_in_threadpool

from cron.contextual import example
from cron.contextual.learner import learn
from cron.contextual.linear_model import LinearModel
from cron.contextual.policy_values import PolicyTotals, ValueTotals, agreement, value_of
from cron.ledger import ranked_rows
from cron.ledger.ledger import Ledger
from cron.ledger.ranked_rows import (
    DueExample,
    EventActivation,
    EventChange,
    EventReward,
    ModelRow,
    RankedEvent,
    RewardRules,
)
from cron.settings.tree import PersonalizerSettings
from gateway.bodies.personalizer import (
    MultiSlotRankRequest,
    MultiSlotRankResponse,
    PersonalizerStatus,
    PolicyValueAnswer,
    RankRequest,
    RankResponse,
)
from gateway.intake.grouped_calls import GroupedCalls
from gateway.personalizer.questions import ChoiceRules, RankedSlots, check_id, rank, rank_slots

LEARNED_EVERY_S = 1.0
MAX_GROUP = 200  # choices that share a transaction
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class _LoopState:
    """A model that nobody changes any more, and what its choices were worth."""

    model: LinearModel
    totals: ValueTotals
    num_learned: int


class PersonalizerLoop:
    """Chooses and learns. The calls are for the event loop; `refresh` and `status` block."""

    def __init__(self, ledger: Ledger, settings: PersonalizerSettings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._rules = ChoiceRules(mode=settings.mode, epsilon=settings.epsilon)
        self._learned = _LoopState(model=LinearModel(), totals=ValueTotals(), num_learned=0)
        self._changes: GroupedCalls[EventChange, bool] = GroupedCalls(
            self._write, max_size=MAX_GROUP
        )
        self._refreshing = threading.Lock()

    async def rank(self, asked: RankRequest) -> RankResponse:
        """Choose one action and keep the choice; raise BadQuery, Unavailable or LedgerFailed."""
        event_id = _event_id(asked.event_id)
        model, rules = self._learned.model, self._rules
        found = await run_in_threadpool(rank, model, asked, rules, event_id=event_id)
        await self._keep(event_id, found, is_active=not asked.defer_activation)
        return found.answer

    async def rank_slots(self, asked: MultiSlotRankRequest) -> MultiSlotRankResponse:
        """Choose an action for each slot and keep the choices; raise as `rank` does."""
        event_id = _event_id(asked.event_id)
        model, rules = self._learned.model, self._rules
        found = await run_in_threadpool(rank_slots, model, asked, rules, event_id=event_id)
        await self._keep(event_id, found, is_active=not asked.defer_activation)
        return found.answer

    async def reward(self, event_id: str, rewards: Mapping[str, float]) -> bool:
        """Keep rewards by slot; return whether they count: not for an unknown or old event."""
        change = EventReward(event_id=check_id(event_id, "eventId"), rewards=rewards)
        return await self._changes.take(change, size=len(rewards))

    async def activate(self, event_id: str) -> bool:
        """Activate an event; return whether it waits for a reward now."""
        change = EventActivation(event_id=check_id(event_id, "eventId"))
        return await self._changes.take(change, size=1)

    def refresh(self) -> None:
        """Learn what is due and read what other gateways learned; raise as the ledger does."""
        with self._refreshing:
            if ranked_rows.has_due(self._ledger, self._reward_rules()):
                self._learn()
            newest = ranked_rows.model(self._ledger, newer_than=self._learned.num_learned)
            if newest is not None:  # also when another gateway learned first what was due
                self._learned = _from_row(newest)

    def status(self) -> PersonalizerStatus:
        """Return what was learned, and what the policies are worth."""
        totals = self._learned.totals
        return PersonalizerStatus(
            mode=self._settings.mode,
            learned=totals.num_choices,
            waiting=ranked_rows.num_waiting(self._ledger),
            agreement=agreement(totals),
            served=_value(totals, totals.served),
            model=_value(totals, totals.learned),
            baseline=_value(totals, totals.baseline),
        )

    async def _keep(self, event_id: str, found: RankedSlots[Answer], *, is_active: bool) -> None:
        examples = {slot: example.to_bytes(one) for slot, one in found.examples.items()}
        change = RankedEvent(event_id=event_id, is_active=is_active, examples=examples)
        await self._changes.take(change, size=len(examples))

    def _write(self, changes: Sequence[EventChange]) -> Sequence[bool]:
        return ranked_rows.write(self._ledger, changes, self._reward_rules())

    def _learn(self) -> None:
        """Learn until nothing is due; the model is replaced after each transaction."""
        learned: _LoopState | None = None

        def change(row: ModelRow | None, due: Sequence[DueExample]) -> ModelRow:
            nonlocal learned
            learned = self._teach(row, due)
            return ModelRow(
                num_learned=learned.num_learned,
                weights=learned.model.to_bytes(),
                totals=msgspec.json.encode(learned.totals).decode(),
            )

        while ranked_rows.learn(self._ledger, self._reward_rules(), change):
            assert learned is not None
            self._learned = learned

    def _teach(self, row: ModelRow | None, due: Sequence[DueExample]) -> _LoopState:
        known = self._learned
        if row is not None and row.num_learned != known.num_learned:
            known = _from_row(row)
        model, default = known.model.copy(), self._settings.default_reward
        examples = [
            (example.from_bytes(one.example), default if one.reward is None else one.reward)
            for one in due
        ]
        totals = learn(model, known.totals, examples)
        return _LoopState(model=model, totals=totals, num_learned=known.num_learned + len(due))

    def _reward_rules(self) -> RewardRules:
        wait = timedelta(seconds=self._settings.reward_wait_s)
        return RewardRules(
            since=self._ledger.now() - wait, aggregation=self._settings.reward_aggregation
        )


def _event_id(given: str | None) -> str:
    return check_id(given, "eventId") if given else str(uuid4())


def _from_row(row: ModelRow) -> _LoopState:
    return _LoopState(
        model=LinearModel.from_bytes(row.weights),
        totals=msgspec.json.decode(row.totals, type=ValueTotals),
        num_learned=row.num_learned,
    )


def _value(totals: ValueTotals, policy: PolicyTotals) -> PolicyValueAnswer | None:
    found = value_of(totals, policy)
    if found is None:
        return None
    return PolicyValueAnswer(mean=found.mean, low=found.low, high=found.high)
