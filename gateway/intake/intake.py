"""Intake: raw records become durable records in the event log, and at once part of the histories.

One bad record is answered by index, field and reason and kept in the dead-letter file; the good
ones of the same call are stored. Does not know HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cron.errors import FreshetError
from cron.journal.dead_letters import MAX_RAW_CHARS, DeadLetters
from cron.ports import EventLog, Histories
from gateway.http.record_bodies import Raw, Unreadable
from recommender.events import InvalidRecord, Record, parse_event, parse_item

Kind = Literal["event", "item"]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A record that was not taken: its place in the call, the field at fault, and the reason."""

    index: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedId:
    """The event id that a record without one was given."""

    index: int
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of one call. `duplicates` is what the log can tell at once; the journal has the last word."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejected, ...]
    event_ids: tuple[AssignedId, ...]


class Intake:
    """Accepts calls from many threads at once."""

    def __init__(
        self,
        event_log: EventLog,
        histories: Histories,
        dead_letters: DeadLetters,
        *,
        new_id: Callable[[], str],
    ) -> None:
        self._log = event_log
        self._histories = histories
        self._dead_letters = dead_letters
        self._new_id = new_id

    def take(self, kind: Kind, raw: Iterable[Raw]) -> Taken:
        """Store the good records durably, then return; raise Unavailable when the log can't, and nothing is stored."""
        now = datetime.now(UTC)
        records: list[Record] = []
        rejected: list[Rejected] = []
        refused: list[tuple[str, str]] = []
        assigned: list[AssignedId] = []
        for index, one in enumerate(raw):
            try:
                record = self._parse(kind, one, now)
            except InvalidRecord as error:
                rejected.append(Rejected(index=index, field=error.field, reason=error.reason))
                refused.append(
                    (error.reason, one.raw[: MAX_RAW_CHARS + 1])
                )  # one more, so that the letter shows that it was cut
                continue
            if (
                not isinstance(one, Unreadable)
                and isinstance(one.value, dict)
                and one.value.get("event_id") is None
            ):
                assigned.append(AssignedId(index=index, event_id=record.event_id))
            records.append(record)
        num_duplicates = self._store(records) if records else 0
        # after the good ones: of a call that is answered 503 and comes again, nothing is kept twice
        if refused:
            self._dead_letters.add_all(refused, source=f"gateway {kind}", at=now)
        return Taken(
            accepted=len(records) - num_duplicates,
            duplicates=num_duplicates,
            rejected=tuple(rejected),
            event_ids=tuple(assigned),
        )

    def _parse(self, kind: Kind, raw: Raw, now: datetime) -> Record:
        if isinstance(raw, Unreadable):
            raise InvalidRecord("record", found=raw.raw, expected=f"a JSON object ({raw.reason})")
        parse = parse_event if kind == "event" else parse_item
        try:
            return parse(raw.value, now=now, new_id=self._new_id)
        except RecursionError as error:
            raise InvalidRecord(
                "record", found="deep nesting", expected="a flat JSON object"
            ) from error

    def _store(self, records: Sequence[Record]) -> int:
        """Append to the log, then write through; return the number of duplicates."""
        appended = self._log.append(records)
        duplicates = set(appended.duplicates)
        fresh = [record for index, record in enumerate(records) if index not in duplicates]
        try:
            self._histories.append(fresh)
        except FreshetError as error:
            # the records are safe in the log, and the follower brings them into the histories
            # within a second
            log.warning(
                "histories not written through",
                extra={"num_records": len(fresh), "why": str(error)},
            )
        return len(duplicates)
