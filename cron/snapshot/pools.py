"""Reads the events among which a snapshot chooses.

A snapshot of a small journal chooses among all events. An update of a large journal chooses among
parts of it, so that its cost does not grow with the history: the newest events, stretches spread
over the older ones, and all events of the users whom it needs. A full retrain reads a large journal
in ranges of users, so that its memory does not grow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cron.journal.journal import Journal
from cron.journal.user_parts import user_bounds, write_parts
from cron.lineage import Range
from cron.snapshot.shift import COLUMNS as MIX_COLUMNS
from cron.snapshot.shift import Floats
from cron.snapshot.timeline import COLUMNS, Timeline, in_ranges, timeline

IsEnough = Callable[[Timeline], bool]

_TYPES = {"seq": pa.int64(), "at_us": pa.int64(), "rating": pa.float64()}
MAX_OPEN_FILES = 256
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
    most: int = 4_000_000  # beyond it a part grows no more; two gigabytes
    compared: int = 262_144  # the newest events of a range whose mix is compared with that before
    # new facts; to change a graph by more may take longer than to make it again
    changed_facts: int = 20_000
    user_part: int = 500_000  # events in a range of users; their choice takes .4 GB


SIZES = PoolSizes()


def _is_nobody(_user_id: str) -> bool:
    """Return that a user is not of the panel, for parts of which none is."""
    return False


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

    @classmethod
    def of(
        cls,
        journal: Journal,
        through: int,
        *,
        excluded: Sequence[Range] = (),
        is_panel: Callable[[str], bool] = _is_nobody,
        sizes: PoolSizes = SIZES,
    ) -> JournalParts:
        """Return the parts of all that the journal keeps up to a number."""
        return cls(
            journal=journal,
            first=journal.first_seq,
            through=through,
            excluded=excluded,
            is_panel=is_panel,
            sizes=sizes,
        )

    @property
    def is_small(self) -> bool:
        """Whether all events may be read at once."""
        return self.through - self.first < self.sizes.whole_up_to

    def every(self) -> Timeline:
        """Return all events of the journal."""
        return self.timeline([(1, self.through)])

    def newest(self, through: int, is_enough: IsEnough) -> Timeline:
        """Return the newest events with numbers up to `through`: enough of them, or the most."""
        length = self.sizes.newest
        while True:
            first = max(self.first, through - length + 1)
            events = self.timeline([(first, through)])
            if first == self.first or length >= self.sizes.most or is_enough(events):
                return events
            length *= self.sizes.growth

    def spread(self, last: int, num_events: float, is_enough: IsEnough) -> Timeline:
        """Return stretches of numbers up to `last`, evenly spread: enough of them, or the most.

        At first they have `num_events` numbers together.
        """
        while True:
            length = int(num_events / self.sizes.num_stretches) + 1
            ranges = self._stretches(last, length, np.full(self.sizes.num_stretches, 0.5))
            events = self.timeline(ranges)
            if len(ranges) < 2 or num_events >= self.sizes.most or is_enough(events):
                return events
            num_events *= self.sizes.growth

    def random_part(self, last: int, num_events: int, *, seed: int) -> Timeline:
        """Return the events of stretches up to `last`, each at a random place in its part."""
        places = np.random.default_rng(seed).random(self.sizes.num_stretches)
        length = max(self.sizes.drawn, 2 * num_events // self.sizes.num_stretches + 1)
        return self.timeline(self._stretches(last, length, places))

    def timeline(self, ranges: Iterable[Range]) -> Timeline:
        """Return the events in ranges of numbers."""
        tables = [self.journal.read(*numbers, columns=["kind", *COLUMNS]) for numbers in ranges]
        return self.timeline_of(pa.concat_tables(self._events(tables)))

    def mix(self, numbers: Range) -> pa.Table:
        """Return the events in a range of numbers, in no order, with the columns of a mix."""
        columns = ["kind", *MIX_COLUMNS]
        tables = self.journal.read_segments(*numbers, columns=columns)
        return pa.concat_tables(self._events(tables, MIX_COLUMNS))

    def mix_before(self, seq: int, num_events: int) -> pa.Table:
        """Return at least `num_events` events before a number, or all, with the same columns."""
        length = num_events
        while True:
            first = max(self.first, seq - length)
            events = self.mix((first, seq - 1))
            if first == self.first or events.num_rows >= num_events:
                return events
            length *= self.sizes.growth

    def by_user(self, folder: Path) -> tuple[Path, ...]:
        """Write all events to files of a range of users each, in the order of user ids.

        `folder` is empty.
        """
        stretches = self._stretches(
            self.through, self.sizes.drawn, np.full(self.sizes.num_stretches, 0.5)
        )
        sample = [self.journal.read(*numbers, columns=["user_id"]) for numbers in stretches]
        users = pa.concat_tables(sample)["user_id"].drop_null().to_pylist() if sample else []
        num_parts = -(-(self.through - self.first + 1) // self.sizes.user_part)
        bounds = user_bounds(users, num_parts=min(num_parts, MAX_OPEN_FILES))
        columns = ["kind", *COLUMNS]
        records = self.journal.read_segments(self.first, self.through, columns=columns)
        return write_parts(self._events(records), bounds, folder)

    def lives(self, user_ids: Iterable[str]) -> Timeline:
        """Return all events of some users."""
        events = self.journal.by_user.of(user_ids, (self.first, self.through))
        return self.timeline_of(self._without_excluded(events.select(list(COLUMNS)).cast(_SCHEMA)))

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

    def no_events(self) -> pa.Table:
        """Return a table of events without rows."""
        return _SCHEMA.empty_table()

    def timeline_of(self, events: pa.Table) -> Timeline:
        """Return events that this object returned, as a timeline."""
        return timeline(events, is_panel=self.is_panel)

    def _events(
        self, tables: Iterable[pa.Table], columns: Sequence[str] = COLUMNS
    ) -> Iterator[pa.Table]:
        """Yield columns of the events among records, without those that are excluded.

        The first table has no rows.
        """
        schema = pa.schema([_SCHEMA.field(name) for name in columns])
        yield schema.empty_table()
        for records in tables:
            events = records.filter(pc.equal(records["kind"], "event"))
            yield self._without_excluded(events.select(list(columns)).cast(schema))

    def _without_excluded(self, events: pa.Table) -> pa.Table:
        inside_N = in_ranges(events["seq"].to_numpy(), self.excluded)
        return events.filter(pa.array(~inside_N)) if inside_N.any() else events
