"""Facts in reasons: items that were hidden since the release must not appear in them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from gateway.bodies.recommendations import FactPath, ItemReason
from gateway.model.answers import ModelItem


def named_in_facts(items: Sequence[ModelItem]) -> list[str]:
    """Return the ids that the facts in the reasons of items name, each once."""
    ids: dict[str, None] = {}
    for item in items:
        for path in _paths(item.reason):
            ids.update(dict.fromkeys(_ids_of(path)))
    return list(ids)


def without_hidden(reason: ItemReason | None, hidden: Set[str]) -> ItemReason | None:
    """Return a reason without the facts that name a hidden item."""
    if reason is None or reason.facts is None:
        return reason
    return replace(
        reason, facts=tuple(one for one in reason.facts if hidden.isdisjoint(_ids_of(one)))
    )


def _paths(reason: ItemReason | None) -> Sequence[FactPath]:
    return (reason.facts or ()) if reason is not None else ()


def _ids_of(path: FactPath) -> tuple[str, ...]:
    return (path.item.id,) if path.via is None else (path.item.id, path.via.id)
