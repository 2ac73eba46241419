"""Check the records of a data set, append them to the log, and count what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cron.epoch import moment
from cron.errors import FreshetError
from cron.journal.dead_letters import DeadLetters
from cron.verbs.table import count
from cron.wiring import open_log
from recommender.long_work import progress_bar
from recommender.records.events import (
    Description,
    EventLines,
    Item,
    parse_event,
    parse_item,
    to_json,
)
from recommender.records.facts import Fact, parse_fact
from recommender.records.record_fields import InvalidRecord

if TYPE_CHECKING:  # imports pandas
    from sources.interactions import EventChunk, Interactions
    from sources.source import Source

# One transaction and one fsync. An event has some hundred bytes, an item up to 256 KiB.
ITEMS_IN_A_BATCH, FACTS_IN_A_BATCH, EVENTS_IN_A_BATCH = 5_000, 20_000, 20_000


@dataclass(slots=True, kw_only=True)
class Counts:
    """What became of the records so far."""

    events: int = 0
    items: int = 0
    facts: int = 0
    duplicates: int = 0
    rejected: int = 0

    def __str__(self) -> str:
        events, items = count(self.events, "event"), count(self.items, "item")
        new = f"{events} and {items}"
        if self.facts:
            new = f"{events}, {items} and {count(self.facts, 'fact')}"
        duplicates = count(self.duplicates, "duplicate")
        return f"{new} new to the log, {duplicates}, {self.rejected:,} rejected"


class Intake:
    """Checks raw records and appends them to the log in batches; a dry run only checks.

    `users`, `first_user` (of the earliest event), `types`, `first_at` and `last_at` describe the
    valid events, with shifted times. `column_names` are the file's own names for the fields of a
    record. Products whose availability is `out_of_stock` become hidden items if
    `hides_out_of_stock`.
    """

    def __init__(
        self,
        log_url: str,
        var: Path,
        shift: timedelta,
        column_names: Mapping[str, str],
        *,
        dry_run: bool,
        hides_out_of_stock: bool = False,
    ) -> None:
        self.counts = Counts()
        self.rejected: Counter[str] = Counter()
        self.letters_lost = 0  # rejected rows that could not be written to disk
        self.users: set[str] = set()
        self.first_user: str | None = None
        self.types: Counter[str] = Counter()
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None
        self._log = None if dry_run else open_log(log_url)
        self._column_names = column_names
        self.dead_letters = None if dry_run else var / "dead-letters.jsonl"
        self._dead_letters = DeadLetters(self.dead_letters) if self.dead_letters else None
        self._shift = shift
        self._hides_out_of_stock = hides_out_of_stock
        self._now = datetime.now(UTC)

    def take_rejects(self, source: Source) -> None:
        """Store the rows that the source could not read as dead letters."""
        rejected = (
            source.read_rejects(source.rejects)
            if self._dead_letters
            else ((reject, "") for reject in source.rejects)
        )
        for reject, raw in rejected:
            self._reject((reject.file, reject.line), reject.reason, raw)

    def take_items(self, source: Source) -> None:
        """Check and store all items, with a progress bar."""
        with progress_bar("ingesting items", unit=" items", total=source.num_items) as bar:
            for batch in _batches(source.items, ITEMS_IN_A_BATCH):
                parsed = (self._parse_item(item, source.items_file) for item in batch)
                self.counts.items += self._append([item for item in parsed if item is not None])
                bar.update(len(batch))

    def take_facts(self, source: Source) -> None:
        """Check and store all facts, with a progress bar."""
        with progress_bar("ingesting facts", unit=" facts", total=source.num_facts) as bar:
            for batch in _batches(source.facts, FACTS_IN_A_BATCH):
                parsed = (self._parse_fact(fact, source.facts_file) for fact in batch)
                self.counts.facts += self._append([fact for fact in parsed if fact is not None])
                bar.update(len(batch))

    def take_events(self, events: Interactions, first: int, last: int) -> None:
        """Check and store events `first` to `last`, excluding `last`, with a progress bar.

        They are serialised as columns. What is not obviously valid is parsed alone.
        """
        from recommender.records.event_lines import lines_of

        with progress_bar("ingesting events", unit=" events", total=last - first) as bar:
            for chunk in events.chunks(first, last, num_rows=EVENTS_IN_A_BATCH):
                lines = lines_of(chunk.columns, now=self._now, shift=self._shift)
                self._note(chunk, lines)
                for row in [row for row, line in enumerate(lines) if line is None]:
                    place = events.place_of(int(chunk.lines_C[row]))
                    lines[row] = self._parse_event(chunk.raw(row), place)
                self._store(chunk, lines)
                bar.update(len(lines))

    def _append(self, records: Sequence[Description]) -> int:
        """Append records and return how many are new."""
        duplicates = self._log.append(records).duplicates if self._log and records else ()
        self.counts.duplicates += len(duplicates)
        return len(records) - len(duplicates)

    def _store(self, chunk: EventChunk, lines: Sequence[str | None]) -> None:
        """Append the events of a chunk that have lines."""
        rows = [row for row, line in enumerate(lines) if line is not None]
        num_duplicates = 0
        if self._log and rows:
            events = EventLines(
                event_ids=[chunk.columns.event_ids[row] for row in rows],
                user_ids=[chunk.columns.user_ids[row] for row in rows],
                lines=[line for line in lines if line is not None],
            )
            num_duplicates = len(self._log.append_lines(events).duplicates)
        self.counts.events += len(rows) - num_duplicates
        self.counts.duplicates += num_duplicates

    def _parse_item(self, raw: Mapping[str, object], file: str) -> Item | None:
        from sources.feeds.product import hide_out_of_stock

        try:
            record = hide_out_of_stock(raw) if self._hides_out_of_stock else raw
            return parse_item(record, now=self._now, new_id=_no_id)
        except InvalidRecord as error:
            self._refuse((file, _line_of(raw)), error, raw)
            return None

    def _parse_fact(self, raw: Mapping[str, object], file: str) -> Fact | None:
        try:
            return parse_fact(raw, now=self._now, new_id=_no_id)
        except InvalidRecord as error:
            self._refuse((file, _line_of(raw)), error, raw)
            return None

    def _parse_event(self, raw: Mapping[str, object], place: tuple[str, int]) -> str | None:
        try:
            event = parse_event(raw, now=self._now, new_id=_no_id)
        except InvalidRecord as error:
            self._refuse(place, error, raw)
            return None
        shifted = replace(event, at=event.at + self._shift)
        self.users.add(event.user_id)
        self.first_user = self.first_user or event.user_id
        self.types[event.type] += 1
        self._note_times(shifted.at, shifted.at)
        return to_json(shifted)

    def _note(self, chunk: EventChunk, lines: Sequence[str | None]) -> None:
        """Count users and types and note the times of the events that have lines."""
        columns = chunk.columns
        rows = [row for row, line in enumerate(lines) if line is not None]
        if not rows:
            return
        self.users.update(columns.user_ids[row] for row in rows)
        self.first_user = self.first_user or columns.user_ids[rows[0]]
        self.types.update(columns.types[row] for row in rows)
        at_us = columns.at_us_C[rows]
        self._note_times(
            moment(int(at_us.min())) + self._shift, moment(int(at_us.max())) + self._shift
        )

    def _note_times(self, first_at: datetime, last_at: datetime) -> None:
        self.first_at = min(self.first_at or first_at, first_at)
        self.last_at = max(self.last_at or last_at, last_at)

    def _refuse(self, place: tuple[str, int], error: InvalidRecord, raw: object) -> None:
        # What was found differs from row to row, so the reason leaves it to the dead letter.
        expected = error.reason.rpartition(", expected ")[2]
        column = self._column_names.get(error.field, error.field)
        self._reject(place, f"{column}: expected {expected}", raw)

    def _reject(self, place: tuple[str, int], reason: str, raw: object) -> None:
        self.counts.rejected += 1
        self.rejected[reason] += 1
        if self._dead_letters:
            source = f"ingest {place[0]}, line {place[1]}"
            is_kept = self._dead_letters.add(source=source, reason=reason, raw=raw, at=self._now)
            self.letters_lost += not is_kept


def _batches(
    records: Iterable[Mapping[str, object]], size: int
) -> Iterator[Sequence[Mapping[str, object]]]:
    stream = iter(records)
    while batch := list(islice(stream, size)):
        yield batch


def expect_a_valid_event(source: Source, first: int, last: int) -> None:
    """Raise FreshetError with the fault of the first event if no event of a range is valid."""
    now = datetime.now(UTC)
    fault = ""
    for line, raw in source.events.with_lines(first, last):
        try:
            parse_event(raw, now=now, new_id=_no_id)
        except InvalidRecord as error:
            fault = fault or _fault(source, line, error)
        else:
            return
    raise FreshetError(f"{fault}; none of {last - first:,} events is valid")


def _fault(source: Source, line: int, error: InvalidRecord) -> str:
    column = source.called.get(error.field, error.field)
    problem = error.reason.removeprefix(error.field)
    file, number = source.events.place_of(line)
    path = Path(source.events_path).with_name(file)
    return f"{path}, line {number}, column {column}{problem}"


def _line_of(item: Mapping[str, object]) -> int:
    """Return an item's line, which is the last part of the id that the source made."""
    return int(str(item["event_id"]).rpartition(":")[2])


def _no_id() -> str:
    raise AssertionError("a source gives every record its id")
