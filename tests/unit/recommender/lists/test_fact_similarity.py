"""Items similar by their facts: what few others share counts more, and hidden items nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from recommender.lists.fact_paths import FactPaths
from recommender.lists.fact_similarity import fact_shares
from recommender.ranking.ranker import Ranker
from tests.planted import planted_bundle
from tests.unit.recommender.lists.answers import ask, refusal

FILMS = ("vertigo", "psycho", "jaws", "amelie", "gone")
ITEMS = tuple(CatalogueItem(item_id=one, title=one, hidden=one == "gone") for one in FILMS)
FACTS = (
    *((film, "country", "USA") for film in ("vertigo", "psycho", "jaws")),
    ("amelie", "country", "France"),
    ("vertigo", "director", "Hitchcock"),
    ("Hitchcock", "acted_in", "psycho"),
    ("vertigo", "also_buy", "amelie"),
    ("vertigo", "also_buy", "gone"),
    ("jaws", "also_buy", "gone"),
)


def shares(
    film: str,
    facts: Sequence[tuple[str, str, str]] = FACTS,
    *,
    items: Sequence[CatalogueItem] = ITEMS,
    relations: Sequence[str] = (),
) -> dict[str, float]:
    """Return the share of each film that shares something."""
    graph = KnowledgeGraph.of(facts) if facts else None
    catalogue = Catalogue(items).with_graph(graph)
    row = catalogue.row(film)
    assert row is not None
    share_N = fact_shares(catalogue, FactPaths(catalogue, relations), row)
    pairs = zip(items, share_N.tolist(), strict=True)
    return {item.item_id: share for item, share in pairs if not math.isnan(share)}


def test_a_shared_director_counts_more_than_a_country() -> None:
    found = shares("vertigo")
    assert sorted(found, key=found.__getitem__, reverse=True)[0] == "psycho"
    assert found["psycho"] > found["jaws"] > 0.0


def test_an_item_that_a_fact_names_is_similar() -> None:
    assert "amelie" in shares("vertigo")
    assert "vertigo" in shares("amelie")


def test_a_hidden_item_makes_nothing_similar() -> None:
    """Vertigo and Jaws are bought with it, and share the country alone."""
    without = tuple(fact for fact in FACTS if "gone" not in fact)
    assert shares("vertigo") == shares("vertigo", without)
    assert shares("gone") == {}


def test_declared_attributes_count() -> None:
    brand = {"brand": "Acme"}
    items = [replace(one, attributes=brand) for one in ITEMS[:2]] + [*ITEMS[2:]]
    assert shares("vertigo", (), items=items, relations=["brand"]) == {"psycho": 1.0}


@given(
    st.lists(
        st.tuples(st.sampled_from(FILMS), st.sampled_from("ab"), st.sampled_from((*FILMS, "x"))),
        min_size=1,
    )
)
def test_a_share_is_at_most_one_and_not_of_the_item(facts: list[tuple[str, str, str]]) -> None:
    found = shares("vertigo", facts)
    assert "vertigo" not in found
    assert all(0.0 < share <= 1.0 + 1e-6 for share in found.values())


def test_a_question_by_facts_lists_what_shares_them(tmp_path: Path) -> None:
    bundle = planted_bundle(tmp_path / "bundle")
    facts = [("i1", "director", "m.1"), ("i5", "director", "m.1"), ("i7", "country", "m.2")]
    catalogue = bundle.catalogue.with_graph(KnowledgeGraph.of(facts))
    ranker = Ranker(replace(bundle, catalogue=catalogue))
    found = ask(ranker, {"similar_to": {"id": "i1"}, "by": "facts", "k": 9})
    assert isinstance(found["items"], list)
    assert [(one["id"], one["score"]) for one in found["items"]] == [("i5", 1.0)]
    assert ask(ranker, {"similar_to": {"id": "i2"}, "by": "facts"})["items"] == []
    said = refusal(ranker, {"similar_to": {"text": "a lamp"}, "by": "facts"}).reason
    assert "a text has no facts" in said
