"""The rules without the model: its own, where an item's place is its score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.bodies.recommendations import RuleMove
from gateway.model.fallback_rules import choose
from gateway.model.questions import BoostQuestion, DateBoostQuestion, RulesQuestion
from recommender.lists import rule_engine
from recommender.lists.rule_engine import Move, Pool
from recommender.records.events import AttributeValue
from recommender.requests.list_rules import ListRules

BRANDS = ("Acme", "Bolt", "Coil")
YEAR_S = 365 * 86_400.0

shelves = st.lists(
    st.one_of(st.none(), st.sampled_from(BRANDS), st.just(("Acme", "Bolt"))), max_size=150
)


def attributes_of(brand: str | tuple[str, ...] | None) -> Mapping[str, AttributeValue]:
    return {} if brand is None else {"brand": brand}


def shown_move(move: RuleMove | Move) -> tuple[str, int, int]:
    return (move.rule, move.before, move.after)


def values_of(brand: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if brand is None:
        return ()
    return brand if isinstance(brand, tuple) else (brand,)


@given(
    shelf=shelves,
    adds=st.lists(st.tuples(st.sampled_from(BRANDS), st.sampled_from([-100, -0.4, 0.7, 3]))),
    limit=st.integers(1, 5),
    k=st.integers(1, 20),
)
def test_the_list_is_that_of_the_model_s_rules(
    shelf: list[str | tuple[str, ...] | None],
    adds: list[tuple[str, float]],
    limit: int,
    k: int,
) -> None:
    ids = [f"i{place}" for place in range(len(shelf))]
    rules = RulesQuestion(
        boosts=tuple(BoostQuestion(attribute="brand", value=brand, add=add) for brand, add in adds),
        bonuses={"i3": 0.9},
        at_most={"brand": limit},
        pinned=("p",),
    )
    known = {item_id: attributes_of(brand) for item_id, brand in zip(ids, shelf, strict=True)}
    chosen = choose([*ids, "p"][: len(ids)], {**known, "p": {"brand": "Acme"}}, rules, k)
    amounts = {
        f"boosts[{index}]": np.array([add * (brand in values_of(one)) for one in shelf])
        for index, (brand, add) in enumerate(adds)
    }
    amounts["freshness"] = np.array([0.9 * (item_id == "i3") for item_id in ids])
    pool = Pool(
        scores_P=-np.arange(len(shelf), dtype=np.float64),
        amounts=amounts,
        values=lambda place, _name: values_of(shelf[place]),
        taken={"brand": Counter(["Acme"])},
    )
    expected = rule_engine.choose(ListRules(at_most={"brand": limit}), pool, k, is_traced=True)
    assert [one.item_id for one in chosen] == [ids[place] for place in expected.places_K]
    moves = [tuple(map(shown_move, one.moves)) for one in chosen]
    assert moves == [tuple(map(shown_move, moves)) for moves in expected.moves]


def test_new_items_by_their_dates_come_first() -> None:
    fresh = DateBoostQuestion(attribute="year", add=5, half_life_s=YEAR_S, at=26 * YEAR_S)
    known: dict[str, Mapping[str, AttributeValue]] = {
        "old": {"year": 1972.0},
        "new": {"year": 1996.0},
        "undated": {},
    }
    chosen = choose([*known], known, RulesQuestion(freshness=fresh), 3)
    assert [one.item_id for one in chosen] == ["new", "old", "undated"]


def test_a_pinned_item_is_not_chosen_a_second_time() -> None:
    rules = RulesQuestion(pinned=("b",), at_most={"brand": 1})
    known: dict[str, Mapping[str, AttributeValue]] = {
        "a": {"brand": "Acme"},
        "b": {"brand": "Bolt"},
        "c": {"brand": "Bolt"},
        "d": {},
    }
    chosen = choose([*known], known, rules, 3)
    assert [(one.item_id, *map(shown_move, one.moves)) for one in chosen] == [
        ("a",), ("d", ("at_most", 3, 2))
    ]  # fmt: skip
