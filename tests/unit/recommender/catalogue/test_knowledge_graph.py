"""The knowledge graph: what is stated is found from both ends, and reads back equal."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalogue.catalogue import Catalogue, UnknownAttribute
from recommender.catalogue.item_columns import CatalogueItem
from recommender.catalogue.knowledge_graph import GRAPH_FILE, KnowledgeGraph

FACTS = (
    ("a", "director", "m.1"),
    ("b", "director", "m.1"),
    ("b", "sequel", "a"),
    ("m.1", "name", "Ann Lee"),
    ("m.1", "name", "Ann"),
    ("c", "year", "1999"),
)
ITEMS = (
    CatalogueItem(item_id="a", title="A", attributes={"director": "Bob"}),
    CatalogueItem(item_id="b", title="B"),
    CatalogueItem(item_id="c", title="C", attributes={"genre": ("Drama",)}),
)
ENDS = st.sampled_from(["a", "b", "m.1", "日"])
TRIPLES = st.lists(st.tuples(ENDS, st.sampled_from(["r", "s", "name"]), ENDS), max_size=12)


def facts_in(graph: KnowledgeGraph, *, limit: int = 99) -> set[tuple[str | None, ...]]:
    """Return the facts, read from both ends."""
    found: set[tuple[str | None, ...]] = set()
    for row, entity_id in enumerate(graph.ids_E):
        for link in graph.links(row, limit=limit):
            ends = (entity_id, graph.ids_E[link.entity])
            head, tail = ends if link.is_head else ends[::-1]
            found.add((head, graph.relations_R[link.relation], tail))
    return found


@given(triples=TRIPLES)
def test_every_fact_is_found_from_both_ends(triples: list[tuple[str, str, str]]) -> None:
    stated = {one for one in triples if one[1] != "name"}
    graph = KnowledgeGraph.of(triples)
    with TemporaryDirectory() as folder:
        graph.save(Path(folder) / GRAPH_FILE)
        for one in (graph, KnowledgeGraph.map(Path(folder) / GRAPH_FILE)):
            assert facts_in(one) == stated
            assert len(one) == len(stated)
            rows = range(len(one.ids_E))
            assert sum(map(one.num_links, rows)) == 2 * len(stated)
            assert [one.entity(str(one.ids_E[row])) for row in rows] == list(rows)
            assert all(len(one.links(row, limit=1)) <= 1 for row in rows)


def test_an_entity_has_the_first_of_its_names() -> None:
    graph = KnowledgeGraph.of(FACTS)
    row = graph.entity("m.1")
    assert row is not None
    assert graph.names_E[row] == "Ann"
    assert graph.entities_called("Ann") == graph.entities_called("m.1") == [row]
    assert (graph.entity("Ann"), graph.relation("name")) == (None, None)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({"director": "m.1"}, ["a", "b"]),
        ({"director": ("Ann", "Bob")}, ["a", "b"]),
        ({"director": "Bob"}, ["a"]),
        ({"sequel": "a"}, ["b"]),
        ({"sequel": "b"}, ["a"]),
        ({"year": 1999.0}, ["c"]),
        ({"director": "Ann", "sequel": "b"}, ["a"]),
        ({"director": "nobody"}, []),
    ],
)
def test_a_relation_filters_like_an_attribute(wanted: dict[str, str], ids: list[str]) -> None:
    catalogue = Catalogue(ITEMS).with_graph(KnowledgeGraph.of(FACTS))
    rows = catalogue.filter_rows(wanted).nonzero()[0].tolist()
    assert [catalogue[row].item_id for row in rows] == ids


def test_an_unknown_filter_lists_relations_too() -> None:
    catalogue = Catalogue(ITEMS).with_graph(KnowledgeGraph.of(FACTS))
    with pytest.raises(UnknownAttribute) as caught:
        catalogue.filter_rows({"producer": "m.1"})
    assert caught.value.known == ("director", "genre", "sequel", "year")


def test_facts_stay_with_a_catalogue_that_changes(tmp_path: Path) -> None:
    catalogue = Catalogue(ITEMS).with_graph(KnowledgeGraph.of(FACTS))
    changed, _ = catalogue.with_items([CatalogueItem(item_id="d", title="D")])
    for number, one in enumerate((catalogue, changed)):
        folder = tmp_path / str(number)
        folder.mkdir()
        one.save(folder)
        assert Catalogue.load(folder).filter_rows({"director": "Ann"})[:3].tolist() == [1, 1, 0]
    again = tmp_path / "again"
    again.mkdir()
    Catalogue.load(tmp_path / "0").save(again)
    assert (again / GRAPH_FILE).samefile(tmp_path / "0" / GRAPH_FILE)


def test_a_damaged_file_of_facts_is_refused(tmp_path: Path) -> None:
    graph = KnowledgeGraph.of(FACTS)
    path = tmp_path / GRAPH_FILE
    graph.save(path)
    whole = bytearray(path.read_bytes())
    at = whole.find(graph.by_head.entity_F.tobytes())
    whole[at : at + 4] = (99).to_bytes(4, "little")
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="its facts do not fit"):
        KnowledgeGraph.map(path)
