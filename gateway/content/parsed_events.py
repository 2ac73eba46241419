"""The events of one small call as columns, parsed at once.

The result is that of `recommender.records.events`: the lines are those of `to_json`, and the rows
those of the histories. What is not obviously a body of valid events is left to `parse_event`, so
the rules and their messages are there alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec import structs

from cron.epoch import micros
from cron.past_event import EventRow, event_row
from recommender.records.event_details import parse_details
from recommender.records.events import (
    MAX_RATING,
    Event,
    EventLines,
    details_json,
    event_line,
    to_json,
)
from recommender.records.ids import are_plain_ids, is_plain_id, wrong_id
from recommender.records.record_fields import InvalidRecord
from recommender.records.record_times import parse_time

# what most types of events look like; they need no escapes in JSON
_PLAIN_TYPE = re.compile(r"\w[\w:. -]{0,63}", re.ASCII)

_UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|\+00:00)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedEvents:
    """Valid events in the forms of the log and of the histories, and their assigned ids.

    `assigned` are the places of the events that came without an id.
    """

    lines: EventLines
    rows: Sequence[EventRow]
    assigned: Sequence[int]

    @property
    def num_events(self) -> int:
        """Return the number of events."""
        return len(self.rows)


class _EventFields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The fields of an event with the types that nearly all senders use."""

    user_id: str | int
    item_id: str | int
    type: str
    event_id: str | int | None = None
    rating: float | None = None
    at: str | int | float | None = None
    value: float | None = None
    currency: str | None = None
    quantity: float | None = None
    dwell_s: float | None = None
    query: str | None = None
    recommendation_id: str | int | None = None


_FIELDS = msgspec.json.Decoder(list[_EventFields] | _EventFields)


def parse_batch(
    body: bytes | bytearray, *, now: datetime, new_ids: Callable[[int], Sequence[str]]
) -> ParsedEvents | None:
    """Parse the events of a body; None for one that `parse_event` must look at.

    Events without an id get the next ones of `new_ids`, and events without a time are of `now`.
    """
    try:
        found = _FIELDS.decode(body)
    # of text that is not UTF-8 it is a ValueError
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    events = found if isinstance(found, list) else [found]
    try:
        return _batch(events, now, new_ids) if events else None
    except InvalidRecord:
        return None


def batch_of(events: Sequence[Event], *, assigned: Sequence[int]) -> ParsedEvents:
    """Return events that were parsed one by one."""
    lines = EventLines(
        event_ids=[one.event_id for one in events],
        user_ids=[one.user_id for one in events],
        lines=[to_json(one) for one in events],
    )
    return ParsedEvents(lines=lines, rows=[event_row(one) for one in events], assigned=assigned)


def _batch(
    events: Sequence[_EventFields], now: datetime, new_ids: Callable[[int], Sequence[str]]
) -> ParsedEvents | None:
    """Check the columns and make the lines and rows; raise InvalidRecord, or return None."""
    user_ids = [*map(str, (one.user_id for one in events))]
    item_ids = [*map(str, (one.item_id for one in events))]
    given_ids = [str(one.event_id) for one in events if one.event_id is not None]
    if not (_are_ids(user_ids) and _are_ids(item_ids) and _are_ids(given_ids)):
        return None
    if not all(map(_PLAIN_TYPE.fullmatch, {one.type for one in events})):
        return None
    assigned = [place for place, one in enumerate(events) if one.event_id is None]
    event_ids = _with_assigned(given_ids, assigned, new_ids)
    lines, rows = list[str](), list[EventRow]()
    now_us, now_text = micros(now), now.isoformat()
    for one, event_id, user_id, item_id in zip(events, event_ids, user_ids, item_ids, strict=True):
        at_us, at_text = now_us, now_text
        if one.at is not None:
            at = parse_time(one.at, now=now)
            at_us, at_text = micros(at), _time_text(one.at, at)
        type_, rating = one.type, one.rating
        if rating is None and type_ == "rating":
            return None
        if rating is not None and not -MAX_RATING <= rating <= MAX_RATING:
            return None
        numbers = f"{rating!r}" if rating is not None else "null"
        if _has_details(one):
            numbers += details_json(parse_details(structs.asdict(one)))
        lines.append(event_line(event_id, user_id, item_id, type_, at_text, numbers))
        rows.append((user_id, event_id, at_us, item_id, type_, rating))
    columns = EventLines(event_ids=event_ids, user_ids=user_ids, lines=lines)
    return ParsedEvents(lines=columns, rows=rows, assigned=assigned)


def _are_ids(ids: Sequence[str]) -> bool:
    """Return whether texts without lone surrogates are valid ids."""
    if are_plain_ids(ids):
        return True
    return all(is_plain_id(one) or wrong_id(one) is None for one in ids)


def _with_assigned(
    given_ids: Sequence[str], assigned: Sequence[int], new_ids: Callable[[int], Sequence[str]]
) -> Sequence[str]:
    """Return the ids of all events: the given ones, and new ones at the places of `assigned`."""
    if not assigned:
        return given_ids
    made = new_ids(len(assigned))
    if not given_ids:
        return made
    event_ids = [*given_ids]
    for place, one in zip(assigned, made, strict=True):
        event_ids.insert(place, one)
    return event_ids


def _time_text(raw: str | float, at: datetime) -> str:
    """Return `at.isoformat()`, which for most texts of senders is hardly another text."""
    if not isinstance(raw, str) or _UTC_TIME.fullmatch(raw) is None:
        return at.isoformat()
    fraction = f".{at.microsecond:06}" if at.microsecond else ""
    return f"{raw[:19]}{fraction}+00:00"


def _has_details(one: _EventFields) -> bool:
    return not (
        one.value is None
        and one.recommendation_id is None
        and one.quantity is None
        and one.dwell_s is None
        and one.query is None
        and one.currency is None
    )
