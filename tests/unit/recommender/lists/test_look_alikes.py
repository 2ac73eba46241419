"""Items that look alike: by the picture of an item, and by one that is sent."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recommender.bundle import Bundle
from recommender.lists.answer import answer_batch
from recommender.lists.resolve import MAX_PICTURES
from recommender.ranking.ranker import Ranker
from recommender.requests.wire import MAX_PICTURE_BYTES, Busy
from recommender.retrieval.picture_vectors import (
    no_vectors,
    picture_cosines,
    set_vector,
    vectors_of_pictures,
)
from tests.pictured import PICTURES, pictured_bundle
from tests.pictures import render
from tests.unit.recommender.lists.answers import ask, refusal
from tests.vision_models import TWO_TOWERS


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return pictured_bundle(tmp_path_factory.mktemp("look"), "dinov2")


@pytest.fixture(scope="module")
def ranker(bundle: Bundle) -> Ranker:
    return Ranker(bundle)


def question_of(picture: bytes) -> dict[str, object]:
    return {"similar_to": {"picture": base64.b64encode(picture).decode()}, "k": 3}


def found_ids(answer: object) -> list[str]:
    assert isinstance(answer, dict)
    return [item["id"] for item in answer["items"]]


def test_by_picture_items_that_look_alike_come_first(ranker: Ranker) -> None:
    found = ask(ranker, {"similar_to": {"id": "i1"}, "by": "picture", "k": 9})
    assert found_ids(found)[0] == "i6"
    assert sorted(found_ids(found)) == ["i4", "i6", "i7"], "the others have no picture"


def test_nothing_looks_like_an_item_without_a_picture(ranker: Ranker) -> None:
    assert found_ids(ask(ranker, {"similar_to": {"id": "i2"}, "by": "picture"})) == []


def test_a_picture_that_is_sent_finds_what_looks_like_it(ranker: Ranker) -> None:
    found = ask(ranker, question_of(render("red", kind="JPEG")))
    assert set(found_ids(found)[:2]) == {"i1", "i6"}
    assert len(found_ids(found)) == 3


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"similar_to": {"picture": ""}}, "similar_to.picture: found ''"),
        ({"similar_to": {"picture": "@@@"}}, "broken base64"),
        ({"similar_to": {"picture": "ÿ"}}, "broken base64"),
        ({"similar_to": {"picture": 5}}, "expected a picture in base64"),
        ({"similar_to": {"picture": "aGVsbG8="}}, "5 bytes that are not a picture, expected"),
        ({"similar_to": {"picture": "a" * (MAX_PICTURE_BYTES * 2)}}, "6,000,000 characters"),
        ({"similar_to": {"picture": "aGVs", "id": "i1"}}, "similar_to"),
        ({**question_of(b"x"), "by": "text"}, "by: found 'text'"),
        ({"similar_to": {"text": "a lamp"}, "by": "picture"}, "by: found picture, for a text"),
        ({"similar_to": {"id": "i1"}, "by": "smell"}, "taste, text, both, picture or facts"),
    ],
)
def test_a_bad_picture_is_refused_by_its_field(
    ranker: Ranker, body: dict[str, object], said: str
) -> None:
    assert said in refusal(ranker, body).reason


def test_a_release_without_pictures_says_so(bundle: Bundle) -> None:
    blind = Ranker(replace(bundle, pictures=None))
    for body in (question_of(render()), {"similar_to": {"id": "i1"}, "by": "picture"}):
        assert "no item of this release has a picture" in refusal(blind, body).reason


def test_a_batch_has_a_limited_number_of_pictures(ranker: Ranker) -> None:
    answers = answer_batch(ranker, [question_of(render()) for _ in range(MAX_PICTURES + 1)])
    assert [isinstance(one, Busy) for one in answers] == [False] * MAX_PICTURES + [True]


def test_what_all_pictures_share_does_not_count() -> None:
    vectors_NP = torch.nn.functional.normalize(torch.tensor([[9.0, 1.0], [9.0, -1.0]]), dim=1)
    plain = vectors_of_pictures(vectors_NP.half(), torch.tensor([True, True]))
    centred = replace(plain, mean_P=vectors_NP.mean(0))
    assert picture_cosines(plain, vectors_NP[0])[1] > 0.9
    assert picture_cosines(centred, vectors_NP[0])[1] == pytest.approx(-1.0, abs=1e-2)


@pytest.mark.parametrize("kind", TWO_TOWERS)
def test_a_text_finds_pictures_where_both_share_a_space(kind: str, tmp_path: Path) -> None:
    """The items without a picture are not compared, and the nearest picture is the first."""
    one = Ranker(pictured_bundle(tmp_path, kind))
    text = "a red circle"
    found = ask(one, {"similar_to": {"text": text}, "by": "picture", "k": 9})
    assert found["resolved_items"] == ["text"]
    assert sorted(found_ids(found)) == sorted(PICTURES)
    encoder = one.bundle.load_picture_encoder()
    cosine_M = encoder.encode(list(PICTURES.values())) @ encoder.encode_texts([text])[0]
    assert found_ids(found)[0] == list(PICTURES)[int(cosine_M.argmax())]


def test_a_picture_finds_items_by_their_texts_too(tmp_path: Path) -> None:
    """The text of an item without a picture lies where pictures of what it says lie."""
    bundle = pictured_bundle(tmp_path, "clip")
    assert bundle.pictures is not None
    encoder = bundle.load_picture_encoder()
    row = bundle.catalogue.row("i2")
    assert row is not None
    set_vector(bundle.pictures, row, encoder.encode_texts(["a red circle"])[0], of_text=True)
    one = Ranker(bundle)
    assert sorted(found_ids(ask(one, {**question_of(render("red")), "k": 9}))) == [
        "i1",
        "i2",
        "i4",
        "i6",
        "i7",
    ]
    of_text = ask(one, {"similar_to": {"text": "a red circle"}, "by": "picture", "k": 9})
    of_item = ask(one, {"similar_to": {"id": "i2"}, "by": "picture", "k": 9})
    assert found_ids(of_item) == found_ids(of_text), "the item has no picture but its text"


def test_texts_are_compared_without_what_texts_share() -> None:
    """Texts lie apart from pictures: without that, the text that says the same comes first."""
    vectors = no_vectors(4, 3)
    for row, (x, y, gap) in enumerate([(1.0, 0.0, 0.0), (-1.0, 0.0, 0.0)]):
        set_vector(vectors, row, torch.tensor([x, y, gap]), of_text=False)
    apart = [(0.3, 0.2, 0.9), (-0.3, 0.2, 0.9)]
    for row, one in enumerate(apart, 2):
        set_vector(vectors, row, torch.tensor(one), of_text=True)
    centred = replace(vectors, text_mean_P=torch.tensor(apart).mean(0))
    cosine_N = picture_cosines(centred, torch.tensor([1.0, 0.0, 0.0]))
    assert cosine_N.tolist() == pytest.approx([1.0, -1.0, 1.0, -1.0], abs=1e-2)


def test_a_search_finds_items_by_their_pictures(tmp_path: Path) -> None:
    """The pictured items come earlier than without pictures, and say so where only they match."""
    bundle = pictured_bundle(tmp_path, "clip")
    question = {"search": "a red circle", "k": 1_000}
    seeing, blind = (
        found_ids(ask(Ranker(one), question)) for one in (bundle, replace(bundle, pictures=None))
    )
    assert sorted(seeing) == sorted(blind)
    assert sum(map(seeing.index, PICTURES)) < sum(map(blind.index, PICTURES))
    no_texts = replace(bundle.facts, has_text_N=bundle.facts.has_text_N * 0.0)
    answer = ask(Ranker(replace(bundle, facts=no_texts)), question)
    assert sorted(found_ids(answer)) == sorted(PICTURES)
    items = answer["items"]
    assert isinstance(items, list)
    assert {one["match"] for one in items} == {"picture"}
