"""Histories whose newest events are in memory until the follower has written them.

For a gateway of one process. The log has each event already, and a worker copies the log into the
histories. A gateway that wrote them too would spend half of an event's time on it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path

from cron.backends.sqlite.histories import SqliteHistories
from cron.backends.sqlite.log_place import LogPlace
from cron.epoch import micros
from cron.errors import Unavailable
from cron.local.shared_turns import num_together
from cron.past_event import EventRow, KeptPast, PastEvent
from cron.ports import Cursor
from cron.user_keys import hash_without_key

LOOK_EVERY_S, IDLE_LOOK_S = 0.05, 0.5  # for the follower, with events in memory and without
# A worker follows every second (`worker.poll_s`). What is not written by then, the gateway writes.
LATE_S = 4.0
MOST_AHEAD = 100_000  # events, some 33 MB; beyond it calls wait for the follower
_ROWS_AT_ONCE = 2_400  # in a transaction, in which nobody else writes; so many take 0.02 s
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _EventsAhead:
    """The events of one append, their place in the log, and when they came (`time.monotonic()`).

    There are no rows if they were written at once.
    """

    rows: Sequence[EventRow]
    through: LogPlace
    since_s: float


class HistoriesAhead(SqliteHistories):
    """Histories of the one process that takes events; others see what is in the file.

    Events are written at once until a follower has come within `late_s`, and again once it is late.
    If the process is killed, the follower adds the events from the log.
    """

    def __init__(
        self,
        path: Path,
        user_key: Callable[[str], str] = hash_without_key,
        *,
        late_s: float = LATE_S,
        most_ahead: int = MOST_AHEAD,
    ) -> None:
        super().__init__(path, user_key)
        self._late_s = late_s
        self._most_ahead = most_ahead
        self._room = threading.Condition()  # guards the fields below; held only briefly
        self._groups: deque[_EventsAhead] = deque()  # the oldest first
        self._by_user: dict[str, list[EventRow]] = {}
        self._num_rows = self._num_forgotten = 0
        self._is_followed = False
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._look_often, daemon=True)
        self._thread.start()

    @property
    def num_waiting(self) -> int:
        """How many events are in memory."""
        return self._num_rows

    @property
    def is_followed(self) -> bool:
        """Whether the follower came in time, as far as was seen."""
        return self._is_followed

    def append_rows(self, rows: Sequence[EventRow], *, through: Cursor | None = None) -> None:
        """Keep events in memory until the follower gets to `through`; without one, write them."""
        if not rows:
            return
        place = None if through is None else LogPlace.parse(through)
        if place is None:
            super().append_rows(rows)
            return
        ahead: Sequence[EventRow] = ()
        num_forgotten = self._num_forgotten
        if self._is_followed:
            ahead = self.rows_of_history(rows)
        else:
            super().append_rows(rows)
        with self._room:
            if num_forgotten != self._num_forgotten:  # meanwhile somebody was forgotten
                ahead = self.rows_of_history(ahead)
            self._groups.append(_EventsAhead(rows=ahead, through=place, since_s=time.monotonic()))
            self._num_rows += len(ahead)
            for row in ahead:
                self._by_user.setdefault(row[0], []).append(row)
            self._room.wait_for(lambda: self._num_rows <= self._most_ahead, timeout=self._late_s)

    def past(self, user_id: str, n: int) -> tuple[PastEvent, ...]:
        """Return the user's newest n events as plain values, newest last."""
        ahead = self._ahead_of(user_id)  # first: what leaves the memory is in the file by then
        return _newest_of_both(super().past(user_id, n), ahead, n)

    def past_at_once(self, user_id: str, n: int) -> tuple[PastEvent, ...] | None:
        """Return what `past` returns, or None where a thread must ask."""
        ahead = self._ahead_of(user_id)
        past = super().past_at_once(user_id, n)
        if past is None or not ahead:
            return past
        if not isinstance(past, KeptPast):
            return _newest_of_both(past, ahead, n)
        known = past.memo.get(HistoriesAhead)
        if isinstance(known, _WithAhead) and known.ahead == ahead:
            return known.past
        merged = _WithAhead(ahead, KeptPast(_newest_of_both(past, ahead, n)))
        past.memo[HistoriesAhead] = merged
        return merged.past

    def forget(self, user_id: str, *, at: datetime) -> datetime:
        """Delete everything about a user, here and in the file, as `SqliteHistories` does."""
        with self._room:
            ahead = self._by_user.pop(user_id, [])
        super().append_rows(ahead)  # so that the latest of all events decides what stays out
        until = super().forget(user_id, at=at)
        with self._room:
            self._num_forgotten += 1
            came_meanwhile = self._by_user.get(user_id, [])
            came_meanwhile[:] = [row for row in came_meanwhile if row[2] > micros(until)]
        return until

    def close(self) -> None:
        """Write what the follower has not, then close the file. No call may come meanwhile."""
        self._is_closed.set()
        self._thread.join()
        self._write(list(self._groups))
        super().close()

    def _ahead_of(self, user_id: str) -> tuple[EventRow, ...]:
        with self._room:
            return tuple(self._by_user.get(user_id, ()))

    def _look_often(self) -> None:
        while not self._is_closed.wait(LOOK_EVERY_S if self._groups else IDLE_LOOK_S):
            try:
                self._look()
            except Exception as error:  # if this thread ended, events would stay in memory
                log.warning("events stay in memory", exc_info=error)

    def _look(self) -> None:
        """Drop what the follower has written, and write what it is late with."""
        place = self._follower_place()
        while place is not None and self._oldest_is_followed(place):
            self._is_followed = True
            self._drop_oldest()
        with self._room:
            late = list(takewhile(self._is_late, self._groups))
        if late:
            self._is_followed = False
            self._write(late)

    def _follower_place(self) -> LogPlace | None:
        try:
            return LogPlace.parse(self.cursor())
        except Unavailable:  # then everything is late after a while
            return None

    def _oldest_is_followed(self, place: LogPlace) -> bool:
        return bool(self._groups) and place.reaches(self._groups[0].through)

    def _is_late(self, group: _EventsAhead) -> bool:
        return time.monotonic() - group.since_s > self._late_s

    def _write(self, oldest: Sequence[_EventsAhead]) -> None:
        """Write the events of the oldest groups, some at a time, and drop them.

        They are dropped also if that fails, so that memory stays bounded: the log has them.
        """
        while oldest:
            num = num_together((len(one.rows) for one in oldest), max_size=_ROWS_AT_ONCE)
            rows = [row for group in oldest[:num] for row in group.rows]
            try:
                if rows:
                    super().append_rows(rows)
            except Unavailable as error:
                extra = {"num_records": len(rows), "why": str(error)}
                log.warning("histories not written through", extra=extra)
            for _ in range(num):
                self._drop_oldest()
            oldest = oldest[num:]

    def _drop_oldest(self) -> None:
        with self._room:
            group = self._groups.popleft()
            self._num_rows -= len(group.rows)
            for row in group.rows:
                ahead = self._by_user.get(row[0], [])
                if ahead and ahead[0] is row:  # else the user was forgotten meanwhile
                    del ahead[0]
                if not ahead:
                    self._by_user.pop(row[0], None)
            self._room.notify_all()


@dataclass(frozen=True, slots=True)
class _WithAhead:
    """A history of the file together with the events in memory."""

    ahead: tuple[EventRow, ...]
    past: KeptPast


def _newest_of_both(
    past: tuple[PastEvent, ...], ahead: Sequence[EventRow], n: int
) -> tuple[PastEvent, ...]:
    """Return the newest n of both, newest last; an event may be in both."""
    if not ahead or n <= 0:
        return past
    known = {one.event_id for one in past}
    new = [PastEvent(at, id_, item, type_, rating) for _, id_, at, item, type_, rating in ahead]
    events = sorted([*past, *(one for one in new if one.event_id not in known)])
    return tuple(events[max(len(events) - n, 0) :])
