"""Pins: items at fixed positions of a list. They are applied after all other rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from gateway.bodies.recommendations import (
    FallbackAnswer,
    FallbackItem,
    PinnedItem,
    RankedAnswer,
    RankedItem,
    RuleMove,
)

RULE = "pins"
InList = TypeVar("InList", bound=RankedItem | FallbackItem | PinnedItem)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPin:
    """A pinned item that may be shown, and its position from 1."""

    position: int
    item_id: str
    title: str


def with_pins(
    answer: RankedAnswer | FallbackAnswer, pins: Sequence[ShownPin], *, k: int
) -> RankedAnswer | FallbackAnswer:
    """Return an answer of at most k items with the pinned ones at their positions."""
    if not pins:
        return answer
    if isinstance(answer, FallbackAnswer):
        return replace(answer, items=popular_with_pins(answer.items, pins, k=k))
    return replace(answer, items=ranked_with_pins(answer.items, pins, k=k))


def ranked_with_pins(
    items: Sequence[RankedItem | PinnedItem], pins: Sequence[ShownPin], *, k: int
) -> tuple[RankedItem | PinnedItem, ...]:
    """Return at most k items with the pinned ones at their positions.

    The others keep their order. In a list that is too short for a position, the pinned item comes
    last.
    """
    shown: list[RankedItem | PinnedItem] = []
    for rank, place in enumerate(_places([item.id for item in items], pins)[:k], 1):
        if isinstance(place, ShownPin):
            shown.append(_pin_at(place, rank))
        else:
            shown.append(_item_at(items[place], rank))
    return tuple(shown)


def popular_with_pins(
    items: Sequence[FallbackItem | PinnedItem], pins: Sequence[ShownPin], *, k: int
) -> tuple[FallbackItem | PinnedItem, ...]:
    """Return popular items with the pinned ones, as `ranked_with_pins` does."""
    shown: list[FallbackItem | PinnedItem] = []
    for rank, place in enumerate(_places([item.id for item in items], pins)[:k], 1):
        if isinstance(place, ShownPin):
            shown.append(_pin_at(place, rank))
        else:
            shown.append(_item_at(items[place], rank))
    return tuple(shown)


def _places(item_ids: Sequence[str], pins: Sequence[ShownPin]) -> list[int | ShownPin]:
    """Return the places of the items in the list before, with pins between them."""
    pinned_ids = {pin.item_id for pin in pins}
    places: list[int | ShownPin] = [
        place for place, item_id in enumerate(item_ids) if item_id not in pinned_ids
    ]
    for pin in sorted(pins, key=lambda pin: pin.position):
        places.insert(pin.position - 1, pin)
    return places


def _pin_at(pin: ShownPin, rank: int) -> PinnedItem:
    return PinnedItem(rank=rank, id=pin.item_id, title=pin.title)


def _item_at(item: InList, rank: int) -> InList:
    """Return an item at a rank; where moves were asked for, add the move by the pins."""
    if not isinstance(item, PinnedItem) and item.moved is not None and item.rank != rank:
        move = RuleMove(rule=RULE, before=item.rank, after=rank)
        return replace(item, rank=rank, moved=(*item.moved, move))
    return replace(item, rank=rank)
