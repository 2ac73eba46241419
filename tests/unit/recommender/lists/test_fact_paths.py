"""Paths between items: shared facts, the rarest first, and never one of a hidden item."""

from __future__ import annotations

from collections.abc import Sequence

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from recommender.lists.fact_paths import MAX_PATHS, FactPaths
from recommender.requests.wire import JsonObject

ITEMS = (
    CatalogueItem(item_id="a", title="A", attributes={"brand": "Acme", "year": 1999.0}),
    CatalogueItem(item_id="b", title="B", attributes={"brand": "Acme", "year": 1999.0}),
    CatalogueItem(item_id="c", title="C"),
    CatalogueItem(item_id="gone", title="Gone", hidden=True),
)
A, B, C, GONE = range(4)
DRAMA = tuple((item.item_id, "genre", "Drama") for item in ITEMS)
FACTS = (
    ("a", "director", "m.1"),
    ("m.1", "directed", "a"),
    ("b", "actor", "m.1"),
    ("m.1", "name", "Ann Lee"),
    *DRAMA,
    ("c", "sequel", "b"),
    ("a", "prequel", "gone"),
    ("c", "prequel", "gone"),
)


def paths(
    row: int, liked: Sequence[int], *, relations: Sequence[str] = (), facts: object = FACTS
) -> list[JsonObject]:
    assert isinstance(facts, tuple)
    catalogue = Catalogue(ITEMS).with_graph(KnowledgeGraph.of(facts) if facts else None)
    found = FactPaths(catalogue, relations)
    return found.paths(row, found.nodes_of(liked))


def path(item: str, relation: str | None, via: object, item_relation: str | None) -> JsonObject:
    named = {"id": item, "title": item.upper()}
    return {"item": named, "relation": relation, "via": via, "item_relation": item_relation}


def test_two_items_with_one_director_share_a_path() -> None:
    ann, drama = {"id": "m.1", "name": "Ann Lee"}, {"id": "Drama", "name": None}
    assert paths(A, [B]) == [
        path("b", "director", ann, "actor"),
        path("b", "genre", drama, "genre"),
    ]


def test_a_fact_that_names_both_items_comes_first() -> None:
    assert paths(C, [A, B])[0] == path("b", "sequel", None, None)
    assert paths(B, [A, C])[0] == path("c", None, None, "sequel")


def test_the_newest_item_of_the_history_is_named() -> None:
    assert [one["item"] for one in paths(C, [A])] == [{"id": "a", "title": "A"}]
    drama = [one for one in paths(C, [B, A]) if one["relation"] == "genre"]
    assert [one["item"] for one in drama] == [{"id": "b", "title": "B"}]


def test_no_path_ends_at_or_leads_over_a_hidden_item() -> None:
    assert paths(A, [GONE]) == []
    assert {str(one["relation"]) for one in paths(A, [C])} == {"genre"}


def test_who_directs_and_acts_is_named_as_the_director() -> None:
    """Films have many actors and one director, who may be seen in them."""
    cast = tuple((film, "actor", f"m.{number}") for film in ("a", "b") for number in range(1, 4))
    facts = (*cast, ("a", "director", "m.1"), ("b", "director", "m.1"), ("b", "writer", "m.1"))
    hitchcock = next(
        one for one in paths(A, [B], facts=facts) if one["via"] == {"id": "m.1", "name": None}
    )
    assert (hitchcock["relation"], hitchcock["item_relation"]) == ("director", "director")


def test_a_reason_says_different_things() -> None:
    """Three shared prizes tell less than a prize, a place and an actor."""
    prizes = tuple((film, "prize", f"m.{number}") for film in ("a", "b") for number in range(5))
    others = tuple((item.item_id, "place", "Rome") for item in ITEMS)
    assert [one["relation"] for one in paths(A, [B], facts=(*prizes, *others))] == [
        "prize",
        "place",
        "prize",
    ]


def test_an_item_shares_nothing_with_itself() -> None:
    assert paths(A, [A]) == []


def test_declared_attributes_count_as_facts() -> None:
    acme = {"id": "Acme", "name": "Acme"}
    assert paths(A, [B], relations=["brand"], facts=()) == [path("b", "brand", acme, "brand")]
    found = paths(A, [B], relations=["brand", "year"])
    assert {"id": "1999", "name": "1999"} in [one["via"] for one in found]
    assert len(found) == MAX_PATHS


def test_without_facts_there_is_no_path() -> None:
    assert not FactPaths(Catalogue(ITEMS), ()).has_facts
    assert paths(A, [B], facts=()) == []
