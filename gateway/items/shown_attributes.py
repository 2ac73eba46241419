"""The attributes that a list shows with each item, from the items' newest records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from cron.ports import ItemRecords
from gateway.bodies.item_lists import NewItem, PopularItemAnswer, SimilarItem, TrendingItem
from gateway.bodies.items import Attributes
from gateway.bodies.recommendations import FallbackItem, PinnedItem, RankedItem
from gateway.bodies.search import FoundItem
from recommender.records.events import AttributeValue
from recommender.requests.body_fields import read_list, read_text

MAX_NAMES = 20
MAX_EXACT = 2**53  # of whole numbers in a float
_FIELD = "attributes"

Listed = TypeVar(
    "Listed",
    bound=FallbackItem
    | FoundItem
    | NewItem
    | PinnedItem
    | PopularItemAnswer
    | RankedItem
    | SimilarItem
    | TrendingItem,
)


def read_names(raw: object) -> tuple[str, ...]:
    """Return the names of attributes to show, each once; raise BadRequest."""
    names = [read_text(name, _FIELD) for name in read_list(raw, _FIELD, limit=MAX_NAMES)]
    return tuple(dict.fromkeys(names))


async def with_attributes(
    items: Sequence[Listed], names: Sequence[str], item_records: ItemRecords
) -> tuple[Listed, ...]:
    """Return the items with these attributes; without a name, as they are.

    An item without a record has none of them.
    """
    if not names or not items:
        return tuple(items)
    known = await run_in_threadpool(item_records.find, [item.id for item in items])
    shown: list[Listed] = []
    for item in items:
        found = known[item.id].record.attributes if item.id in known else {}
        shown.append(replace(item, attributes=attributes_json(found, names)))
    return tuple(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownName:
    """An item's title, and the attributes that were asked for; None without a name of one."""

    title: str | None
    attributes: Attributes | None


async def name_of(item_id: str, names: Sequence[str], item_records: ItemRecords) -> ShownName:
    """Return how lists would show an item; one that is hidden or has no record has no title."""
    known = (await run_in_threadpool(item_records.find, [item_id])).get(item_id)
    title: str | None = None
    attributes: Mapping[str, AttributeValue] = {}
    if known is not None and not known.record.hidden:
        title, attributes = known.record.title, known.record.attributes
    return ShownName(title=title, attributes=attributes_json(attributes, names) if names else None)


def without_private_reasons(
    items: Sequence[RankedItem | PinnedItem], private_attributes: Collection[str]
) -> tuple[RankedItem | PinnedItem, ...]:
    """Return the items with reasons that name none of these attributes as shared."""
    return tuple(_without_private(item, private_attributes) for item in items)


def _without_private(
    item: RankedItem | PinnedItem, private_attributes: Collection[str]
) -> RankedItem | PinnedItem:
    if isinstance(item, PinnedItem) or item.reason is None:
        return item
    shared = item.reason.shared
    left = {name: shared[name] for name in shared if name not in private_attributes}
    return replace(item, reason=replace(item.reason, shared=left))


def attributes_json(
    attributes: Mapping[str, AttributeValue], names: Sequence[str] | None = None
) -> Attributes:
    """Return the attributes of these names, or all of them, in the form of answers."""
    kept = attributes if names is None else [name for name in names if name in attributes]
    return {name: _plain(attributes[name]) for name in kept}


def _plain(value: AttributeValue) -> str | int | float | tuple[str, ...]:
    """Return 2026 for 2026.0, as its sender wrote it."""
    if isinstance(value, float) and value.is_integer() and abs(value) < MAX_EXACT:
        return int(value)
    return value
