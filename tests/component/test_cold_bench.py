"""The bench of new items: its folds, its baselines, and that a planted text is found."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data.sets import RatingsSet
from bench.ranking.cold import metrics_of, run_fold
from bench.ranking.cold_folds import ITEM_FOLDS, USER_FOLDS, EventBatch, Fold, fold_of
from bench.ranking.cold_gains import neighbour_popularity, random_gains
from bench.report.labels import COLD_RANKINGS, NEW_AMONG_NEW, RANDOM, SKETCH, TEXT_ALONE
from recommender.bundle import load_bundle
from tests.component.training import small_config
from tests.planted import planted_bundle, planted_items, planted_rows

NUM_ITEMS = 60


def planted_set() -> RatingsSet:
    """Return a set in which even users like even items; only its text says what an item is."""
    rows = planted_rows(150, NUM_ITEMS, events_per_user=16)
    return RatingsSet(
        name="planted",
        users_E=np.array([int(row.user_id[1:]) for row in rows]),
        items_E=np.array([int(row.item_id[1:]) for row in rows]),
        ratings_E=np.array([row.rating or math.nan for row in rows]),
        at_s_E=np.array([row.at_us / 1e6 for row in rows]),
        item_ids=[f"i{number}" for number in range(NUM_ITEMS)],
        items=[
            {"title": item.title, "text": item.text, "attributes": {}}
            for item in planted_items(NUM_ITEMS)
        ],
    )


@pytest.fixture
def fold() -> Fold:
    return fold_of(planted_set(), 0)


def test_each_fold_holds_out_other_items_and_users() -> None:
    data = planted_set()
    folds = [fold_of(data, number) for number in range(ITEM_FOLDS)]
    assert (np.sum([fold.cold_N for fold in folds], axis=0) == 1).all()
    assert (np.sum([fold.panel_U for fold in folds[:USER_FOLDS]], axis=0) == 1).all()
    for fold in folds:
        assert not (fold.cold_N & fold.tuned_N).any()
        assert not (fold.train_E & fold.scored_E).any()
        assert not fold.cold_N[data.items_E[fold.train_E]].any()
        assert not fold.panel_U[data.users_E[fold.train_E]].any()


def test_an_item_without_text_is_not_held_out() -> None:
    data = planted_set()
    nameless = replace(data, items=[None] * NUM_ITEMS)
    assert not fold_of(nameless, 0).cold_N.any()


def test_new_items_are_found_by_their_text(
    tmp_path: Path, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET_BENCH_WORK", str(tmp_path))
    (tmp_path / "fold").mkdir()
    found = run_fold(fold, small_config(tmp_path), tmp_path / "fold")
    bundle = load_bundle(tmp_path / "fold" / "release" / "bundle")
    held_out = {f"i{number}" for number in np.flatnonzero(fold.cold_N)}
    assert {
        item.item_id
        for item, count in zip(bundle.catalogue, bundle.counts_N, strict=True)
        if count == 0
    } == held_out
    assert bundle.counts_N.sum() == fold.train_E.sum()
    rows = {
        (one.protocol, one.metric, one.model): one
        for one in metrics_of("planted", [found], note="")
    }
    ours, drawn = (rows[NEW_AMONG_NEW, "NDCG@10", model] for model in (TEXT_ALONE, RANDOM))
    assert ours.value > 1.2 * drawn.value
    difference = rows[NEW_AMONG_NEW, "NDCG@10", f"{TEXT_ALONE} − {RANDOM}"]
    assert difference.value == pytest.approx(ours.value - drawn.value)
    assert difference.low is not None
    assert difference.low <= difference.value
    assert rows[NEW_AMONG_NEW, "NDCG@10", SKETCH].value < ours.value
    assert {one.protocol for one in rows.values()} == set(COLD_RANKINGS)
    assert {(one.seeds, one.note.split(", ")[1]) for one in rows.values()} == {(1, "1 fold")}, (
        "a fold is not a seed"
    )


def test_neighbours_lend_a_new_item_their_popularity(tmp_path: Path) -> None:
    bundle = planted_bundle(tmp_path / "bundle")
    new_N = np.zeros(len(bundle.catalogue), np.bool_)
    new_N[0] = True
    texts_NT = bundle.facts.texts_NT.clone()
    texts_NT[0] = texts_NT[7]
    twin = replace(bundle, facts=replace(bundle.facts, texts_NT=texts_NT))
    popularity_N = neighbour_popularity(twin, new_N, 1)
    assert popularity_N[0] == popularity_N[7] == torch.log1p(bundle.counts_N[7])
    assert neighbour_popularity(twin, new_N, 1_000)[0] == pytest.approx(
        float(torch.log1p(bundle.counts_N[1:]).mean())
    )


def test_random_is_the_expectation_over_orders() -> None:
    allowed_N = np.ones(25, np.bool_)
    allowed_N[20:] = False
    batch = EventBatch(histories=[[]], seen=[[0, 1, 24]], targets=[5])
    gains = random_gains([batch], allowed_N)
    generator = np.random.default_rng(0)
    places = np.array(
        [int(np.flatnonzero(generator.permutation(18) == 0)[0]) + 1 for _ in range(20_000)]
    )
    assert gains.hit_X == [pytest.approx(float((places <= 10).mean()), abs=0.02)]
    assert gains.ndcg_X == [
        pytest.approx(float(np.where(places <= 10, 1 / np.log2(places + 1), 0).mean()), abs=0.01)
    ]
    few_N = np.zeros(25, np.bool_)
    few_N[:4] = True
    (ndcg,) = random_gains([batch], few_N).ndcg_X  # two are open: the item is first or second
    assert ndcg == pytest.approx((1 + 1 / math.log2(3)) / 2)
