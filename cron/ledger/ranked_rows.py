"""Choices of the Personalizer calls that wait for rewards, and the model that learns them.

They are in the ledger because it is what all gateways share: a reward may come to another gateway
than the call that it is for. A learning step reads the due choices, changes the model and marks
the choices as learned in one transaction, so each is learned once, whichever gateway does it.
A learned choice stays for a while without its example: a rank call that is sent again, because its
answer was lost, would otherwise be learned again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.ledger import Ledger

MODEL = "personalizer"
NUM_AT_ONCE = 500  # choices learned in one transaction, a tenth of a second
LEARNED_KEPT = timedelta(hours=1)  # after the wait for rewards; no client retries for longer
_LEARNED = b""  # in place of an example
Aggregation = Literal["earliest", "sum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedEvent:
    """One answer: its choices by slot, as bytes.

    It replaces an event with the same id, except for what was learned of it already.
    """

    event_id: str
    is_active: bool
    examples: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReward:
    """Rewards of an event, by slot."""

    event_id: str
    rewards: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventActivation:
    """An event whose answer was used after all."""

    event_id: str


EventChange = RankedEvent | EventReward | EventActivation


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardRules:
    """How rewards count. Events from `since` or before take no more rewards."""

    since: datetime
    aggregation: Aggregation


@dataclass(frozen=True, slots=True, kw_only=True)
class DueExample:
    """A choice to learn; without a reward, none came in time."""

    example: bytes
    reward: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """The model as it is stored. `num_learned` grows with every change."""

    num_learned: int
    weights: bytes
    totals: str


def write(ledger: Ledger, changes: Sequence[EventChange], rules: RewardRules) -> list[bool]:
    """Write changes in their order, all or none; return which of them found their event."""
    with ledger.write() as connection:
        return [_write(connection, ledger.now(), change, rules) for change in changes]


def learn(
    ledger: Ledger,
    rules: RewardRules,
    change: Callable[[ModelRow | None, Sequence[DueExample]], ModelRow],
) -> int:
    """Replace the model by what `change` makes of it and of the due choices; return how many."""
    events, models = schema.ranked_events, schema.contextual_models
    with ledger.write() as connection:
        connection.execute(events.delete().where(_is_over(rules) & ~events.c.is_active))
        order = (events.c.at, events.c.event_id, events.c.slot_id)
        query = sa.select(events).where(_due(rules)).order_by(*order).limit(NUM_AT_ONCE)
        rows = connection.execute(query).all()
        if not rows:
            return 0
        due = [DueExample(example=row.example, reward=row.reward) for row in rows]
        new = change(_model(connection, newer_than=0), due)
        connection.execute(models.delete().where(models.c.name == MODEL))
        values = {"num_learned": new.num_learned, "weights": new.weights, "totals": new.totals}
        connection.execute(models.insert().values(name=MODEL, **values))
        is_learned = (events.c.event_id == sa.bindparam("event")) & (
            events.c.slot_id == sa.bindparam("slot")
        )
        learned = [{"event": row.event_id, "slot": row.slot_id} for row in rows]
        mark = events.update().where(is_learned).values(is_active=False, example=_LEARNED)
        connection.execute(mark, learned)
    return len(rows)


def has_due(ledger: Ledger, rules: RewardRules) -> bool:
    """Return whether there is something to learn or to remove."""
    events = schema.ranked_events
    query = sa.select(events.c.event_id).where(_due(rules) | _is_over(rules)).limit(1)
    with ledger.read() as connection:
        return connection.execute(query).first() is not None


def model(ledger: Ledger, *, newer_than: int = 0) -> ModelRow | None:
    """Return the model; None when it has not learned more than `newer_than` choices."""
    with ledger.read() as connection:
        return _model(connection, newer_than=newer_than)


def num_waiting(ledger: Ledger) -> int:
    """Return how many choices wait for rewards."""
    with ledger.read() as connection:
        waiting = schema.ranked_events.c.example != _LEARNED
        query = sa.select(sa.func.count()).select_from(schema.ranked_events).where(waiting)
        return int(connection.execute(query).scalar_one())


def _write(
    connection: sa.Connection, now: datetime, change: EventChange, rules: RewardRules
) -> bool:
    events = schema.ranked_events
    is_event = events.c.event_id == change.event_id
    is_waiting = is_event & (events.c.example != _LEARNED)
    in_time = is_waiting & (events.c.at > rules.since.isoformat())
    match change:
        case RankedEvent(event_id=event_id, is_active=is_active, examples=examples):
            connection.execute(events.delete().where(is_waiting))
            learned = connection.execute(sa.select(events.c.slot_id).where(is_event)).scalars()
            same = {"event_id": event_id, "at": now.isoformat(), "is_active": is_active}
            new = examples.keys() - set(learned)
            rows = [{**same, "slot_id": slot, "example": examples[slot]} for slot in sorted(new)]
            if rows:
                connection.execute(events.insert(), rows)
            return True
        case EventReward(rewards=rewards):
            found = 0
            for slot_id, reward in rewards.items():
                slot = in_time & (events.c.slot_id == slot_id)
                found += _reward(connection, slot, reward, rules.aggregation)
            return found > 0
        case EventActivation():
            done = connection.execute(events.update().where(in_time).values(is_active=True))
            return done.rowcount > 0


def _reward(
    connection: sa.Connection,
    slot: sa.ColumnElement[bool],
    reward: float,
    aggregation: Aggregation,
) -> int:
    events = schema.ranked_events
    if aggregation == "earliest":
        update = events.update().where(slot & events.c.reward.is_(None)).values(reward=reward)
    else:
        total = sa.func.coalesce(events.c.reward, 0.0) + reward
        update = events.update().where(slot).values(reward=total)
    return int(connection.execute(update).rowcount)


def _is_over(rules: RewardRules) -> sa.ColumnElement[bool]:
    """Return what has waited long enough: for a reward, or since it was learned."""
    events, since = schema.ranked_events.c, rules.since
    is_learned = events.example == _LEARNED
    return (~is_learned & (events.at <= since.isoformat())) | (
        is_learned & (events.at <= (since - LEARNED_KEPT).isoformat())
    )


def _due(rules: RewardRules) -> sa.ColumnElement[bool]:
    """Return what may be learned: no later reward can change it."""
    events = schema.ranked_events.c
    is_final = events.at <= rules.since.isoformat()
    if rules.aggregation == "earliest":
        is_final |= events.reward.is_not(None)
    return events.is_active & is_final


def _model(connection: sa.Connection, *, newer_than: int) -> ModelRow | None:
    models = schema.contextual_models
    is_newer = (models.c.name == MODEL) & (models.c.num_learned > newer_than)
    row = connection.execute(sa.select(models).where(is_newer)).one_or_none()
    if row is None:
        return None
    return ModelRow(num_learned=row.num_learned, weights=row.weights, totals=row.totals)
