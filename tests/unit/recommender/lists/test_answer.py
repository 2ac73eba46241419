"""Answers to a batch of bodies on planted data: names, top-k, ratings, errors, and batching."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from recommender.lists.answer import PLANS_AT_ONCE, Answer, answer_batch
from recommender.ranking.history_columns import HistoryElement
from recommender.ranking.ranker import Ranker
from recommender.requests.wire import BadRequest
from tests.planted import planted_bundle, planted_items
from tests.unit.recommender.lists.answers import ask, refusal

TOLERANCE = 1e-4  # float32 sums in another order, and the encoder pads by batch


@pytest.fixture(scope="module")
def ranker_without_ratings(tmp_path_factory: pytest.TempPathFactory) -> Ranker:
    return Ranker(
        planted_bundle(
            tmp_path_factory.mktemp("answer") / "bundle", tower="baseline", ratings=False
        )
    )


def ids(answer: dict[str, object]) -> list[str]:
    items = answer["items"]
    assert isinstance(items, list)
    return [item["id"] for item in items]


def test_a_bare_string_is_an_id_then_a_title_then_a_text(ranker: Ranker) -> None:
    history = [
        "i3",
        "Thing 5 (1990)",
        "Thing 1 (1990)",
        "17",
        17,
        "never heard of it",
        {"id": "nobody"},
        {"text": "i3"},
        "🎬",
    ]
    answer = ask(ranker, {"user_seq": history, "item_desc": "Thing 7 (1990)"})
    assert answer["resolved"] == [
        "id",
        "title",
        "id",
        "id",
        "id",
        "text",
        "unknown",
        "text",
        "text",
    ]
    assert answer["resolved_items"] == ["title"]


def test_a_score_is_the_rankers_rating(ranker: Ranker) -> None:
    history = [HistoryElement(row=3, type="rating", rating=5.0), HistoryElement(row=4)]
    expected = ranker.ratings(ranker.user_states([history]), torch.tensor([[7]]))
    answer = ask(
        ranker,
        {"user_seq": [{"id": "i3", "rating": 5}, {"id": "i4", "type": "other"}], "item_desc": "i7"},
    )
    assert answer["score"] == pytest.approx(float(expected[0, 0]), abs=TOLERANCE)


def test_each_of_scores_equals_the_answer_for_item_desc(ranker: Ranker) -> None:
    user = [{"id": "i3", "rating": 1}, "a text of mine", "i8"]
    items: list[object] = [
        "i7",
        "a calm blue thing",
        {"id": "i9"},
        {"text": "i9"},
        "untitled",
        "hidden",
        17,
    ]
    scores = ask(ranker, {"user_seq": user, "items": items})["scores"]
    single = [ask(ranker, {"user_seq": user, "item_desc": item})["score"] for item in items]
    assert scores == pytest.approx(single, abs=TOLERANCE)


def test_top_k_leaves_out_seen_excluded_and_hidden_items(ranker: Ranker) -> None:
    everything = ids(ask(ranker, {"user_seq": ["i3"], "k": 1000}))
    assert len(everything) == len(ranker.catalogue) - 2  # one seen, one hidden
    assert "hidden" not in everything
    best = ids(ask(ranker, {"user_seq": ["i3"], "k": 3, "exclude": [everything[0], "nobody"]}))
    assert best == everything[1:4]
    assert "i3" in ids(ask(ranker, {"user_seq": ["i3"], "k": 1000, "exclude_seen": False}))


def test_the_whole_history_counts_as_seen(ranker: Ranker) -> None:
    history = [f"i{number}" for number in range(40)]
    answer = ask(ranker, {"user_seq": history, "k": 1000})
    assert not set(ids(answer)) & set(history)
    newest = ask(ranker, {"user_seq": history[-20:], "k": 1000, "exclude": history})
    assert answer["items"] == newest["items"]


def test_a_filter_keeps_items_that_match_every_key(ranker: Ranker) -> None:
    answer = ask(
        ranker, {"user_seq": [], "k": 1000, "filter": {"genre": ["Odd", "Even"], "year": 1991}}
    )
    assert sorted(ids(answer)) == sorted(f"i{number}" for number in range(40) if number % 5 == 1)
    assert ask(ranker, {"user_seq": [], "k": 5, "filter": {"genre": "Nothing such"}})["items"] == []
    error = refusal(ranker, {"user_seq": [], "k": 5, "filter": {"gnere": "Odd"}})
    assert error.field == "filter.gnere"
    assert "genre, year" in error.reason


def test_items_carry_id_title_score_and_rating(ranker: Ranker) -> None:
    items = ask(ranker, {"user_seq": [], "k": 1000})["items"]
    assert isinstance(items, list)
    assert all(set(item) == {"id", "title", "score", "rating"} for item in items)
    assert {item["id"]: item["title"] for item in items}["untitled"] is None
    assert [item["score"] for item in items] == sorted(
        (item["score"] for item in items), reverse=True
    )
    scores = ask(ranker, {"user_seq": [], "items": [{"id": item["id"]} for item in items]})[
        "scores"
    ]
    assert [item["rating"] for item in items] == pytest.approx(scores, abs=TOLERANCE)


def test_an_impression_is_not_history(ranker: Ranker) -> None:
    shown = ask(ranker, {"user_seq": [{"id": "i3", "type": "impression"}], "k": 1000})
    assert shown["items"] == ask(ranker, {"user_seq": [], "k": 1000})["items"]


@pytest.mark.parametrize("type_", ["dislike", "skip", "a word of the shop's own"])
def test_a_type_that_is_no_choice_only_counts_as_seen(ranker: Ranker, type_: str) -> None:
    after = ask(ranker, {"user_seq": [{"id": "i3", "type": type_}], "k": 1000})["items"]
    cold = ask(ranker, {"user_seq": [], "k": 1000})["items"]
    assert isinstance(cold, list)
    assert after == [item for item in cold if item["id"] != "i3"]


def test_a_choice_and_a_rating_of_any_type_are_history(ranker: Ranker) -> None:
    cold = ask(ranker, {"user_seq": [], "k": 1000})["items"]
    assert isinstance(cold, list)
    for element in (
        {"id": "i3", "type": "add_to_cart"},
        {"id": "i3", "type": "review", "rating": 5},
    ):
        after = ask(ranker, {"user_seq": [element], "k": 1000})["items"]
        assert after != [item for item in cold if item["id"] != "i3"]


def test_an_unknown_id_in_history_is_ignored_in_items_refused(ranker: Ranker) -> None:
    known = ask(ranker, {"user_seq": ["i3"], "item_desc": "i4"})["score"]
    assert ask(ranker, {"user_seq": ["i3", {"id": "nobody"}], "item_desc": "i4"})["score"] == known
    error = refusal(ranker, {"user_seq": [], "items": ["i3", {"id": "nobody"}]})
    assert error.field == "items[1]"
    assert "'nobody'" in error.reason


def test_a_rating_beyond_the_scale_is_clamped(ranker: Ranker) -> None:
    wild = ask(ranker, {"user_seq": [{"id": "i3", "rating": 1e300}], "item_desc": "i4"})
    assert (
        wild["score"]
        == ask(ranker, {"user_seq": [{"id": "i3", "rating": 5}], "item_desc": "i4"})["score"]
    )


def test_times_in_any_order_and_distance_give_finite_scores(ranker: Ranker) -> None:
    history = [
        {"id": "i3", "at": "8999-01-01"},
        {"id": "i4", "at": 631152000},
        {"id": "i5"},
        {"id": "i6", "at": "2020-01-01T00:00:00+14:00"},
    ]
    json.dumps(ask(ranker, {"user_seq": history, "k": 5}), allow_nan=False)


def test_similar_items_exclude_the_item_itself(ranker: Ranker) -> None:
    answer = ask(ranker, {"similar_to": "Thing 3 (1990)", "k": 1000})
    assert "i3" not in ids(answer)
    assert answer["resolved_items"] == ["title"]
    assert len(ids(ask(ranker, {"similar_to": "something odd and loud"}))) == 10
    assert refusal(ranker, {"similar_to": {"id": "nobody"}}).field == "similar_to"


def test_without_ratings_in_the_data_scores_are_refused(ranker_without_ratings: Ranker) -> None:
    for form in ({"item_desc": "i3"}, {"items": ["i3"]}):
        error = refusal(ranker_without_ratings, {"user_seq": [], **form})
        assert error.field in form
        assert "no ratings" in error.reason
    items = ask(ranker_without_ratings, {"user_seq": [{"id": "i1", "rating": 4}], "k": 2})["items"]
    assert isinstance(items, list)
    assert all("rating" not in item for item in items)


def test_a_list_of_bodies_is_answered_by_a_list(ranker: Ranker) -> None:
    answer = answer_batch(
        ranker, [[{"user_seq": [], "k": 1}, {"k": 1}, "x", {"similar_to": "i3", "k": 1}]]
    )[0]
    assert isinstance(answer, list)
    assert [sorted(one) for one in answer] == [
        ["items", "resolved"],
        ["error"],
        ["error"],
        ["items", "resolved_items"],
    ]
    assert refusal(ranker, []).field == "body"
    assert refusal(ranker, [{}] * 101).field == "body"


BODIES: list[object] = [
    {"user_seq": ["i3", "free text"], "item_desc": "another text"},
    {"user_seq": [], "items": ["i1", "text", "i2"]},
    {"user_seq": ["i1"] * 30, "k": 7},
    {"user_seq": [], "k": 3, "filter": {"genre": "Even"}},
    {"user_seq": [{"id": "i9", "rating": 2, "at": 1.6e9}], "k": 40},
    {"similar_to": "i3", "k": 2},
    {"similar_to": "some text", "k": 2},
    [{"user_seq": ["i5"], "k": 2}, {"user_seq": ["i5"], "item_desc": "i6"}],
    b'{"user_seq": ["Thing 2 (1990)"], "k": 2}',
]
BAD: list[object] = [
    None,
    b"{",
    {"user_seq": [], "k": 0},
    {"user_seq": [], "items": [{"id": "?"}]},
    [],
    {"user_seq": [], "k": 1, "filter": {"x": 1}},
]


def test_answers_do_not_depend_on_the_batch(ranker: Ranker) -> None:
    mixed = [body for pair in zip(BODIES, [*BAD, None, None, None], strict=True) for body in pair]
    together = answer_batch(ranker, mixed)
    assert all(isinstance(answer, BadRequest) for answer in together[1::2])
    for body, answer in zip(BODIES, together[::2], strict=True):
        assert same(answer, answer_batch(ranker, [body])[0]), body


def test_many_bodies_are_answered_in_order(ranker: Ranker) -> None:
    bodies: list[dict[str, object]] = []
    for number in range(PLANS_AT_ONCE + 1):
        history = [f"i{number % 20}"]
        bodies += [{"user_seq": history, "items": ["i1", "i2"]}, {"user_seq": history, "k": 2}]
    together = answer_batch(ranker, bodies)
    for body, answer in zip(bodies, together, strict=True):
        assert same(answer, answer_batch(ranker, [body])[0]), body


def test_an_empty_batch_has_no_answers(ranker: Ranker) -> None:
    assert answer_batch(ranker, []) == []


def test_a_catalogue_may_have_one_item(tmp_path: Path) -> None:
    one = Ranker(planted_bundle(tmp_path / "one", tower="baseline", items=planted_items(1)))
    assert ids(ask(one, {"user_seq": [], "k": 10})) == ["i0"]
    assert ask(one, {"user_seq": ["i0"], "k": 10})["items"] == []
    assert ask(one, {"similar_to": "i0"})["items"] == []


def same(left: Answer | object, right: Answer | object) -> bool:
    """Compare answers; numbers may differ by the tolerance."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            same(one, other) for one, other in zip(left, right, strict=True)
        )
    return bool(
        left == (pytest.approx(right, abs=TOLERANCE) if isinstance(right, float) else right)
    )
