"""Intake of foreign events: check what they were translated into, store it, count the rest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cron.journal.dead_letters import MAX_RAW_CHARS
from gateway.bodies.foreign import IgnoredEvents
from gateway.bodies.records import RejectedRecord
from gateway.content.record_bodies import MAX_CALL_RECORDS
from gateway.content.request_body import BadBody
from gateway.foreign.translation import Ignored, Outcome, Translated, Untranslatable
from gateway.intake.record_intake import RecordIntake
from recommender.records.events import Event, parse_event
from recommender.records.record_fields import InvalidRecord

MAX_LETTERS = 1000  # of one call


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignResult:
    """What became of one call."""

    accepted: int
    duplicates: int
    rejected: tuple[RejectedRecord, ...]
    ignored: tuple[IgnoredEvents, ...]


@dataclass(slots=True)
class _Sorted:
    events: list[Event] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    letters: list[tuple[str, str]] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def refuse(self, one: Untranslatable) -> None:
        """Add a refusal, and a letter if the call has few.

        All products of a call share its texts, so their letters may be far larger than the body.
        """
        self.rejected.append(
            RejectedRecord(index=one.index, field=one.error.field, reason=one.error.reason)
        )
        if len(self.letters) < MAX_LETTERS:
            # with the user's id in our own field, a letter is found when the user is forgotten
            raw = json.dumps({"user_id": one.user_id, "sent": one.sent})
            self.letters.append((one.error.reason, raw[: MAX_RAW_CHARS + 1]))


class ForeignIntake:
    """Takes calls from many threads at once."""

    def __init__(self, intake: RecordIntake, *, new_id: Callable[[], str]) -> None:
        self._intake = intake
        self._new_id = new_id

    def take(self, outcomes: Iterable[Outcome], *, source: str) -> ForeignResult:
        """Store the good events durably; raise Unavailable, storing none, when the log fails.

        Raise BadBody for more than MAX_CALL_RECORDS events, and for JSON nested too deeply.
        """
        now = datetime.now(UTC)
        try:
            sorted_ = self._sort(outcomes, now)
        except RecursionError as error:
            raise BadBody("the body is JSON nested too deeply") from error
        num_duplicates = self._intake.keep(sorted_.events, sorted_.letters, source=source, at=now)
        return ForeignResult(
            accepted=len(sorted_.events) - num_duplicates,
            duplicates=num_duplicates,
            rejected=tuple(sorted_.rejected),
            ignored=tuple(
                IgnoredEvents(event=name, count=number)
                for name, number in sorted_.ignored.most_common()
            ),
        )

    def _sort(self, outcomes: Iterable[Outcome], now: datetime) -> _Sorted:
        sorted_ = _Sorted()
        for outcome in outcomes:
            checked = self._check(outcome, now)
            if isinstance(checked, Ignored):
                sorted_.ignored[checked.event] += 1
            elif isinstance(checked, Untranslatable):
                sorted_.refuse(checked)
            else:
                sorted_.events.append(checked)
            if len(sorted_.events) + len(sorted_.rejected) > MAX_CALL_RECORDS:
                raise BadBody(
                    f"the body holds more than {MAX_CALL_RECORDS:,} products; send less in one "
                    "call",
                    status=413,
                )
        return sorted_

    def _check(self, outcome: Outcome, now: datetime) -> Event | Ignored | Untranslatable:
        if not isinstance(outcome, Translated):
            return outcome
        try:
            return _parse_translated(outcome, now, self._new_id)
        except InvalidRecord as error:
            return Untranslatable(
                index=outcome.index,
                user_id=outcome.event.get("user_id"),
                error=error,
                sent=outcome.event,
            )


def _parse_translated(outcome: Translated, now: datetime, new_id: Callable[[], str]) -> Event:
    """Return the event; raise InvalidRecord with the sender's name of the field."""
    try:
        return parse_event(outcome.event, now=now, new_id=new_id)
    except InvalidRecord as error:
        theirs = outcome.called.get(error.field, error.field)
        found, _, expected = error.reason.removeprefix(f"{error.field}: found ").rpartition(
            ", expected "
        )
        raise InvalidRecord(theirs, problem=found, expected=expected) from error
