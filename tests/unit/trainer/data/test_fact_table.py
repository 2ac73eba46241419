"""The graph of a snapshot's table is the one of its facts one by one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalogue.knowledge_graph import NAME, KnowledgeGraph
from trainer.data.fact_table import graph_of_table

TEXTS = st.sampled_from(["a", "b", "", "é", "日本", "z" * 40, "A", "m.1", "𝄞"])
FACTS = st.lists(st.tuples(TEXTS, st.sampled_from([NAME, "by", "über"]), TEXTS), max_size=25)


def table_of(facts: list[tuple[str, str, str]], chunk: int = 7) -> pa.Table:
    """Return a table of several chunks."""
    columns = list(zip(*facts, strict=True)) or [(), (), ()]
    parts = [
        pa.chunked_array(
            [column[at : at + chunk] for at in range(0, len(facts), chunk)], pa.string()
        )
        for column in columns
    ]
    return pa.table(dict(zip(("head", "relation", "tail"), parts, strict=True)))


def arrays_of(graph: KnowledgeGraph) -> dict[str, list[object]]:
    parts = {
        **graph.ids_E.arrays("ids"),
        **graph.names_E.arrays("names"),
        **graph.relations_R.arrays("relations"),
        **graph.by_head.arrays("by_head"),
        **graph.by_tail.arrays("by_tail"),
        **graph.id_index.arrays("id_index"),
        **graph.name_index.arrays("name_index"),
    }
    return {name: [str(one.dtype), *one.tolist()] for name, one in parts.items()}


@given(FACTS)
def test_the_graph_of_a_table_is_that_of_its_facts(facts: list[tuple[str, str, str]]) -> None:
    assert arrays_of(graph_of_table(table_of(facts))) == arrays_of(KnowledgeGraph.of(facts))


def test_a_fact_without_a_tail_is_refused() -> None:
    table = pa.table({"head": ["a"], "relation": ["by"], "tail": pa.array([None], pa.string())})
    with pytest.raises(ValueError, match="lacks"):
        graph_of_table(table)


def test_names_of_entities_are_not_entities() -> None:
    graph = graph_of_table(
        table_of([("m.1", NAME, "Ann"), ("i", "by", "m.1"), ("m.1", NAME, "Al")])
    )
    assert list(graph.ids_E) == ["i", "m.1"]
    assert list(graph.names_E) == [None, "Al"]
    assert np.array_equal(graph.by_head.entity_F, [1])
