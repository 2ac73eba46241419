"""Recommendations for a placement: its rules before the model's list, its pins after it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool

from cron.past_event import PastEvent
from cron.placement import Placement
from cron.ports import Histories, ItemRecords
from gateway.bodies.recommendations import FallbackAnswer
from gateway.bodies.refusal import Refusal
from gateway.experiments.arm_answers import ArmAnswers
from gateway.experiments.running import ArmOfList, RunningExperiments
from gateway.items.matching import item_filter
from gateway.items.shown_attributes import with_attributes
from gateway.model.recommendation_request import RecommendationRequest
from gateway.model.recommendations import Answered, Recommendations
from gateway.placements.named import NamedPlacements
from gateway.placements.new_items import NewItems
from gateway.placements.pins import ShownPin, popular_with_pins, ranked_with_pins
from gateway.placements.policies import for_older_release, policy_question, rule_names
from gateway.placements.rules import (
    apply_placement,
    excluded_ids,
    leaves_out_seen,
    list_length,
    wanted_values,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListExperiments:
    """The running experiments, and the counts of the answers in their arms."""

    running: RunningExperiments
    answers: ArmAnswers


class PlacementLists:
    """Answers recommendation requests with and without a placement."""

    def __init__(
        self,
        recommendations: Recommendations,
        placements: NamedPlacements,
        histories: Histories,
        item_records: ItemRecords,
        experiments: ListExperiments,
    ) -> None:
        self._experiments = experiments
        self._recommendations = recommendations
        self._placements = placements
        self._histories = histories
        self._item_records = item_records
        self._new_items = NewItems(item_records)

    async def answer(self, request: RecommendationRequest) -> Answered:
        """Return the list; raise BadRequest for a placement that there is not."""
        answered = await self._list_for(request)
        if isinstance(answered, Refusal) or not request.attributes:
            return answered
        records, names = self._item_records, request.attributes
        if isinstance(answered, FallbackAnswer):
            popular = await with_attributes(answered.items, names, records)
            return replace(answered, items=popular)
        return replace(answered, items=await with_attributes(answered.items, names, records))

    async def _list_for(self, request: RecommendationRequest) -> Answered:
        placement = None
        if request.placement is not None:
            placement = self._placements.find(request.placement)
        found = self._experiments.running.find(
            request.user_id, request.placement, datetime.now(UTC)
        )
        if found is None:
            return await self._answer_by(request, placement)
        return await self._answer_in_arm(request, placement, found)

    async def _answer_in_arm(
        self, request: RecommendationRequest, placement: Placement | None, found: ArmOfList
    ) -> Answered:
        """Answer by the rules of an arm; where they are refused, as without an experiment.

        The visitor gets a list in any case, and the arm an error.
        """
        began = time.perf_counter()
        by_name = self._placements.by_name
        in_arm = self._experiments.running.placement_in(found, placement, by_name)
        answered = await self._answer_by(request, in_arm)
        is_error = False
        if isinstance(answered, Refusal) and in_arm is not placement:
            answered, is_error = await self._answer_by(request, placement), True
        if isinstance(answered, Refusal):  # because of the request itself
            return answered
        seconds = time.perf_counter() - began
        self._experiments.answers.count(found, seconds=seconds, is_error=is_error)
        return replace(answered, experiment=found.experiment, arm=found.arm.name)

    async def _answer_by(
        self, request: RecommendationRequest, placement: Placement | None
    ) -> Answered:
        events = await self._recommendations.stored_events(request)
        if placement is None:
            return await self._recommendations.answer(request, events)
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
        policy = await policy_question(placement.policy, self._new_items, at)
        return await self._answer_placed(replace(placed, policy=policy), placement, events, pins)

    async def _answer_placed(
        self,
        placed: RecommendationRequest,
        placement: Placement,
        events: Sequence[PastEvent],
        pins: Sequence[ShownPin],
    ) -> Answered:
        """Ask for the list and place the pins. An older release gets the rules that it knows."""
        not_applied = tuple[str, ...]()
        answered = await self._recommendations.answer(placed, events)
        if isinstance(answered, Refusal):
            known = for_older_release(placed, placement, answered)
            if known is None:
                return answered
            applied = rule_names(known)
            not_applied = tuple(name for name in rule_names(placed) if name not in applied)
            answered = await self._recommendations.answer(known, events)
        if isinstance(answered, Refusal):
            return answered
        if isinstance(answered, FallbackAnswer):
            return replace(
                answered,
                items=popular_with_pins(answered.items, pins, k=placed.k),
                placement=placed.placement,
                not_applied=(*answered.not_applied, *not_applied),
            )
        return replace(
            answered,
            items=ranked_with_pins(answered.items, pins, k=placed.k),
            placement=placed.placement,
            not_applied=(*answered.not_applied, *not_applied),
        )

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
