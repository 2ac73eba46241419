"""The bundle that training starts from: its catalogue, and its text vectors."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from recommender.bundle import Bundle
from recommender.catalogue.item_columns import CatalogueItem
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from recommender.config import EncoderConfig, Signals
from tests.planted import planted_items, planted_rows, write_planted_snapshot, write_rows
from trainer.config import TrainConfig
from trainer.data.dataset import SnapshotError, read_events, read_items
from trainer.data.event_counts import StartCounts
from trainer.data.start import Added, grown_bundle, new_bundle
from trainer.data.texts import TextVectors

WORDS = EncoderConfig(model="words")


def counts_in(path: Path) -> StartCounts:
    return StartCounts.of(read_events(path), Signals())


def start_bundle(tmp_path: Path, *, num_items: int, whole_array_mb: float = 32.0) -> Bundle:
    """Return a new bundle of a planted snapshot whose items file has some of its items."""
    snapshot = write_planted_snapshot(
        tmp_path / f"{num_items} {whole_array_mb}", items=planted_items()[:num_items]
    )
    added = Added(
        items=read_items(snapshot / "items.parquet"),
        counts=counts_in(snapshot / "events.parquet"),
    )
    config = TrainConfig(encoder=WORDS, whole_array_mb=whole_array_mb)
    return new_bundle(added, config, TextVectors(WORDS, cache=tmp_path), mode="full")


def test_items_of_events_follow_the_items_with_a_record(tmp_path: Path) -> None:
    bundle = start_bundle(tmp_path, num_items=2)
    ids = [item.item_id for item in bundle.catalogue]
    assert ids[:2] == sorted(item.item_id for item in planted_items()[:2])
    assert len(ids) == len(set(ids)) == bundle.manifest.num_items
    assert {row.item_id for row in planted_rows()} >= {*ids[2:]}
    assert bundle.facts.has_text_N.tolist() == [True] * 2 + [False] * (len(ids) - 2)
    assert not bundle.texts_NT[2:].any()


def test_facts_are_kept_until_a_snapshot_has_others(tmp_path: Path) -> None:
    snapshot = write_planted_snapshot(tmp_path / "snapshot")
    counts, config = counts_in(snapshot / "events.parquet"), TrainConfig(encoder=WORDS)
    texts = TextVectors(WORDS, cache=tmp_path)
    first = KnowledgeGraph.of([("i1", "genre", "x")])
    added = Added(items=planted_items(), counts=counts, facts=first)
    live = new_bundle(added, config, texts, mode="full")
    config = replace(config, relations=("brand",))
    assert live.catalogue.graph is first
    for facts in (None, KnowledgeGraph.of([])):
        added = Added(items=[CatalogueItem(item_id="new")], counts=counts, facts=facts)
        grown = grown_bundle(live, added, config, texts, mode="items")
        assert grown.catalogue.graph is (first if facts is None else facts)
        assert grown.manifest.relations == ("brand",)


def test_a_snapshot_may_have_the_facts_of_some_heads(tmp_path: Path) -> None:
    snapshot = write_planted_snapshot(tmp_path / "snapshot")
    counts = counts_in(snapshot / "events.parquet")
    before = KnowledgeGraph.of([("i1", "genre", "x"), ("i2", "genre", "x")])
    assert Added.in_snapshot(snapshot, counts).graph(before) is before
    rows = {"head": ["i1", "i3"], "relation": ["genre"] * 2, "tail": ["x"] * 2}
    table = pa.table({**rows, "withdrawn": [True, False]})
    pq.write_table(table, snapshot / "changed_facts.parquet")
    added = Added.in_snapshot(snapshot, counts)
    for graph, ids in ((before, ["i2", "i3", "x"]), (None, ["i3", "x"])):
        now = added.graph(graph)
        assert now is not None
        assert list(now.ids_E) == ids
    pq.write_table(table.drop_columns("withdrawn"), snapshot / "changed_facts.parquet")
    with pytest.raises(SnapshotError, match="not a valid file of facts"):
        Added.in_snapshot(snapshot, counts)


def test_large_text_vectors_have_half_precision(tmp_path: Path) -> None:
    small, large = (
        start_bundle(tmp_path, num_items=5, whole_array_mb=size_mb) for size_mb in (32.0, 1e-6)
    )
    assert (small.texts_NT.dtype, large.texts_NT.dtype) == (torch.float, torch.half)
    assert torch.equal(small.texts_NT, large.texts_NT.float())
    assert small.texts_NT[0].norm().item() == pytest.approx(1.0, abs=1e-2)


def test_a_scale_has_the_ratings_as_they_were_sent(tmp_path: Path) -> None:
    """Ratings are read in single precision, where .7 is .699999988."""
    rows = [replace(row, rating=0.7 if row.rating == 2.0 else row.rating) for row in planted_rows()]
    write_rows(tmp_path / "events.parquet", rows)
    added = Added(items=planted_items(), counts=counts_in(tmp_path / "events.parquet"))
    texts = TextVectors(WORDS, cache=tmp_path)
    bundle = new_bundle(added, TrainConfig(encoder=WORDS), texts, mode="full")
    assert bundle.manifest.rating_scale == (0.7, 4.5)
