"""The rules of a list for popular items, by what their records say.

They are those of `recommender.lists.rule_engine`, in the same order, without what needs the model:
predicted ratings and diversity. Popular items have no scores, so their places are the scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import pstdev

from gateway.bodies.recommendations import FilterValue
from gateway.items.matching import item_filter
from gateway.model.questions import BoostQuestion, DateBoostQuestion, RulesQuestion
from recommender.records.events import AttributeValue
from recommender.requests.rule_fields import date_of

SPREAD_OF = 100  # first places, whose standard deviation is a spread
NEED_THE_MODEL = frozenset({"min_rating", "diversity"})

Attributes = Mapping[str, AttributeValue]


def reads_attributes(rules: RulesQuestion) -> bool:
    """Return whether a rule reads what the items' records say."""
    return bool(rules.boosts or rules.at_most) or rules.freshness is not None


def choose(
    item_ids: Sequence[str], attributes: Mapping[str, Attributes], rules: RulesQuestion, k: int
) -> list[str]:
    """Return at most k of the items, best first. Ties keep the order.

    Pinned items are left out, and count where a value may have at most n items.
    """
    left = [item_id for item_id in item_ids if item_id not in rules.pinned]
    spread = pstdev(range(min(len(left), SPREAD_OF))) if len(left) > 1 else 1.0
    scores = {
        item_id: _amount(item_id, attributes.get(item_id, {}), rules) * spread - place
        for place, item_id in enumerate(left)
    }
    left.sort(key=lambda item_id: -scores[item_id])
    counts = {name: Counter[str | float]() for name in rules.at_most}
    for item_id in rules.pinned:
        _count(attributes.get(item_id, {}), counts)
    chosen: list[str] = []
    for item_id in left:
        if len(chosen) == k:
            break
        own = attributes.get(item_id, {})
        if _has_room(own, counts, rules.at_most):
            _count(own, counts)
            chosen.append(item_id)
    return chosen


def _amount(item_id: str, attributes: Attributes, rules: RulesQuestion) -> float:
    """Return the spreads that boosts and freshness add to an item."""
    boosts = sum(boost.add for boost in rules.boosts if _matches(boost, attributes))
    fresh = 0.0 if rules.freshness is None else _fresh(rules.freshness, attributes)
    return boosts + rules.bonuses.get(item_id, 0.0) + fresh


def _matches(boost: BoostQuestion, attributes: Attributes) -> bool:
    wanted: FilterValue = boost.value if isinstance(boost.value, str | float) else [*boost.value]
    return item_filter({boost.attribute: wanted}).matches(attributes)


def _fresh(rule: DateBoostQuestion, attributes: Attributes) -> float:
    at_s = date_of(attributes.get(rule.attribute))
    if at_s is None:
        return 0.0
    return float(rule.add * 0.5 ** (max(rule.at - at_s, 0.0) / rule.half_life_s))


def _has_room(
    attributes: Attributes,
    counts: Mapping[str, Counter[str | float]],
    limits: Mapping[str, int],
) -> bool:
    return all(
        counts[name][value] < limit
        for name, limit in limits.items()
        for value in _values(attributes, name)
    )


def _count(attributes: Attributes, counts: Mapping[str, Counter[str | float]]) -> None:
    for name, count in counts.items():
        count.update(set(_values(attributes, name)))


def _values(attributes: Attributes, name: str) -> Iterable[str | float]:
    value = attributes.get(name, ())
    return value if isinstance(value, tuple) else (value,)
