"""The bench of modalities: what it trains, what it compares, and when items are alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench.data.planted_kinds import (
    facts_of_kinds,
    kind_of,
    planted_kinds,
    with_kinds_alone,
    without_kinds,
)
from bench.ranking.cold_folds import fold_of
from bench.ranking.film_facts import FILM_MODELS, HOP, NO_FACTS, SHUFFLED_HOP, film_model
from bench.ranking.modalities import FILM_PAIRS, metrics_of, rows_of_users
from bench.ranking.modality_runs import (
    OWN,
    RANKINGS,
    ReleaseWithNew,
    known_facts,
    write_facts,
    write_pictures,
)
from bench.ranking.planted_modalities import BY_FACTS, BY_TASTE, BY_TEXT, similar_shares
from bench.report.labels import LEAVE_ONE_OUT, RANDOM
from bench.scale.lists import made_up_bundle
from bench.scale.steps import made_up_facts, made_up_items
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from trainer.data.pictures import read_pictures

TRIPLES = [(f"i{number}", "genre", f"g{number % 3}") for number in range(30)]
ITEMS = [f"i{number}" for number in range(30)]


def test_the_control_reads_the_same_facts_of_other_films() -> None:
    none, real, shuffled = (film_model(name, TRIPLES, ITEMS) for name in FILM_MODELS)
    assert none.config.facts.model == "off"
    assert real.config == shuffled.config
    assert real.config.facts.model == "hop"
    assert sorted(tail for *_, tail in shuffled.triples) == sorted(tail for *_, tail in TRIPLES)
    assert list(shuffled.triples) != TRIPLES


def test_facts_are_compared_with_none_and_with_shuffled_ones() -> None:
    fold = {
        name: {
            ranking: {
                "users": [1, 1, 2],
                "gains": {OWN: [float(name == HOP)] * 3, RANDOM: [0.5] * 3},
            }
            for ranking in RANKINGS
        }
        for name in FILM_MODELS
    }
    found = metrics_of("ml-100k", [fold], FILM_PAIRS)
    values = {(one.protocol, one.model): one.value for one in found}
    for ranking in RANKINGS:
        assert values[ranking, f"{HOP} − {NO_FACTS}"] == 1.0
        assert values[ranking, f"{HOP} − {SHUFFLED_HOP}"] == 1.0
        assert values[ranking, RANDOM] == 0.5


def test_last_events_are_compared_user_by_user() -> None:
    gains = {NO_FACTS: [0.0, 1.0], HOP: [0.5, 1.0]}
    values = {one.model: one.value for one in rows_of_users(LEAVE_ONE_OUT, gains)}
    assert values[f"{HOP} − {NO_FACTS}"] == pytest.approx(0.25)


def test_makers_tell_the_kinds_that_texts_no_longer_name() -> None:
    data = planted_kinds()
    kinds = {(tail, kind_of(int(head[1:]))) for head, _, tail in facts_of_kinds(data)}
    assert max(Counter(maker for maker, _ in kinds).values()) == 1
    assert len({str(item) for item in without_kinds(data).items}) == 1
    assert len({str(item) for item in with_kinds_alone(data).items}) == 8
    assert len({str(item) for item in data.items}) == len(data.item_ids)


def test_a_snapshot_gets_the_pictures_and_facts_of_a_model(tmp_path: Path) -> None:
    data = planted_kinds()
    write_facts(tmp_path, facts_of_kinds(data))
    write_pictures(data, [b"%d" % (number % 3) for number in range(len(data.item_ids))], tmp_path)
    assert pq.read_table(tmp_path / "facts.parquet").num_rows == 2 * len(data.item_ids)
    assert list(read_pictures(tmp_path).of_items) == data.item_ids
    assert len(list((tmp_path / "pictures").iterdir())) == 3


def test_facts_of_held_out_items_arrive_with_them() -> None:
    fold = fold_of(planted_kinds(), 0)
    known, held_out = (
        np.array(fold.data.item_ids)[flags][0] for flags in (~fold.cold_N, fold.cold_N)
    )
    of_known = (str(known), "maker", "m0.0")
    assert known_facts(fold, [of_known, (str(held_out), "maker", "m0.1")]) == [of_known]
    assert known_facts(fold, [("m0.0", "made", str(held_out))]) == []


def test_items_with_common_facts_are_similar_by_facts_alone() -> None:
    """Here texts are random and facts name the kind, so only facts find the own kind."""
    num_items = 88
    bundle = made_up_bundle(num_items, made_up_facts(num_items, made_up_items(num_items)))
    graph = KnowledgeGraph.of([(f"i{row}", "of", f"kind {row % 8}") for row in range(num_items)])
    new_N = np.zeros(num_items, np.bool_)
    new_N[:3] = True
    bundle = replace(bundle, catalogue=bundle.catalogue.with_graph(graph))
    shares = similar_shares(ReleaseWithNew(bundle=bundle, new_N=new_N, seconds=0.0))
    assert shares[BY_FACTS] == [1.0] * 3
    assert np.mean(shares[BY_TEXT]) < 0.5
    assert len(shares[BY_TASTE]) == 3
