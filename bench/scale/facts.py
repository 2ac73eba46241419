"""What facts cost trainings, by the size of the catalogue.

Each item has five facts, about one of a twentieth as many entities, drawn by a Zipf law. An update
with a new item reads which terms all items have; one new fact makes it build the graph of all. An
update of events alone does neither. A full retrain also makes the first vectors of all terms. Facts
are read with one hop, as by default.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pyarrow as pa
import torch

from bench.scale.costs import Cost, Size, peak_gib
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from trainer.config import FactsConfig
from trainer.data.fact_table import graph_of_table
from trainer.data.fact_terms import read_terms
from trainer.data.principal_terms import principal_terms

FACTS_AN_ITEM, ITEMS_AN_ENTITY, ZIPF_EXPONENT = 5, 20, 0.8
RELATIONS = ("author", "brand", "category", "series", "subject")

Found = TypeVar("Found")


def fact_costs(size: Size) -> list[Cost]:
    """Measure what an update does with all facts of a catalogue."""
    torch.set_num_threads(1)
    table = _table_of(made_up_facts_of(size.num_items))
    note = f"{table.num_rows:,} facts"
    graph, built_s = seconds_of(lambda: graph_of_table(table))
    built = peak_gib()
    catalogue = Catalogue(CatalogueItem(item_id=f"i{row}") for row in range(size.num_items))
    catalogue = catalogue.with_graph(graph)
    first, _ = seconds_of(lambda: read_terms(catalogue, (), None, hops=1))
    assert first is not None
    again, linked_s = seconds_of(lambda: read_terms(catalogue, (), first.names, hops=1))
    assert again is not None
    assert len(again.names) == len(first.names)
    links, names, width = first.links, first.names, FactsConfig().width
    _, begun_s = seconds_of(lambda: principal_terms(links, names, width=width, seed=0))
    return [
        Cost(
            size=size,
            what="the first vectors of all terms, in a full retrain",
            value=begun_s,
            unit="processor s",
            peak_gib=peak_gib(),
            note=f"{len(names):,} terms of {width} numbers",
        ),
        Cost(
            size=size,
            what="the graph of all facts, after a new one",
            value=built_s,
            unit="processor s",
            peak_gib=built,
            note=note,
        ),
        Cost(
            size=size,
            what="the terms of all items, after a new one",
            value=linked_s,
            unit="processor s",
            peak_gib=peak_gib(),
            note=f"{note}, {len(first.names):,} terms",
        ),
    ]


def _table_of(facts: list[tuple[str, str, str]]) -> pa.Table:
    """Return facts as a snapshot has them."""
    columns = zip(("head", "relation", "tail"), zip(*facts, strict=True), strict=True)
    return pa.table(dict(columns))


def made_up_facts_of(num_items: int) -> list[tuple[str, str, str]]:
    """Return facts whose tails are few and popular, or many and rare, as in a shop."""
    generator = np.random.default_rng(0)
    num_entities = max(1, num_items // ITEMS_AN_ENTITY)
    weight_E = np.arange(1, num_entities + 1) ** -ZIPF_EXPONENT
    weight_E /= weight_E.sum()
    facts = []
    for relation in RELATIONS[:FACTS_AN_ITEM]:
        tails = generator.choice(num_entities, num_items, p=weight_E).tolist()
        facts += [(f"i{row}", relation, f"e{tail}") for row, tail in enumerate(tails)]
    return facts


def seconds_of(work: Callable[[], Found]) -> tuple[Found, float]:
    """Return what a function returns, and the processor's seconds that it took."""
    began_s = time.process_time()
    found = work()
    return found, time.process_time() - began_s
