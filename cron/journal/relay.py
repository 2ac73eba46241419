"""Relay: copies records from one event log into another, such as from Kafka into Redis.

The source's cursor is stored in the target, in the same transaction as the records. So a relay that
is killed, started twice or moved to another machine loses nothing and copies nothing twice. It
trims neither log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cron.ports import START, Appended, Cursor, EventLog, Rejected
from recommender.records.events import LogRecord

BATCH_RECORDS = 5_000


class RelayTarget(EventLog, Protocol):
    """An event log that stores the cursor of one source beside the records from it."""

    def relay_cursor(self) -> Cursor:
        """Return how far the source was copied; START at first."""
        ...

    def relay(
        self, records: Sequence[LogRecord], *, before: Cursor, after: Cursor
    ) -> Appended | None:
        """Append the records between two cursors of the source and store `after`, atomically.

        If the stored cursor is not `before`, another relay was faster: do nothing and return None.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """One copied batch.

    `num_read` includes rejected records; `num_duplicates` counts records the target already had.
    """

    num_read: int
    num_duplicates: int


def relay_once(
    source: EventLog,
    target: RelayTarget,
    bury: Callable[[Sequence[Rejected]], None],
    *,
    limit: int = BATCH_RECORDS,
) -> Relayed | None:
    """Copy one batch; return None when nothing is left.

    `bury` receives invalid entries before the cursor passes them, so after a crash twice rather
    than never. Raise LogGap if the source lost the next records, or was recreated.
    """
    while True:
        before = target.relay_cursor()
        batch = source.read(before, limit)
        if batch.cursor == before:
            return None
        bury(batch.rejected)
        records = (*batch.records, *batch.slates)
        appended = target.relay(records, before=before, after=batch.cursor)
        if appended is not None:
            return Relayed(
                num_read=batch.num_entries,
                num_duplicates=len(appended.duplicates),
            )


def begin_again(source: EventLog, target: RelayTarget) -> None:
    """Continue with the earliest record the source has.

    For a source that was recreated, or whose losses are accepted.
    """
    earliest = source.give_up(START)
    while (before := target.relay_cursor()) != earliest:
        target.relay((), before=before, after=earliest)
