"""Relay: from one event log into another, for those whose log is Kafka and who want the buffer in memory.

The other log's cursor lies in the target, and moves in the transaction that stores the records: a
relay that is killed anywhere, started twice or moved to another machine loses nothing and brings
nothing twice. Trims neither log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cron.ports import START, Appended, Cursor, EventLog, Rejected
from recommender.events import Record

BATCH_RECORDS = 5_000


class RelayTarget(EventLog, Protocol):
    """An event log that keeps another log's cursor beside what came from there; one other log a target."""

    def relay_cursor(self) -> Cursor:
        """Return how far the other log was brought; START when nothing was."""
        ...

    def relay(self, records: Sequence[Record], *, before: Cursor, after: Cursor) -> Appended | None:
        """Append what lies between two of the other log's cursors and note `after`, in one transaction.

        Do nothing and return None when the noted cursor is not `before`: another relay was here.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """One batch that was brought: how much was read, rejected records included, and how many records the target had already."""

    num_read: int
    num_duplicates: int


def relay_once(
    source: EventLog,
    target: RelayTarget,
    bury: Callable[[Sequence[Rejected]], None],
    *,
    limit: int = BATCH_RECORDS,
) -> Relayed | None:
    """Bring one batch; None when nothing is left. Raise LogGap when the source has lost what comes next, or was made anew.

    `bury` is given what is no record before the cursor moves past it: twice after a crash rather
    than never.
    """
    while True:
        before = target.relay_cursor()
        batch = source.read(before, limit)
        if batch.cursor == before:
            return None
        bury(batch.rejected)
        appended = target.relay(batch.records, before=before, after=batch.cursor)
        if appended is not None:
            return Relayed(
                num_read=len(batch.records) + len(batch.rejected),
                num_duplicates=len(appended.duplicates),
            )


def begin_again(source: EventLog, target: RelayTarget) -> None:
    """Let the next batch be the earliest that the source has left: it was made anew, or what it lost is given up."""
    earliest = source.give_up(START)
    while (before := target.relay_cursor()) != earliest:
        target.relay((), before=before, after=earliest)
