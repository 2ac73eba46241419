"""Rewards of shown items: which list an event counts for, and how much."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.settings.tree import RewardSettings
from cron.shown_rewards import join_rewards

REWARD = RewardSettings(weights={"click": 1.0, "purchase": 5.0, "hide": -1.0}, window_s=100.0)


@dataclass(kw_only=True)
class Log:
    """Slates and events, in seconds; an event's id is its number."""

    slates: list[dict[str, object]] = field(default_factory=list)
    events: list[dict[str, object]] = field(default_factory=list)

    def show(self, list_id: str, user_id: str | None, items: list[str], at: float) -> None:
        self.slates.append(
            {"event_id": list_id, "user_id": user_id, "items": items, "at_us": round(at * 1e6)}
        )

    def act(self, user_id: str, item_id: str, at: float, **more: object) -> None:
        event = {"user_id": user_id, "item_id": item_id, "at_us": round(at * 1e6)}
        unset = {"type": "click", "value": None, "dwell_s": None, "recommendation_id": None}
        self.events.append({"event_id": f"e{len(self.events)}", **event, **unset, **more})

    def rewards(self, reward: RewardSettings = REWARD) -> list[float]:
        slates = pa.schema(
            [
                ("event_id", pa.string()),
                ("user_id", pa.string()),
                ("items", pa.list_(pa.string())),
                ("at_us", pa.int64()),
            ]
        )
        events = pa.schema(
            [
                *((name, pa.string()) for name in ("event_id", "user_id", "item_id", "type")),
                ("at_us", pa.int64()),
                ("value", pa.float64()),
                ("dwell_s", pa.float64()),
                ("recommendation_id", pa.string()),
            ]
        )
        found = join_rewards(
            pa.Table.from_pylist(self.slates, schema=slates),
            pa.Table.from_pylist(self.events, schema=events),
            reward,
        )
        assert found.slate_R.tolist() == [
            row
            for row, slate in enumerate(self.slates)
            for _ in slate["items"]  # type: ignore[attr-defined]
        ]
        return [float(one) for one in found.reward_R]


@pytest.fixture
def log() -> Log:
    log = Log()
    log.show("first", "ann", ["a", "b"], at=1000)
    log.show("second", "ann", ["b", "c"], at=1050)
    log.show("nobody", None, ["a"], at=1060)
    return log


def test_an_event_counts_for_the_list_that_it_names(log: Log) -> None:
    log.act("ann", "b", 1060, recommendation_id="first")
    assert log.rewards() == [0, 1, 0, 0, 0]


def test_without_an_id_the_newest_list_with_the_item_counts(log: Log) -> None:
    log.act("ann", "b", 1060)
    log.act("ann", "a", 1061, recommendation_id="an id of another system")
    log.act("bob", "a", 1061)
    assert log.rewards() == [1, 0, 1, 0, 0]


def test_a_visitor_without_an_id_is_joined_by_the_list(log: Log) -> None:
    log.act("cookie-7", "a", 1070, recommendation_id="nobody")
    assert log.rewards() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(("at", "counts"), [(939, 0), (941, 1), (1100, 1), (1101, 0)])
@pytest.mark.parametrize("recommendation_id", ["first", None])
def test_only_events_within_the_window_count(
    log: Log, at: float, counts: int, recommendation_id: str | None
) -> None:
    log.act("ann", "a", at, recommendation_id=recommendation_id)
    assert log.rewards() == [counts, 0, 0, 0, 0]


def test_an_item_that_the_named_list_did_not_show_counts_nowhere(log: Log) -> None:
    log.act("ann", "c", 1060, recommendation_id="first")
    assert log.rewards() == [0, 0, 0, 0, 0]


def test_types_add_up_and_each_counts_once(log: Log) -> None:
    for type_ in ("click", "click", "purchase", "impression"):
        log.act("ann", "a", 1010, type=type_, recommendation_id="first")
    log.act("ann", "c", 1060, type="hide")
    assert log.rewards() == [6, 0, 0, -1, 0]


def test_values_and_time_count_as_the_settings_say(log: Log) -> None:
    log.act("ann", "a", 1010, type="purchase", value=30.0)
    log.act("ann", "c", 1060, type="view", dwell_s=20.0)
    reward = RewardSettings(weights={}, value_weight=0.5, dwell_weight=0.1, window_s=100.0)
    assert log.rewards(reward) == [15, 0, 0, 2, 0]


def test_logs_without_slates_or_events_have_no_rewards(log: Log) -> None:
    assert log.rewards() == [0, 0, 0, 0, 0]
    assert Log().rewards() == []


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(950, 1200),
        st.sampled_from(["click", "purchase"]),
        st.sampled_from([None, "first", "second"]),
    ),
    max_size=12,
)


@given(acts=ACTS, seed=st.integers(0, 100))
def test_the_order_of_arrival_changes_nothing(
    acts: list[tuple[str, str, int, str, str | None]], seed: int
) -> None:
    log = Log()
    log.show("first", "ann", ["a", "b"], at=1000)
    log.show("second", "ann", ["b", "c"], at=1050)
    for user_id, item_id, at, type_, list_id in acts:
        log.act(user_id, item_id, at, type=type_, recommendation_id=list_id)
    before = log.rewards()
    random.Random(seed).shuffle(log.events)
    assert log.rewards() == before
