"""Recommendations for a placement: its rules before the model's list, its pins after it."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cron.past_event import PastEvent
from cron.placement import Placement
from cron.ports import ItemRecords
from gateway.bodies.propensities import PropensitiesAnswer
from gateway.bodies.recommendations import FallbackAnswer, RankedAnswer
from gateway.bodies.refusal import Refusal
from gateway.experiments.arm_answers import ArmAnswers
from gateway.experiments.running import ArmOfList, RunningExperiments
from gateway.experiments.running_trial import RunningTrial
from gateway.items.shown_attributes import with_attributes, without_private_reasons
from gateway.model.recommendation_request import RecommendationRequest
from gateway.model.recommendations import Answered, Recommendations
from gateway.placements.named import NamedPlacements
from gateway.placements.new_items import NewItems
from gateway.placements.pins import ShownPin, popular_with_pins, ranked_with_pins
from gateway.placements.placing import Placing
from gateway.placements.policies import (
    GREEDY,
    PolicySources,
    explain_older_release,
    for_older_release,
    policy_question,
    propensity_question,
    rule_names,
)
from gateway.placements.propensities import PropensitiesRequest, propensities_answer
from recommender.requests.list_policy import learns_from_rewards


@dataclass(frozen=True, slots=True, kw_only=True)
class ListExperiments:
    """The running experiments, the candidate on trial, and the counts of the arms' answers."""

    running: RunningExperiments
    trial: RunningTrial
    answers: ArmAnswers


class PlacementLists:
    """Answers recommendation requests with and without a placement."""

    def __init__(
        self,
        recommendations: Recommendations,
        placements: NamedPlacements,
        item_records: ItemRecords,
        experiments: ListExperiments,
        *,
        private_attributes: Collection[str],
    ) -> None:
        self._experiments = experiments
        self._private_attributes = frozenset(private_attributes)
        self._recommendations = recommendations
        self._placements = placements
        self._item_records = item_records
        new_items = NewItems(item_records)
        self._sources = PolicySources(new_items=new_items, posteriors=placements.posteriors)
        self._placing = Placing(item_records, new_items)

    async def answer(self, request: RecommendationRequest) -> Answered:
        """Return the list; raise BadRequest for a placement that there is not."""
        answered = await self._list_for(request)
        if isinstance(answered, RankedAnswer) and request.explain:
            items = without_private_reasons(answered.items, self._private_attributes)
            answered = replace(answered, items=items)
        if isinstance(answered, Refusal) or not request.attributes:
            return answered
        records, names = self._item_records, request.attributes
        if isinstance(answered, FallbackAnswer):
            popular = await with_attributes(answered.items, names, records)
            return replace(answered, items=popular)
        return replace(answered, items=await with_attributes(answered.items, names, records))

    async def propensities(self, asked: PropensitiesRequest) -> PropensitiesAnswer | Refusal:
        """Return how probable a list would have been; experiments are left out of account.

        Raise BadRequest for a placement that there is not, NoAnswer, TooLarge or Overloaded.
        """
        request, placement = asked.request, None
        events = await self._recommendations.stored_events(request)
        at, pinned = request.at or datetime.now(UTC), frozenset[str]()
        if request.placement is not None:
            placement = self._placements.find(request.placement)
            placed = await self._placing.place(request, placement, events)
            request, pinned = placed.request, frozenset(pin.item_id for pin in placed.pins)
        policy = asked.policy or (placement.policy if placement is not None else None) or GREEDY
        if request.at is not None and learns_from_rewards(policy.name):
            self._sources.posteriors.refuse_earlier(request.at)
        question = await propensity_question(policy, self._sources, at)
        chosen = [item_id for item_id in asked.items if item_id not in pinned]
        found = await self._recommendations.propensities(
            replace(request, policy=question),
            events,
            chosen,
            alternatives=asked.alternatives,
        )
        if isinstance(found, Refusal):
            return explain_older_release(found)
        return propensities_answer(found, asked, pinned)

    async def _list_for(self, request: RecommendationRequest) -> Answered:
        placement = None
        if request.placement is not None:
            placement = self._placements.find(request.placement)
        found = self._experiments.running.find(
            request.user_id, request.placement, datetime.now(UTC)
        )
        tried = self._experiments.trial.find(request.user_id)
        if tried is not None:
            # a list of an experiment keeps its arm: the candidate makes some of both arms' lists
            request = replace(request, version=tried.version)
            found = found or tried.arm
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
        is_error = found.lacks_placement(by_name)
        if isinstance(answered, Refusal) and in_arm is not placement:
            answered, is_error = await self._answer_by(request, placement), True
        if isinstance(answered, Refusal):  # because of the request itself
            return answered
        seconds = time.perf_counter() - began
        is_error = is_error or _is_by_another(answered, request.version)
        self._experiments.answers.count(found, seconds=seconds, is_error=is_error)
        return replace(answered, experiment=found.experiment, arm=found.arm.name)

    async def _answer_by(
        self, request: RecommendationRequest, placement: Placement | None
    ) -> Answered:
        events = await self._recommendations.stored_events(request)
        if placement is None:
            return await self._recommendations.answer(request, events)
        placed = await self._placing.place(request, placement, events)
        policy = await policy_question(placement.policy, self._sources, placed.at)
        asked = replace(placed.request, policy=policy)
        return await self._answer_placed(asked, placement, events, placed.pins)

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


def _is_by_another(answered: RankedAnswer | FallbackAnswer, version: int | None) -> bool:
    """Return whether the live release answered in place of a side version.

    A fallback is no error of that version: nothing answered at all.
    """
    is_ranked = isinstance(answered, RankedAnswer)
    return is_ranked and version not in (None, answered.model_version)
