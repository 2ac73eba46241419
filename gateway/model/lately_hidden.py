"""Items that were hidden after the live release was trained, and when.

The release still has them. While one is in the pool of a policy, it takes a part of the probability
from the others, so it is left out of each question. Those hidden before a list was made were left
out of that list too, and those hidden later were not.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from cron.ports import Histories, ItemRecords
from gateway.model.live_release import LiveRelease

EVERY_S = 5.0
MAX_SENT = 1_000  # the newest; each is sent with every question with a policy
# a training may take hours, and has the items of when it began
TRAINING = timedelta(days=1)
_AT_ONCE = 1_000


class LatelyHidden:
    """Reads which items are hidden. `refresh` blocks; `ids` is for the event loop."""

    def __init__(self, histories: Histories, item_records: ItemRecords, live: LiveRelease) -> None:
        self._histories = histories
        self._item_records = item_records
        self._live = live
        self._hidden_at: dict[str, datetime] = {}
        self._lately: tuple[tuple[str, datetime], ...] = ()

    def refresh(self) -> None:
        """Read the hidden items, and the records of those that are new; raise as the stores do.

        The time of an item's newest record counts, if it was hidden before that already.
        """
        hidden = self._histories.hidden()
        known = {item_id: at for item_id, at in self._hidden_at.items() if item_id in hidden}
        self._hidden_at = known | self._times(sorted(hidden - known.keys()))
        release = self._live.get()
        if release is None:
            return
        since = release.manifest.created_at - TRAINING
        lately = [(item_id, at) for item_id, at in self._hidden_at.items() if at >= since]
        lately.sort(key=lambda one: (one[1], one[0]), reverse=True)
        self._lately = tuple(lately[:MAX_SENT])

    def ids(self, at: datetime | None) -> Iterable[str]:
        """Return the items that were hidden at a time; None is now."""
        return [item_id for item_id, hidden_at in self._lately if at is None or hidden_at <= at]

    def _times(self, item_ids: list[str]) -> dict[str, datetime]:
        times: dict[str, datetime] = {}
        for start in range(0, len(item_ids), _AT_ONCE):
            found = self._item_records.find(item_ids[start : start + _AT_ONCE])
            times |= {item_id: one.record.at for item_id, one in found.items()}
        return times
