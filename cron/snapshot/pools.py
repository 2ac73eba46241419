"""Reads the events among which a snapshot chooses.

A snapshot of a small journal, and of a full retrain, chooses among all events. An update of a large
journal chooses among parts of it, so that its cost does not grow with the history: the newest
events, stretches spread over the older ones, and all events of the users whom it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cron.journal.journal import Journal
from cron.lineage import Range
from cron.snapshot.shift import Floats
from cron.snapshot.timeline import COLUMNS, Timeline, in_ranges, timeline

IsEnough = Callable[[Timeline], bool]

_TYPES = {"seq": pa.int64(), "at_us": pa.int64(), "rating": pa.float64()}
_SCHEMA = pa.schema([(name, _TYPES.get(name, pa.string())) for name in COLUMNS])


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSizes:
    """How much of a journal is read at first, in journal numbers unless stated otherwise.

    The content of a snapshot depends on these sizes.
    """

    whole_up_to: int = 200_000  # a journal of this size is read in two seconds
    newest: int = 65_536
    num_stretches: int = 64
    drawn: int = 1_024  # in each stretch in which replayed runs end
    users_at_once: int = 500  # users whose older events are counted together
    growth: int = 4  # factor by which a part grows while it has too few events


SIZES = PoolSizes()


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalParts:
    """Reads timelines from a journal: from `first` to `through`, without the excluded ranges.

    Every method may raise Unavailable, ArtifactMissing or ArtifactCorrupt.
    """

    journal: Journal
    first: int
    through: int
    excluded: Sequence[Range]
    is_panel: Callable[[str], bool]
    sizes: PoolSizes

    @property
    def num_numbers(self) -> int:
        """How many numbers the journal has."""
        return self.through - self.first + 1

    def every(self) -> Timeline:
        """Return all events of the journal."""
        return self.timeline([(1, self.through)])

    def newest(self, through: int, is_enough: IsEnough) -> Timeline:
        """Return the newest events with numbers up to `through`: enough of them, or all."""
        length = self.sizes.newest
        while True:
            first = max(self.first, through - length + 1)
            events = self.timeline([(first, through)])
            if first == self.first or is_enough(events):
                return events
            length *= self.sizes.growth

    def spread(self, last: int, num_events: float, is_enough: IsEnough) -> Timeline:
        """Return stretches of numbers up to `last`, evenly spread: enough of them, or all.

        At first they have `num_events` numbers together.
        """
        while True:
            length = int(num_events / self.sizes.num_stretches) + 1
            ranges = self._stretches(last, length, np.full(self.sizes.num_stretches, 0.5))
            events = self.timeline(ranges)
            if len(ranges) < 2 or is_enough(events):
                return events
            num_events *= self.sizes.growth

    def random_part(self, last: int, num_events: int, *, seed: int) -> Timeline:
        """Return the events of stretches up to `last`, each at a random place in its part."""
        places = np.random.default_rng(seed).random(self.sizes.num_stretches)
        length = max(self.sizes.drawn, 2 * num_events // self.sizes.num_stretches + 1)
        return self.timeline(self._stretches(last, length, places))

    def timeline(self, ranges: Iterable[Range]) -> Timeline:
        """Return the events in ranges of numbers."""
        tables = []
        for numbers in ranges:
            records = self.journal.read(*numbers, columns=["kind", *COLUMNS])
            tables.append(records.filter(pc.equal(records["kind"], "event")))
        return self._timeline(tables)

    def lives(self, user_ids: Iterable[str]) -> Timeline:
        """Return all events of some users."""
        return self._timeline([self.journal.by_user.of(user_ids, (self.first, self.through))])

    def first_with(self, user_ids: Sequence[str], size: int, *, last: int, run: int) -> list[str]:
        """Return the first users that have `size` events up to `last`, or all if they have fewer.

        Of one user at most `run` events count.
        """
        for stop in range(self.sizes.users_at_once, len(user_ids), self.sizes.users_at_once):
            part = user_ids[stop - self.sizes.users_at_once : stop]
            events = self.journal.by_user.of(part, (self.first, last))
            counts = pc.value_counts(events["user_id"]).field("counts").to_numpy()
            size -= int(np.minimum(counts, run).sum())
            if size <= 0:
                return list(user_ids[:stop])
        return list(user_ids)

    def _stretches(self, last: int, length: int, place_S: Floats) -> list[Range]:
        """Return a range of `length` numbers in each of S equal parts of the numbers up to `last`.

        Its place is between 0, the beginning of the part, and 1. When the ranges would have half of
        the numbers, return all numbers as one range; no range if there are none.
        """
        num_numbers = last - self.first + 1
        if 2 * len(place_S) * length >= num_numbers:
            return [(self.first, last)] if num_numbers > 0 else []
        part = num_numbers / len(place_S)
        starts = self.first + np.arange(len(place_S)) * part + place_S * (part - length)
        return [(start, start + length - 1) for start in starts.astype(np.int64).tolist()]

    def _timeline(self, tables: Sequence[pa.Table]) -> Timeline:
        parts = [table.select(list(COLUMNS)).cast(_SCHEMA) for table in tables]
        events = pa.concat_tables([_SCHEMA.empty_table(), *parts])
        inside_N = in_ranges(events["seq"].to_numpy(), self.excluded)
        return timeline(events.filter(pa.array(~inside_N)), is_panel=self.is_panel)
