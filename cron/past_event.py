"""An event of a user's history as plain values, and as a row that histories store."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from cron.epoch import micros, moment
from recommender.records.events import Event

# Of an event: user id, event id, microseconds since 1970, item id, type and rating. A plain tuple,
# which is made in a tenth of the time of a named one: calls bring a hundred of them.
EventRow = tuple[str, str, int, str, str, float | None]


class PastEvent(NamedTuple):
    """One event of a user's history. A tuple, since each recommendation reads a hundred of them.

    `at_us` are microseconds since 1970. They sort by time, then by id, as a history does.
    """

    at_us: int
    event_id: str
    item_id: str
    type: str
    rating: float | None

    @property
    def at_s(self) -> float:
        """The time in seconds since 1970."""
        return self.at_us / 1_000_000

    def of_user(self, user_id: str) -> Event:
        """Return the event, without details, which are not history."""
        return Event(
            event_id=self.event_id,
            user_id=user_id,
            item_id=self.item_id,
            type=self.type,
            at=moment(self.at_us),
            rating=self.rating,
        )


class KeptPast(tuple[PastEvent, ...]):
    """A user's newest events, newest last, which a store returns again while nothing changes."""

    @cached_property
    def memo(self) -> dict[object, object]:
        """What readers keep with these events, by keys of their own."""
        return {}


def event_row(event: Event) -> EventRow:
    """Return an event as a row of the histories."""
    return (
        event.user_id,
        event.event_id,
        micros(event.at),
        event.item_id,
        event.type,
        event.rating,
    )
