"""Lists of candidates alone, lists for the page of one item, and the reasons of their items."""

from __future__ import annotations

import itertools

import pytest
import torch

from recommender.catalogue.attribute_index import Value
from recommender.lists.page_item import ALONE_WEIGHT, LEAST_WEIGHT, weight_of
from recommender.lists.reasons import MIN_POPULAR, NEW_BELOW
from recommender.ranking.history_columns import HistoryElement
from recommender.ranking.ranker import Ranker
from tests.unit.recommender.lists.answers import ask, refusal

USER: list[object] = [{"id": "i3", "rating": 5}, "i8"]


def items_of(answer: dict[str, object]) -> list[dict[str, object]]:
    items = answer["items"]
    assert isinstance(items, list)
    return items


def ids(answer: dict[str, object]) -> list[object]:
    return [item["id"] for item in items_of(answer)]


def values_of(value: Value) -> tuple[str | float, ...]:
    return value if isinstance(value, tuple) else (value,)


def everything(ranker: Ranker, **options: object) -> list[dict[str, object]]:
    return items_of(ask(ranker, {"user_seq": USER, "k": 1000, **options}))


def test_candidates_are_ranked_as_in_the_whole_list(ranker: Ranker) -> None:
    """They lose what is seen, excluded, hidden or filtered out, and keep order and scores."""
    candidates = ["i20", "i3", "i5", "hidden", "17", "i21", "i5"]
    whole = everything(ranker)
    found = everything(ranker, candidates=candidates)
    expected = [item for item in whole if item["id"] in {"i20", "i5", "17", "i21"}]
    assert [item["id"] for item in found] == [item["id"] for item in expected]
    for name in ("score", "rating"):
        assert [item[name] for item in found] == pytest.approx(
            [item[name] for item in expected], abs=1e-5
        )
    odd = everything(ranker, filter={"genre": "Odd"})
    kept = everything(ranker, filter={"genre": "Odd"}, candidates=candidates, exclude=["i5"])
    both = {item["id"] for item in odd} & {"i20", "17", "i21"}
    assert {item["id"] for item in kept} == both
    assert "i3" in {
        item["id"] for item in everything(ranker, candidates=["i3"], exclude_seen=False)
    }


def test_unknown_candidates_are_reported(ranker: Ranker) -> None:
    answer = ask(
        ranker, {"user_seq": [], "k": 5, "candidates": ["i1", "a/b%2f.é", "nobody", "nobody"]}
    )
    assert ids(answer) == ["i1"]
    assert answer["unknown"] == ["a/b%2f.é", "nobody"]
    assert "unknown" not in ask(ranker, {"user_seq": [], "k": 5, "candidates": ["i1"]})
    assert ask(ranker, {"user_seq": [], "k": 5, "candidates": []})["items"] == []


def test_ten_thousand_candidates_are_the_most(ranker: Ranker) -> None:
    most = ["i1", *[f"gone-{number}" for number in range(9_999)]]
    answer = ask(ranker, {"user_seq": [], "k": 5, "candidates": most})
    unknown = answer["unknown"]
    assert isinstance(unknown, list)
    assert (ids(answer), len(unknown)) == (["i1"], 9_999)
    error = refusal(ranker, {"user_seq": [], "k": 5, "candidates": [*most, "i2"]})
    assert (error.field, "at most 10000" in error.reason) == ("candidates", True)


@pytest.mark.parametrize(
    ("option", "field"),
    [
        ({"candidates": "i1"}, "candidates"),
        ({"candidates": ["i1", None]}, "candidates[1]"),
        ({"context": {}}, "context"),
        ({"context": {"id": "i1", "ratng": 1}}, "context.ratng"),
        ({"context": {"id": "i1", "at": 0}}, "context.at"),
        ({"context": {"text": "x" * 30_000}}, "context.text"),
        ({"explain": "yes"}, "explain"),
    ],
)
def test_wrong_options_name_their_field(
    ranker: Ranker, option: dict[str, object], field: str
) -> None:
    assert refusal(ranker, {"user_seq": [], "k": 1, **option}).field == field


def test_a_page_shows_what_is_like_its_item(ranker: Ranker) -> None:
    """A visitor without a history sees items near the page's item, and never the item itself."""
    like = ids(ask(ranker, {"similar_to": {"id": "i4"}, "k": 10}))
    page = ids(ask(ranker, {"user_seq": [], "k": 10, "context": "i4"}))
    cold = ids(ask(ranker, {"user_seq": [], "k": 10}))
    assert "i4" not in page
    assert len({*page} & {*like}) > len({*cold} & {*like})
    free = ids(ask(ranker, {"user_seq": [], "k": 1000, "context": {"text": "odd and loud"}}))
    assert len(free) == len(ranker.catalogue) - 1


def test_a_page_is_read_as_the_newest_view(ranker: Ranker) -> None:
    """The item's weight in the scores is that of a history without it."""
    page = ask(ranker, {"user_seq": USER, "k": 1000, "context": {"id": "i4", "at": 1e9}})
    history = [
        HistoryElement(row=3, type="rating", rating=5.0),
        HistoryElement(row=8, type="view"),
        HistoryElement(row=4, type="view", at_s=1e9),
    ]
    state_1D = ranker.user_states([history])
    leaning_1D = ranker.lean(
        state_1D, ranker.vectors(torch.tensor([4])), torch.tensor([weight_of(2)])
    )
    scores_N = ranker.scores(leaning_1D)[0]
    for item in items_of(page):
        row = ranker.catalogue.row(str(item["id"]))
        assert item["score"] == pytest.approx(float(scores_N[row]), abs=1e-4)
    viewed = ask(ranker, {"user_seq": [*USER, {"id": "i4", "at": 1e9}], "k": 1000, "context": "i4"})
    assert ids(viewed) == ids(page)


def test_an_unknown_page_changes_nothing_and_is_reported(ranker: Ranker) -> None:
    answer = ask(ranker, {"user_seq": USER, "k": 5, "context": {"id": "nobody"}})
    assert answer["unknown"] == ["nobody"]
    assert answer["items"] == ask(ranker, {"user_seq": USER, "k": 5})["items"]


def test_a_longer_history_leans_less_to_the_page() -> None:
    weights = [weight_of(number) for number in range(200)]
    assert (weights[0], weights[-1]) == (ALONE_WEIGHT, LEAST_WEIGHT)
    assert all(one >= other for one, other in itertools.pairwise(weights))


def test_reasons_are_the_shares_of_positive_cosines(ranker: Ranker) -> None:
    """Three items at most; one that the user rated below the mean is no reason."""
    history = [
        {"id": "i3", "rating": 5},
        {"id": "i9", "rating": 1},
        "i8",
        "i12",
        "i15",
        "i8",
        "a free text",
    ]
    (first, *_) = items_of(ask(ranker, {"user_seq": history, "k": 3, "explain": True}))
    reason = first["reason"]
    assert isinstance(reason, dict)
    row = ranker.catalogue.row(str(first["id"]))
    assert row is not None
    liked = [3, 8, 12, 15]
    vectors = torch.nn.functional.normalize(ranker.vectors(torch.tensor(sorted({row, *liked}))))
    place = {one: number for number, one in enumerate(sorted({row, *liked}))}
    cosines = {one: max(0.0, float(vectors[place[row]] @ vectors[place[one]])) for one in liked}
    best = sorted(liked, key=lambda one: -cosines[one])[:3]
    expected = [
        (f"i{one}", cosines[one] / sum(cosines.values())) for one in best if cosines[one] > 0
    ]
    assert expected
    assert [near["id"] for near in reason["nearest"]] == [item_id for item_id, _ in expected]
    assert [near["share"] for near in reason["nearest"]] == pytest.approx(
        [share for _, share in expected], abs=1e-3
    )


def test_reasons_name_shared_attributes_popular_and_new(ranker: Ranker) -> None:
    answer = ask(ranker, {"user_seq": ["i3", "i4"], "k": 1000, "explain": True})
    popular, num_shared = set(ranker.popular_rows(MIN_POPULAR).tolist()), 0
    for item in items_of(answer):
        row = ranker.catalogue.row(str(item["id"]))
        assert row is not None
        reason = item["reason"]
        assert isinstance(reason, dict)
        assert reason["popular"] == (row in popular)
        assert reason["new"] == (float(ranker.bundle.counts_N[row]) < NEW_BELOW)
        own = ranker.catalogue[row].attributes
        theirs = [
            ranker.catalogue[ranker.catalogue.row(near["id"]) or 0].attributes
            for near in reason["nearest"]
        ]
        for name, values in reason["shared"].items():
            num_shared += len(values)
            for value in values:
                assert value in values_of(own[name])
                assert any(value in values_of(of[name]) for of in theirs)
    assert num_shared > 0


def test_an_item_is_no_reason_for_itself(ranker: Ranker) -> None:
    question = {"user_seq": ["i3", "i4"], "k": 1000, "exclude_seen": False, "explain": True}
    nearest: dict[str, list[str]] = {}
    for item in items_of(ask(ranker, question)):
        reason = item["reason"]
        assert isinstance(reason, dict)
        nearest[str(item["id"])] = [near["id"] for near in reason["nearest"]]
    assert nearest["i3"] in ([], ["i4"])
    assert nearest["i4"] in ([], ["i3"])


def test_a_cold_user_has_reasons_without_items(ranker: Ranker) -> None:
    (first, *_) = items_of(ask(ranker, {"user_seq": [], "k": 2, "explain": True}))
    reason = first["reason"]
    assert isinstance(reason, dict)
    assert (reason["nearest"], reason["shared"]) == ([], {})
    plain = ask(ranker, {"user_seq": [], "k": 2})
    assert all("reason" not in item for item in items_of(plain))
