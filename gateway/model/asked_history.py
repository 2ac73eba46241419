"""What questions say of a stored history, made once for the lists of one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from cron.past_event import KeptPast, PastEvent
from gateway.model.questions import stored_elements


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedHistory:
    """A stored history, divided where the model stops reading."""

    elements: bytes  # JSON of the events that the model reads
    unread: frozenset[str]  # the items of those before


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
    return AskedHistory(
        elements=msgspec.json.encode(stored_elements(read)),
        unread=frozenset({event.item_id for event in unread}),
    )
