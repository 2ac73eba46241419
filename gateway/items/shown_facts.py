"""The facts that an answer shows of an item, with the names of what it is related to."""

from __future__ import annotations

from cron.ports import ItemRecords
from gateway.bodies.facts import ItemFact
from recommender.records.facts import NAME

MAX_FACTS = 200  # of one item


def facts_of(item_id: str, item_records: ItemRecords) -> tuple[ItemFact, ...] | None:
    """Return the first facts of an item, by relation and tail; None if it has none."""
    facts = item_records.facts([item_id], limit=MAX_FACTS).get(item_id)
    if facts is None:
        return None
    tails = list(dict.fromkeys(fact.tail for fact in facts))
    names = {
        tail: found[0].tail
        for tail, found in item_records.facts(tails, relation=NAME, limit=1).items()
    }
    for tail, known in item_records.find(tails).items():
        if not known.record.hidden:
            names[tail] = known.record.title
    return tuple(
        ItemFact(relation=fact.relation, tail=fact.tail, name=names.get(fact.tail))
        for fact in facts
    )
