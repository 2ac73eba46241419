"""Small calls of records that share transactions: events with events, items with items.

A store of items that takes no more refuses a group with items, and must refuse no event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from gateway.content.parsed_events import ParsedEvents
from gateway.intake.grouped_calls import GroupedCalls
from gateway.intake.record_intake import RecordIntake, RecordKind
from recommender.records.events import Record

MAX_GROUP_RECORDS = 2_000  # of calls that share a transaction
GROUPS_AT_ONCE = 2  # one is written to the log while the other is written to the histories


class RecordGroups:
    """Stores the records of small calls. Used in one event loop."""

    def __init__(self, intake: RecordIntake) -> None:
        self._events: GroupedCalls[ParsedEvents, int] = GroupedCalls(
            intake.store_events, max_size=MAX_GROUP_RECORDS, at_once=GROUPS_AT_ONCE
        )
        self._others: dict[RecordKind, GroupedCalls[Sequence[Record], int]] = {
            kind: GroupedCalls(intake.store_all, max_size=MAX_GROUP_RECORDS, at_once=GROUPS_AT_ONCE)
            for kind in get_args(RecordKind)
            if kind != "event"
        }

    async def store_events(self, batch: ParsedEvents) -> int:
        """Store the events of one call durably, with other calls; return how many were known.

        Raise Unavailable, having stored none of the group, when the log fails.
        """
        return await self._events.take(batch, size=batch.num_events)

    async def store(self, kind: RecordKind, records: Sequence[Record]) -> int:
        """Store the records of one call of another kind, as `store_events` stores events."""
        return await self._others[kind].take(records, size=len(records))
