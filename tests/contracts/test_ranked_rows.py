"""Choices that wait for rewards, on each database: each is learned once, with its reward."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest

from cron.ledger import ranked_rows
from cron.ledger.ledger import Ledger, open_ledger
from cron.ledger.ranked_rows import (
    LEARNED_KEPT,
    Aggregation,
    DueExample,
    EventActivation,
    EventChange,
    EventReward,
    ModelRow,
    RankedEvent,
    RewardRules,
)
from tests.contracts.ledgers import EMBEDDED, NOW, ON_SERVERS

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures
Learn = Callable[[ModelRow | None, Sequence[DueExample]], ModelRow]


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """Return a ledger whose clock stands still."""
    opened = open_ledger(url, now=lambda: NOW)
    yield opened
    opened.close()


def rules(*, aggregation: Aggregation = "earliest", wait_s: float = 600) -> RewardRules:
    """Return rules by which an event of now takes rewards, unless `wait_s` is negative."""
    return RewardRules(since=NOW - timedelta(seconds=wait_s), aggregation=aggregation)


OVER = rules(wait_s=-1)  # the wait for rewards is over


def event(event_id: str, *slots: str, is_active: bool = True) -> RankedEvent:
    examples = {slot: f"{event_id}/{slot}".encode() for slot in slots or ("",)}
    return RankedEvent(event_id=event_id, is_active=is_active, examples=examples)


def reward(event_id: str, value: float, slot: str = "") -> EventReward:
    return EventReward(event_id=event_id, rewards={slot: value})


def write(ledger: Ledger, *changes: EventChange, by: RewardRules | None = None) -> list[bool]:
    return ranked_rows.write(ledger, changes, by or rules())


def rewards_learned(ledger: Ledger, by: RewardRules) -> dict[str, float | None]:
    """Learn what is due; return the rewards by example."""
    found: dict[str, float | None] = {}

    def change(model: ModelRow | None, due: Sequence[DueExample]) -> ModelRow:
        found.update({one.example.decode(): one.reward for one in due})
        before = model.num_learned if model else 0
        return ModelRow(num_learned=before + len(due), weights=b"w", totals="{}")

    had_due = ranked_rows.has_due(ledger, by)
    assert ranked_rows.learn(ledger, by, change) == len(found)
    assert had_due >= bool(found)
    return found


def test_the_first_reward_counts_and_is_learned_once(ledger: Ledger) -> None:
    assert write(ledger, event("a"), event("b"), reward("a", 0.5)) == [True, True, True]
    assert write(ledger, reward("a", 1.0), reward("nobody", 1.0)) == [False, False]
    assert rewards_learned(ledger, rules()) == {"a/": 0.5}
    assert rewards_learned(ledger, rules()) == {}
    assert write(ledger, reward("a", 1.0)) == [False]
    assert ranked_rows.num_waiting(ledger) == 1


def test_without_a_reward_a_choice_is_learned_after_the_wait(ledger: Ledger) -> None:
    write(ledger, event("a"))
    assert rewards_learned(ledger, rules()) == {}
    assert write(ledger, reward("a", 1.0), by=OVER) == [False]  # it comes too late
    assert rewards_learned(ledger, OVER) == {"a/": None}


def test_sums_are_learned_when_no_more_can_come(ledger: Ledger) -> None:
    by = rules(aggregation="sum")
    write(ledger, event("a"), reward("a", 0.5), reward("a", 0.25), by=by)
    assert rewards_learned(ledger, by) == {}
    assert rewards_learned(ledger, rules(aggregation="sum", wait_s=-1)) == {"a/": 0.75}


def test_an_event_that_was_not_used_is_never_learned(ledger: Ledger) -> None:
    write(ledger, event("a", is_active=False), event("b", is_active=False))
    write(ledger, reward("a", 1.0), reward("b", 1.0))
    assert rewards_learned(ledger, rules()) == {}
    assert write(ledger, EventActivation(event_id="b"), EventActivation(event_id="x")) == [
        True,
        False,
    ]
    assert rewards_learned(ledger, rules()) == {"b/": 1.0}
    assert rewards_learned(ledger, rules(wait_s=-1)) == {}
    assert ranked_rows.num_waiting(ledger) == 0


def test_each_slot_has_its_reward(ledger: Ledger) -> None:
    write(ledger, event("a", "main", "side"), reward("a", 1.0, "side"), reward("a", 1.0))
    assert rewards_learned(ledger, rules()) == {"a/side": 1.0}
    assert rewards_learned(ledger, OVER) == {"a/main": None}


def test_an_event_id_that_comes_again_is_a_new_event(ledger: Ledger) -> None:
    write(ledger, event("a", "main", "side"), reward("a", 1.0, "main"))
    write(ledger, event("a", "main"))
    assert rewards_learned(ledger, rules()) == {}
    assert rewards_learned(ledger, OVER) == {"a/main": None}


def test_a_rank_call_that_was_learned_is_not_learned_again(ledger: Ledger) -> None:
    """Its answer was lost, so it was sent again; what was not learned of it yet still may be."""
    write(ledger, event("a", "main", "side"), reward("a", 1.0, "main"))
    assert rewards_learned(ledger, rules()) == {"a/main": 1.0}
    assert write(ledger, event("a", "main", "side"), reward("a", 0.5, "main")) == [True, False]
    assert write(ledger, EventActivation(event_id="nobody")) == [False]
    assert ranked_rows.num_waiting(ledger) == 1
    assert rewards_learned(ledger, OVER) == {"a/side": None}
    much_later = rules(wait_s=-LEARNED_KEPT.total_seconds() - 1)
    assert rewards_learned(ledger, much_later) == {}
    assert not ranked_rows.has_due(ledger, much_later)
    write(ledger, event("a", "main"))
    assert rewards_learned(ledger, OVER) == {"a/main": None}


def test_another_gateway_finds_event_and_model(ledger: Ledger, url: str) -> None:
    write(ledger, event("a"))
    assert ranked_rows.model(ledger) is None
    other = open_ledger(url, now=lambda: NOW)
    write(other, reward("a", 1.0))
    assert rewards_learned(other, rules()) == {"a/": 1.0}
    other.close()
    model = ranked_rows.model(ledger)
    assert model == ModelRow(num_learned=1, weights=b"w", totals="{}")
    assert ranked_rows.model(ledger, newer_than=1) is None
    assert rewards_learned(ledger, OVER) == {}


def test_a_step_that_fails_changes_nothing(ledger: Ledger) -> None:
    write(ledger, event("a"), reward("a", 1.0))

    def fail(_model: ModelRow | None, due: Sequence[DueExample]) -> ModelRow:
        raise ZeroDivisionError(len(due))

    with pytest.raises(ZeroDivisionError):
        ranked_rows.learn(ledger, rules(), fail)
    assert ranked_rows.model(ledger) is None
    assert rewards_learned(ledger, rules()) == {"a/": 1.0}
