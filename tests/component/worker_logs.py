"""Event logs that hold up a worker's turns, or refuse to be read."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from cron.errors import LogGap
from cron.ports import Appended, Batch, Cursor, EventLog
from recommender.records.events import EventLines, LogRecord
from tests.component.at_work import LIMIT_S


class SlowLog:
    """A log whose reads wait for a test."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.goes_on = threading.Event()
        self.append, self.append_lines = log.append, log.append_lines
        self.give_up, self.backlog, self.trim = log.give_up, log.backlog, log.trim

    def read(self, after: Cursor, limit: int) -> Batch:
        assert self.goes_on.wait(LIMIT_S)
        return self._log.read(after, limit)


class StrangeLog:
    """A log whose records after our cursor are gone, as after a deleted file."""

    def __init__(self, *, backlog: int = 0) -> None:
        self.num_reads = self.num_looks = 0
        self._backlog = backlog

    def append(self, records: Sequence[LogRecord]) -> Appended:
        return Appended(accepted=0, duplicates=())

    def append_lines(self, events: EventLines) -> Appended:
        return Appended(accepted=0, duplicates=())

    def read(self, after: Cursor, limit: int) -> Batch:
        self.num_reads += 1
        raise LogGap(log="events.db", cursor=after, earliest="none")

    def give_up(self, after: Cursor) -> Cursor:
        return after

    def backlog(self, after: Cursor) -> int:
        self.num_looks += 1
        return self._backlog

    def trim(self, *before: Cursor) -> None:
        return None
