"""The journal's slates: every list that was served, in segments of their own.

They have no journal numbers and are in no index, so nothing that reads events ever meets them. A
slate may be stored twice, when the log held it twice; reading returns it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cron.epoch import micros
from cron.errors import ArtifactMissing
from cron.ledger import forgotten, slate_rows
from cron.ledger.forgotten import Mark
from cron.ledger.journal_rows import NewSlates
from cron.ledger.ledger import Ledger
from cron.ledger.slate_rows import SlateCounts
from cron.lineage import Lease, SlateSegment
from cron.ports import ArtifactStore
from cron.slates import exploring, slate_tables, slate_upkeep
from cron.slates.exploring import Place
from cron.slates.slate_erasure import COLUMNS, SlateEraser, erase_slates
from cron.slates.slate_files import SlateFiles
from cron.user_keys import UserKeys
from recommender.records.slates import Slate


class SlateStore:
    """The slates of one ledger and artifact store; one writer at a time, the lease's holder."""

    def __init__(
        self, ledger: Ledger, artifacts: ArtifactStore, folder: Path, keys: UserKeys
    ) -> None:
        self._ledger = ledger
        self._files = SlateFiles(artifacts, folder)
        self._keys = keys

    def put(self, slates: Sequence[Slate], lease: Lease) -> NewSlates | None:
        """Store the slates of one batch, each once; the caller commits them with the log's cursor.

        None if there is nothing to store. Slates of forgotten users are left out.
        """
        once = {slate.event_id: slate for slate in slates}
        if not once:
            return None
        table = self._eraser_of(once.values()).without(slate_tables.table_of([*once.values()]))
        if table.num_rows == 0:
            return None
        num_fallbacks = int(pc.sum(table["fallback"]).as_py())
        return NewSlates(
            segment=self._files.put(table, lease=lease),
            counts=SlateCounts(num_slates=table.num_rows, num_fallbacks=num_fallbacks),
        )

    def since(self, at: datetime) -> Iterator[Slate]:
        """Yield the slates made at a time or later, each once, in about the order of their times.

        Raise as `tables_since`.
        """
        for table in self.tables_since(at):
            yield from slate_tables.slates_of(table)

    def tables_since(
        self,
        at: datetime,
        *,
        until: datetime | None = None,
        columns: Sequence[str] | None = None,
    ) -> Iterator[pa.Table]:
        """Yield the same slates as rows, a segment at a time; columns are `slate_tables.SCHEMA`'s.

        Those made at `until` or later are left out. Slates of forgotten users are left out at once,
        before they are erased. Raise ArtifactMissing or ArtifactCorrupt.
        """
        # Read the marks first: once a mark is gone, later segments hold nothing of its user.
        eraser = SlateEraser(marks=forgotten.pending(self._ledger), keys=self._keys)
        wanted = slate_tables.SCHEMA.names if columns is None else list(columns)
        needed = list(dict.fromkeys([*wanted, "event_id", *COLUMNS]))
        since_us, seen = micros(at), dict[str, int]()
        for segment in self._fetched_segments(at, until):
            # a repeated slate has the same time, and no later segment has an earlier one
            first_us = micros(segment.first_at)
            seen = {one: at_us for one, at_us in seen.items() if at_us >= first_us}
            rows = eraser.without(self._files.read(segment, needed))
            rows = rows.filter(pc.greater_equal(rows["at_us"], since_us))
            if until is not None:
                rows = rows.filter(pc.less(rows["at_us"], micros(until)))
            yield _unseen(rows, seen).select(wanted)

    def newest_exploring(
        self, since: datetime, *, limit: int, columns: Sequence[str], lease: Lease
    ) -> dict[Place, pa.Table]:
        """Return the newest slates in which chance had a part, by placement and policy.

        Of each at most `limit` since a time, newest first. Only segments with some of them are
        read, one at a time. Raise ArtifactMissing, ArtifactCorrupt or LeaseLost.
        """
        eraser = SlateEraser(marks=forgotten.pending(self._ledger), keys=self._keys)
        needed = list(dict.fromkeys([*columns, *exploring.COLUMNS, "event_id", *COLUMNS]))
        found: dict[Place, pa.Table] = {}
        segments = slate_upkeep.count_explored(self._ledger, self._files, since=since, lease=lease)
        for segment in exploring.with_newest(segments, limit):
            rows = exploring.exploring(self._files.read(segment, needed))
            rows = eraser.without(rows.filter(pc.greater_equal(rows["at_us"], micros(since))))
            for place, part in exploring.by_place(rows.select(needed)):
                before = [found[place]] if place in found else []
                found[place] = exploring.newest([*before, part], limit)
        return {place: rows.select(list(columns)) for place, rows in found.items()}

    def erase(self, marks: Sequence[Mark], lease: Lease) -> int:
        """Erase the slates of forgotten users and return how many. Safe to repeat."""
        eraser = SlateEraser(marks=marks, keys=self._keys)
        num_erased = erase_slates(self._ledger, self._files, eraser, lease=lease)
        slate_upkeep.delete_dropped(self._ledger, self._files, lease=lease)
        if num_erased:
            self._files.delete_copies(min_age_s=0.0)
        return num_erased

    def tidy(self, *, older_than: datetime, lease: Lease) -> None:
        """Adopt files that the ledger lacks, drop old segments, and merge small ones."""
        ledger, files = self._ledger, self._files
        slate_upkeep.adopt_strays(ledger, files, self._keys, lease=lease)
        slate_upkeep.drop_old(ledger, older_than=older_than, lease=lease)
        slate_upkeep.merge_small(ledger, files, lease=lease)
        slate_upkeep.delete_dropped(ledger, files, lease=lease)
        files.delete_copies()

    def _eraser_of(self, slates: Iterable[Slate]) -> SlateEraser:
        """Return the eraser for forgotten users among the slates."""
        if not forgotten.any_forgotten(self._ledger):
            return SlateEraser(marks=(), keys=self._keys)
        visitors = {slate.visitor_id for slate in slates if slate.visitor_id is not None}
        keys = {self._keys.of_user(visitor_id) for visitor_id in visitors}
        return SlateEraser(marks=forgotten.among(self._ledger, keys), keys=self._keys)

    def _fetched_segments(self, at: datetime, until: datetime | None) -> tuple[SlateSegment, ...]:
        """Return the segments with slates from a time on, until another, all of them fetched.

        They can then be read even if they are merged meanwhile.
        """
        while True:
            segments = self._segments(at, until)
            with suppress(ArtifactMissing):
                for segment in segments:
                    self._files.local(segment)
                return segments
            if self._segments(at, until) == segments:
                for segment in segments:
                    self._files.local(segment)  # raises ArtifactMissing

    def _segments(self, at: datetime, until: datetime | None) -> tuple[SlateSegment, ...]:
        segments = slate_rows.segments(self._ledger, since=at)
        return tuple(one for one in segments if until is None or one.first_at < until)


def _unseen(rows: pa.Table, seen: dict[str, int]) -> pa.Table:
    """Return the rows with ids that are not among the seen ones, and add theirs to them."""
    is_new = []
    for event_id, at_us in zip(
        rows["event_id"].to_pylist(), rows["at_us"].to_pylist(), strict=True
    ):
        is_new.append(event_id not in seen)
        seen[event_id] = at_us
    return rows if all(is_new) else rows.filter(pa.array(is_new, pa.bool_()))
