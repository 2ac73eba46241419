"""Check the records of a data set, append them to the log, and count what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cron.errors import FreshetError
from cron.journal.dead_letters import DeadLetters
from cron.verbs.table import count
from cron.wiring import open_log
from recommender.events import Event, InvalidRecord, Record, parse_event, parse_item

if TYPE_CHECKING:  # imports pandas
    from sources.source import Source

BATCH_RECORDS = 5_000  # one transaction and one fsync


@dataclass(slots=True, kw_only=True)
class Counts:
    """What became of the records so far."""

    events: int = 0
    items: int = 0
    duplicates: int = 0
    rejected: int = 0

    def __str__(self) -> str:
        new = f"{count(self.events, 'event')} and {count(self.items, 'item')} new to the log"
        return f"{new}, {count(self.duplicates, 'duplicate')}, {self.rejected:,} rejected"


class Intake:
    """Checks raw records and appends them to the log in batches; a dry run only checks.

    `users`, `types`, `first_at` and `last_at` describe the valid events, with shifted times.
    `column_names` are the file's own names for the fields of a record.
    """

    def __init__(
        self,
        log_url: str,
        var: Path,
        shift: timedelta,
        column_names: Mapping[str, str],
        *,
        dry_run: bool,
    ) -> None:
        self.counts = Counts()
        self.rejected: Counter[str] = Counter()
        self.letters_lost = 0  # rejected rows that could not be written to disk
        self.users: set[str] = set()
        self.types: Counter[str] = Counter()
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None
        self._log = None if dry_run else open_log(log_url)
        self._column_names = column_names
        self._dead_letters = None if dry_run else DeadLetters(var / "dead-letters.jsonl")
        self._shift = shift
        self._now = datetime.now(UTC)

    def take_rejects(self, source: Source) -> None:
        """Store the rows that the source could not read as dead letters."""
        rejected = (
            source.read_rejects(source.rejects)
            if self._dead_letters
            else ((reject, "") for reject in source.rejects)
        )
        for reject, raw in rejected:
            self._reject(f"{reject.file}, line {reject.line}", reject.reason, raw)

    def take(
        self, raw: Iterable[tuple[tuple[str, int], Mapping[str, object]]], *, total: int, what: str
    ) -> None:
        """Check and store records, each given with its file and line.

        On a terminal a progress bar is shown.
        """
        from tqdm import tqdm

        with tqdm(total=total, desc=f"ingesting {what}", unit=f" {what}", disable=None) as bar:
            stream = iter(raw)
            while batch := list(islice(stream, BATCH_RECORDS)):
                parsed = (self._parse(one, place) for place, one in batch)
                self._store([record for record in parsed if record is not None])
                bar.update(len(batch))

    def _parse(self, raw: Mapping[str, object], place: tuple[str, int]) -> Record | None:
        parse = parse_event if "user_id" in raw else parse_item
        try:
            record = parse(raw, now=self._now, new_id=_no_id)
        except InvalidRecord as error:
            # What was found differs from row to row, so the reason leaves it to the dead letter.
            expected = error.reason.rpartition(", expected ")[2]
            column = self._column_names.get(error.field, error.field)
            self._reject(f"{place[0]}, line {place[1]}", f"{column}: expected {expected}", raw)
            return None
        if not isinstance(record, Event):
            return record
        event = replace(record, at=record.at + self._shift) if self._shift else record
        self.users.add(event.user_id)
        self.types[event.type] += 1
        self.first_at = min(self.first_at or event.at, event.at)
        self.last_at = max(self.last_at or event.at, event.at)
        return event

    def _store(self, records: list[Record]) -> None:
        duplicates: frozenset[int] = frozenset()
        if self._log and records:
            duplicates = frozenset(self._log.append(records).duplicates)
        num_events = sum(
            isinstance(record, Event)
            for index, record in enumerate(records)
            if index not in duplicates
        )
        self.counts.events += num_events
        self.counts.items += len(records) - len(duplicates) - num_events
        self.counts.duplicates += len(duplicates)

    def _reject(self, where: str, reason: str, raw: object) -> None:
        self.counts.rejected += 1
        self.rejected[reason] += 1
        if self._dead_letters:
            is_kept = self._dead_letters.add(
                source=f"ingest {where}", reason=reason, raw=raw, at=self._now
            )
            self.letters_lost += not is_kept


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


def _no_id() -> str:
    raise AssertionError("a source gives every record its id")
