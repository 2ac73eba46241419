"""How many events and impressions items had lately.

Events are counted by hour for two days and by day for five weeks, impressions by day alone.

A window is a set of buckets. One of at most two days is made of hours, a longer one of days (UTC);
both include the current bucket, so a window covers up to one hour or day more than its length. The
usual rate of an item comes from the four weeks before the day in which a window begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType

from cron.epoch import micros
from recommender.config import IMPRESSION
from recommender.records.events import Event, Record

# `h` or `d` and the number of hours or days since 1970; `i` and the days for impressions
Bucket = NewType("Bucket", str)

MAX_WINDOW = timedelta(days=28)
MAX_HOURLY_WINDOW = timedelta(hours=48)
USUAL_DAYS = 28
MAX_COMPARED_WINDOW = timedelta(days=7)
ALL_ITEMS = ""  # in place of an id: a bucket's total
_HOURS_A_DAY = 24
_HOUR_US, _DAY_US = 3_600_000_000, 86_400_000_000
_HOURS_KEPT = 49
_DAYS_KEPT = USUAL_DAYS + MAX_COMPARED_WINDOW.days + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCounts:
    """Numbers of events to add, by bucket and item, with each bucket's total as ALL_ITEMS.

    Impressions have no total. Buckets before `first_hour` and `first_day` are not kept.
    """

    numbers: Mapping[tuple[Bucket, str], int]
    first_hour: Bucket
    first_day: Bucket

    @property
    def first_kept(self) -> tuple[Bucket, ...]:
        """The first bucket of each kind that is kept."""
        return self.first_hour, self.first_day, _of_impressions(self.first_day)


def count_events(
    records: Iterable[Record], *, counts: Callable[[Event], bool], now: datetime
) -> EventCounts:
    """Count the recent impressions, and the recent events for which `counts` is true."""
    this_hour, today = micros(now) // _HOUR_US, micros(now) // _DAY_US
    first_hour, first_day = this_hour - _HOURS_KEPT + 1, today - _DAYS_KEPT + 1
    equal = Counter(
        (micros(one.at) // _HOUR_US, one.item_id, one.type == IMPRESSION, counts(one))
        for one in records
        if isinstance(one, Event)
    )
    numbers: Counter[tuple[Bucket, str]] = Counter()
    for (hour, item_id, is_impression, is_counted), num in equal.items():
        day = hour // _HOURS_A_DAY
        if day < first_day:
            continue
        if is_impression:
            numbers[_of_impressions(_day(day)), item_id] += num
        if not is_counted:
            continue
        buckets = (_hour(hour), _day(day)) if hour >= first_hour else (_day(day),)
        for bucket in buckets:
            numbers[bucket, item_id] += num
            numbers[bucket, ALL_ITEMS] += num
    return EventCounts(numbers=numbers, first_hour=_hour(first_hour), first_day=_day(first_day))


def earliest_counted(now: datetime) -> int:
    """Return the time, in epoch microseconds, from which events are counted."""
    return (micros(now) // _DAY_US - _DAYS_KEPT + 1) * _DAY_US


def is_kept_until(bucket: Bucket) -> int:
    """Return the epoch second from which a bucket is not needed."""
    number = int(bucket[1:])
    if bucket[0] == "h":
        return (number + _HOURS_KEPT) * _HOUR_US // 1_000_000
    return (number + _DAYS_KEPT) * _DAY_US // 1_000_000


def buckets_of(window: timedelta, *, now: datetime) -> tuple[Bucket, ...]:
    """Return the buckets of the window that ends now."""
    if window <= MAX_HOURLY_WINDOW:
        last, first = micros(now) // _HOUR_US, micros(now - window) // _HOUR_US
        return tuple(map(_hour, range(first, last + 1)))
    last, first = micros(now) // _DAY_US, micros(now - window) // _DAY_US
    return tuple(map(_day, range(first, last + 1)))


def impression_buckets(window: timedelta, *, now: datetime) -> tuple[Bucket, ...]:
    """Return the buckets of impressions of the window that ends now, in whole days."""
    last, first = micros(now) // _DAY_US, micros(now - window) // _DAY_US
    return tuple(_of_impressions(_day(day)) for day in range(first, last + 1))


def usual_buckets(window: timedelta, *, now: datetime) -> tuple[Bucket, ...]:
    """Return the days that say what was usual before the window that ends now."""
    first = micros(now - window) // _DAY_US
    return tuple(map(_day, range(first - USUAL_DAYS, first)))


def _hour(number: int) -> Bucket:
    return Bucket(f"h{number:07}")


def _day(number: int) -> Bucket:
    return Bucket(f"d{number:07}")


def _of_impressions(day: Bucket) -> Bucket:
    return Bucket(f"i{day[1:]}")
