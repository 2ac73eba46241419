"""Count the events of a batch: how many came, and what lists of recommendations led to.

It does not know which releases exist: `cron.ledger.event_rows` leaves out those that never did.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from cron.epoch import micros
from cron.ledger.event_rows import EventTally, hour_of
from cron.list_ids import read_list_id
from recommender.config import POSITIVE_TYPES

# An event counts for the release of its list if it is collected within this time after the list.
LIST_WINDOW = timedelta(days=7)
CLOCK_SLACK = timedelta(minutes=5)  # between the gateway's clock and the worker's
OTHER = "other"
# by name; all others are one, since a type may be any word
COUNTED_TYPES = frozenset((*POSITIVE_TYPES, "impression", "dislike", "skip"))


def tally(table: pa.Table, *, now: datetime) -> EventTally:
    """Count the events among a segment's rows, which are collected now."""
    events = table.filter(pc.equal(table["kind"], "event"))
    num_events, num_named = Counter[str](), Counter[str]()
    counts = events.group_by("type").aggregate([([], "count_all"), ("recommendation_id", "count")])
    for row in counts.to_pylist():
        num_events[_counted_type(row["type"])] += row["count_all"]
        num_named[_counted_type(row["type"])] += row["recommendation_id_count"]
    return EventTally(
        hour=hour_of(now),
        num_events=num_events,
        num_named=+num_named,
        of_releases=_of_releases(events, now) if num_named.total() else Counter(),
    )


def _of_releases(events: pa.Table, now: datetime) -> Counter[tuple[int, str]]:
    """Return the number of events by the version of their list's release, and by type."""
    earliest = micros(now - LIST_WINDOW) // 1000
    latest = micros(now + CLOCK_SLACK) // 1000
    of_releases = Counter[tuple[int, str]]()
    named = events.filter(pc.is_valid(events["recommendation_id"]))
    counts = named.group_by(["recommendation_id", "type"]).aggregate([([], "count_all")])
    columns = [counts[name].to_pylist() for name in ("recommendation_id", "type", "count_all")]
    for list_id, type_, number in zip(*columns, strict=True):
        made = read_list_id(list_id)
        if made is not None and earliest <= made.at_ms <= latest:
            of_releases[made.version, _counted_type(type_)] += number
    return of_releases


def _counted_type(type_: str) -> str:
    return type_ if type_ in COUNTED_TYPES else OTHER
