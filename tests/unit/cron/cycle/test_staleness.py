"""How stale weights are, and whether a full retrain is worth its cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.cycle.staleness import MeasuredRetrain, Staleness, decay_per_event, is_worth


def retrain_of(gain: float, num_events: int) -> MeasuredRetrain:
    return MeasuredRetrain(gain=gain, num_events=num_events)


def test_the_newest_retrains_say_how_fast_lists_get_worse() -> None:
    retrains = [retrain_of(9.0, 10), retrain_of(0.02, 10_000), retrain_of(0.04, 10_000)]
    assert decay_per_event([*retrains, retrain_of(0.0, 10_000)]) == pytest.approx(2e-6)


def test_nothing_is_known_before_a_retrain_was_measured() -> None:
    assert decay_per_event([]) is None
    assert decay_per_event([retrain_of(0.1, 0)]) is None


def test_updates_that_are_as_good_make_nothing_stale() -> None:
    decay = decay_per_event([retrain_of(-0.03, 10_000)])
    assert decay == 0.0
    assert not is_worth(Staleness(decay=0.0, num_events=10**9), cost=1e-9, worth=1e9)


def test_what_is_lost_adds_up_over_the_events() -> None:
    """Ten thousand events, at first with perfect lists and at last with 2 % worse ones."""
    staleness = Staleness(decay=2e-6, num_events=10_000)
    assert staleness.share == pytest.approx(0.02)
    assert staleness.loss == pytest.approx(10 * 1.0)  # thousands of events times 1 % on average
    assert is_worth(staleness, cost=100.0, worth=10.0)
    assert not is_worth(staleness, cost=100.1, worth=10.0)


@given(
    decay=st.floats(1e-9, 1e-3),
    cost=st.floats(1e-3, 1e6),
    worth=st.floats(1e-3, 1e3),
    num_events=st.integers(1, 10**8),
)
def test_a_retrain_that_is_worth_it_stays_so(
    decay: float, cost: float, worth: float, num_events: int
) -> None:
    def is_due(events: int, price: float) -> bool:
        return is_worth(Staleness(decay=decay, num_events=events), cost=price, worth=worth)

    if is_due(num_events, cost):
        assert is_due(num_events + 1, cost)
        assert is_due(num_events, cost / 2)
