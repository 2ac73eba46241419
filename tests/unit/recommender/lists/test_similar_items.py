"""Similar items by taste, by text or by both, with filters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recommender.bundle import Bundle
from recommender.catalogue.catalogue import Catalogue
from recommender.ranking.cosines import text_cosines
from recommender.ranking.ranker import Ranker
from tests.planted import planted_bundle
from tests.unit.recommender.lists.answers import ask, refusal
from tests.unit.recommender.lists.test_answer import ids

ROW = 4


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return planted_bundle(tmp_path_factory.mktemp("lists") / "bundle", tower="transformer")


@pytest.fixture(scope="module")
def ranker(bundle: Bundle) -> Ranker:
    return Ranker(bundle)


def texts_64(bundle: Bundle) -> torch.Tensor:
    return torch.nn.functional.normalize(bundle.texts_NT.double(), dim=1)


@pytest.mark.parametrize("scanned_items", [10, 10_000])
def test_by_text_the_cosine_is_that_of_the_texts(bundle: Bundle, scanned_items: int) -> None:
    one = Ranker(bundle, scanned_items=scanned_items)
    rows, cosines = one.similar(row=ROW, k=1000, by="text")
    expected_N = texts_64(bundle) @ texts_64(bundle)[ROW]
    assert sorted(rows.tolist()) == [row for row in range(len(expected_N)) if row != ROW]
    assert cosines == pytest.approx(expected_N[rows.tolist()].numpy(), abs=1e-3)
    assert list(cosines) == sorted(cosines, reverse=True)


@pytest.mark.parametrize("scanned_items", [10, 10_000])
def test_by_both_the_cosine_is_the_mean(bundle: Bundle, scanned_items: int) -> None:
    one = Ranker(bundle, scanned_items=scanned_items)
    found = {}
    for by in ("taste", "text", "both"):
        rows, cosines = one.similar(row=ROW, k=1000, by=by)
        found[by] = dict(zip(rows.tolist(), cosines.tolist(), strict=True))
    means = {row: (found["taste"][row] + found["text"][row]) / 2 for row in found["taste"]}
    assert found["both"] == pytest.approx(means, abs=1e-3)
    rows, _ = one.similar(row=ROW, k=3, by="both")
    assert rows.tolist() == sorted(means, key=lambda row: -means[row])[:3]


def test_items_without_a_text_are_near_to_nothing(bundle: Bundle) -> None:
    has_text_N = torch.ones(len(bundle.texts_NT))
    has_text_N[[ROW, 7]] = 0.0
    facts = replace(bundle.facts, has_text_N=has_text_N)
    assert text_cosines(facts, row=ROW).isnan().all()
    assert text_cosines(facts, row=5).isnan().nonzero().flatten().tolist() == [
        ROW,
        7,
    ]


def test_a_filter_leaves_other_items_out(ranker: Ranker) -> None:
    for by in ("taste", "text", "both"):
        question = {"similar_to": "i4", "by": by, "filter": {"genre": "Odd"}, "k": 1000}
        found = ids(ask(ranker, question))
        assert len(found) == 20
        assert all(int(item_id[1:]) % 2 for item_id in found)
    assert len(ids(ask(ranker, {"similar_to": "loud red", "by": "text"}))) == 10


def test_hidden_items_are_in_no_list(tmp_path: Path) -> None:
    bundle = planted_bundle(tmp_path / "bundle", tower="lstm")
    items = [replace(item, hidden=item.item_id == "i6") for item in bundle.catalogue]
    one = Ranker(replace(bundle, catalogue=Catalogue(items)))
    for by in ("taste", "text", "both"):
        assert "i6" not in ids(ask(one, {"similar_to": "i4", "by": by, "k": 1000}))


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"similar_to": "i4", "by": "colour"}, "by"),
        ({"similar_to": "i4", "by": ["text"]}, "by"),
        ({"similar_to": "i4", "filter": {"genra": "Odd"}}, "filter.genra"),
        ({"user_seq": [], "k": 3, "by": "text"}, "by"),
    ],
)
def test_a_wrong_question_names_its_field(
    ranker: Ranker, question: dict[str, object], field: str
) -> None:
    assert refusal(ranker, question).field == field
