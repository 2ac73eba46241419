"""What facts cost trainings, by the size of the catalogue.

Each item has five facts, about one of a twentieth as many entities, drawn by a Zipf law. A full
retrain reads all facts, makes their graph, reads which terms all items have, and makes the first
vectors of all terms. An update reads what changed: a new fact about a known item, or a new item
with five facts. Facts are read with one hop, as by default.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import torch

from bench.scale.costs import Cost, Size, peak_gib
from bench.scale.cycle import settings_of, with_services
from bench.scale.journal_shop import write_facts
from cron.services import Services
from cron.snapshot.fact_rows import add_facts
from cron.snapshot.tables import SnapshotTables
from cron.worker.lease import working_alone
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from trainer.config import FactsConfig
from trainer.data.fact_table import graph_of_table
from trainer.data.fact_term_changes import KnownTerms, changed_terms
from trainer.data.fact_terms import read_terms
from trainer.data.graph_changes import HeadFacts, graph_with
from trainer.data.principal_terms import principal_terms

FACTS_AN_ITEM, ITEMS_AN_ENTITY, ZIPF_EXPONENT = 5, 20, 0.8
RELATIONS = ("author", "brand", "category", "series", "subject")

Found = TypeVar("Found")


def fact_costs(size: Size) -> list[Cost]:
    """Measure what a full retrain does with all facts of a catalogue, and an update with some."""
    torch.set_num_threads(1)
    table = _table_of(made_up_facts_of(size.num_items))
    return [*_graph_costs(size, table), *_journal_costs(size, table)]


def _graph_costs(size: Size, table: pa.Table) -> list[Cost]:
    note = f"{table.num_rows:,} facts"

    def cost(what: str, value: float, note: str = note) -> Cost:
        return Cost(size=size, what=what, value=value, unit="processor s", note=note)

    graph, built_s = seconds_of(lambda: graph_of_table(table))
    costs = [replace(cost("the graph of all facts", built_s), peak_gib=peak_gib())]
    catalogue = Catalogue(CatalogueItem(item_id=f"i{row}") for row in range(size.num_items))
    catalogue = catalogue.with_graph(graph)
    first, linked_s = seconds_of(lambda: read_terms(catalogue, (), None, hops=1))
    assert first is not None
    num_terms = f"{len(first.names):,} terms"
    linked = cost("the terms of all items", linked_s, f"{note}, {num_terms}")
    costs.append(replace(linked, peak_gib=peak_gib()))
    width = FactsConfig().width
    _, begun_s = seconds_of(lambda: principal_terms(first.links, first.names, width=width, seed=0))
    begun = cost("the first vectors of all terms", begun_s, f"{num_terms} of {width} numbers")
    costs.append(replace(begun, peak_gib=peak_gib()))
    for what, change in _changes(table).items():
        now, changed_s = seconds_of(partial(graph_with, graph, change))
        costs.append(cost(f"the graph, after {what}", changed_s))
        items = (CatalogueItem(item_id=one) for one in change.heads)
        later = catalogue.with_items(items)[0].with_graph(now)
        known = KnownTerms(catalogue=catalogue, terms=first, heads=change.heads)
        terms, read_s = seconds_of(partial(changed_terms, later, (), known, max_share=1.0))
        assert terms is not None
        costs.append(cost(f"the terms, after {what}", read_s))
    return costs


def _changes(table: pa.Table) -> dict[str, HeadFacts]:
    """Return a new fact about a known item, and new items with facts like those of others."""
    num_items = table.num_rows // FACTS_AN_ITEM

    def own(row: int, head: str) -> list[tuple[str, str, str]]:
        places = table.take(list(range(row, table.num_rows, num_items)))
        named = zip(places["relation"].to_pylist(), places["tail"].to_pylist(), strict=True)
        return [(head, relation, tail) for relation, tail in named]

    one = HeadFacts(heads=frozenset({"i7"}), facts=(*own(7, "i7"), ("i7", "award", "oscar")))
    changes = {"a new fact": one}
    for num_new in (1, 100):
        heads = [f"new {number}" for number in range(num_new)]
        facts = [fact for row, head in enumerate(heads) for fact in own(row, head)]
        what = "a new item" if num_new == 1 else f"{num_new} new items"
        changes[what] = HeadFacts(heads=frozenset(heads), facts=tuple(facts))
    return changes


def _journal_costs(size: Size, table: pa.Table) -> list[Cost]:
    """Measure what the worker writes of a journal's facts into a snapshot."""
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as name:
        settings = settings_of(Path(name), "torchserve://127.0.0.1:8081/rec?inference=8080")
        return with_services(_snapshot_costs, settings, size, table)


def _snapshot_costs(services: Services, size: Size, table: pa.Table) -> list[Cost]:
    new = pa.table({"head": ["i7"], "relation": ["award"], "tail": ["oscar"]})
    with working_alone(services) as lease:
        write_facts(services, table, 0, lease)
        write_facts(services, new, table.num_rows, lease)
    journal, through = services.journal, table.num_rows + 1
    costs = []
    for what, most in (("a new fact", 1), ("all facts", 0)):

        def write(what: str = what, most: int = most) -> None:
            folder = services.paths.var / what
            folder.mkdir()
            with SnapshotTables(folder) as tables:
                records = journal.read_items(through, through)
                add_facts(journal, records, through, tables, most=most)

        _, written_s = seconds_of(write)
        costs.append(
            Cost(
                size=size,
                what=f"the snapshot of {what}",
                value=written_s,
                unit="processor s",
                note=f"{table.num_rows:,} facts",
            )
        )
    return costs


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
