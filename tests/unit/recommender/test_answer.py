"""A batch of bodies against the planted catalogue: names, top-k, ratings, errors, and no answer that depends on its neighbours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import recommender.answer as answering
from recommender.answer import Answer, answer_batch
from recommender.batch_work import MAX_ELEMENTS, SMALL
from recommender.catalogue import CatalogueItem
from recommender.encoder import CHARACTERS_A_TOKEN
from recommender.ranker import HistoryElement, Ranker
from recommender.resolve import CHARS_A_TEXT, MAX_FREE_CHARS, Texts
from recommender.wire import MAX_BODIES, MAX_HISTORY, MAX_K, MAX_VALUES, BadRequest, Busy
from tests.planted import planted_bundle, planted_items

TOLERANCE = 1e-4  # float32 sums in another order, and the encoder pads by batch


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> Ranker:
    special = [
        CatalogueItem(item_id="17", title="Numbered"),
        CatalogueItem(item_id="hidden", title="Hidden Thing", hidden=True),
        CatalogueItem(item_id="Thing 1 (1990)", title="An id that is another's title"),
        CatalogueItem(item_id="untitled"),
    ]
    folder = tmp_path_factory.mktemp("answer") / "bundle"
    return Ranker(
        planted_bundle(
            folder, tower="transformer", encoder="tiny", items=[*planted_items(), *special]
        )
    )


@pytest.fixture(scope="module")
def ranker_without_ratings(tmp_path_factory: pytest.TempPathFactory) -> Ranker:
    return Ranker(
        planted_bundle(
            tmp_path_factory.mktemp("answer") / "bundle", tower="baseline", ratings=False
        )
    )


def ask(ranker: Ranker, body: object) -> dict[str, object]:
    answer = answer_batch(ranker, [body])[0]
    assert isinstance(answer, dict), answer
    return answer


def refused(ranker: Ranker, body: object) -> BadRequest:
    answer = answer_batch(ranker, [body])[0]
    assert isinstance(answer, BadRequest), answer
    return answer


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


def test_each_of_scores_is_what_item_desc_would_have_returned(ranker: Ranker) -> None:
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


def test_top_k_leaves_out_what_was_seen_excluded_and_hidden(ranker: Ranker) -> None:
    everything = ids(ask(ranker, {"user_seq": ["i3"], "k": 1000}))
    assert len(everything) == len(ranker.catalogue) - 2  # one seen, one hidden
    assert "hidden" not in everything
    best = ids(ask(ranker, {"user_seq": ["i3"], "k": 3, "exclude": [everything[0], "nobody"]}))
    assert best == everything[1:4]
    assert "i3" in ids(ask(ranker, {"user_seq": ["i3"], "k": 1000, "exclude_seen": False}))


def test_the_whole_history_counts_as_seen_though_only_its_newest_is_read(ranker: Ranker) -> None:
    history = [f"i{number}" for number in range(40)]
    answer = ask(ranker, {"user_seq": history, "k": 1000})
    assert not set(ids(answer)) & set(history)
    newest = ask(ranker, {"user_seq": history[-20:], "k": 1000, "exclude": history})
    assert answer["items"] == newest["items"]


def test_a_filter_keeps_what_matches_every_key(ranker: Ranker) -> None:
    answer = ask(
        ranker, {"user_seq": [], "k": 1000, "filter": {"genre": ["Odd", "Even"], "year": 1991}}
    )
    assert sorted(ids(answer)) == sorted(f"i{number}" for number in range(40) if number % 5 == 1)
    assert ask(ranker, {"user_seq": [], "k": 5, "filter": {"genre": "Nothing such"}})["items"] == []
    error = refused(ranker, {"user_seq": [], "k": 5, "filter": {"gnere": "Odd"}})
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


def test_an_impression_is_no_history(ranker: Ranker) -> None:
    shown = ask(ranker, {"user_seq": [{"id": "i3", "type": "impression"}], "k": 1000})
    assert shown["items"] == ask(ranker, {"user_seq": [], "k": 1000})["items"]


@pytest.mark.parametrize("type_", ["dislike", "skip", "a word of the shop's own"])
def test_what_is_no_choice_does_not_attract_and_counts_as_seen(ranker: Ranker, type_: str) -> None:
    after = ask(ranker, {"user_seq": [{"id": "i3", "type": type_}], "k": 1000})["items"]
    cold = ask(ranker, {"user_seq": [], "k": 1000})["items"]
    assert isinstance(cold, list)
    assert after == [item for item in cold if item["id"] != "i3"]


def test_a_choice_attracts_as_a_rating_of_any_type_does(ranker: Ranker) -> None:
    cold = ask(ranker, {"user_seq": [], "k": 1000})["items"]
    assert isinstance(cold, list)
    for element in (
        {"id": "i3", "type": "add_to_cart"},
        {"id": "i3", "type": "review", "rating": 5},
    ):
        after = ask(ranker, {"user_seq": [element], "k": 1000})["items"]
        assert after != [item for item in cold if item["id"] != "i3"]


def test_an_unknown_id_in_a_history_is_ignored_and_among_items_refused(ranker: Ranker) -> None:
    known = ask(ranker, {"user_seq": ["i3"], "item_desc": "i4"})["score"]
    assert ask(ranker, {"user_seq": ["i3", {"id": "nobody"}], "item_desc": "i4"})["score"] == known
    error = refused(ranker, {"user_seq": [], "items": ["i3", {"id": "nobody"}]})
    assert error.field == "items[1]"
    assert "'nobody'" in error.reason


def test_a_rating_beyond_the_scale_is_the_end_of_the_scale(ranker: Ranker) -> None:
    wild = ask(ranker, {"user_seq": [{"id": "i3", "rating": 1e300}], "item_desc": "i4"})
    assert (
        wild["score"]
        == ask(ranker, {"user_seq": [{"id": "i3", "rating": 5}], "item_desc": "i4"})["score"]
    )


def test_times_of_any_order_and_distance_give_numbers(ranker: Ranker) -> None:
    history = [
        {"id": "i3", "at": "8999-01-01"},
        {"id": "i4", "at": 631152000},
        {"id": "i5"},
        {"id": "i6", "at": "2020-01-01T00:00:00+14:00"},
    ]
    json.dumps(ask(ranker, {"user_seq": history, "k": 5}), allow_nan=False)


def test_similar_items_are_never_the_item_itself(ranker: Ranker) -> None:
    answer = ask(ranker, {"similar_to": "Thing 3 (1990)", "k": 1000})
    assert "i3" not in ids(answer)
    assert answer["resolved_items"] == ["title"]
    assert len(ids(ask(ranker, {"similar_to": "something odd and loud"}))) == 10
    assert refused(ranker, {"similar_to": {"id": "nobody"}}).field == "similar_to"


def test_without_ratings_none_is_predicted(ranker_without_ratings: Ranker) -> None:
    for form in ({"item_desc": "i3"}, {"items": ["i3"]}):
        error = refused(ranker_without_ratings, {"user_seq": [], **form})
        assert error.field in form
        assert "no ratings" in error.reason
    items = ask(ranker_without_ratings, {"user_seq": [{"id": "i1", "rating": 4}], "k": 2})["items"]
    assert isinstance(items, list)
    assert all("rating" not in item for item in items)


def many_texts(ranker: Ranker, chars: int) -> list[str]:
    """Return texts that count so many characters together, and a few more."""
    longest = CHARACTERS_A_TOKEN * ranker.bundle.manifest.encoder.max_tokens
    return [
        f"{number} ".ljust(2 * longest, "x")
        for number in range(chars // (longest + CHARS_A_TEXT) + 1)
    ]


def test_too_much_free_text_is_refused_by_name(ranker: Ranker) -> None:
    """The limit is work: one body of 256 long texts kept the only worker busy for 5 s."""
    many = many_texts(ranker, MAX_FREE_CHARS)
    error = refused(ranker, {"user_seq": [], "items": many})
    assert error.field == f"items[{len(many) - 1}]"
    assert f"more than {MAX_FREE_CHARS:,} characters" in error.reason
    assert len(ask(ranker, {"user_seq": [], "items": many[:-1]})["scores"]) == len(many) - 1  # type: ignore[arg-type]


def test_many_short_texts_are_work_too(ranker: Ranker) -> None:
    names = [f"t{number}" for number in range(MAX_FREE_CHARS // CHARS_A_TEXT)]
    assert "characters of texts" in refused(ranker, {"user_seq": [], "items": names}).reason
    assert len(ask(ranker, {"user_seq": [], "items": names[:100]})["scores"]) == 100  # type: ignore[arg-type]


def test_a_batch_reads_no_more_texts_than_one_body_may_bring(ranker: Ranker) -> None:
    """What came first is answered; the rest may be sent again, and what brings no texts is answered too."""
    half = many_texts(ranker, MAX_FREE_CHARS // 2)
    others = [f"other {text}" for text in half]
    bodies: list[object] = [
        {"user_seq": [], "items": half},
        {"user_seq": [], "items": half},  # the same texts cost nothing
        {"user_seq": [], "items": others},
        [{"user_seq": [], "items": others}],
        {"user_seq": ["i3"], "k": 1},
        {"user_seq": [], "items": many_texts(ranker, MAX_FREE_CHARS)},
    ]
    first, same, second, listed, plain, too_large = answer_batch(ranker, bodies)
    assert isinstance(first, dict)
    assert first == same
    assert isinstance(second, Busy)
    assert isinstance(listed, Busy)
    assert isinstance(plain, dict)
    assert isinstance(too_large, BadRequest | Busy)
    assert isinstance(answer_batch(ranker, [bodies[2]])[0], dict)


def test_the_texts_of_a_refused_request_cost_the_others_nothing() -> None:
    texts = Texts(chars_read=MAX_FREE_CHARS)
    texts.next_request()
    texts.row("kept", field="x")
    texts.next_request()
    with pytest.raises(BadRequest):
        texts.row("x" * MAX_FREE_CHARS, field="x")
    texts.row("y" * (MAX_FREE_CHARS // 2), field="x")
    texts.drop_request()
    assert list(texts.rows) == ["kept"]
    assert texts.row("y" * (MAX_FREE_CHARS // 2), field="x") == 1


def test_bodies_of_one_request_may_not_be_large_together(ranker: Ranker) -> None:
    """Nineteen histories of 100,000 elements fit into 8 MB and kept the only worker busy for 8 s, or 24 s beside a training."""
    long = {"user_seq": ["i3"] * MAX_HISTORY, "k": 1}
    error = refused(ranker, [long] * 3)
    assert error.reason.startswith(
        "body: found 300,003 elements in user_seq, items, exclude and items asked for"
    )
    assert f"at most {MAX_ELEMENTS:,} in one request" in error.reason
    wrong = {
        "user_seq": [*["i3"] * (MAX_HISTORY - 1), None],
        "k": 1,
    }  # as long to read until the mistake
    assert "elements" in refused(ranker, [wrong] * 3).reason
    assert isinstance(answer_batch(ranker, [[long, long]])[0], list)


def test_large_requests_of_a_batch_are_answered_one_after_another(ranker: Ranker) -> None:
    """Thirty-two of them together took longer than TorchServe waits for a worker, and 6 GB."""
    long = json.dumps({"user_seq": ["i3"] * MAX_HISTORY, "k": 1}).encode()
    much = json.dumps([{"user_seq": [], "k": MAX_K}] * MAX_BODIES).encode()
    small = json.dumps({"user_seq": ["i3"] * (SMALL - 10), "k": 1}).encode()
    first, second, third, fourth, small_one = answer_batch(ranker, [long, long, long, much, small])
    assert isinstance(first, dict)
    assert first == second
    assert isinstance(third, Busy)
    assert isinstance(fourth, Busy)
    assert isinstance(small_one, dict)
    assert isinstance(answer_batch(ranker, [much])[0], list)


def test_json_of_a_batch_is_read_up_to_a_limit(ranker: Ranker) -> None:
    junk = b"[" + b"[]," * (MAX_VALUES * 2 // 5) + b"[]]"  # four fifths of the values of a body
    answers = answer_batch(ranker, [junk, junk, {"user_seq": [], "k": 1}])
    assert [type(answer) for answer in answers] == [BadRequest, Busy, dict]


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
    assert refused(ranker, []).field == "body"
    assert refused(ranker, [{}] * 101).field == "body"


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


def test_answers_are_the_same_alone_and_in_a_batch_among_bad_ones(ranker: Ranker) -> None:
    mixed = [body for pair in zip(BODIES, [*BAD, None, None, None], strict=True) for body in pair]
    together = answer_batch(ranker, mixed)
    assert all(isinstance(answer, BadRequest) for answer in together[1::2])
    for body, answer in zip(BODIES, together[::2], strict=True):
        assert same(answer, answer_batch(ranker, [body])[0]), body


def test_many_bodies_are_answered_in_parts_and_in_their_order(
    ranker: Ranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = [
        {"user_seq": [f"i{number}"], "items": [f"i{one}" for one in range(number, number + 3)]}
        for number in range(5)
    ]
    bodies = [body for score in scores for body in (score, {"user_seq": score["user_seq"], "k": 2})]
    whole = answer_batch(ranker, [bodies])
    monkeypatch.setattr(answering, "PLANS_AT_ONCE", 2)
    (in_parts,) = answer_batch(ranker, [bodies])
    assert isinstance(in_parts, list)
    assert [sorted(one) for one in in_parts] == [
        ["resolved", "resolved_items", "scores"],
        ["items", "resolved"],
    ] * 5
    assert same(in_parts, whole[0])


def test_an_empty_batch_is_no_work(ranker: Ranker) -> None:
    assert answer_batch(ranker, []) == []


def test_one_item_is_a_catalogue(tmp_path: Path) -> None:
    one = Ranker(planted_bundle(tmp_path / "one", tower="baseline", items=planted_items(1)))
    assert ids(ask(one, {"user_seq": [], "k": 10})) == ["i0"]
    assert ask(one, {"user_seq": ["i0"], "k": 10})["items"] == []
    assert ask(one, {"similar_to": "i0"})["items"] == []


def same(left: Answer | object, right: Answer | object) -> bool:
    """Compare answers, numbers within the tolerance."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            same(one, other) for one, other in zip(left, right, strict=True)
        )
    return bool(
        left == (pytest.approx(right, abs=TOLERANCE) if isinstance(right, float) else right)
    )
