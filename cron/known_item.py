"""What is known about an item from its records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cron.epoch import micros
from recommender.records.events import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownItem:
    """The newest record of an item, and the earliest time of any of its records."""

    record: Item
    first_at: datetime

    @property
    def revision(self) -> str:
        """Name the record among those of its item, as `ItemRecords.revisions_at_once` does."""
        return f"{micros(self.record.at)} {self.record.event_id}"
