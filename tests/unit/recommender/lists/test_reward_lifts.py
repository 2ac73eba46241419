"""Lists that learn from rewards: lifted items, posteriors by id, rules, replays."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from recommender.catalogue.item_columns import CatalogueItem
from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from tests.planted import planted_bundle
from tests.unit.recommender.lists.answers import ask, refusal
from tests.unit.recommender.lists.policy_answers import RULES, USER, answer, ids, items
from tests.unit.recommender.lists.reward_questions import evidence, learning_policy

FEW = evidence({f"i{number}": (40, 2) for number in range(0, 40, 3)})


@pytest.mark.parametrize("name", ["thompson", "ucb"])
@pytest.mark.parametrize("rules", [{}, RULES])
def test_a_replay_gives_the_propensities_that_were_reported(
    ranker: Ranker, name: str, rules: dict[str, object]
) -> None:
    policy = learning_policy(FEW, name=name, new_items={"share": 0.2, "ids": ["i30", "i31"]})
    found = answer(ranker, policy, rules=rules)
    assert found["policy"] == name
    reported = [float(str(item["propensity"])) for item in items(found)]
    again = answer(ranker, policy, rules=rules, propensities_of=ids(found))["propensities"]
    assert again == pytest.approx(reported, rel=1e-6)
    assert all(0 < one <= 1 for one in reported)
    assert len({*ids(found)}) == 10


def test_frequencies_over_seeds_are_the_propensities(ranker: Ranker) -> None:
    """Of 600 lists the first items come as often as a replay says, within five deviations."""
    question = {"user_seq": USER, "k": 2, "candidates": ["i1", "i2", "i4", "i5", "i6"]}
    bodies = [{**question, "policy": {**learning_policy(FEW), "seed": seed}} for seed in range(600)]
    counts = Counter[str]()
    for start in range(0, len(bodies), 100):
        for found in answer_batch(ranker, bodies[start : start + 100]):
            assert isinstance(found, dict)
            counts[ids(found)[0]] += 1
    expected: dict[str, float] = {}
    for item_id in ("i1", "i2", "i4", "i5", "i6"):
        (expected[item_id],) = ask(
            ranker, {**question, "policy": learning_policy(FEW), "propensities_of": [item_id]}
        )["propensities"]  # type: ignore[misc]
    assert sum(expected.values()) == pytest.approx(1)
    for item_id, propensity in expected.items():
        deviation = np.sqrt(propensity * (1 - propensity) / len(bodies))
        assert abs(counts[item_id] / len(bodies) - propensity) <= 5 * deviation


def test_what_earns_more_than_its_score_rises(ranker: Ranker) -> None:
    """And what earns less falls, by certain lists and by those of chance."""
    greedy = ids(ask(ranker, {"user_seq": USER, "k": 38}))
    good, bad = greedy[-1], greedy[0]
    shown = dict.fromkeys(greedy[1:-1], (3000.0, 150.0))
    clicked = evidence({**shown, good: (3_000, 900), bad: (3_000, 10)})
    for name in ("thompson", "ucb"):
        found = ids(answer(ranker, learning_policy(clicked, name=name), k=38))
        assert found.index(good) < 5
        assert bad not in found[:6]


def test_the_hopeful_policy_is_certain_and_prefers_the_unknown(ranker: Ranker) -> None:
    first, again = (
        answer(ranker, {**learning_policy(FEW, name="ucb"), "seed": seed}) for seed in (1, 2)
    )
    assert ids(first) == ids(again)
    assert {item["propensity"] for item in items(first)} == {1.0}
    greedy = ids(ask(ranker, {"user_seq": USER, "k": 38}))
    tried = evidence({one: (400.0, 20.0) for one in greedy if one != greedy[20]})
    places = [
        ids(answer(ranker, learning_policy(tried, name="ucb", width=width), k=38)).index(greedy[20])
        for width in (0.0, 1.0, 3.0)
    ]
    assert places == sorted(places, reverse=True)
    assert places[-1] < places[0]


def test_a_posterior_that_is_not_here_is_asked_for_once(tmp_path_factory: object) -> None:
    """The first worker refuses the id; with the content it answers, and then by the id alone."""
    assert isinstance(tmp_path_factory, pytest.TempPathFactory)
    folder = tmp_path_factory.mktemp("fresh") / "bundle"
    fresh = Ranker(planted_bundle(folder))
    by_id = learning_policy(FEW, is_whole=False)
    refused = refusal(fresh, {"user_seq": USER, "k": 3, "policy": by_id})
    assert refused.field == "policy.posterior"
    whole = answer(fresh, learning_policy(FEW))
    assert ids(answer(fresh, by_id)) == ids(whole)
    plain, with_id = answer_batch(
        fresh, [{"user_seq": USER, "k": 3}, {"user_seq": USER, "k": 3, "policy": by_id}]
    )
    assert isinstance(plain, dict)
    assert isinstance(with_id, dict)


def test_evidence_of_unknown_items_and_none_at_all_is_no_matter(ranker: Ranker) -> None:
    assert (
        len(ids(answer(ranker, learning_policy(evidence({"nobody": (50, 3), "i5": (50, 3)})))))
        == 10
    )
    assert len(ids(answer(ranker, learning_policy(evidence({}))))) == 10
    assert items(answer(ranker, learning_policy(FEW), candidates=["nobody"])) == []
    infinite = evidence({"i5": (float("inf"), 3)})
    refused = refusal(ranker, {"user_seq": USER, "k": 3, "policy": learning_policy(infinite)})
    assert refused.field == "policy.posterior.sums"


def test_rewards_bring_items_from_outside_the_pool(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """An item far below the best by score, which visitors like, comes into the list."""
    many = [CatalogueItem(item_id=f"i{number}", title=f"Thing {number}") for number in range(900)]
    folder = tmp_path_factory.mktemp("many") / "bundle"
    large = Ranker(planted_bundle(folder, items=many))
    whole = ids(ask(large, {"user_seq": USER, "k": 800}))
    liked, shown = whole[600], dict.fromkeys(whole[:100], (5000.0, 50.0))
    clicked = evidence({**shown, liked: (5_000, 2_500)})
    assert ids(answer(large, learning_policy(clicked, name="ucb")))[0] == liked
    left_out = answer(large, learning_policy(clicked, name="ucb"), exclude=[liked])
    assert liked not in ids(left_out)
    among = answer(large, learning_policy(clicked), candidates=whole[:50])
    assert {*ids(among)} <= {*whole[:50]}
