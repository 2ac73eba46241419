"""Visitors of an A/B experiment: the lists of their arm, and everything that they did since.

A visitor takes part from the first list of the experiment on. The reward is that of all events
since then, whether or not they name a list: an arm that only takes clicks from other lists is not
better. Lists are read again for the days that have new ones; of events only the new ones are read,
and all those of a visitor who is new, or whose first list arrives late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from cron.ledger import experiment_day_rows
from cron.ledger.experiment_day_rows import DAY_US, ReadDay, VisitorDay
from cron.visitor_days.reading import (
    Measuring,
    begin_of,
    day_of,
    most_shown,
    parts_of,
    read_numbers,
    segments_by_day,
    slates_of_days,
)

DAYS_BEFORE = 14  # of rewards before the first list, for the adjustment
_LIST_COLUMNS = ("at_us", "user_id", "items", "fallback", "arm")
_EVENT_COLUMNS = ("user_id", "type", "at_us", "value")
_READ_AT_ONCE = 200_000  # records
_ADDED_AT_ONCE = 2_000  # events in one transaction

_ByDay = dict[int, VisitorDay]


def read_divided(measuring: Measuring) -> None:
    """Bring the rows of an A/B experiment up to date with the journal."""
    noted = experiment_day_rows.through_seq(measuring.ledger, measuring.name)
    through = measuring.experiment.after_seq if noted is None else noted
    _read_lists(measuring, through)
    _add_events(measuring, through)


@dataclass(slots=True, kw_only=True)
class _Lists:
    """The lists of a visitor on a day."""

    arm: str
    first_us: int
    num_lists: int = 0
    num_fallbacks: int = 0
    items: list[str] = field(default_factory=list)


def _read_lists(measuring: Measuring, through: int) -> None:
    ledger, name = measuring.ledger, measuring.name
    read = experiment_day_rows.days(ledger, name)
    for day, segments in segments_by_day(measuring).items():
        if day in read and read[day].segments == segments:
            continue
        lists = _lists_of(measuring, day)
        shown: dict[str, Counter[str]] = {}
        for one in lists.values():
            shown.setdefault(one.arm, Counter()).update(one.items)
        read[day] = ReadDay(segments=segments, shown=shown)
        head = most_shown(other.shown for other in read.values())
        for part in parts_of(lists):
            found = {visitor_id: lists[visitor_id] for visitor_id in part}
            _store_lists(measuring, day, found, head=head, through=through)
        experiment_day_rows.store_day(ledger, name, day, read[day], lease=measuring.lease)


def _lists_of(measuring: Measuring, day: int) -> dict[str, _Lists]:
    """Return the lists of the experiment's visitors on a day; equal items share one string."""
    found: dict[str, _Lists] = {}
    one_of: dict[str, str] = {}
    prefix = f"{measuring.name}/"
    for rows in slates_of_days(measuring, day, begin_of(day + 1), _LIST_COLUMNS):
        of_arms = rows.filter(pc.starts_with(rows["arm"], pattern=prefix))
        columns = [of_arms[name].to_pylist() for name in _LIST_COLUMNS]
        for at_us, visitor_id, items, is_fallback, arm in zip(*columns, strict=True):
            if visitor_id is None:
                continue
            lists = found.setdefault(
                visitor_id, _Lists(arm=arm.removeprefix(prefix), first_us=at_us)
            )
            lists.first_us = min(lists.first_us, at_us)
            lists.num_lists += 1
            lists.num_fallbacks += bool(is_fallback)
            lists.items += [one_of.setdefault(item, item) for item in items]
    return found


def _store_lists(
    measuring: Measuring,
    day: int,
    lists: Mapping[str, _Lists],
    *,
    head: frozenset[str],
    through: int,
) -> None:
    """Store the lists of some visitors on a day, and the events of those who came earlier now."""
    ledger, name = measuring.ledger, measuring.name
    keys = measuring.visitor_keys(lists)
    by_key = _rows_by_key(measuring, [*keys.values()])
    moved: dict[str, _ByDay] = {}
    for visitor_id, one in lists.items():
        days = by_key.setdefault(keys[visitor_id], {})
        first_us = _first_us(days)
        arm = next(iter(days.values())).arm if days else one.arm
        before = days.get(day, VisitorDay(visitor_key=keys[visitor_id], day=day, arm=arm))
        days[day] = replace(
            before,
            first_us=one.first_us,
            num_lists=one.num_lists,
            num_fallbacks=one.num_fallbacks,
            num_shown=len(one.items),
            num_rare=sum(item not in head for item in one.items),
        )
        if _first_us(days) != first_us:
            moved[visitor_id] = days
    if moved:
        _count_again(measuring, moved, through)
    rows = [row for days in by_key.values() for row in days.values()]
    experiment_day_rows.replace_rows(ledger, name, by_key.keys(), rows, lease=measuring.lease)


def _count_again(measuring: Measuring, visitors: Mapping[str, _ByDay], through: int) -> None:
    """Count all events of visitors up to a journal number, before and after their first list."""
    weights = measuring.reward.weights
    firsts: dict[str, int] = {}
    for visitor_id, days in visitors.items():
        for day, row in days.items():
            days[day] = replace(row, reward=0.0, revenue=0.0, before=0.0)
        firsts[visitor_id] = _first_us(days) or 0
    numbers = []
    events = measuring.journal.by_user.of(sorted(visitors), (1, through))
    columns = [events[name].to_pylist() for name in ("user_id", "type", "at_us", "seq")]
    for visitor_id, type_, at_us, seq in zip(*columns, strict=True):
        if at_us < firsts[visitor_id]:
            _add_before(visitors[visitor_id], at_us, weights.get(type_, 0.0))
        elif seq > measuring.experiment.after_seq:
            numbers.append(seq)
    if numbers:
        late = read_numbers(measuring.journal, numbers, _EVENT_COLUMNS)
        for event in late.to_pylist():
            _add_event(visitors[event["user_id"]], event, weights)


def _add_events(measuring: Measuring, through: int) -> None:
    """Add the events that the journal has accepted since the last measurement."""
    journal, last_seq = measuring.journal, measuring.journal.last_seq
    columns = ("kind", "seq", *_EVENT_COLUMNS)
    for first in range(through + 1, last_seq + 1, _READ_AT_ONCE):
        records = journal.read(first, min(first + _READ_AT_ONCE - 1, last_seq), columns=columns)
        events = _worthy_events(records, measuring.reward.weights)
        for start in range(0, events.num_rows, _ADDED_AT_ONCE):
            _add_part(measuring, events.slice(start, _ADDED_AT_ONCE))
    experiment_day_rows.note_through(
        measuring.ledger, measuring.name, last_seq, lease=measuring.lease
    )


def _add_part(measuring: Measuring, events: pa.Table) -> None:
    weights = measuring.reward.weights
    keys = measuring.visitor_keys(set(events["user_id"].to_pylist()))
    by_key = _rows_by_key(measuring, [*keys.values()])
    if not by_key:
        return
    for event in events.to_pylist():
        days = by_key.get(keys[event["user_id"]], {})
        first_us = _first_us(days)
        if first_us is None:
            continue
        if event["at_us"] >= first_us:
            _add_event(days, event, weights)
        else:
            _add_before(days, event["at_us"], weights.get(event["type"], 0.0))
    experiment_day_rows.replace_rows(
        measuring.ledger,
        measuring.name,
        by_key.keys(),
        [row for days in by_key.values() for row in days.values()],
        lease=measuring.lease,
        through_seq=events["seq"][-1].as_py(),
    )


def _worthy_events(records: pa.Table, weights: Mapping[str, float]) -> pa.Table:
    """Return the events that have a weight or a value."""
    types = pa.array([type_ for type_, weight in weights.items() if weight], pa.string())
    has_some = pc.or_(pc.is_in(records["type"], value_set=types), pc.is_valid(records["value"]))
    return records.filter(pc.and_(pc.equal(records["kind"], "event"), has_some))


def _add_event(days: _ByDay, event: Mapping[str, object], weights: Mapping[str, float]) -> None:
    at_us, type_, value = event["at_us"], event["type"], event["value"]
    assert isinstance(at_us, int)
    day = day_of(at_us)
    if day not in days:
        one = next(iter(days.values()))
        days[day] = VisitorDay(visitor_key=one.visitor_key, day=day, arm=one.arm)
    row = days[day]
    revenue = row.revenue + (value if isinstance(value, float) else 0.0)
    days[day] = replace(row, reward=row.reward + weights.get(str(type_), 0.0), revenue=revenue)


def _add_before(days: _ByDay, at_us: int, weight: float) -> None:
    """Add an event of before the first list to the rate per day, on the day of that list."""
    first_us = _first_us(days)
    if first_us is not None and 0 < first_us - at_us <= DAYS_BEFORE * DAY_US:
        row = days[day_of(first_us)]
        days[row.day] = replace(row, before=row.before + weight / DAYS_BEFORE)


def _rows_by_key(measuring: Measuring, keys: Collection[str]) -> dict[str, _ByDay]:
    found: dict[str, _ByDay] = {}
    for row in experiment_day_rows.rows_of(measuring.ledger, measuring.name, keys):
        found.setdefault(row.visitor_key, {})[row.day] = row
    return found


def _first_us(days: _ByDay) -> int | None:
    return min((row.first_us for row in days.values() if row.first_us is not None), default=None)
