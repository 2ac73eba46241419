"""A graph with other facts of some heads is the graph of all facts as they are now."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalogue.knowledge_graph import NAME, KnowledgeGraph
from tests.unit.trainer.data.test_fact_table import arrays_of
from trainer.data.graph_changes import HeadFacts, graph_with

Fact = tuple[str, str, str]
TEXTS = st.sampled_from(["a", "b", "é", "日本", "z" * 40, "A", "m.1", "𝄞"])
FACTS = st.lists(st.tuples(TEXTS, st.sampled_from([NAME, "by", "über"]), TEXTS), max_size=15)


def change_between(before: Sequence[Fact], after: Sequence[Fact]) -> HeadFacts:
    """Return the facts of the heads for which they differ."""
    heads = {head for head, *_ in set(before) ^ set(after)}
    now = sorted({one for one in after if one[0] in heads})
    return HeadFacts(heads=frozenset(heads), facts=tuple(now))


@given(st.lists(FACTS, min_size=2, max_size=4))
def test_changes_give_the_graph_of_all_facts(steps: list[list[Fact]]) -> None:
    """Facts, entities, names and relations come and go, one change after the other."""
    graph = KnowledgeGraph.of(steps[0])
    for before, after in pairwise(steps):
        graph = graph_with(graph, change_between(before, after))
        assert arrays_of(graph) == arrays_of(KnowledgeGraph.of(after))


def test_a_changed_graph_is_written_as_it_is_now(tmp_path: Path) -> None:
    """The parent's file has the facts of before."""
    KnowledgeGraph.of([("i", "by", "x"), ("j", "by", "x")]).save(tmp_path / "parent")
    graph = KnowledgeGraph.map(tmp_path / "parent")
    change = HeadFacts(heads=frozenset({"k"}), facts=(("k", "by", "x"),))
    graph_with(graph, change).save(tmp_path / "child")
    assert list(KnowledgeGraph.map(tmp_path / "child").ids_E) == ["i", "j", "k", "x"]


def test_a_change_that_says_what_holds_changes_nothing() -> None:
    facts = [("i", "by", "m.1"), ("m.1", NAME, "Ann"), ("j", "by", "m.1")]
    graph = KnowledgeGraph.of(facts)
    same = graph_with(graph, HeadFacts(heads=frozenset({"i", "m.1"}), facts=tuple(facts[:2])))
    assert arrays_of(same) == arrays_of(graph)


def test_what_others_say_of_an_entity_stays() -> None:
    graph = KnowledgeGraph.of([("i", "by", "x"), ("j", "by", "x")])
    less = graph_with(graph, HeadFacts(heads=frozenset({"i"}), facts=()))
    assert list(less.ids_E) == ["j", "x"]
    assert np.array_equal(less.by_tail.entity_F, [0])


def test_withdrawn_facts_name_heads_and_do_not_hold() -> None:
    table = pa.table(
        {"head": ["i", "j"], "relation": ["by"] * 2, "tail": ["x"] * 2, "withdrawn": [True, False]}
    )
    change = HeadFacts.of_table(table)
    assert change == HeadFacts(heads=frozenset({"i", "j"}), facts=(("j", "by", "x"),))
    table = table.set_column(2, "tail", pa.array([None, "x"]))
    with pytest.raises(ValueError, match="lacks"):
        HeadFacts.of_table(table)
