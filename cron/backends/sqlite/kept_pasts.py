"""Histories that were read lately: the rows of one page ask for the same one within a moment."""

from __future__ import annotations

from cron.past_event import KeptPast

MAX_EVENTS = 50_000  # some 15 MB; all are dropped when more would be kept


class KeptPasts:
    """What was read of a database, by user and length, as long as nothing in it changes.

    A version is SQLite's `data_version`, which every commit of another connection changes, of this
    process or any other. What was read after its version may be newer than that, never older.
    """

    def __init__(self) -> None:
        self._version: object = None
        self._kept: dict[tuple[str, int], KeptPast] = {}
        self._num_events = 0

    def find(self, user_id: str, n: int, *, version: object) -> KeptPast | None:
        """Return what is kept of this version; drop all that is older."""
        if version != self._version:
            self._drop()
            self._version = version
        return self._kept.get((user_id, n))

    def keep(self, user_id: str, n: int, past: KeptPast, *, version: object) -> None:
        """Keep what was read after `find` with this version, unless that was dropped meanwhile."""
        if version != self._version:
            return
        if self._num_events + len(past) > MAX_EVENTS:
            self._drop()
        self._kept[user_id, n] = past
        self._num_events += len(past)

    def _drop(self) -> None:
        self._kept.clear()
        self._num_events = 0
