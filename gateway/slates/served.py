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
    teams = tuple([_team(item) for item in answer.items])
    return Slate(
        event_id=answer.recommendation_id,
        user_id=_valid_id(answer.user_id),
        session_id=_valid_id(answer.session_id),
        placement=answer.placement,
        items=tuple([item.id for item in answer.items]),
        propensities=tuple([_propensity(item) for item in answer.items]),
        policy=answer.policy,
        version=answer.model_version,
        fallback=isinstance(answer, FallbackAnswer),
        arm=answer.experiment if answer.arm is None else f"{answer.experiment}/{answer.arm}",
        at=at,
        scores=_scores(answer),
        teams=teams if any(teams) else None,
        greedy_ranks=_greedy_ranks(answer),
    )


def is_storable(slate: Slate) -> bool:
    """Return whether a log can hold a slate and read it back.

    A release may have items from before the rules for ids, and a long list of long ids may be
    larger than a record.
    """
    visitors = () if slate.visitor_id is None else (slate.visitor_id,)
    if len(slate.items) <= _PLAIN_ITEMS and are_plain_ids((*slate.items, *visitors)):
        return True
    try:
        return from_json(to_json(slate)) == slate
    except InvalidRecord:
        return False


def _scores(answer: ServedAnswer) -> tuple[float | None, ...] | None:
    """Return the items' scores; None for popular items, and for two lists in one."""
    if isinstance(answer, FallbackAnswer) or answer.policy == "interleaved":
        return None
    return tuple([_score(item) for item in answer.items])


def _greedy_ranks(answer: ServedAnswer) -> tuple[int | None, ...] | None:
    """Return the items' ranks in the greedy list; None if the model does not report them."""
    if isinstance(answer, FallbackAnswer):
        return None
    ranks = tuple([_greedy_rank(item) for item in answer.items])
    return None if all(rank is None for rank in ranks) else ranks


def _greedy_rank(item: RankedItem | PinnedItem) -> int | None:
    return item.greedy_rank if isinstance(item, RankedItem) else None


def _score(item: RankedItem | PinnedItem) -> float | None:
    return item.score if isinstance(item, RankedItem) else None


def _valid_id(text: str | None) -> str | None:
    return text if text is None or wrong_id(text) is None else None


def _team(item: RankedItem | PinnedItem | FallbackItem) -> str | None:
    return item.team if isinstance(item, RankedItem) else None


def _propensity(item: RankedItem | PinnedItem | FallbackItem) -> float | None:
    """Return the propensity of an item: 1 if no chance chose it.

    None for a pin, and for an item that a team picked: the coins of a draft are not in the account.
    """
    match item:
        case PinnedItem():
            return None
        case RankedItem(team=str()):
            return None
        case RankedItem(propensity=float(propensity)):
            return propensity
        case _:
            return 1.0
