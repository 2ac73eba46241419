"""The rules of a list for popular items, by what their records say.

They are those of `recommender.lists.rule_engine`, in the same order, without what needs the model:
predicted ratings and diversity. Popular items have no scores, so their places are the scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import pstdev

from gateway.bodies.recommendations import FilterValue, RuleMove
from gateway.items.matching import item_filter
from gateway.model.questions import BoostQuestion, DateBoostQuestion, RulesQuestion
from recommender.records.events import AttributeValue
from recommender.requests.rule_fields import date_of

SPREAD_OF = 100  # first places, whose standard deviation is a spread
NEED_THE_MODEL = frozenset({"min_rating", "diversity"})

Attributes = Mapping[str, AttributeValue]
Amount = Callable[[str, Attributes], float]


def reads_attributes(rules: RulesQuestion) -> bool:
    """Return whether a rule reads what the items' records say."""
    return bool(rules.boosts or rules.at_most) or rules.freshness is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenItem:
    """A popular item of a list, and the rules that changed its rank."""

    item_id: str
    moves: tuple[RuleMove, ...]


def choose(
    item_ids: Sequence[str], attributes: Mapping[str, Attributes], rules: RulesQuestion, k: int
) -> list[ChosenItem]:
    """Return at most k of the items, best first. Ties keep the order.

    Pinned items are left out, and count where a value may have at most n items.
    """
    left = [item_id for item_id in item_ids if item_id not in rules.pinned]
    spread = pstdev(range(min(len(left), SPREAD_OF))) if len(left) > 1 else 1.0
    scores = {item_id: -float(place) for place, item_id in enumerate(left)}
    orders = [("", left)]
    for name, amount in _amounts(rules):
        for item_id in left:
            scores[item_id] += amount(item_id, attributes.get(item_id, {})) * spread
        orders.append((name, sorted(left, key=lambda item_id: -scores[item_id])))
    best_first = orders[-1][1]
    chosen = _at_most(best_first, attributes, rules, k)
    if rules.at_most:
        taken = frozenset(chosen)
        others = [item_id for item_id in best_first if item_id not in taken]
        orders.append(("at_most", [*chosen, *others]))
    return _with_moves(chosen, orders)


def _amounts(rules: RulesQuestion) -> Iterator[tuple[str, Amount]]:
    """Yield the rules that add to scores, with how many spreads they add to an item."""
    for index, boost in enumerate(rules.boosts):
        yield f"boosts[{index}]", partial(_boost, boost)
    if rules.bonuses or rules.freshness is not None:
        yield "freshness", partial(_freshness, rules)


def _boost(boost: BoostQuestion, _item_id: str, attributes: Attributes) -> float:
    return boost.add if _matches(boost, attributes) else 0.0


def _freshness(rules: RulesQuestion, item_id: str, attributes: Attributes) -> float:
    fresh = 0.0 if rules.freshness is None else _fresh(rules.freshness, attributes)
    return rules.bonuses.get(item_id, 0.0) + fresh


def _at_most(
    best_first: Sequence[str],
    attributes: Mapping[str, Attributes],
    rules: RulesQuestion,
    k: int,
) -> list[str]:
    """Return the first k items whose values have not as many items before as they may."""
    counts = {name: Counter[str | float]() for name in rules.at_most}
    for item_id in rules.pinned:
        _count(attributes.get(item_id, {}), counts)
    chosen: list[str] = []
    for item_id in best_first:
        if len(chosen) == k:
            break
        own = attributes.get(item_id, {})
        if _has_room(own, counts, rules.at_most):
            _count(own, counts)
            chosen.append(item_id)
    return chosen


def _with_moves(
    chosen: Sequence[str], orders: Sequence[tuple[str, Sequence[str]]]
) -> list[ChosenItem]:
    """Return the chosen items with the rules that changed their ranks, in order."""
    moves: dict[str, list[RuleMove]] = {item_id: [] for item_id in chosen}
    before = _ranks(orders[0][1])
    for rule, order in orders[1:]:
        after = _ranks(order)
        for item_id, found in moves.items():
            if before[item_id] != after[item_id]:
                found.append(RuleMove(rule=rule, before=before[item_id], after=after[item_id]))
        before = after
    return [ChosenItem(item_id=item_id, moves=tuple(found)) for item_id, found in moves.items()]


def _ranks(order: Sequence[str]) -> dict[str, int]:
    return {item_id: rank for rank, item_id in enumerate(order, 1)}


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
