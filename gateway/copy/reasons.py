"""The reasons of a list's items, as briefs need them: without anything that is hidden."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from copywriter.brief import BriefItem, SharedFact
from copywriter.list_briefs import ListReason
from gateway.bodies.recommendations import (
    FactPath,
    FallbackItem,
    ItemReason,
    PinnedItem,
    RankedItem,
)
from gateway.copy.described_items import DescribedItem

ShownItem = RankedItem | PinnedItem | FallbackItem
NEAR_ITEMS = 2  # of the history, in a text


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonedItem:
    """An item of a list, and why it is there."""

    item: BriefItem
    reason: ListReason


def ids_to_read(items: Sequence[ShownItem]) -> list[str]:
    """Return the ids of the items and of those that their reasons name, each once."""
    ids: dict[str, None] = {}
    for item in items:
        ids[item.id] = None
        reason = reason_of(item)
        if reason is not None:
            ids.update(dict.fromkeys(near.id for near in reason.nearest[:NEAR_ITEMS]))
            ids.update(dict.fromkeys(path.item.id for path in reason.facts or ()))
    return list(ids)


def reasoned_item(
    item: ShownItem, known: Mapping[str, DescribedItem], private: Collection[str]
) -> ReasonedItem:
    """Return an item with its reason, by the newest records; `known` has those of `ids_to_read`."""
    reason = reason_of(item)
    described = newest_item(item.id, item.title, known)
    if reason is None:
        return ReasonedItem(item=described, reason=ListReason())
    near = [one for one in reason.nearest[:NEAR_ITEMS] if not is_hidden(one.id, known)]
    return ReasonedItem(
        item=described,
        reason=ListReason(
            nearest=[newest_item(one.id, one.title, known) for one in near],
            facts=_shared_facts(reason, known, private),
            is_popular=reason.popular,
            is_new=reason.new,
        ),
    )


def reason_of(item: ShownItem) -> ItemReason | None:
    """Return why an item is in its list; a pinned one has no reason."""
    return None if isinstance(item, PinnedItem) else item.reason


def newest_item(item_id: str, title: str | None, known: Mapping[str, DescribedItem]) -> BriefItem:
    """Return an item by its newest record, or by its title alone."""
    found = known.get(item_id)
    return BriefItem(title=title) if found is None else found.item


def is_hidden(item_id: str, known: Mapping[str, DescribedItem]) -> bool:
    """Return whether the newest record of an item hides it."""
    found = known.get(item_id)
    return found is not None and found.is_hidden


def _shared_facts(
    reason: ItemReason, known: Mapping[str, DescribedItem], private: Collection[str]
) -> list[SharedFact]:
    """Return the facts that a text may state; an attribute that counts as a fact may be private."""
    found = []
    for path in reason.facts or ():
        fact = _shared_fact(path)
        is_public = fact is not None and fact.relation not in private
        if fact is not None and is_public and not is_hidden(path.item.id, known):
            found.append(fact)
    return found


def _shared_fact(path: FactPath) -> SharedFact | None:
    """Return a path as a fact; None if the two items have different relations to the entity."""
    title, relation = path.item.title, path.relation or path.item_relation
    if title is None or relation is None:
        return None
    if path.via is None:
        return SharedFact(title=title, relation=relation, is_direct=True)
    if path.relation != path.item_relation:
        return None
    return SharedFact(title=title, relation=relation, name=path.via.name)
