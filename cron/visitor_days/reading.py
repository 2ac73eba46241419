"""What a measurement reads: slates of days, events of visitors, and the days that changed.

Days are whole days since 1970, UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cron.epoch import micros, moment
from cron.experiment import Experiment
from cron.journal.journal import Journal
from cron.ledger import slate_rows
from cron.ledger.experiment_day_rows import DAY_US, Shown
from cron.ledger.forgotten import keys_of
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.settings.tree import RewardSettings

VISITORS_AT_ONCE = 1_000  # in one transaction, which others wait for
_HEAD = 0.01  # share of the shown items that are the most shown ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """An experiment to measure, and what is read and written. `reward` has its own weights."""

    journal: Journal
    ledger: Ledger
    experiment: Experiment
    reward: RewardSettings
    lease: Lease

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.experiment.name

    @property
    def first_day(self) -> int:
        """The day on which the experiment was started."""
        return day_of(micros(self.experiment.started_at))

    def visitor_keys(self, visitor_ids: Iterable[str]) -> dict[str, str]:
        """Return the keys of visitors, by their ids."""
        keys = keys_of(self.ledger)
        return {visitor_id: keys.of_user(visitor_id) for visitor_id in visitor_ids}


def day_of(at_us: int) -> int:
    """Return the day of a time."""
    return at_us // DAY_US


def begin_of(day: int) -> datetime:
    """Return when a day begins."""
    return moment(day * DAY_US)


def segments_by_day(measuring: Measuring) -> dict[int, frozenset[str]]:
    """Return the files that may have slates of a day, from the experiment's first day on."""
    first_day = measuring.first_day
    found: dict[int, set[str]] = {}
    for segment in slate_rows.segments(measuring.ledger, since=begin_of(first_day)):
        begin = max(first_day, day_of(micros(segment.first_at)))
        for day in range(begin, day_of(micros(segment.last_at)) + 1):
            found.setdefault(day, set()).add(segment.name)
    return {day: frozenset(names) for day, names in sorted(found.items())}


def slates_of_days(
    measuring: Measuring, first_day: int, until: datetime, columns: Sequence[str]
) -> Iterator[pa.Table]:
    """Yield the slates since the experiment's start, from a day on until a time.

    `user_id` is the session's id for a visitor without one.
    """
    since = max(begin_of(first_day), measuring.experiment.started_at)
    needed = list(dict.fromkeys([*columns, "user_id", "session_id"]))
    for rows in measuring.journal.slates.tables_since(since, until=until, columns=needed):
        visitors = pc.coalesce(rows["user_id"], rows["session_id"])
        place = rows.column_names.index("user_id")
        yield rows.set_column(place, "user_id", visitors).select(list(columns))


def read_numbers(journal: Journal, numbers: Sequence[int], columns: Sequence[str]) -> pa.Table:
    """Return the records with some journal numbers; only their segments are read."""
    wanted = np.unique(np.array(numbers, np.int64))
    needed = list(dict.fromkeys(["seq", *columns]))
    tables = [journal.read(1, 0, columns=needed)]
    for first, last in journal.ranges():
        begin, end = np.searchsorted(wanted, [first, last + 1])
        if begin < end:
            rows = journal.read(int(wanted[begin]), int(wanted[end - 1]), columns=needed)
            tables.append(rows.filter(pc.is_in(rows["seq"], pa.array(wanted[begin:end]))))
    return pa.concat_tables(tables).select(list(columns))


def most_shown(shown: Iterable[Shown]) -> frozenset[str]:
    """Return the 1 % of items that were shown most often; at least one item."""
    counts: Counter[str] = Counter()
    for by_arm in shown:
        for times in by_arm.values():
            counts.update(times)
    num = max(1, round(_HEAD * len(counts)))
    # equally often shown items in the order of their ids, so that a repeat finds the same
    ordered = sorted(counts, key=lambda item: (-counts[item], item))
    return frozenset(ordered[:num])


def shown_by_arm(days: Iterable[Shown], arms: Sequence[str]) -> list[Counter[str]]:
    """Return how often each arm has shown each item."""
    counts: Mapping[str, Counter[str]] = {arm: Counter() for arm in arms}
    for by_arm in days:
        for arm in by_arm.keys() & counts.keys():
            counts[arm].update(by_arm[arm])
    return [counts[arm] for arm in arms]


def parts_of(ids: Collection[str]) -> Iterator[list[str]]:
    """Yield the ids in order, as many at once as one transaction takes."""
    left = iter(sorted(ids))
    while part := list(islice(left, VISITORS_AT_ONCE)):
        yield part
