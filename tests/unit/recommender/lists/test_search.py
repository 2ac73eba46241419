"""Searches: three blended lists, filters, exclusions, and refusals by field."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recommender.bundle import Bundle
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.lists.answer import answer_batch
from recommender.lists.search import EXACT, TITLES_LISTED
from recommender.ranking.ranker import Ranker
from recommender.requests.wire import MAX_SEARCH_CHARS
from tests.planted import planted_bundle, planted_items
from tests.unit.recommender.lists.answers import ask, refusal
from tests.unit.recommender.lists.test_answer import ids


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("searched") / "bundle"
    return planted_bundle(folder, tower="transformer", encoder="tiny")


@pytest.fixture(scope="module")
def ranker(bundle: Bundle) -> Ranker:
    return Ranker(bundle)


def matches(answer: dict[str, object]) -> dict[str, list[str]]:
    """Return the found ids by how they match, in their order."""
    found: dict[str, list[str]] = {}
    items = answer["items"]
    assert isinstance(items, list)
    for item in items:
        found.setdefault(item["match"], []).append(item["id"])
    return found


def test_a_title_of_just_these_words_comes_first(ranker: Ranker) -> None:
    answer = ask(ranker, {"search": "thing 7 1990", "k": 1000})
    items = answer["items"]
    assert isinstance(items, list)
    assert items[0]["id"] == "i7"
    assert items[0]["title"] == "Thing 7 (1990)"
    assert matches(answer)["exact"] == ["i7"]
    assert items[0]["score"] > EXACT > items[1]["score"]
    assert [one["score"] for one in items] == sorted((one["score"] for one in items), reverse=True)


def test_by_meaning_alone_all_texts_are_found(ranker: Ranker) -> None:
    answer = ask(ranker, {"search": "xyzzy", "k": 1000})
    assert matches(answer).keys() == {"text"}
    assert len(ids(answer)) == len(ranker.catalogue)
    assert len(ids(ask(ranker, {"search": "xyzzy"}))) == 10


def test_of_too_many_equal_titles_the_readers_are_listed(tmp_path: Path) -> None:
    """A common word is in more titles than are listed, and the lowest rows are the oldest items."""
    items = planted_items(2 * TITLES_LISTED)
    folder = tmp_path / "bundle"
    ranker = Ranker(planted_bundle(folder, tower="transformer", encoder="tiny", items=items))
    reader = {"user_seq": ["i1", "i3"], "k": TITLES_LISTED // 2}
    liked = ids(ask(ranker, {**reader, "exclude_seen": False}))
    found = ids(ask(ranker, {**reader, "search": "thing 1990", "k": TITLES_LISTED}))
    assert {*liked} <= {*found}


def test_the_reader_decides_between_equal_titles(ranker: Ranker) -> None:
    question = {"search": "thing", "k": 1000}
    cold = ids(ask(ranker, question))
    even, odd = (
        ids(ask(ranker, {**question, "user_seq": [f"i{n}" for n in range(first, 20, 2)]}))
        for first in (0, 1)
    )
    assert sorted(even) == sorted(odd) == sorted(cold)
    assert even != odd


def test_a_search_does_not_depend_on_its_batch(ranker: Ranker) -> None:
    questions: list[dict[str, object]] = [
        {"search": "thing 7", "user_seq": ["i3"]},
        {"search": "odd loud", "user_seq": [], "filter": {"genre": "Odd"}},
    ]
    (together,) = answer_batch(ranker, [questions])
    assert isinstance(together, list)
    assert [ids(one) for one in together] == [ids(ask(ranker, one)) for one in questions]


def test_filters_exclusions_and_hidden_items_leave_out(bundle: Bundle) -> None:
    items = [replace(item, hidden=item.item_id == "i9") for item in bundle.catalogue]
    one = Ranker(replace(bundle, catalogue=Catalogue(items)))
    question = {"search": "thing 7 1990", "k": 1000, "filter": {"genre": "Odd"}}
    found = ids(ask(one, {**question, "exclude": ["i7", "unknown"]}))
    assert sorted(found) == sorted(f"i{n}" for n in range(1, len(items), 2) if n not in (7, 9))
    assert ids(ask(one, {**question, "filter": {"genre": "None"}})) == []


def test_seen_items_are_found(ranker: Ranker) -> None:
    answer = ask(ranker, {"search": "thing 7", "user_seq": ["i7", "no such item"]})
    assert "i7" in ids(answer)
    assert answer["resolved"] == ["id", "text"]


def test_items_without_texts_are_found_by_title(tmp_path: Path) -> None:
    items = [CatalogueItem(item_id="a", title="Star"), CatalogueItem(item_id="b")]
    one = Ranker(planted_bundle(tmp_path / "b", tower="lstm", items=items, encoder="none"))
    no_texts = replace(one.bundle.facts, has_text_N=one.bundle.facts.has_text_N * 0.0)
    whitening = replace(
        one.bundle.whitening, components_RT=one.bundle.whitening.components_RT * 0.0
    )
    one = Ranker(replace(one.bundle, facts=no_texts, whitening=whitening))
    assert ids(ask(one, {"search": "star"})) == ["a"]
    assert ids(ask(one, {"search": "else"})) == []


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"search": ""}, "search"),
        ({"search": " \n"}, "search"),
        ({"search": "x" * (MAX_SEARCH_CHARS + 1)}, "search"),
        ({"search": ["star"]}, "search"),
        ({"search": "\ud800"}, "search"),
        ({"search": "star", "k": 0}, "k"),
        ({"search": "star", "by": "text"}, "by"),
        ({"search": "star", "exclude_seen": True}, "exclude_seen"),
        ({"search": "star", "filter": {"genra": "Odd"}}, "filter.genra"),
        ({"search": "star", "user_seq": [{"id": ""}]}, "user_seq[0].id"),
    ],
)
def test_a_wrong_search_names_its_field(
    ranker: Ranker, question: dict[str, object], field: str
) -> None:
    assert refusal(ranker, question).field == field
