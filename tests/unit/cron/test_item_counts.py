"""Counting events by hour and day, and which buckets a window has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from cron.item_counts import (
    ALL_ITEMS,
    MAX_COMPARED_WINDOW,
    MAX_WINDOW,
    Bucket,
    buckets_of,
    count_events,
    earliest_counted,
    impression_buckets,
    is_kept_until,
    usual_buckets,
)
from tests.contracts.records import START_AT, event, item

NOW = START_AT + timedelta(days=100, hours=13, minutes=30)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def numbers(at: datetime) -> Mapping[tuple[Bucket, str], int]:
    return count_events([event(1, at=at)], counts=lambda _: True, now=NOW).numbers


def test_a_recent_event_is_in_its_hour_and_its_day() -> None:
    (hour,), (day,) = buckets_of(timedelta(0), now=NOW), usual_buckets(DAY, now=NOW + 2 * DAY)[-1:]
    assert numbers(NOW) == {
        (hour, "i"): 1,
        (hour, ALL_ITEMS): 1,
        (day, "i"): 1,
        (day, ALL_ITEMS): 1,
    }


def test_old_events_and_items_are_not_counted() -> None:
    assert {bucket[0] for bucket, _ in numbers(NOW - 3 * DAY)} == {"d"}
    first = count_events([], counts=lambda _: True, now=NOW).first_day
    assert numbers(NOW - 40 * DAY) == {}
    assert earliest_counted(NOW) == is_kept_until(first) * 1_000_000 - 37 * 86_400_000_000
    assert count_events([item(1, "a")], counts=lambda _: True, now=NOW).numbers == {}


def test_events_that_do_not_count_are_left_out() -> None:
    events = [event(1, at=NOW), event(2, at=NOW, type_="impression")]
    counted = count_events(events, counts=lambda one: one.type == "view", now=NOW)
    of_views = {key: num for key, num in counted.numbers.items() if key[0][0] != "i"}
    assert set(of_views.values()) == {1}


def test_impressions_have_counts_of_their_own() -> None:
    """By day and item, whatever counts for popularity."""
    events = [event(number, at=NOW, type_="impression") for number in range(3)]
    counted = count_events(events, counts=lambda _: False, now=NOW)
    (today,) = impression_buckets(timedelta(0), now=NOW)
    assert counted.numbers == {(today, "i"): 3}
    kept = impression_buckets(MAX_WINDOW, now=NOW)
    assert kept[0] >= counted.first_kept[-1]
    assert is_kept_until(kept[0]) > NOW.timestamp()
    assert len(kept) == MAX_WINDOW.days + 1


@pytest.mark.parametrize("window", [HOUR, 6 * HOUR, DAY, 2 * DAY, 3 * DAY, MAX_WINDOW])
def test_all_buckets_of_a_window_are_kept(window: timedelta) -> None:
    buckets = buckets_of(window, now=NOW)
    kept = count_events([], counts=lambda _: True, now=NOW)
    first = kept.first_hour if buckets[0][0] == "h" else kept.first_day
    assert first <= buckets[0]
    assert all(one < other for one, other in pairwise(buckets))
    unit = HOUR if buckets[0][0] == "h" else DAY
    assert len(buckets) == window // unit + 1


@pytest.mark.parametrize("window", [HOUR, DAY, MAX_COMPARED_WINDOW])
def test_usual_days_end_before_the_window(window: timedelta) -> None:
    usual = usual_buckets(window, now=NOW)
    assert len(usual) == 28
    assert count_events([], counts=lambda _: True, now=NOW).first_day <= usual[0]
    assert is_kept_until(usual[-1]) - 37 * 86_400 <= (NOW - window).timestamp()
