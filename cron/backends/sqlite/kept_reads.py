"""What was read of histories lately: the lists of one page ask for the same within a moment."""

from __future__ import annotations

from collections.abc import Sequence

from cron.past_event import KeptPast

MAX_EVENTS = 50_000  # some 15 MB; all are dropped when more would be kept
MAX_ITEMS = 50_000  # of which it is known whether they are hidden: some 5 MB


class KeptReads:
    """What was read of a database, kept as long as nothing in it changes.

    A version is SQLite's `data_version`, which every commit of another connection changes, of this
    process or any other. What was read after its version may be newer than that, never older.
    """

    def __init__(self) -> None:
        self._version: object = None
        self._pasts: dict[tuple[str, int], KeptPast] = {}  # by user and length
        self._num_events = 0
        self._is_hidden: dict[str, bool] = {}  # by item

    def past(self, user_id: str, n: int, *, version: object) -> KeptPast | None:
        """Return a history that is kept of this version."""
        self._drop_older(version)
        return self._pasts.get((user_id, n))

    def keep_past(self, user_id: str, n: int, past: KeptPast, *, version: object) -> None:
        """Keep a history, unless what is kept became newer than this version meanwhile."""
        if version != self._version:
            return
        if self._num_events + len(past) > MAX_EVENTS:
            self._drop_pasts()
        self._pasts[user_id, n] = past
        self._num_events += len(past)

    def hidden(self, item_ids: Sequence[str], *, version: object) -> frozenset[str] | None:
        """Return those of the ids that are hidden in this version; None if one is not kept."""
        self._drop_older(version)
        known = [self._is_hidden.get(one) for one in item_ids]
        if None in known:
            return None
        return frozenset(one for one, is_hidden in zip(item_ids, known, strict=True) if is_hidden)

    def keep_hidden(
        self, item_ids: Sequence[str], hidden: frozenset[str], *, version: object
    ) -> None:
        """Keep which of the ids are hidden, as `keep_past` does."""
        if version != self._version:
            return
        if len(self._is_hidden) + len(item_ids) > MAX_ITEMS:
            self._is_hidden.clear()
        for one in item_ids:
            self._is_hidden[one] = one in hidden

    def _drop_older(self, version: object) -> None:
        if version != self._version:
            self._drop_pasts()
            self._is_hidden.clear()
            self._version = version

    def _drop_pasts(self) -> None:
        self._pasts.clear()
        self._num_events = 0
