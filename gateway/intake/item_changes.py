"""Changes of single items: each is a whole new record in the event log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from cron.errors import FreshetError, Unavailable
from cron.known_item import KnownItem
from cron.ports import ItemRecords
from gateway.errors import UnknownItem
from gateway.intake.record_intake import RecordIntake
from recommender.records.events import Item, parse_item, without_picture_bytes
from recommender.records.record_fields import InvalidRecord

CHANGEABLE = ("title", "text", "attributes", "images", "hidden")
_SOONEST = timedelta(microseconds=1)


class StillFilling(Unavailable):
    """The newest records of items are not known yet."""

    def __init__(self) -> None:
        FreshetError.__init__(
            self,
            "the item records are being filled from the journal, after an upgrade or a loss, so "
            "there is nothing to change yet; send it again in some minutes",
        )


class ItemChanges:
    """Changes items. Threads may share it.

    Changes through one gateway follow one another. When two gateways change an item at the same
    moment, one change may replace the other.
    """

    def __init__(
        self,
        item_records: ItemRecords,
        intake: RecordIntake,
        *,
        new_id: Callable[[], str],
        is_filling: Callable[[], bool],
    ) -> None:
        self._item_records = item_records
        self._intake = intake
        self._new_id = new_id
        self._is_filling = is_filling
        self._one_at_a_time = threading.Lock()

    def merge(self, item_id: str, change: Mapping[str, object]) -> KnownItem:
        """Merge fields into an item's newest record (RFC 7396), and return the result.

        Raise UnknownItem, InvalidRecord, or Unavailable, after which nothing has changed: also
        while `is_filling` returns that the records are being filled.
        """
        unknown = sorted(name for name in change if name not in CHANGEABLE)
        if unknown:
            expected = f"one of {', '.join(CHANGEABLE)}"
            raise InvalidRecord(unknown[0], problem="an unknown field", expected=expected)
        with self._one_at_a_time:
            known = self._find(item_id)
            record = merge_into(known.record, change, at=_after(known), event_id=self._new_id())
            self._intake.add(record)
        record = without_picture_bytes(record)
        return KnownItem(record=record, first_at=known.first_at)

    def delete(self, item_id: str) -> Item:
        """Delete an item and return the record that says so; raise UnknownItem or Unavailable.

        The record keeps the title alone, which each record has.
        """
        with self._one_at_a_time:
            known = self._find(item_id)
            record = Item(
                event_id=self._new_id(),
                item_id=item_id,
                title=known.record.title,
                at=_after(known),
                hidden=True,
                deleted=True,
            )
            self._intake.add(record)
        return record

    def _find(self, item_id: str) -> KnownItem:
        if self._is_filling():
            # an older record than the newest would win, with the change's own time
            raise StillFilling()
        self._intake.catch_up()  # or the change would undo one that was answered already
        known = self._item_records.find([item_id]).get(item_id)
        if known is None:
            raise UnknownItem(item_id)
        return known


def merge_into(record: Item, change: Mapping[str, object], *, at: datetime, event_id: str) -> Item:
    """Return the record after a JSON merge patch; raise InvalidRecord."""
    fields = {
        "title": record.title,
        "text": record.text,
        "attributes": _json_attributes(record),
        "images": list(record.images),
        "hidden": record.hidden,
    }
    values = _merge(fields, change)
    assert isinstance(values, dict)
    own = {"item_id": record.item_id, "event_id": event_id, "at": at.isoformat()}
    return parse_item(values | own, now=at, new_id=lambda: event_id)


def _merge(target: object, patch: object) -> object:
    """Apply a JSON merge patch, as RFC 7396 defines it in section 2."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name), value)
    return result


def _json_attributes(record: Item) -> dict[str, object]:
    attributes: dict[str, object] = {}
    for name, value in record.attributes.items():
        attributes[name] = list(value) if isinstance(value, tuple) else value
    return attributes


def _after(known: KnownItem) -> datetime:
    """Return the present, or the moment after a record whose sender's clock is ahead."""
    return max(datetime.now(UTC), known.record.at + _SOONEST)
