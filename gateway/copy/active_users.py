"""Users who were active lately, on whichever gateway: those of the newest events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cron.errors import LogGap
from cron.ports import Cursor, EventLog
from recommender.records.events import Event

MOST_READ = 2_000  # records of a look


class ActiveUsers:
    """Reads what came to the log since the last look; for one thread at a time."""

    def __init__(self, event_log: EventLog, collected: Callable[[], Cursor]) -> None:
        self._log = event_log
        self._collected = collected  # up to where the worker has read the log
        self._cursor: Cursor | None = None

    def look(self, most: int) -> Sequence[str]:
        """Return the users of new events, the newest last; it blocks, and raises as the log does.

        Where many events come, some of them are skipped.
        """
        if self._cursor is None:
            self._cursor = self._collected()
        try:
            batch = self._log.read(self._cursor, MOST_READ)
        except LogGap:
            self._cursor = None  # go on where the worker is
            return ()
        self._cursor = batch.cursor
        users = {one.user_id: None for one in batch.records if isinstance(one, Event)}
        return list(users)[-most:]
