"""Changes of single items: each is a whole new record in the event log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cron.known_item import KnownItem
from cron.ports import ItemRecords
from gateway.errors import UnknownItem
from gateway.intake.record_changes import RecordChanges, moment_after
from recommender.records.events import Item, parse_item, without_picture_bytes
from recommender.records.record_fields import InvalidRecord

CHANGEABLE = ("title", "text", "attributes", "images", "hidden")


class ItemChanges:
    """Changes items. Threads may share it.

    Changes through one gateway follow one another. When two gateways change an item at the same
    moment, one change may replace the other.
    """

    def __init__(self, item_records: ItemRecords, changes: RecordChanges) -> None:
        self._item_records = item_records
        self._changes = changes

    def merge(self, item_id: str, change: Mapping[str, object]) -> KnownItem:
        """Merge fields into an item's newest record (RFC 7396), and return the result.

        Raise UnknownItem, InvalidRecord, or Unavailable, after which nothing has changed.
        """
        unknown = sorted(name for name in change if name not in CHANGEABLE)
        if unknown:
            expected = f"one of {', '.join(CHANGEABLE)}"
            raise InvalidRecord(unknown[0], problem="an unknown field", expected=expected)
        with self._changes.turn():
            known = self._find(item_id)
            at, event_id = moment_after(known.record.at), self._changes.new_id()
            record = merge_into(known.record, change, at=at, event_id=event_id)
            self._changes.add(record)
        record = without_picture_bytes(record)
        return KnownItem(record=record, first_at=known.first_at)

    def delete(self, item_id: str) -> Item:
        """Delete an item and return the record that says so; raise UnknownItem or Unavailable.

        The record keeps the title alone, which each record has.
        """
        with self._changes.turn():
            known = self._find(item_id)
            record = Item(
                event_id=self._changes.new_id(),
                item_id=item_id,
                title=known.record.title,
                at=moment_after(known.record.at),
                hidden=True,
                deleted=True,
            )
            self._changes.add(record)
        return record

    def _find(self, item_id: str) -> KnownItem:
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
