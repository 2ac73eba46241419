"""The slate of an answer, and whether a log can hold it."""

from __future__ import annotations

from datetime import datetime

from gateway.bodies.recommendations import (
    FallbackAnswer,
    FallbackItem,
    PinnedItem,
    RankedAnswer,
    RankedItem,
)
from recommender.records.events import from_json, to_json
from recommender.records.ids import are_plain_ids, wrong_id
from recommender.records.record_fields import InvalidRecord
from recommender.records.slates import Slate

ServedAnswer = RankedAnswer | FallbackAnswer
_PLAIN_ITEMS = 200  # lists of this many plain ids are far below the largest record


def slate_of_answer(answer: ServedAnswer, *, at: datetime) -> Slate:
    """Return the record of a list as it is served now.

    An id that no user can have is that of a visitor without one.
    """
    user_id = answer.user_id
    return Slate(
        event_id=answer.recommendation_id,
        user_id=user_id if user_id is None or wrong_id(user_id) is None else None,
        placement=answer.placement,
        items=tuple([item.id for item in answer.items]),
        propensities=tuple([_propensity(item) for item in answer.items]),
        policy=answer.policy,
        version=answer.model_version,
        fallback=isinstance(answer, FallbackAnswer),
        arm=None if answer.arm is None else f"{answer.experiment}/{answer.arm}",
        at=at,
        scores=_scores(answer),
    )


def is_storable(slate: Slate) -> bool:
    """Return whether a log can hold a slate and read it back.

    A release may have items from before the rules for ids, and a long list of long ids may be
    larger than a record.
    """
    user_ids = () if slate.user_id is None else (slate.user_id,)
    if len(slate.items) <= _PLAIN_ITEMS and are_plain_ids((*slate.items, *user_ids)):
        return True
    try:
        return from_json(to_json(slate)) == slate
    except InvalidRecord:
        return False


def _scores(answer: ServedAnswer) -> tuple[float | None, ...] | None:
    if isinstance(answer, FallbackAnswer):
        return None
    return tuple([_score(item) for item in answer.items])


def _score(item: RankedItem | PinnedItem) -> float | None:
    return item.score if isinstance(item, RankedItem) else None


def _propensity(item: RankedItem | PinnedItem | FallbackItem) -> float | None:
    """Return the propensity of an item: 1 if no chance chose it; None for a pin."""
    match item:
        case PinnedItem():
            return None
        case RankedItem(propensity=float(propensity)):
            return propensity
        case _:
            return 1.0
