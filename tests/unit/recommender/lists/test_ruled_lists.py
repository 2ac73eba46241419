"""Lists with rules from a ranker: each rule alone, deep pools, candidates, scans."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.catalogue.item_columns import CatalogueItem
from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from recommender.requests.list_rules import MAX_POOL, first_pool
from recommender.requests.rule_fields import date_of
from tests.planted import planted_bundle, planted_items
from tests.unit.recommender.lists.answers import ask, refusal

USER: list[object] = [{"id": "i3", "rating": 5}, "i8"]
NOW = 1_750_000_000.0
YEAR_S = 365.25 * 86_400


def items(ranker: Ranker, rules: Mapping[str, object], **more: object) -> list[dict[str, object]]:
    found = ask(ranker, {"user_seq": USER, "k": 10, "rules": rules, **more})["items"]
    assert isinstance(found, list)
    return found


def ids(ranker: Ranker, rules: Mapping[str, object], **more: object) -> list[str]:
    return [str(item["id"]) for item in items(ranker, rules, **more)]


def plain_items(ranker: Ranker, k: int, **more: object) -> list[dict[str, object]]:
    found = ask(ranker, {"user_seq": USER, "k": k, **more})["items"]
    assert isinstance(found, list)
    return found


def genre(ranker: Ranker, item_id: str) -> object:
    row = ranker.catalogue.row(item_id)
    assert row is not None
    return ranker.catalogue[row].attributes.get("genre", ((),))[0]  # type: ignore[index]


def years_of(found: Iterable[str]) -> Counter[int]:
    """Return the number of planted items by the last digit of their years."""
    return Counter(int(one[1:]) % 5 for one in found if one.startswith("i"))


def test_empty_rules_return_the_plain_list(ranker: Ranker) -> None:
    assert items(ranker, {}) == plain_items(ranker, 10)
    assert items(ranker, {}, k=1_000) == plain_items(ranker, 1_000)


def test_a_boost_is_added_in_spreads_of_the_list(ranker: Ranker) -> None:
    whole = plain_items(ranker, 1_000)
    scores = {str(item["id"]): float(str(item["score"])) for item in whole}
    spread = float(np.std(list(scores.values())[:100]))
    boosted = items(ranker, {"boosts": [{"attribute": "year", "value": 1992, "add": 1.5}]}, k=1_000)
    assert {item["id"] for item in boosted} == set(scores)
    for item in boosted:
        item_id = str(item["id"])
        is_boosted = item_id.startswith("i") and int(item_id[1:]) % 5 == 2
        assert item["score"] == pytest.approx(scores[item_id] + 1.5 * spread * is_boosted, abs=1e-4)
    assert [item["score"] for item in boosted] == sorted(
        (item["score"] for item in boosted), key=lambda score: -float(str(score))
    )


def test_a_boost_of_a_value_that_no_item_has_does_nothing(ranker: Ranker) -> None:
    rules = {
        "boosts": [
            {"attribute": "colour", "value": "red", "add": 5},
            {"attribute": "genre", "value": ["None"], "add": 5},
        ]
    }
    assert items(ranker, rules) == plain_items(ranker, 10)


def test_both_filters_must_match(ranker: Ranker) -> None:
    both = ids(ranker, {"filter": {"genre": "Odd"}}, filter={"year": 1992}, k=40)
    assert {*both} == {"i7", "i17", "i27", "i37"}
    assert {*ids(ranker, {"filter": {"genre": "Odd", "year": 1992}}, k=40)} == {*both}


def test_burying_moves_items_to_the_end(ranker: Ranker) -> None:
    found = ids(ranker, {"boosts": [{"attribute": "genre", "value": "Odd", "add": -1_000}]}, k=38)
    kinds = [genre(ranker, item_id) == "Odd" for item_id in found]
    assert kinds == sorted(kinds)
    assert any(kinds)


def test_at_most_n_of_a_value(ranker: Ranker) -> None:
    found = ids(ranker, {"at_most": {"year": 2}})
    years = years_of(found)
    assert max(years.values()) == 2
    assert len(found) == 10


def test_a_list_counts_for_each_of_its_values(ranker: Ranker) -> None:
    """Every planted item has the genre Any, so one of them is all that is left of them."""
    found = ids(ranker, {"at_most": {"genre": 1}})
    assert len([item_id for item_id in found if item_id.startswith("i")]) == 1
    assert {"17", "Thing 1 (1990)", "untitled"} < set(found)


def test_pinned_items_are_left_out_and_counted(ranker: Ranker) -> None:
    first = ids(ranker, {"at_most": {"genre": 1}})
    pinned = next(item_id for item_id in first if item_id.startswith("i"))
    found = ids(ranker, {"at_most": {"genre": 1}, "pinned": [pinned, "nobody"]})
    assert {*found} == {*first} - {pinned}


def test_the_minimum_rating_is_the_predicted_one(ranker: Ranker) -> None:
    whole = plain_items(ranker, 1_000)
    ratings = sorted(float(str(item["rating"])) for item in whole)
    below, above = max(itertools.pairwise(ratings), key=lambda pair: pair[1] - pair[0])
    least = (below + above) / 2
    found = items(ranker, {"min_rating": least}, k=1_000)
    assert {item["id"] for item in found} == {
        item["id"] for item in whole if float(str(item["rating"])) > least
    }
    assert 0 < len(found) < len(whole)


def test_without_ratings_the_minimum_is_named_as_not_applied(tmp_path: Path) -> None:
    ranker = Ranker(planted_bundle(tmp_path / "bundle", ratings=False))
    answer = ask(ranker, {"user_seq": USER, "k": 3, "rules": {"min_rating": 4}})
    assert answer["not_applied"] == ["min_rating"]
    assert len(answer["items"]) == 3  # type: ignore[arg-type]


def test_fresh_items_are_boosted_by_their_year(ranker: Ranker) -> None:
    """With a half-life of one year, 1994 gets twice the bonus of 1993; no year, no bonus."""
    at = date_of(1994.0)
    assert at is not None
    freshness = {"attribute": "year", "add": 4, "half_life_s": YEAR_S, "at": at}
    before = {item["id"]: float(str(item["score"])) for item in plain_items(ranker, 1_000)}
    spread = float(np.std(list(before.values())[:100]))
    for item in items(ranker, {"freshness": freshness}, k=1_000):
        name = str(item["id"])
        age = (4 - int(name[1:]) % 5) if name.startswith("i") else None
        bonus = 0.0 if age is None else 4 * spread * 0.5**age
        assert float(str(item["score"])) - before[name] == pytest.approx(bonus, abs=0.01)


def test_bonuses_name_items_by_id(ranker: Ranker) -> None:
    last = plain_items(ranker, 1_000)[-1]["id"]
    assert ids(ranker, {"bonuses": {str(last): 900, "nobody": 5}})[0] == last


@pytest.mark.parametrize(
    ("value", "date"),
    [
        (1970.0, 0.0),
        ("1970", 0.0),
        ("1970-01-02", 86_400.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        (1_700_000_000.0, None),
        (1970.5, None),
        ("soon", None),
        ("1970-13-01", None),
        ("inf", None),
        (("1970",), None),
        (None, None),
    ],
)
def test_what_is_a_date(value: object, date: float | None) -> None:
    assert date_of(value) == date


def test_diversity_takes_other_items(ranker: Ranker) -> None:
    def likeness(found: list[str]) -> float:
        rows = np.array(sorted(ranker.catalogue.row(one) for one in found))  # type: ignore[type-var]
        unit = torch.nn.functional.normalize(ranker.vectors(torch.from_numpy(rows)), dim=1)
        return float((unit @ unit.T).mean())

    none, some, all_ = (ids(ranker, {"diversity": strength}) for strength in (0, 0.5, 1))
    assert none == [item["id"] for item in plain_items(ranker, 10)]
    assert likeness(none) > likeness(some) >= likeness(all_)
    assert none[0] == some[0] == all_[0]


def test_moves_come_with_explain(ranker: Ranker) -> None:
    rules = {"boosts": [{"attribute": "year", "value": 1992, "add": 1_000}]}
    first = items(ranker, rules, explain=True)[0]
    rank = [item["id"] for item in plain_items(ranker, 1_000)].index(first["id"]) + 1
    assert first["moved"] == (
        [{"rule": "boosts[0]", "before": rank, "after": 1}] if rank > 1 else []
    )
    assert "reason" in first
    assert all("moved" not in item for item in items(ranker, rules))
    assert all("moved" not in item for item in plain_items(ranker, 10, explain=True))


def test_rules_hold_for_candidates(ranker: Ranker) -> None:
    """Filter and exclusions come first; the scores of candidates are those of the whole list."""
    rules = {"boosts": [{"attribute": "year", "value": 1992, "add": 1}], "pinned": ["i2"]}
    candidates = ["i2", "i7", "i12", "i20", "i3", "hidden", "new"]
    found = ask(
        ranker,
        {
            "user_seq": USER,
            "k": 10,
            "rules": rules,
            "candidates": candidates,
            "exclude": ["i20"],
            "filter": {"genre": "Any"},
        },
    )
    assert [item["id"] for item in found["items"]] in (["i7", "i12"], ["i12", "i7"])  # type: ignore[attr-defined]
    assert found["unknown"] == ["new"]


@pytest.fixture(scope="module")
def large_ranker(tmp_path_factory: pytest.TempPathFactory) -> Ranker:
    """Return a ranker of 6,000 items that scans; the brand of nearly all of them is Big."""
    many = [
        CatalogueItem(
            item_id=f"i{number}",
            title=f"Thing {number}",
            attributes={"brand": "Small" if number % 100 == 0 else "Big", "year": 2000.0},
        )
        for number in range(6_000)
    ]
    folder = tmp_path_factory.mktemp("large") / "bundle"
    return Ranker(planted_bundle(folder, items=many), scanned_items=1_000)


def test_too_few_items_are_looked_for_deeper(large_ranker: Ranker) -> None:
    """Twenty of a brand leave too few of the first pool, which is mostly Big: it gets deeper."""
    rules = {"at_most": {"brand": 20}}
    found = ids(large_ranker, rules, k=40)
    small = [item_id for item_id in found if int(item_id[1:]) % 100 == 0]
    assert (len(found), len(small)) == (40, 20)
    assert first_pool(40) < 600 < MAX_POOL


def test_a_scan_finds_the_pool_of_the_exact_ranking(large_ranker: Ranker) -> None:
    exact = Ranker(large_ranker.bundle)
    rules: dict[str, object] = {
        "boosts": [{"attribute": "brand", "value": "Small", "add": 2}],
        "diversity": 0.3,
    }
    assert ids(large_ranker, rules) == ids(exact, rules)


def test_lists_with_and_without_rules_share_a_batch(ranker: Ranker) -> None:
    plain_body = {"user_seq": USER, "k": 3}
    ruled = {"user_seq": USER, "k": 3, "rules": {"at_most": {"genre": 1}}}
    first, second, both = answer_batch(ranker, [plain_body, ruled, [ruled, plain_body]])
    assert isinstance(both, list)
    with_rules, without = ids(ranker, {"at_most": {"genre": 1}}, k=3), ids(ranker, {}, k=3)
    for found, expected in zip(
        [first, second, *both], [without, with_rules, with_rules, without], strict=True
    ):
        assert isinstance(found, dict)
        assert [one["id"] for one in found["items"]] == expected  # type: ignore[attr-defined]


@settings(max_examples=25, deadline=None)
@given(
    rules=st.fixed_dictionaries(
        {
            "diversity": st.floats(0, 1),
            "at_most": st.fixed_dictionaries({"year": st.integers(1, 5)}),
            "boosts": st.lists(
                st.fixed_dictionaries(
                    {
                        "attribute": st.just("genre"),
                        "value": st.just("Odd"),
                        "add": st.floats(-1_000, 1_000),
                    }
                ),
                max_size=1,
            ),
        }
    ),
    pinned=st.lists(st.sampled_from([f"i{number}" for number in range(40)]), max_size=3),
    excluded=st.lists(st.sampled_from([f"i{number}" for number in range(40)]), max_size=20),
    k=st.integers(1, 30),
)
def test_excluded_items_never_appear(
    ranker: Ranker, rules: dict[str, object], pinned: list[str], excluded: list[str], k: int
) -> None:
    """Neither hidden, seen, excluded and pinned items, nor one twice, nor too many of a year."""
    found = ids(ranker, {**rules, "pinned": pinned}, k=k, exclude=excluded)
    assert len(found) == len({*found}) <= k
    assert not {*found} & {*excluded, *pinned, "i3", "i8", "hidden"}
    beside = years_of({*pinned})
    for year, num in years_of([*found, *{*pinned}]).items():
        assert num <= max(rules["at_most"]["year"], beside[year])  # type: ignore[index]


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ([], "rules"),
        ({"filter": {"colour": "red"}}, "rules.filter.colour"),
        ({"filter": []}, "rules.filter"),
        ({"boost": []}, "rules.boost"),
        ({"boosts": {}}, "rules.boosts"),
        ({"boosts": [3]}, "rules.boosts[0]"),
        ({"boosts": [{"attribute": "a", "value": "b"}]}, "rules.boosts[0].add"),
        ({"boosts": [{"attribute": "a", "value": None, "add": 1}]}, "rules.boosts[0].value"),
        ({"boosts": [{"attribute": " ", "value": "b", "add": 1}]}, "rules.boosts[0].attribute"),
        ({"boosts": [{"attribute": "a", "value": "b", "add": 1e9}]}, "rules.boosts[0].add"),
        ({"boosts": [{"attribute": "a", "value": "b", "add": 1}] * 51}, "rules.boosts"),
        ({"diversity": 1.01}, "rules.diversity"),
        ({"diversity": -0.1}, "rules.diversity"),
        ({"diversity": "high"}, "rules.diversity"),
        ({"min_rating": "4"}, "rules.min_rating"),
        ({"at_most": {"a": 0}}, "rules.at_most.a"),
        ({"at_most": {"a": 1.5}}, "rules.at_most.a"),
        ({"at_most": ["a"]}, "rules.at_most"),
        ({"freshness": {"attribute": "year", "add": 1, "at": 0}}, "rules.freshness.half_life_s"),
        (
            {"freshness": {"attribute": "year", "add": 1, "at": 0, "half_life_s": -5}},
            "rules.freshness.half_life_s",
        ),
        ({"bonuses": {"i1": "much"}}, "rules.bonuses.i1"),
        ({"bonuses": {f"i{number}": 1 for number in range(1_001)}}, "rules.bonuses"),
        ({"pinned": [True]}, "rules.pinned[0]"),
    ],
)
def test_ill_defined_rules_are_refused(ranker: Ranker, rules: object, field: str) -> None:
    assert refusal(ranker, {"user_seq": [], "k": 3, "rules": rules}).field == field


def test_only_lists_of_k_items_have_rules(ranker: Ranker) -> None:
    assert refusal(ranker, {"similar_to": "i1", "rules": {}}).field == "rules"
    assert refusal(ranker, {"user_seq": [], "items": ["i1"], "rules": {}}).field == "rules"


def test_planted_items_have_the_attributes_that_the_tests_read() -> None:
    assert {one.attributes["year"] for one in planted_items()} == {1990, 1991, 1992, 1993, 1994}
