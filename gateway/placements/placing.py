"""The question of a list in its placement: rules, exclusions and the pins to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool

from cron.past_event import PastEvent
from cron.placement import Placement
from cron.ports import ItemRecords
from gateway.items.matching import item_filter
from gateway.model.recommendation_request import RecommendationRequest
from gateway.placements.new_items import NewItems
from gateway.placements.pins import ShownPin
from gateway.placements.rules import (
    apply_placement,
    excluded_ids,
    leaves_out_seen,
    list_length,
    wanted_values,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A question with its placement's rules but no policy, at a time, and the pins to show."""

    request: RecommendationRequest
    at: datetime
    pins: Sequence[ShownPin]


class Placing:
    """Applies placements to questions. For the event loop."""

    def __init__(self, item_records: ItemRecords, new_items: NewItems) -> None:
        self._item_records = item_records
        self._new_items = new_items

    async def place(
        self, request: RecommendationRequest, placement: Placement, events: Sequence[PastEvent]
    ) -> Placed:
        """Return the question with everything of the placement but its policy."""
        at = request.at or datetime.now(UTC)
        pins = await self._shown_pins(request, placement, events, at)
        bonuses = dict[str, float]()
        if placement.freshness is not None and placement.freshness.attribute is None:
            bonuses = await self._new_items.bonuses(placement.freshness, at)
        placed = apply_placement(
            request,
            placement,
            events,
            at=at,
            pinned=tuple(pin.item_id for pin in pins),
            bonuses=bonuses,
        )
        return Placed(request=placed, at=at, pins=pins)

    async def _shown_pins(
        self,
        request: RecommendationRequest,
        placement: Placement,
        events: Sequence[PastEvent],
        at: datetime,
    ) -> Sequence[ShownPin]:
        """Return the pins in force whose items may be shown, with their titles.

        A pin is not shown when a filter or an exclusion leaves its item out, or when the item is
        hidden or has no record.
        """
        k = list_length(request, placement)
        pins = [pin for pin in placement.pins if pin.is_in_force(at) and pin.position <= k]
        unwanted = excluded_ids(placement, request.history, events, at=at) | {*request.exclude}
        unwanted |= {request.context} if request.context is not None else set()
        if leaves_out_seen(request, placement):
            unwanted |= {event.item_id for event in events}
            unwanted |= {one.name.value for one in request.history if one.name.kind != "text"}
        pins = [pin for pin in pins if pin.item_id not in unwanted]
        if request.candidates is not None:
            candidates = frozenset(request.candidates)
            pins = [pin for pin in pins if pin.item_id in candidates]
        if not pins:
            return ()
        wanted = [item_filter(wanted_values(placement)), item_filter(request.filter)]
        known = await run_in_threadpool(self._item_records.find, [pin.item_id for pin in pins])
        shown = []
        for pin in pins:
            item = known.get(pin.item_id)
            if item is None or item.record.hidden:
                continue
            if all(one.matches(item.record.attributes) for one in wanted):
                title = item.record.title
                shown.append(ShownPin(position=pin.position, item_id=pin.item_id, title=title))
        return shown
