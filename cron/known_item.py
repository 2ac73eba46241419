"""What is known about an item from its records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from recommender.records.events import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownItem:
    """The newest record of an item, and the earliest time of any of its records."""

    record: Item
    first_at: datetime
