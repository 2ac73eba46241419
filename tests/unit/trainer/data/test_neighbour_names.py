"""The texts of items with the names of what facts relate them to."""

from __future__ import annotations

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from trainer.data.neighbour_names import MAX_NAMES, encoder_text, encoder_texts

ITEMS = (
    CatalogueItem(item_id="a", title="A"),
    CatalogueItem(item_id="b", title="B", text="B is blue"),
    CatalogueItem(item_id="gone", title="Gone", hidden=True),
    CatalogueItem(item_id="c"),
)
DRAMA = tuple((item_id, "genre", "Drama") for item_id in "abc")
FACTS = (
    *DRAMA,
    ("a", "director", "m.1"),
    ("b", "director", "m.1"),
    ("m.1", "name", "Ann Lee"),
    ("a", "actor", "m.2"),
    ("a", "sequel", "gone"),
    ("b", "sequel", "gone"),
)


def texts(facts: tuple[tuple[str, str, str], ...], *, with_names: bool = True) -> dict[int, str]:
    catalogue = Catalogue(ITEMS).with_graph(KnowledgeGraph.of(facts))
    found = dict(encoder_texts(catalogue, with_names=with_names))
    for row in range(len(ITEMS)):
        assert encoder_text(catalogue, row, with_names=with_names) == found.get(row)
    return found


def test_names_that_items_share_follow_their_own_text() -> None:
    assert texts(FACTS) == {
        0: "A. Ann Lee, Drama",
        1: "B is blue. Ann Lee, Drama",
        2: "Gone. B, A",
        3: "Drama",
    }


def test_without_the_setting_texts_stay_as_they_are() -> None:
    assert texts(FACTS, with_names=False) == {0: "A", 1: "B is blue", 2: "Gone"}


def test_the_rarest_of_many_names_are_read() -> None:
    many = tuple((item_id, "tag", f"t{number:02}") for number in range(20) for item_id in "ab")
    words = texts((*many, *DRAMA))[0].removeprefix("A. ")
    assert words.split(", ") == [f"t{number:02}" for number in range(MAX_NAMES)]
