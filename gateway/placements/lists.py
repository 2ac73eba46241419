"""Recommendations for a placement: its rules before the model's list, its pins after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cron.placement import CopyPolicy, Placement
from cron.ports import ItemRecords
from gateway.bodies.propensities import PropensitiesAnswer
from gateway.bodies.recommendations import (
    FallbackAnswer,
    FallbackItem,
    PinnedItem,
    RankedAnswer,
    RankedItem,
)
from gateway.bodies.refusal import Refusal
from gateway.experiments.arm_answers import ArmAnswers
from gateway.experiments.running import (
    ArmOfList,
    InterleavedArms,
    RunningExperiments,
)
from gateway.experiments.running_trial import RunningTrial
from gateway.items.shown_attributes import with_attributes, without_private_reasons
from gateway.model.recommendation_request import RecommendationRequest
from gateway.model.recommendations import Answered, Recommendations
from gateway.placements.interleaved import TeamList, interleave, of_the_list
from gateway.placements.named import NamedPlacements
from gateway.placements.new_items import NewItems
from gateway.placements.pins import ShownPin, with_pins
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

    def without_counts(self) -> PlacementLists:
        """Return the same lists for questions that nobody waits for: arms do not count them."""
        return PlacementLists(
            self._recommendations,
            self._placements,
            self._item_records,
            replace(self._experiments, answers=ArmAnswers(lambda _counts: None)),
            private_attributes=self._private_attributes,
        )

    async def answer(self, request: RecommendationRequest) -> Answered:
        """Return the list; raise BadRequest for a placement that there is not."""
        answered = await self._list_for(request)
        if isinstance(answered, Refusal):
            return answered
        if isinstance(answered, RankedAnswer) and request.explain:
            items = without_private_reasons(answered.items, self._private_attributes)
            answered = replace(answered, items=items)
        if request.session_id is not None:
            answered = replace(answered, session_id=request.session_id)
        if not request.attributes:
            return answered
        records, names = self._item_records, request.attributes
        if isinstance(answered, FallbackAnswer):
            popular = await with_attributes(answered.items, names, records)
            return replace(answered, items=popular)
        return replace(answered, items=await with_attributes(answered.items, names, records))

    def copy_policies(
        self, request: RecommendationRequest, answered: RankedAnswer | FallbackAnswer
    ) -> Sequence[CopyPolicy]:
        """Return which text each item may have, and after them the title of the list.

        It is by the placement and by the arm; in an interleaved list by the arm that picked the
        item, and for the title and what no arm picked by the placement.
        """
        by_name, placement = self._placements.by_name, None
        if request.placement is not None:
            placement = by_name.get(request.placement)
        running = self._experiments.running
        found = running.find(request.visitor_id, request.placement, datetime.now(UTC))
        of_team: dict[str | None, CopyPolicy] = {}
        match found:
            case ArmOfList() if found.arm.name == answered.arm:
                placement = running.placement_in(found, placement, by_name)
            case InterleavedArms() if found.first.experiment == answered.experiment:
                for one in (found.first, found.second):
                    in_arm = running.placement_in(one, placement, by_name)
                    of_team[one.arm.name] = _copy_of(in_arm)
        own = _copy_of(placement)
        return [*(of_team.get(_team_of(item), own) for item in answered.items), own]

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
            request.visitor_id, request.placement, datetime.now(UTC)
        )
        tried = self._experiments.trial.find(request.visitor_id)
        if tried is not None:
            # a list of an experiment keeps its arm: the candidate makes some of both arms' lists
            request = replace(request, version=tried.version)
            found = found or tried.arm
        match found:
            case None:
                return await self._answer_by(request, placement)
            case ArmOfList():
                return await self._answer_in_arm(request, placement, found)
            case InterleavedArms():
                return await self._answer_interleaved(request, placement, found)

    async def _answer_in_arm(
        self, request: RecommendationRequest, placement: Placement | None, found: ArmOfList
    ) -> Answered:
        """Answer by the rules of an arm; where they are refused, as without an experiment.

        The visitor gets a list in any case, and the arm an error.
        """
        began = time.perf_counter()
        by_name = self._placements.by_name
        in_arm = self._experiments.running.placement_in(found, placement, by_name)
        before, request = request, _by_release(request, found)
        answered = await self._answer_by(request, in_arm)
        is_error = found.lacks_placement(by_name)
        if isinstance(answered, Refusal) and (in_arm is not placement or request is not before):
            answered, is_error = await self._answer_by(before, placement), True
        if isinstance(answered, Refusal):  # because of the request itself
            return answered
        seconds = time.perf_counter() - began
        is_error = is_error or _is_by_another(answered, request.version)
        self._experiments.answers.count(found, seconds=seconds, is_error=is_error)
        return replace(answered, experiment=found.experiment, arm=found.arm.name)

    async def _answer_interleaved(
        self, request: RecommendationRequest, placement: Placement | None, found: InterleavedArms
    ) -> Answered:
        """Draft the lists of two arms into one.

        Where one of them fails, the list is as without an experiment, and not part of it.
        """
        first, second = await asyncio.gather(
            self._list_of_team(request, placement, found.first),
            self._list_of_team(request, placement, found.second),
        )
        match first.answered, second.answered:
            case RankedAnswer() as one, RankedAnswer() as other if (
                first.is_of_arm and second.is_of_arm
            ):
                drafted = interleave(
                    TeamList(arm=found.first.arm.name, answer=one),
                    TeamList(arm=found.second.arm.name, answer=other),
                    experiment=found.first.experiment,
                    k=first.k,
                )
                return with_pins(drafted, first.pins, k=first.k)
            case FallbackAnswer() as popular, _:
                return with_pins(popular, first.pins, k=first.k)
            case _, FallbackAnswer() as popular:
                return with_pins(popular, second.pins, k=second.k)
        return await self._answer_by(request, placement)

    async def _list_of_team(
        self, request: RecommendationRequest, placement: Placement | None, found: ArmOfList
    ) -> _Unpinned:
        """Ask for the list of an arm; count its time, and whether the arm could not make it."""
        began = time.perf_counter()
        by_name = self._placements.by_name
        in_arm = self._experiments.running.placement_in(found, placement, by_name)
        asked = _by_release(request, found)
        unpinned = await self._ask(asked, of_the_list(in_arm, placement))
        answered = unpinned.answered
        is_refused = isinstance(answered, Refusal)
        is_of_another = not isinstance(answered, Refusal) and _is_by_another(
            answered, asked.version
        )
        if not is_refused or in_arm is not placement or asked is not request:
            self._experiments.answers.count(
                found,
                seconds=time.perf_counter() - began,
                is_error=is_refused or is_of_another or found.lacks_placement(by_name),
            )
        return replace(unpinned, is_of_arm=not is_of_another)

    async def _answer_by(
        self, request: RecommendationRequest, placement: Placement | None
    ) -> Answered:
        unpinned = await self._ask(request, placement)
        if isinstance(unpinned.answered, Refusal):
            return unpinned.answered
        return with_pins(unpinned.answered, unpinned.pins, k=unpinned.k)

    async def _ask(self, request: RecommendationRequest, placement: Placement | None) -> _Unpinned:
        """Ask for the list by the rules of a placement. An older release gets those it knows."""
        events = await self._recommendations.stored_events(request)
        if placement is None:
            answered = await self._recommendations.answer(request, events)
            return _Unpinned(answered=answered, pins=(), k=request.k)
        found = await self._placing.place(request, placement, events)
        policy = await policy_question(placement.policy, self._sources, found.at)
        placed = replace(found.request, policy=policy)
        not_applied = tuple[str, ...]()
        answered = await self._recommendations.answer(placed, events)
        if isinstance(answered, Refusal):
            known = for_older_release(placed, placement, answered)
            if known is not None:
                applied = rule_names(known)
                not_applied = tuple(name for name in rule_names(placed) if name not in applied)
                answered = await self._recommendations.answer(known, events)
        if not isinstance(answered, Refusal):
            not_applied = (*answered.not_applied, *not_applied)
            answered = replace(answered, placement=placed.placement, not_applied=not_applied)
        return _Unpinned(answered=answered, pins=found.pins, k=placed.k)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unpinned:
    """An answer, and the pins that the list of k items still lacks.

    `is_of_arm` is false if another release than the arm's made it.
    """

    answered: Answered
    pins: Sequence[ShownPin]
    k: int
    is_of_arm: bool = True


def _by_release(request: RecommendationRequest, found: ArmOfList) -> RecommendationRequest:
    """Return the question for the release of an arm, if it has one of its own."""
    release = found.arm.release
    return request if release is None else replace(request, version=release)


def _is_by_another(answered: RankedAnswer | FallbackAnswer, version: int | None) -> bool:
    """Return whether the live release answered in place of a side version.

    A fallback is no error of that version: nothing answered at all.
    """
    is_ranked = isinstance(answered, RankedAnswer)
    return is_ranked and version not in (None, answered.model_version)


def _copy_of(placement: Placement | None) -> CopyPolicy:
    return "writer" if placement is None else placement.copy


def _team_of(item: RankedItem | PinnedItem | FallbackItem) -> str | None:
    return item.team if isinstance(item, RankedItem) else None
