"""Filters over the facts of items, for lists that are made without the model.

A relation is filtered by like an attribute: by the id of what it relates an item to, or by how that
is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cron.known_item import KnownItem
from cron.ports import ItemRecords
from gateway.items.matching import ItemFilter
from recommender.records.events import AttributeValue
from recommender.records.facts import NAME

MAX_FACTS = 200  # of one item and relation that are read

Attributes = Mapping[str, AttributeValue]


def matching_ids(
    wanted: ItemFilter, items: Sequence[KnownItem], item_records: ItemRecords
) -> frozenset[str]:
    """Return the ids of the items that match by their attributes and facts together."""
    found = {one.record.item_id for one in items if wanted.matches(one.record.attributes)}
    left = [one for one in items if one.record.item_id not in found]
    if left and wanted.wanted:
        facts = _fact_values([one.record.item_id for one in left], [*wanted.wanted], item_records)
        for one in left:
            of_facts = facts.get(one.record.item_id)
            if of_facts and wanted.matches(_merge(one.record.attributes, of_facts)):
                found.add(one.record.item_id)
    return frozenset(found)


def _fact_values(
    item_ids: Sequence[str], relations: Sequence[str], item_records: ItemRecords
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the ids and names that facts of these relations give items, by item and relation."""
    facts = [
        fact
        for relation in relations
        for of_item in item_records.facts(item_ids, relation=relation, limit=MAX_FACTS).values()
        for fact in of_item
    ]
    tails = list(dict.fromkeys(fact.tail for fact in facts))
    names = item_records.facts(tails, relation=NAME, limit=1) if tails else {}
    values: dict[str, dict[str, tuple[str, ...]]] = {}
    for fact in facts:
        called = tuple(one.tail for one in names.get(fact.tail, ()))
        of_item = values.setdefault(fact.head, {})
        of_item[fact.relation] = (*of_item.get(fact.relation, ()), fact.tail, *called)
    return values


def _merge(attributes: Attributes, facts: Mapping[str, tuple[str, ...]]) -> Attributes:
    merged: dict[str, AttributeValue] = dict(attributes)
    for name, values in facts.items():
        own = attributes.get(name, ())
        texts = own if isinstance(own, tuple) else (_text(own),)
        merged[name] = (*texts, *values)
    return merged


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"
