"""Lists by a policy from a ranker: rules, new items, replays, scans, refusals."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.catalogue.item_columns import CatalogueItem
from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from recommender.requests.list_rules import first_pool
from tests.planted import planted_bundle
from tests.unit.recommender.lists.answers import ask, refusal
from tests.unit.recommender.lists.policy_answers import RULES, USER, answer, ids, items

LUCE: dict[str, object] = {"name": "plackett_luce", "temperature": 0.5, "seed": 11}
EPSILON: dict[str, object] = {"name": "epsilon", "epsilon": 0.3, "seed": 12}


def propensities(found: Mapping[str, object]) -> list[float]:
    return [float(str(item["propensity"])) for item in items(found)]


def replay(ranker: Ranker, policy: object, listed: Sequence[str], **more: object) -> list[float]:
    found = answer(ranker, policy, propensities_of=listed, **more)
    assert found.keys() == {"policy", "propensities", "resolved"}
    values = found["propensities"]
    assert isinstance(values, list)
    return values


@pytest.mark.parametrize("rules", [{}, RULES])
@pytest.mark.parametrize("policy", [LUCE, EPSILON, {**LUCE, "name": "greedy"}], ids=str)
def test_a_replay_gives_the_propensities_that_were_reported(
    ranker: Ranker, policy: dict[str, object], rules: dict[str, object]
) -> None:
    if policy["name"] == "greedy":
        policy = {"name": "greedy", "seed": 4, "new_items": {"share": 0.5, "ids": ["i30", "i31"]}}
    found = answer(ranker, policy, rules=rules)
    assert found["policy"] == policy["name"]
    assert len(ids(found)) == 10
    unseeded = {name: value for name, value in policy.items() if name != "seed"}
    again = replay(ranker, unseeded, ids(found), rules=rules)
    assert again == pytest.approx(propensities(found), rel=1e-4)


@settings(max_examples=15, deadline=None)
@given(
    rules=st.fixed_dictionaries(
        {},
        optional={
            "diversity": st.floats(0, 1),
            "at_most": st.fixed_dictionaries({"year": st.integers(1, 5)}),
            "boosts": st.just([{"attribute": "genre", "value": "Odd", "add": 0.7}]),
            "min_rating": st.floats(3.5, 3.9),
            "pinned": st.just(["i1", "i2"]),
        },
    ),
    k=st.integers(1, 30),
)
def test_the_greedy_policy_gives_the_list_of_the_rules(
    ranker: Ranker, rules: dict[str, object], k: int
) -> None:
    """With propensities of 1, and the same list from candidates too."""
    question = {"user_seq": USER, "k": k, "rules": rules, "explain": True}
    ruled, greedy = answer_batch(ranker, [question, {**question, "policy": {"name": "greedy"}}])
    assert isinstance(ruled, dict)
    assert isinstance(greedy, dict)
    assert ids(greedy) == ids(ruled)
    assert [item["moved"] for item in items(greedy)] == [item["moved"] for item in items(ruled)]
    assert set(propensities(greedy)) <= {1.0}


@pytest.mark.parametrize("rules", [{}, RULES])
@pytest.mark.parametrize("policy", [LUCE, EPSILON, {**LUCE, "name": "greedy"}], ids=str)
def test_items_have_their_ranks_in_the_greedy_list(
    ranker: Ranker, policy: dict[str, object], rules: dict[str, object]
) -> None:
    """So the record of a list says what exploring changed; new items are 0 if not in it."""
    if policy["name"] == "greedy":
        policy = {"name": "greedy", "seed": 4, "new_items": {"share": 0.5, "ids": ["i30", "i31"]}}
    explored = items(answer(ranker, policy, rules=rules))
    greedy = answer(ranker, {"name": "greedy"}, rules=rules)
    rank_of = {item_id: rank for rank, item_id in enumerate(ids(greedy), 1)}
    assert [one["greedy_rank"] for one in explored] == [
        rank_of.get(str(one["id"]), 0) for one in explored
    ]
    assert {one["greedy_rank"] for one in explored} & {0}, "this seed explores"
    assert not any("greedy_rank" in one for one in items(greedy))


@settings(max_examples=20, deadline=None)
@given(
    policy=st.builds(
        lambda policy, seed: {**policy, "seed": seed},
        st.sampled_from([LUCE, EPSILON, {"name": "greedy"}]),
        st.integers(0, 2**53 - 1),
    ),
    share=st.none() | st.floats(0, 1),
    excluded=st.lists(st.sampled_from([f"i{number}" for number in range(40)]), max_size=20),
    candidates=st.none() | st.lists(st.sampled_from([f"i{number}" for number in range(40)])),
    k=st.integers(1, 30),
)
def test_what_is_left_out_is_never_drawn(
    ranker: Ranker,
    policy: dict[str, object],
    share: float | None,
    excluded: list[str],
    candidates: list[str] | None,
    k: int,
) -> None:
    """Neither hidden, seen, excluded, pinned and filtered items, nor the page's, nor one twice."""
    question = dict(policy)
    if share is not None:
        new = ["hidden", "i3", "i5", "i6", "i7", "i9", "i12", "nobody", *excluded]
        question["new_items"] = {"share": share, "ids": new}
    more = {} if candidates is None else {"candidates": candidates}
    found = answer(
        ranker,
        question,
        k=k,
        rules={"pinned": ["i9"], "at_most": {"year": 2}},
        exclude=excluded,
        filter={"genre": "Odd"},
        context={"id": "i5"},
        **more,
    )
    listed = ids(found)
    assert len(listed) == len({*listed}) <= k
    assert not {*listed} & {*excluded, "i3", "i5", "i9", "hidden"}
    assert all(int(item_id[1:]) % 2 == 1 for item_id in listed), "the filter leaves odd ones"
    assert candidates is None or {*listed} <= {*candidates}
    years = Counter(int(item_id[1:]) % 5 for item_id in ["i9", *listed])
    assert max(years.values()) <= 2
    assert all(0 < one <= 1 for one in propensities(found))


@pytest.mark.parametrize("rules", [{}, RULES])
def test_new_items_with_doubts_have_exact_propensities(
    ranker: Ranker, rules: dict[str, object]
) -> None:
    """A replay gives those of the lists; greater doubts bring more of the new items."""
    new = ["i30", "nobody", "i31", "i32"]
    shown = Counter[float]()
    for doubt, seed in itertools.product((0.0, 2.0, 50.0), range(20)):
        share = {"share": 0.9, "ids": new, "doubts": [doubt] * len(new)}
        question: dict[str, object] = {"name": "greedy", "new_items": share}
        found = answer(ranker, {**question, "seed": seed}, rules=rules)
        again = replay(ranker, question, ids(found), rules=rules)
        assert again == pytest.approx(propensities(found), rel=1e-4)
        shown[doubt] += len({*ids(found)} & {*new})
    assert shown[0] < shown[50] >= shown[2] > 0


def test_frequencies_over_seeds_are_the_propensities(ranker: Ranker) -> None:
    """Of 600 lists the first items come as often as a replay says, within five deviations."""
    candidates = ["i1", "i2", "i4", "i5", "i6"]
    question = {"user_seq": USER, "k": 2, "candidates": candidates}
    bodies = [{**question, "policy": {**LUCE, "seed": seed}} for seed in range(600)]
    counts = Counter[str]()
    for start in range(0, len(bodies), 100):
        for found in answer_batch(ranker, bodies[start : start + 100]):
            assert isinstance(found, dict)
            counts[ids(found)[0]] += 1
    expected = [replay(ranker, LUCE, [one], k=2, candidates=candidates)[0] for one in candidates]
    assert sum(expected) == pytest.approx(1)
    for item_id, propensity in zip(candidates, expected, strict=True):
        deviation = np.sqrt(propensity * (1 - propensity) / len(bodies))
        assert abs(counts[item_id] / len(bodies) - propensity) <= 5 * deviation


def test_explain_names_the_move_by_the_policy(ranker: Ranker) -> None:
    found = answer(ranker, EPSILON, rules=RULES, explain=True)
    greedy = ids(answer(ranker, {"name": "greedy"}, rules=RULES, k=38))
    for place, item in enumerate(items(found), 1):
        moves = item["moved"]
        assert isinstance(moves, list)
        by_policy = [move for move in moves if move["rule"] == "policy"]
        assert "reason" in item
        if by_policy:
            assert moves[-1] == by_policy[0]
            assert by_policy[0]["after"] == place != by_policy[0]["before"]
    moved = [item["id"] for item in items(found) if item["id"] not in greedy[:10]]
    assert moved, "this seed draws an item that the rules alone leave out"


@pytest.fixture(scope="module")
def large_ranker(tmp_path_factory: pytest.TempPathFactory) -> Ranker:
    """Return a ranker of 6,000 items that scans."""
    many = [
        CatalogueItem(
            item_id=f"i{number}",
            title=f"Thing {number}",
            attributes={"brand": "Small" if number % 100 == 0 else "Big"},
        )
        for number in range(6_000)
    ]
    folder = tmp_path_factory.mktemp("large") / "bundle"
    return Ranker(planted_bundle(folder, items=many), scanned_items=1_000)


@pytest.mark.parametrize("policy", [LUCE, EPSILON], ids=["plackett_luce", "epsilon"])
def test_a_scan_draws_the_list_of_the_exact_ranking(
    large_ranker: Ranker, policy: dict[str, object]
) -> None:
    exact = Ranker(large_ranker.bundle)
    rules = {"at_most": {"brand": 6}, "diversity": 0.2}
    drawn, expected = (answer(one, policy, rules=rules) for one in (large_ranker, exact))
    assert ids(drawn) == ids(expected)
    assert propensities(drawn) == pytest.approx(propensities(expected), rel=1e-3)


def test_only_items_of_the_pool_have_a_propensity(large_ranker: Ranker) -> None:
    """The pool of a large catalogue are its best items; the others are never drawn."""
    whole = ids(ask(large_ranker, {"user_seq": USER, "k": 1_000}))
    within, beyond = whole[first_pool(10) - 1], whole[first_pool(10) + 1]
    assert replay(large_ranker, EPSILON, [within]) == pytest.approx([0.3 / first_pool(10)])
    assert replay(large_ranker, EPSILON, [beyond]) == [0.0]


def test_new_items_come_from_outside_the_pool(large_ranker: Ranker) -> None:
    """Items beyond the pool get the share of slots, which no boost could have given them."""
    whole = ids(ask(large_ranker, {"user_seq": USER, "k": 1_000}))
    new = whole[-20:]
    question: dict[str, object] = {"name": "greedy", "new_items": {"share": 0.4, "ids": new}}
    bodies = [
        {"user_seq": USER, "k": 10, "policy": {**question, "seed": seed}} for seed in range(60)
    ]
    shown = Counter[str]()
    for found in answer_batch(large_ranker, bodies):
        assert isinstance(found, dict)
        shown.update(item_id for item_id in ids(found) if item_id in new)
        others = [item_id for item_id in ids(found) if item_id not in new]
        assert others == whole[: len(others)]
    assert shown.total() / 600 == pytest.approx(0.4, abs=0.1)
    assert len(shown) > 10
    chances = [replay(large_ranker, question, [one])[0] for one in new]
    assert min(chances) > 0
    assert sum(chances) == pytest.approx(0.4)


def test_too_few_items_are_looked_for_before_the_draw(large_ranker: Ranker) -> None:
    """The rules alone decide how deep the pool is, so a replay has the same one."""
    rules = {"at_most": {"brand": 20}}
    found = answer(large_ranker, LUCE, rules=rules, k=40)
    assert len(ids(found)) == 40
    again = replay(large_ranker, LUCE, ids(found), rules=rules, k=40)
    assert again == pytest.approx(propensities(found), rel=1e-4)


@pytest.mark.parametrize("rules", [{}, RULES])
def test_alternatives_say_what_else_could_be_there(
    ranker: Ranker, rules: dict[str, object]
) -> None:
    """Each place's chances, as the question for a list with that item in that place says them."""
    listed = ids(answer(ranker, LUCE, rules=rules))[:2]
    found = answer(ranker, LUCE, propensities_of=listed, alternatives=3, rules=rules)
    alternatives = found["alternatives"]
    assert isinstance(alternatives, list)
    assert [len(one) for one in alternatives] == [3, 3]
    for place, likely in enumerate(alternatives):
        for one in likely:
            other = [*listed[:place], one["id"]]
            asked = replay(ranker, LUCE, other, rules=rules)
            assert asked[place] == pytest.approx(one["propensity"], rel=1e-4)
    assert listed[0] not in {one["id"] for one in alternatives[1]}


def test_lists_with_and_without_a_policy_share_a_batch(ranker: Ranker) -> None:
    plain: dict[str, object] = {"user_seq": USER, "k": 3}
    drawn, asked = {**plain, "policy": LUCE}, {**plain, "policy": LUCE, "propensities_of": ["i1"]}
    first, second, third = answer_batch(ranker, [plain, drawn, asked])
    assert isinstance(first, dict)
    assert "policy" not in first
    assert isinstance(second, dict)
    assert ids(second) == ids(answer(ranker, LUCE, k=3))
    assert isinstance(third, dict)
    assert len(third["propensities"]) == 1  # type: ignore[arg-type]


def test_a_list_of_nothing_has_no_propensities(ranker: Ranker) -> None:
    assert items(answer(ranker, LUCE, candidates=["nobody"])) == []
    assert replay(ranker, LUCE, []) == []
    assert replay(ranker, LUCE, ["nobody"], candidates=[]) == [0.0]


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ("greedy", "policy"),
        ({}, "policy.name"),
        ({"name": "thompsom"}, "policy.name"),
        ({"name": ["greedy"]}, "policy.name"),
        ({"name": "greedy", "epsilon": 0.1}, "policy.epsilon"),
        ({"name": "epsilon", "seed": 1}, "policy.epsilon"),
        ({"name": "epsilon", "epsilon": 1.1, "seed": 1}, "policy.epsilon"),
        ({"name": "epsilon", "epsilon": True, "seed": 1}, "policy.epsilon"),
        ({"name": "epsilon", "epsilon": 0.1}, "policy.seed"),
        ({"name": "epsilon", "epsilon": 0.1, "seed": -1}, "policy.seed"),
        ({"name": "epsilon", "epsilon": 0.1, "seed": 2**53}, "policy.seed"),
        ({"name": "epsilon", "epsilon": 0.1, "seed": 1, "temperature": 1}, "policy.temperature"),
        ({"name": "plackett_luce", "seed": 1}, "policy.temperature"),
        ({"name": "plackett_luce", "temperature": 0, "seed": 1}, "policy.temperature"),
        ({"name": "plackett_luce", "temperature": "hot", "seed": 1}, "policy.temperature"),
        ({"name": "greedy", "new_items": []}, "policy.new_items"),
        ({"name": "greedy", "new_items": {"share": 0.1}}, "policy.new_items.ids"),
        ({"name": "greedy", "new_items": {"ids": []}}, "policy.new_items.share"),
        ({"name": "greedy", "new_items": {"share": 2, "ids": []}}, "policy.new_items.share"),
        ({"name": "greedy", "new_items": {"share": 0.1, "ids": [True]}}, "policy.new_items.ids[0]"),
        (
            {"name": "greedy", "new_items": {"share": 0.1, "ids": ["a"] * 1_001}},
            "policy.new_items.ids",
        ),
        (
            {"name": "greedy", "new_items": {"share": 0.1, "ids": ["a"], "doubts": []}},
            "policy.new_items.doubts",
        ),
        (
            {"name": "greedy", "new_items": {"share": 0.1, "ids": ["a"], "doubts": [-1]}},
            "policy.new_items.doubts[0]",
        ),
        ({"name": "greedy", "new_items": {"share": 0.1, "ids": []}}, "policy.seed"),
    ],
)
def test_ill_defined_policies_are_refused(ranker: Ranker, policy: object, field: str) -> None:
    assert refusal(ranker, {"user_seq": [], "k": 3, "policy": policy}).field == field


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"propensities_of": ["i1"]}, "policy"),
        ({"propensities_of": ["i1"] * 4, "policy": {"name": "greedy"}}, "propensities_of"),
        ({"propensities_of": "i1", "policy": {"name": "greedy"}}, "propensities_of"),
        ({"propensities_of": [""], "policy": {"name": "greedy"}}, "propensities_of[0]"),
        ({"propensities_of": [], "policy": {"name": "greedy"}, "explain": True}, "explain"),
        ({"alternatives": 2}, "alternatives"),
        (
            {"propensities_of": [], "policy": {"name": "greedy"}, "alternatives": 101},
            "alternatives",
        ),
    ],
)
def test_ill_defined_replays_are_refused(
    ranker: Ranker, more: dict[str, object], field: str
) -> None:
    assert refusal(ranker, {"user_seq": [], "k": 3, **more}).field == field


def test_only_lists_of_k_items_have_a_policy(ranker: Ranker) -> None:
    assert refusal(ranker, {"similar_to": "i1", "policy": {}}).field == "policy"
    assert refusal(ranker, {"user_seq": [], "items": ["i1"], "policy": {}}).field == "policy"
