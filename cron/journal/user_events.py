"""The journal's events by user: reads an index, and updates it from the segments.

The index is updated before each read. The first time it is built from all segments, which takes
minutes for a hundred million events; after that the cost depends only on what is new.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from cron.errors import ArtifactMissing, Unavailable
from cron.journal.erasure import Eraser
from cron.journal.index_file import IndexDamaged, delete_index
from cron.journal.segment_files import SegmentFiles, first_kept
from cron.journal.user_index import EVENT_COLUMNS, WHAT, IndexProgress, UserIndex
from cron.journal.user_parts import sorted_by_user, user_bounds
from cron.ledger import forgotten, journal_rows
from cron.ledger.forgotten import Mark
from cron.ledger.ledger import Ledger
from cron.lineage import Range, Segment
from cron.local.disk_errors import translate_os_errors
from cron.user_keys import UserKeys
from trainer.machine.file_lock import file_lock

Result = TypeVar("Result")

_SAMPLED_SEGMENTS = 64
# The share of deleted numbers at which their events leave the file, since that reads all of it.
_STALE_SHARE = 0.05
_COLUMNS = ("kind", *EVENT_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SortSizes:
    """When the index is built from scratch by sorting, which needs fewer random writes.

    It happens with more than `sorted_from` new records, if fewer are indexed already. A part of
    `part_rows` events is sorted in memory and takes 200 bytes for each.
    """

    sorted_from: int = 1_000_000
    part_rows: int = 500_000


SIZES = SortSizes()


class UserEvents:
    """The events of a journal by user; `path` may be deleted at any time."""

    def __init__(
        self,
        ledger: Ledger,
        files: SegmentFiles,
        keys: UserKeys,
        path: Path,
        *,
        sizes: SortSizes = SIZES,
    ) -> None:
        self._sizes = sizes
        self._ledger = ledger
        self._files = files
        self._keys = keys
        self._path = path
        # Not `users.db…`: such files are deleted with the index.
        self._parts = path.with_name(f"{path.stem}-parts")
        self._index: UserIndex | None = None

    def of(self, user_ids: Iterable[str], numbers: Range) -> pa.Table:
        """Return the events of users with numbers in a range, both ends included.

        They have EVENT_COLUMNS, and are in the order of the users given, then of time and event id.
        Events of forgotten users, and dropped ones, are left out. Raise Unavailable,
        ArtifactMissing or ArtifactCorrupt.
        """
        wanted = list(user_ids)
        eraser = Eraser(marks=forgotten.every(self._ledger), keys=self._keys)

        def read(index: UserIndex) -> pa.Table:
            first = max(numbers[0], first_kept(journal_rows.oldest_first(self._ledger)))
            return index.events_of(wanted, (first, numbers[1]))

        table = self._with_index(read)
        kinds = pa.repeat("event", table.num_rows)
        return eraser.without(table.append_column("kind", kinds)).drop_columns("kind")

    def records_of_items(self, item_ids: Iterable[str], *, through: int) -> pa.Table:
        """Return all records of items with numbers up to `through`; raise as `of`.

        They have ITEM_COLUMNS.
        """
        wanted = list(item_ids)
        return self._with_index(lambda index: index.records_of_items(wanted, through=through))

    def erase(self) -> None:
        """Delete the events of forgotten users from all files; raise as `of`."""
        with translate_os_errors(WHAT, self._parts), suppress(FileNotFoundError):
            shutil.rmtree(self._parts)  # of a build that was killed
        if self._path.exists():
            self._with_index(lambda _: None, erases=True)

    def close(self) -> None:
        """Close the index."""
        if self._index is not None:
            self._index.close()
            self._index = None

    def _with_index(self, use: Callable[[UserIndex], Result], *, erases: bool = False) -> Result:
        """Call `use` with the updated index; build a damaged one again.

        With `erases`, all marks whose erasure is pending are looked at again.
        """
        lock = self._path.with_name(f"{self._path.stem}.lock")
        try:
            with file_lock(lock):
                index = self._updated_index(erases=erases)
            return use(index)
        except IndexDamaged:
            with file_lock(lock):
                self._delete()
                index = self._updated_index(erases=erases)
            return use(index)

    def _updated_index(self, *, erases: bool) -> UserIndex:
        """Return the index with everything that the journal has, and nothing else."""
        index = self._open()
        progress = index.progress()
        if not self._is_ours(index, progress) or self._is_better_sorted(progress):
            self._delete()
            index = self._open()
            with translate_os_errors(WHAT, self._path.parent):
                self._fill_sorted(index)
        self._follow(index)
        self._forget(index, erases=erases)
        self._drop(index)
        return index

    def _open(self) -> UserIndex:
        if self._index is None:
            self._index = UserIndex(self._path)
        return self._index

    def _delete(self) -> None:
        self.close()
        delete_index(self._path)
        shutil.rmtree(self._parts, ignore_errors=True)

    def _is_ours(self, index: UserIndex, progress: IndexProgress) -> bool:
        """Return whether the last indexed record has the same number in this journal."""
        if progress.through == 0:
            return index.is_empty()  # a build that was killed left rows
        through = progress.through
        covering = journal_rows.segments(self._ledger, within=(through, through))
        found = self._files.event_id_at(covering, through)
        last = progress.last_event_id
        # another host may have erased the record, which replaces its id
        return found in (last, self._keys.of_event(last))

    def _is_better_sorted(self, progress: IndexProgress) -> bool:
        """Return whether sorting everything from scratch costs less than adding what is new."""
        num_new = journal_rows.last_seq(self._ledger) - progress.through
        return num_new > max(self._sizes.sorted_from, progress.through)

    def _follow(self, index: UserIndex) -> None:
        """Add the segments after those that the index has."""
        missing: Segment | None = None
        progress = index.progress()
        while (segment := self._segment_after(progress.through)) is not None:
            try:
                rows = self._files.read(segment)
            except ArtifactMissing:  # merged with its neighbours meanwhile
                if segment == missing:
                    raise
                missing = segment
                continue
            new = rows.filter(pc.greater(rows["seq"], progress.through))
            progress = self._progress_at(segment, progress)
            index.add(new, progress)

    def _fill_sorted(self, index: UserIndex) -> None:
        """Fill an empty index with all segments, if there are many records."""
        ordered = journal_rows.segments(self._ledger)
        num_events = sum(segment.num_events for segment in ordered)
        if num_events <= self._sizes.sorted_from:
            return
        bounds = user_bounds(
            self._sample_users(ordered), num_parts=-(-num_events // self._sizes.part_rows)
        )
        folder = self._parts
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        unfinished = IndexProgress()  # after a crash the index is built again
        for segment in ordered:
            if segment.num_items:
                rows = self._files.read(segment, [*_COLUMNS])
                index.add(rows.filter(pc.equal(rows["kind"], "item")), unfinished)
        for part in sorted_by_user(self._events(ordered), bounds, folder):
            index.add(part, unfinished)
        folder.rmdir()
        index.note(self._progress_at(ordered[-1], unfinished))

    def _sample_users(self, ordered: Sequence[Segment]) -> list[str]:
        """Return the users of some events of some segments."""
        users: list[str] = []
        for segment in ordered[:: max(1, len(ordered) // _SAMPLED_SEGMENTS)]:
            ids = self._files.read(segment, ["user_id"])["user_id"].drop_null()
            users += ids[:: max(1, len(ids) // 1_000)].to_pylist()
        return users

    def _events(self, ordered: Iterable[Segment]) -> Iterator[pa.Table]:
        for segment in ordered:
            rows = self._files.read(segment, _COLUMNS)
            yield rows.filter(pc.equal(rows["kind"], "event"))

    def _progress_at(self, segment: Segment, before: IndexProgress) -> IndexProgress:
        last_event_id = self._files.event_id_at([segment], segment.last_seq) or ""
        return replace(before, through=segment.last_seq, last_event_id=last_event_id)

    def _segment_after(self, seq: int) -> Segment | None:
        after = (seq + 1, journal_rows.last_seq(self._ledger))
        return next(iter(journal_rows.segments(self._ledger, within=after)), None)

    def _forget(self, index: UserIndex, *, erases: bool) -> None:
        """Delete the events of users who were forgotten since the last update of the index.

        Marks have a hash of the user only, so all users of the index are compared with them.
        """
        progress = index.progress()
        marks = _after(forgotten.every(self._ledger), progress)
        if erases:  # clocks differ, so an older mark may have been recorded later
            marks += forgotten.pending(self._ledger)
        if not marks:
            return
        asked_at = max(progress.forgotten_through, *(mark.asked_at for mark in marks))
        eraser = Eraser(marks=marks, keys=self._keys)
        keys = {mark.user_key for mark in eraser.marks}
        found = [user_id for user_id in index.users() if self._keys.of_user(user_id) in keys]
        events = index.events_of(found, (0, progress.through))
        events = events.append_column("kind", pa.repeat("event", events.num_rows))
        gone = events.filter(pa.array(eraser.find(events).rows_N))
        index.delete(gone, replace(progress, forgotten_through=asked_at))

    def _drop(self, index: UserIndex) -> None:
        """Delete dropped events once they are many; until then reads leave them out."""
        progress = index.progress()
        first = first_kept(journal_rows.oldest_first(self._ledger))
        if first - progress.first > _STALE_SHARE * (progress.through - progress.first):
            with suppress(Unavailable):  # of room on the disk; the next update tries again
                index.delete_below(replace(progress, first=first))


def _after(marks: Iterable[Mark], progress: IndexProgress) -> list[Mark]:
    return [mark for mark in marks if mark.asked_at > progress.forgotten_through]
