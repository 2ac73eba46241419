"""Apply a placement to a question: its k, filter, exclusions, and rules for the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from cron.past_event import PastEvent
from cron.placement import Placement
from gateway.bodies.recommendations import FilterValue
from gateway.model.questions import (
    BoostQuestion,
    DateBoostQuestion,
    RulesQuestion,
    encode_filter,
)
from gateway.model.recommendation_request import RecommendationRequest
from recommender.requests.wire import Element


def apply_placement(
    request: RecommendationRequest,
    placement: Placement,
    events: Sequence[PastEvent],
    *,
    at: datetime,
    pinned: tuple[str, ...],
    bonuses: Mapping[str, float],
) -> RecommendationRequest:
    """Return the question with the placement's rules; the client's own `k` overrides its `k`.

    A placement that excludes events by type and age returns other seen items, unless the client
    asks to leave them out.
    """
    wanted = wanted_values(placement)
    both = {name: wanted[name] for name in wanted.keys() & request.filter.keys()}
    rules = RulesQuestion(
        filter=encode_filter(both),
        boosts=tuple(
            BoostQuestion(attribute=one.attribute, value=one.value, add=one.add)
            for one in placement.boosts
        ),
        bonuses=bonuses,
        freshness=_date_boost(placement, at),
        min_rating=placement.min_rating,
        diversity=placement.diversity or None,
        at_most=placement.at_most,
        pinned=pinned,
    )
    return replace(
        request,
        k=list_length(request, placement),
        filter={**wanted, **request.filter},
        exclude=(*request.exclude, *excluded_ids(placement, request.history, events, at=at)),
        exclude_seen=leaves_out_seen(request, placement),
        also_filter=both,
        rules=rules if rules.names or rules.pinned else None,
    )


def wanted_values(placement: Placement) -> dict[str, FilterValue]:
    """Return the placement's filter in the form of a client's."""
    wanted: dict[str, FilterValue] = {}
    for name, value in placement.filter.items():
        wanted[name] = list(value) if isinstance(value, tuple) else value
    return wanted


def leaves_out_seen(request: RecommendationRequest, placement: Placement) -> bool:
    """Return whether all seen items are left out: by default, unless the placement has ages."""
    has_ages = "exclude_seen" in request.left_out and bool(placement.exclude)
    return request.exclude_seen and not has_ages


def list_length(request: RecommendationRequest, placement: Placement) -> int:
    """Return how many items the list has: the client's own `k`, or else the placement's."""
    return placement.k if placement.k is not None and "k" in request.left_out else request.k


def excluded_ids(
    placement: Placement,
    history: Iterable[Element],
    events: Iterable[PastEvent],
    *,
    at: datetime,
) -> set[str]:
    """Return the items with an event of an excluded type that is not older than its age.

    An element of the session without a time is new.
    """
    at_s, found = at.timestamp(), set[str]()
    for event in events:
        if _is_excluded(placement, event.type, at_s - event.at_s):
            found.add(event.item_id)
    for one in history:
        if one.name.kind != "text" and _is_excluded(
            placement, one.type, 0.0 if one.at_s is None else at_s - one.at_s
        ):
            found.add(one.name.value)
    return found


def _is_excluded(placement: Placement, type_: str, age_s: float) -> bool:
    if type_ not in placement.exclude:
        return False
    limit_s = placement.exclude[type_]
    return limit_s is None or age_s <= limit_s


def _date_boost(placement: Placement, at: datetime) -> DateBoostQuestion | None:
    rule = placement.freshness
    if rule is None or rule.attribute is None:
        return None
    return DateBoostQuestion(
        attribute=rule.attribute, add=rule.add, half_life_s=rule.half_life_s, at=at.timestamp()
    )
