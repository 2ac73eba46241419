"""Intake: parse raw records, append them to the event log, add them to its projections.

A bad record is reported by index, field and reason, and kept in the dead-letter file. The good
records of the same call are stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Literal, TypeVar

from cron.errors import FreshetError
from cron.journal.dead_letters import MAX_RAW_CHARS, DeadLetters
from cron.past_event import EventRow
from cron.ports import EventLog, Histories, ItemRecords
from gateway.bodies.records import AssignedId, RejectedRecord
from gateway.content.parsed_events import ParsedEvents, batch_of, parse_batch
from gateway.content.record_bodies import Raw, Readable, Refused, Unreadable, plain_values
from gateway.intake.item_writes import ItemWrites
from gateway.intake.record_ids import RecordIds
from recommender.records.events import (
    Description,
    Event,
    EventLines,
    Record,
    descriptions_of,
    parse_event,
    parse_item,
)
from recommender.records.facts import parse_fact
from recommender.records.record_fields import InvalidRecord

RecordKind = Literal["event", "item", "fact"]
RecordCheck = Callable[[Record], None]
_PARSERS: Mapping[RecordKind, Callable[..., Record]] = {
    "event": parse_event,
    "item": parse_item,
    "fact": parse_fact,
}
Written = TypeVar("Written", Record, EventRow)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeResult:
    """What became of one call. `duplicates` are those that the log finds; the journal finds all."""

    accepted: int
    duplicates: int
    rejected: tuple[RejectedRecord, ...]
    event_ids: tuple[AssignedId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainCall:
    """The records of a small call that are all valid, and the ids that were assigned."""

    records: Sequence[Record]
    event_ids: tuple[AssignedId, ...]


class RecordIntake:
    """Takes calls from many threads at once."""

    def __init__(
        self,
        event_log: EventLog,
        histories: Histories,
        item_records: ItemRecords,
        dead_letters: DeadLetters,
        *,
        new_id: RecordIds,
    ) -> None:
        self._log = event_log
        self._histories = histories
        self._item_writes = ItemWrites(item_records)
        self._dead_letters = dead_letters
        self._new_id = new_id

    def take(
        self, kind: RecordKind, raw: Iterable[Raw | Refused], check: RecordCheck | None = None
    ) -> IntakeResult:
        """Store the good records durably; raise Unavailable, storing none, when the log fails.

        `check` raises InvalidRecord for a record that this sender may not send.
        """
        now = datetime.now(UTC)
        records: list[Record] = []
        rejected: list[RejectedRecord] = []
        letters: list[tuple[str, str]] = []
        assigned: list[AssignedId] = []
        for index, one in enumerate(raw):
            try:
                record = self._parse(kind, one, now)
                if check is not None:
                    check(record)
            except InvalidRecord as error:
                rejected.append(RejectedRecord(index=index, field=error.field, reason=error.reason))
                # one character more than a letter keeps, so that the letter shows that it was cut
                letters.append((error.reason, one.raw[: MAX_RAW_CHARS + 1]))
                continue
            if _has_no_id(one):
                assigned.append(AssignedId(index=index, event_id=record.event_id))
            records.append(record)
        num_duplicates = self.keep(records, letters, source=f"gateway {kind}", at=now)
        return IntakeResult(
            accepted=len(records) - num_duplicates,
            duplicates=num_duplicates,
            rejected=tuple(rejected),
            event_ids=tuple(assigned),
        )

    def parse_events(self, body: bytes | bytearray) -> ParsedEvents | None:
        """Parse a small body of events; None where `take` must look, which says what is wrong.

        It stores nothing.
        """
        now = datetime.now(UTC)
        batch = parse_batch(body, now=now, new_ids=self._new_id.many)
        if batch is not None:
            return batch
        values = plain_values(body) or ()
        try:
            events = [parse_event(one, now=now, new_id=self._new_id) for one in values]
        except (InvalidRecord, RecursionError):
            return None
        assigned = [index for index, value in enumerate(values) if _lacks_id(value)]
        return batch_of(events, assigned=assigned) if events else None

    def parse_plain(self, kind: RecordKind, body: bytes | bytearray) -> PlainCall | None:
        """Parse a small body of other records; None where `take` must look. It stores nothing."""
        now = datetime.now(UTC)
        parse, values = _PARSERS[kind], plain_values(body) or ()
        try:
            records = [parse(one, now=now, new_id=self._new_id) for one in values]
        except (InvalidRecord, RecursionError):
            return None
        assigned = (
            AssignedId(index=index, event_id=record.event_id)
            for index, (value, record) in enumerate(zip(values, records, strict=True))
            if _lacks_id(value)
        )
        return PlainCall(records=records, event_ids=tuple(assigned)) if records else None

    def store_all(self, calls: Sequence[Sequence[Record]]) -> list[int]:
        """Store the records of several calls durably; return the number of duplicates of each.

        Raise Unavailable, storing none of them, when the log fails.
        """
        duplicates = self._store(list(chain.from_iterable(calls)))
        return _numbers_by_call(duplicates, [len(records) for records in calls])

    def store_events(self, calls: Sequence[ParsedEvents]) -> list[int]:
        """Store the events of several calls, as `store_all` stores records."""
        appended = self._log.append_lines(
            EventLines(
                event_ids=[*chain.from_iterable(one.lines.event_ids for one in calls)],
                user_ids=[*chain.from_iterable(one.lines.user_ids for one in calls)],
                lines=[*chain.from_iterable(one.lines.lines for one in calls)],
            )
        )
        duplicates = appended.duplicates
        rows = [*chain.from_iterable(one.rows for one in calls)]
        if duplicates:
            known = set(duplicates)
            rows = [row for place, row in enumerate(rows) if place not in known]
        append_rows = partial(self._histories.append_rows, through=appended.through)
        self._write_histories(append_rows, rows)
        return _numbers_by_call(duplicates, [len(one.rows) for one in calls])

    def add(self, record: Description) -> None:
        """Store one record that is known to be valid; raise Unavailable, having stored nothing."""
        self._store([record])

    def catch_up(self) -> None:
        """Bring every item record of this intake into the store of items; raise Unavailable."""
        self._item_writes.catch_up()

    def keep(
        self,
        records: Sequence[Record],
        letters: Sequence[tuple[str, str]],
        *,
        source: str,
        at: datetime,
    ) -> int:
        """Store records durably, and refused ones with their reasons as dead letters.

        Return the number of duplicates; raise Unavailable, storing nothing, when the log fails.
        """
        num_duplicates = len(self._store(records)) if records else 0
        # last: a call that was answered 503 comes again, and its letters must not be kept twice
        if letters:
            self._dead_letters.add_all(letters, source=source, at=at)
        return num_duplicates

    def _parse(self, kind: RecordKind, raw: Raw | Refused, now: datetime) -> Record:
        if isinstance(raw, Unreadable):
            raise InvalidRecord("record", problem=raw.found, expected=raw.expected)
        if isinstance(raw, Refused):
            raise raw.why
        parse = _PARSERS[kind]
        try:
            return parse(raw.value, now=now, new_id=self._new_id)
        except RecursionError as error:
            raise InvalidRecord(
                "record", problem="JSON nested too deeply", expected="a flat JSON object"
            ) from error

    def _store(self, records: Sequence[Record]) -> set[int]:
        """Append to the log, then write to its projections; return the places of duplicates."""
        if any(not isinstance(record, Event) for record in records):
            self._item_writes.make_room()
        appended = self._log.append(records)
        duplicates = set(appended.duplicates)
        fresh = [record for index, record in enumerate(records) if index not in duplicates]
        self._write_histories(self._histories.append, fresh)
        described = descriptions_of(fresh)
        if described:
            self._item_writes.add(described)
        return duplicates

    def _write_histories(
        self, append: Callable[[Sequence[Written]], None], records: Sequence[Written]
    ) -> None:
        try:
            append(records)
        except FreshetError as error:
            # the records are durable in the log; the follower adds them within a second
            log.warning(
                "histories not written through",
                extra={"num_records": len(records), "why": str(error)},
            )


def _numbers_by_call(places: Collection[int], sizes: Sequence[int]) -> list[int]:
    """Return how many of the places are in each of the calls, whose records follow each other."""
    if not places:
        return [0] * len(sizes)
    numbers, begin = [], 0
    for size in sizes:
        numbers.append(sum(begin <= place < begin + size for place in places))
        begin += size
    return numbers


def _has_no_id(raw: Raw | Refused) -> bool:
    return isinstance(raw, Readable) and _lacks_id(raw.value)


def _lacks_id(value: object) -> bool:
    return isinstance(value, dict) and value.get("event_id") is None
