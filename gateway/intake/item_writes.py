"""Writes of items and facts to their store, which are made up for when one fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import datetime

from cron.errors import FreshetError
from cron.ports import ItemRecords
from recommender.records.events import Description, Item, to_json
from recommender.records.facts import FactKey, key_of

MAX_WAITING = 10_000
MAX_WAITING_BYTES = 64 << 20
log = logging.getLogger(__name__)


class ItemWrites:
    """Writes records that the event log has. Threads may share it.

    A record that could not be written waits here, the newest of each item and fact, until the next
    write.
    """

    def __init__(self, item_records: ItemRecords) -> None:
        self._item_records = item_records
        self._lock = threading.Lock()
        self._waiting: dict[str | FactKey, tuple[Description, int]] = {}

    def add(self, records: Sequence[Description]) -> None:
        """Write records, and those that wait; when that fails, they wait."""
        try:
            self._write(records)
        except FreshetError as error:
            # the records are durable in the log; the follower adds them within a second
            log.warning(
                "items not written through",
                extra={"num_records": len(records), "why": str(error)},
            )
            self._keep(records)

    def catch_up(self) -> None:
        """Write the records that wait; raise Unavailable when that fails."""
        if self._waiting:
            self._write([])

    def make_room(self) -> None:
        """Write the records that wait when they are many; raise Unavailable when that fails."""
        with self._lock:
            num_bytes = sum(size for _, size in self._waiting.values())
            is_full = len(self._waiting) >= MAX_WAITING or num_bytes >= MAX_WAITING_BYTES
        if is_full:
            self.catch_up()

    def _write(self, records: Sequence[Description]) -> None:
        with self._lock:
            waiting = [record for record, _ in self._waiting.values()]
        self._item_records.append([*waiting, *records])
        with self._lock:
            for record in waiting:
                kept = self._waiting.get(_key(record))
                # a newer one may have begun to wait meanwhile
                if kept is not None and kept[0] is record:
                    del self._waiting[_key(record)]

    def _keep(self, records: Sequence[Description]) -> None:
        with self._lock:
            for record in records:
                kept = self._waiting.get(_key(record))
                if kept is None or _order(kept[0]) < _order(record):
                    self._waiting[_key(record)] = (record, len(to_json(record)))


def _key(record: Description) -> str | FactKey:
    return record.item_id if isinstance(record, Item) else key_of(record)


def _order(record: Description) -> tuple[datetime, str]:
    return (record.at, record.event_id)
