"""Which list an event counts for, and by how much its reward changes."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.epoch import micros
from cron.posterior.open_lists import EARLY_US, MAX_EARLY, OpenLists, RewardChange
from cron.settings.tree import RewardSettings
from cron.shown_rewards import EVENT_COLUMNS, join_rewards
from cron.slates.slate_tables import table_of
from recommender.records.event_details import EventDetails
from recommender.records.events import Event
from recommender.records.slates import Slate

START = datetime(2026, 3, 1, tzinfo=UTC)
REWARD = RewardSettings(weights={"click": 1.0, "hide": -1.0}, value_weight=0.1, window_s=3_600.0)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def a_list(
    list_id: str, *items: str, minutes: float = 0, user: str | None = "ann", pin: bool = False
) -> Slate:
    scores: list[float | None] = [float(10 - place) for place in range(len(items))]
    if pin:
        scores[0] = None
    return Slate(
        event_id=list_id,
        user_id=user,
        placement="home",
        items=items,
        propensities=(1.0,) * len(items),
        policy="thompson",
        version=1,
        fallback=False,
        arm=None,
        at=at(minutes),
        scores=tuple(scores),
    )


def an_event(
    item_id: str,
    minutes: float,
    *,
    type_: str = "click",
    of: str | None = None,
    value: float | None = None,
    user: str = "ann",
) -> Event:
    has_details = of is not None or value is not None
    details = EventDetails(recommendation_id=of, value=value) if has_details else None
    return Event(
        event_id=f"{item_id}-{minutes}-{type_}",
        user_id=user,
        item_id=item_id,
        type=type_,
        at=at(minutes),
        details=details,
    )


def reward(lists: OpenLists, event: Event) -> RewardChange | None:
    """Return the one change of an event that was recorded when it happened."""
    changes = lists.reward(event, at_us=micros(event.at))
    return changes[0] if changes else None


def reward_at_last(lists: OpenLists, event: Event) -> RewardChange | None:
    """Return the one change of an event, also if it has to wait for its list in vain."""
    at_us = micros(event.at)
    changes = lists.reward(event, at_us=at_us) or lists.rewards_of_early_events(at_us + EARLY_US)
    return changes[0] if changes else None


def test_a_click_before_its_list_counts_when_the_list_comes() -> None:
    """A gateway stores a list up to half a second after it was served."""
    lists = OpenLists(REWARD)
    lists.add(a_list("one", "a", "b"))
    assert reward(lists, an_event("a", 1, of="two")) is None, "it does not count for another list"
    lists.add(a_list("two", "a", "c", minutes=1))
    (change,) = lists.rewards_of_early_events(micros(at(1)))
    assert (change.shown.at_us, change.after) == (micros(at(1)), 1.0)
    assert lists.rewards_of_early_events(micros(at(3))) == (), "it counts once"


@pytest.mark.parametrize("later", [1.0, -5.0])
def test_an_event_of_an_unknown_list_waits_a_minute(later: float) -> None:
    """Then it counts for its user's newest list with the item; a clock may have stepped back."""
    lists = OpenLists(REWARD)
    lists.add(a_list("one", "a", "b"))
    assert reward(lists, an_event("a", 1, of="elsewhere")) is None
    assert lists.rewards_of_early_events(micros(at(1.5))) == ()
    (change,) = lists.rewards_of_early_events(micros(at(1 + later)))
    assert change.shown.at_us == micros(START)


def test_early_events_are_bounded() -> None:
    lists = OpenLists(REWARD)
    lists.add(a_list("one", "a", "b"))
    made = [reward(lists, an_event("a", 1, of=f"gone-{number}")) for number in range(MAX_EARLY + 1)]
    assert [one is not None for one in made] == [False] * MAX_EARLY + [True]


def test_items_come_with_centred_scores_and_positions() -> None:
    lists = OpenLists(REWARD)
    first, second = lists.add(a_list("one", "pin", "a", "b", pin=True))
    assert (first.item_id, first.score, second.score) == ("a", 0.5, -0.5)
    assert first.position == pytest.approx(1 / math.log2(3))
    assert lists.add(a_list("one", "a")) == (), "a list counts once"
    popular = Slate(
        **{name: getattr(a_list("two", "a"), name) for name in Slate.__dataclass_fields__}
        | {"scores": None}
    )
    assert lists.add(popular) == (), "popular items have no scores"


def test_a_click_counts_once_for_the_list_that_it_names() -> None:
    lists = OpenLists(REWARD)
    lists.add(a_list("one", "a", "b"))
    lists.add(a_list("two", "a", "b", minutes=1))
    change = reward(lists, an_event("b", 2, of="one"))
    assert change is not None
    assert (change.shown.at_us, change.before, change.after) == (micros(START), 0, 1)
    assert reward(lists, an_event("b", 3, of="one")) is None, "the first click counts"
    more = reward(lists, an_event("b", 3, of="one", type_="purchase", value=20.0))
    assert more is not None
    assert (more.before, more.after) == (1, 3)


def test_a_click_without_a_list_counts_for_the_newest_one() -> None:
    lists = OpenLists(REWARD)
    for minutes, items in enumerate((("a",), ("a", "b"), ("b",))):
        lists.add(a_list(f"l{minutes}", *items, minutes=10 * minutes))
    found = reward_at_last(lists, an_event("a", 35, of="a search elsewhere"))
    assert found is not None
    assert found.shown.at_us == micros(at(10))
    assert reward(lists, an_event("c", 35)) is None
    assert reward(lists, an_event("a", 35, user="bob")) is None


def test_what_comes_too_late_or_is_worth_nothing_does_not_count() -> None:
    lists = OpenLists(REWARD)
    lists.add(a_list("one", "a", "b"))
    assert reward(lists, an_event("a", 61)) is None
    assert reward(lists, an_event("a", -2)) is None
    assert reward(lists, an_event("a", 1, type_="impression")) is None
    assert reward(lists, an_event("a", -0.5)) is not None, "clocks differ"
    lists.close_before(micros(at(59)))
    assert len(lists) == 1
    lists.close_before(micros(at(70)))
    assert len(lists) == 0


def test_the_oldest_lists_are_closed_when_there_are_too_many() -> None:
    lists = OpenLists(REWARD, max_lists=2)
    for number in range(4):
        lists.add(a_list(f"l{number}", "a", user=None if number == 1 else "ann"))
    assert len(lists) == 2
    assert reward_at_last(lists, an_event("a", 1, of="l0")) is not None, "it counts for the newest"


LISTS = st.lists(
    st.tuples(st.sampled_from(["ann", "bob"]), st.permutations("abc"), st.integers(0, 50)),
    max_size=6,
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.sampled_from("abc"),
        st.integers(0, 120),
        st.sampled_from(["click", "hide"]),
        st.none() | st.integers(0, 6),
    ),
    max_size=12,
    unique_by=lambda one: (one[0], one[2]),
)


@given(lists=LISTS, events=EVENTS)
def test_the_rewards_are_those_of_the_join(
    lists: list[tuple[str, list[str], int]],
    events: list[tuple[str, str, int, str, int | None]],
) -> None:
    """With events in the order of their times, and times of their own."""
    slates = [
        a_list(f"l{number}", *items, minutes=minutes + number / 100, user=user)
        for number, (user, items, minutes) in enumerate(lists)
    ]
    slates.sort(key=lambda slate: slate.at)
    came = [
        an_event(item, minutes + 0.5, type_=type_, user=user, of=None if of is None else f"l{of}")
        for user, item, minutes, type_, of in sorted(events, key=lambda one: one[2])
    ]
    opened, earned = OpenLists(REWARD), dict[tuple[int, str], float]()
    for slate in slates:
        opened.add(slate)
    for event in came:
        change = reward_at_last(opened, event)
        if change is not None:
            earned[change.shown.at_us, change.shown.item_id] = change.after
    table = table_of(slates)
    joined = join_rewards(table, _table(came), REWARD)
    expected = dict[tuple[int, str], float]()
    for slate_row, position, reward in zip(
        joined.slate_R, joined.position_R, joined.reward_R, strict=True
    ):
        slate = slates[slate_row]
        expected[micros(slate.at), slate.items[position]] = float(reward)
    assert {key: value for key, value in expected.items() if value} == {
        key: value for key, value in earned.items() if value
    }


def _table(events: list[Event]) -> pa.Table:
    rows = []
    for event in events:
        details = event.details or EventDetails()
        row: dict[str, object] = {
            "event_id": event.event_id,
            "user_id": event.user_id,
            "item_id": event.item_id,
        }
        row |= {"type": event.type, "recommendation_id": details.recommendation_id}
        rows.append(row | {"at_us": micros(event.at), "value": None, "dwell_s": None})
    types = {"at_us": pa.int64(), "value": pa.float64(), "dwell_s": pa.float64()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in EVENT_COLUMNS])
    return pa.Table.from_pylist(rows, schema=schema)
