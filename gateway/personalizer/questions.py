"""Rank requests as questions of the bandit, and its choices as answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from cron.contextual.choice import ActionChoice, ActionQuestion, Mode, choose
from cron.contextual.example import Example
from cron.contextual.features import FeatureVector, WrongFeatures, hash_features
from cron.contextual.linear_model import LinearModel
from cron.contextual.slots import SlotPlan
from gateway.bodies.personalizer import (
    MultiSlotRankRequest,
    MultiSlotRankResponse,
    RankableAction,
    RankedAction,
    RankRequest,
    RankResponse,
    SlotRequest,
    SlotResponse,
)
from gateway.errors import BadQuery

ONE_SLOT = ""  # the slot of an answer with one choice
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedSlots(Generic[Answer]):
    """An answer, and the example of each slot."""

    answer: Answer
    examples: Mapping[str, Example]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceRules:
    """How actions are chosen."""

    mode: Mode
    epsilon: float


def rank(
    model: LinearModel, asked: RankRequest, rules: ChoiceRules, *, event_id: str
) -> RankedSlots[RankResponse]:
    """Choose one action; raise BadQuery."""
    ids = _ids(asked.actions)
    allowed = [one not in (asked.excluded_actions or ()) for one in ids]
    if not any(allowed):
        raise BadQuery("excludedActions", "excludedActions: all actions are excluded; allow one")
    question = ActionQuestion(
        context=_context(asked.context_features, ()),
        actions=_actions(asked.actions),
        allowed=allowed,
        baseline=allowed.index(True),
    )
    choice = choose(model, question, mode=rules.mode, epsilon=rules.epsilon, seed=event_id)
    order = _order(choice, allowed, keeps_order=rules.mode == "apprentice")
    answer = RankResponse(
        ranking=tuple(
            RankedAction(id=ids[at], probability=_probability(choice, at)) for at in order
        ),
        event_id=event_id,
        reward_action_id=ids[choice.chosen],
    )
    return RankedSlots(answer=answer, examples={ONE_SLOT: choice.example})


def rank_slots(
    model: LinearModel, asked: MultiSlotRankRequest, rules: ChoiceRules, *, event_id: str
) -> RankedSlots[MultiSlotRankResponse]:
    """Choose an action for each slot, one slot after the other; raise BadQuery."""
    ids = _ids(asked.actions)
    places = {action_id: at for at, action_id in enumerate(ids)}
    plan = _plan(asked.slots, places)
    actions = _actions(asked.actions)
    chosen: list[SlotResponse] = []
    examples: dict[str, Example] = {}
    for slot in asked.slots:
        choices = plan.choices()
        baseline = places[slot.baseline_action]
        question = ActionQuestion(
            context=_context(asked.context_features, slot.features or ()),
            actions=actions,
            allowed=[at in choices for at in range(len(ids))],
            baseline=baseline if baseline in choices else None,
        )
        seed = f"{event_id}\0{slot.id}"
        choice = choose(model, question, mode=rules.mode, epsilon=rules.epsilon, seed=seed)
        plan.take(choice.chosen)
        chosen.append(SlotResponse(id=slot.id, reward_action_id=ids[choice.chosen]))
        examples[slot.id] = choice.example
    answer = MultiSlotRankResponse(slots=tuple(chosen), event_id=event_id)
    return RankedSlots(answer=answer, examples=examples)


def check_id(value: str, field: str) -> str:
    """Return an id that a database can hold; raise BadQuery."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadQuery(field, f"{field}: found half of a surrogate pair, expected text") from error
    if "\0" in value:
        raise BadQuery(field, f"{field}: found a NUL character, expected text")
    return value


def _plan(slots: Sequence[SlotRequest], places: Mapping[str, int]) -> SlotPlan:
    """Return the plan in which each slot has its baseline action; raise BadQuery."""
    _check_unique([check_id(slot.id, "slots") for slot in slots], "slots")
    _check_unique([slot.baseline_action for slot in slots], "baselineAction")
    for slot in slots:
        if slot.baseline_action not in places:
            raise BadQuery(
                "baselineAction",
                f"baselineAction: found {ascii(slot.baseline_action)[:80]}, expected one of the "
                "actions",
            )
        if slot.baseline_action in (slot.excluded_actions or ()):
            raise BadQuery(
                "baselineAction",
                "baselineAction: it is in excludedActions of its slot; allow it, or name another",
            )
    allowed = [
        {at for one, at in places.items() if one not in (slot.excluded_actions or ())}
        for slot in slots
    ]
    return SlotPlan(allowed, [places[slot.baseline_action] for slot in slots])


def _ids(actions: Sequence[RankableAction]) -> list[str]:
    ids = [action.id for action in actions]
    _check_unique(ids, "actions")
    return ids


def _check_unique(ids: Sequence[str], field: str) -> None:
    twice = next((one for at, one in enumerate(ids) if one in ids[:at]), None)
    if twice is not None:
        raise BadQuery(field, f"{field}: found {ascii(twice)[:80]} twice, expected different ids")


def _actions(actions: Sequence[RankableAction]) -> list[FeatureVector]:
    # an action without features is learned by its id
    with _name_field("actions"):
        return [
            hash_features("action", [{"id": action.id}, {"features": action.features or ()}])
            for action in actions
        ]


def _context(
    features: Sequence[Mapping[str, object]] | None, slot: Sequence[Mapping[str, object]]
) -> FeatureVector:
    with _name_field("contextFeatures"):
        return hash_features("context", [*(features or ()), {"slot": slot}])


@contextmanager
def _name_field(field: str) -> Iterator[None]:
    """Name the field whose features are wrong; raise BadQuery."""
    try:
        yield
    except WrongFeatures as error:
        raise BadQuery(field, f"{field}: {error}; see docs/personalizer.md") from error


def _order(choice: ActionChoice, allowed: Sequence[bool], *, keeps_order: bool) -> Iterable[int]:
    """Return the chosen action, then the others from the best on; excluded ones stay in place."""
    places = [at for at, is_allowed in enumerate(allowed) if is_allowed]
    scores = (0.0,) * len(allowed) if keeps_order else choice.scores
    ranked = iter(sorted(places, key=lambda at: (at != choice.chosen, -scores[at])))
    for at, is_allowed in enumerate(allowed):
        yield next(ranked) if is_allowed else at


def _probability(choice: ActionChoice, at: int) -> float:
    # the sum of many shares may be a rounding error over 1
    return min(1.0, choice.probabilities[at])
