"""What texts say of items, in memory; an item whose record has changed is described again.

An event loop asks the store for the revisions of a list's items, which is one short read, and takes
the descriptions from here. So the next list knows of a change, whoever made it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from copywriter.brief import BriefItem
from copywriter.list_briefs import describe_item
from cron.known_item import KnownItem
from cron.ports import ItemRecords

MOST = 10_000  # of some 1 KB each


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedItem:
    """What texts may say of an item by its newest record; of a hidden one they say nothing."""

    item: BriefItem
    is_hidden: bool
    revision: str


class DescribedItems:
    """Descriptions of items by id. Threads may share it."""

    def __init__(
        self, records: ItemRecords, private: Collection[str] = (), *, most: int = MOST
    ) -> None:
        self.records = records
        self.private = frozenset(private)  # attributes that no text says
        self._most = most
        self._lock = threading.Lock()
        self._kept: dict[str, DescribedItem] = {}

    async def find(self, item_ids: Sequence[str]) -> Mapping[str, DescribedItem]:
        """Return the items that have a record, for an event loop."""
        found = self._find_at_once(item_ids)
        return await run_in_threadpool(self.read, item_ids) if found is None else found

    def read(self, item_ids: Sequence[str]) -> Mapping[str, DescribedItem]:
        """Return the items that have a record; it blocks."""
        known = self.records.find(item_ids)
        found = {item_id: self._describe(one) for item_id, one in known.items()}
        with self._lock:
            self._kept.update(found)
            if len(self._kept) > self._most:  # those that came first make room
                for item_id in list(self._kept)[: -self._most]:
                    del self._kept[item_id]
        return found

    def _find_at_once(self, item_ids: Sequence[str]) -> Mapping[str, DescribedItem] | None:
        """Return the items; None if one of them must be read."""
        revisions = self.records.revisions_at_once(item_ids)
        if revisions is None:
            return None
        found: dict[str, DescribedItem] = {}
        for item_id, revision in revisions.items():
            kept = self._kept.get(item_id)
            if kept is None or kept.revision != revision:
                return None
            found[item_id] = kept
        return found

    def _describe(self, known: KnownItem) -> DescribedItem:
        record = known.record
        return DescribedItem(
            item=describe_item(record.title, record.attributes, private=self.private),
            is_hidden=record.hidden,
            revision=known.revision,
        )
