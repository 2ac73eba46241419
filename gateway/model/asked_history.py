"""What questions say of a stored history, made once for the lists of one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from cron.past_event import KeptPast, PastEvent
from gateway.model.questions import history_json, stored_columns, stored_elements
from recommender.requests.wire import Element


@dataclass(frozen=True, kw_only=True)
class AskedHistory:
    """A stored history, divided where the model stops reading."""

    read: Sequence[PastEvent]  # by the model
    unread: frozenset[str]  # the items of those before

    def followed_by(self, session: Sequence[Element]) -> msgspec.Raw:
        """Return the events that the model reads, and then what the client sent, as JSON."""
        return history_json(self.elements, session) if session else msgspec.Raw(self.columns)

    @cached_property
    def columns(self) -> bytes:
        """The events that the model reads, as JSON of columns."""
        return msgspec.json.encode(stored_columns(self.read))

    @cached_property
    def elements(self) -> bytes:
        """The same events, as JSON of elements."""
        return msgspec.json.encode(stored_elements(self.read))


def asked_history(events: Sequence[PastEvent], *, max_history: int) -> AskedHistory:
    """Return what a question says of a history, newest last; a kept one keeps that too."""
    if not isinstance(events, KeptPast):
        return _divide(events, max_history)
    found = events.memo.get(max_history)
    if not isinstance(found, AskedHistory):
        found = events.memo[max_history] = _divide(events, max_history)
    return found


def _divide(events: Sequence[PastEvent], max_history: int) -> AskedHistory:
    read, unread = events[-max_history:], events[:-max_history]
    return AskedHistory(read=tuple(read), unread=frozenset({event.item_id for event in unread}))
