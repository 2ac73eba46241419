"""Simulated visitors click what they like, and look at the first items more often."""

from __future__ import annotations

import random

import pytest

from cron.verbs.visitors.behaviour import (
    ATTRACTED,
    INDIFFERENT,
    POSITION_BIAS,
    Visitor,
    tastes_for,
    telling_attribute,
)

VALUES = {
    "drama": frozenset({"Drama"}),
    "both": frozenset({"Drama", "War"}),
    "none": frozenset[str](),
}
FAN = Visitor(user_id="fan", likes=frozenset({"Drama", "War"}))


def share_clicked(item_id: str, position: int) -> float:
    """Return the share of 20,000 lists in which the item at the position was clicked."""
    draw, shown = random.Random(5), ["other"] * (position - 1) + [item_id]
    clicked = 0
    for _ in range(20_000):
        acts = FAN.acts(shown, VALUES, draw)
        clicked += any(act.item_id == item_id and act.type == "click" for act in acts)
    return clicked / 20_000


@pytest.mark.parametrize(("item_id", "liking"), [("none", 0.0), ("drama", 0.5), ("both", 1.0)])
@pytest.mark.parametrize("position", [1, 4])
def test_clicks_follow_the_stated_probability(item_id: str, liking: float, position: int) -> None:
    expected = position**-POSITION_BIAS * (INDIFFERENT + ATTRACTED * liking)
    assert share_clicked(item_id, position) == pytest.approx(expected, abs=0.012)


def test_a_visitor_is_the_same_for_the_same_seed() -> None:
    tastes = tastes_for(VALUES)
    assert tastes.visitor(3, seed=1) == tastes_for(dict(reversed(VALUES.items()))).visitor(
        3, seed=1
    )
    assert tastes.visitor(3, seed=1).user_id != tastes.visitor(3, seed=2).user_id


def test_tastes_are_as_frequent_as_the_values_of_items() -> None:
    values = {str(number): frozenset({"a" if number < 90 else "b", "c"}) for number in range(100)}
    visitors = [tastes_for(values).visitor(number, seed=0) for number in range(300)]
    assert sum("a" in one.likes for one in visitors) > 5 * sum("b" in one.likes for one in visitors)


def test_tastes_need_texts_that_items_share() -> None:
    items = [
        {"sku": str(number), "year": number, "genre": ["a", "b"][number % 2]}
        for number in range(300)
    ]
    assert telling_attribute(items) == "genre"
    assert telling_attribute([{"year": 1.0}, {}]) is None
