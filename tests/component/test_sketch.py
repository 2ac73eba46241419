"""The original sketch: trained, judged, packed and served like the default model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cron.cycle.cycle import run_cycle
from recommender.bundle import Bundle, load_bundle
from recommender.catalogue.item_columns import CatalogueItem
from recommender.network.model import Sketch
from recommender.ranking.history_columns import HistoryElement
from recommender.ranking.ranker import Ranker
from recommender.records.events import Item
from tests.component.training import report, small_config, train
from tests.planted import PlantedRow, planted_items, planted_rows, write_planted_snapshot
from tests.workshop import (
    START,
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
    server_of,
)
from trainer.config import TrainConfig

HISTORIES = [
    [],
    [HistoryElement(row=0, rating=4.0), HistoryElement(row=2)],
    [HistoryElement(row=1, type="click")],
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    small = small_config(tmp_path_factory.mktemp("encoder"))
    return replace(small, model=replace(small.model, tower="sketch"))


def good_and_bad(rating: float | None) -> list[PlantedRow]:
    """Even items are better for everybody by two, and users of even items add one."""
    rows = []
    for row in planted_rows():
        item_is_even, user_is_even = int(row.item_id[1:]) % 2 == 0, int(row.user_id[1:]) % 2 == 0
        if rating is not None:
            rows.append(replace(row, rating=rating + 2.0 * item_is_even + user_is_even))
        elif item_is_even:
            rows.append(replace(row, rating=None, type="click"))
    return rows


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, config: TrainConfig) -> Path:
    folder = tmp_path_factory.mktemp("full")
    return train(
        folder, write_planted_snapshot(folder / "snapshot", rows=good_and_bad(1.0)), config
    )


def sketch_of(bundle: Bundle) -> Sketch:
    assert isinstance(bundle.model, Sketch)
    return bundle.model


def best_rows(bundle: Bundle, k: int = 10) -> list[list[int]]:
    ranker = Ranker(bundle)
    users = ranker.user_states(HISTORIES)
    tops = ranker.top_k(
        ranker.scores(users), [k] * len(HISTORIES), [None] * len(HISTORIES), [()] * len(HISTORIES)
    )
    return [rows.tolist() for rows, _ in tops]


def even_share(bundle: Bundle) -> float:
    rows = best_rows(bundle)[0]
    return sum(int(bundle.catalogue[row].item_id[1:]) % 2 == 0 for row in rows) / len(rows)


def test_it_learns_what_an_item_and_a_reader_are_worth(full: Path) -> None:
    made = report(full)
    assert made.finite_weights
    assert made.panel is not None
    errors = [error for error in made.panel.models["candidate"].squared_error if error is not None]
    assert (sum(errors) / len(errors)) ** 0.5 < 0.4
    assert made.losses[-1] < 0.2 * made.losses[0]
    assert even_share(load_bundle(full / "bundle")) == 1.0


def test_all_users_get_the_same_order_of_items(full: Path) -> None:
    bundle = load_bundle(full / "bundle")
    first, *others = best_rows(bundle)
    assert others == [first] * len(others)
    ranker = Ranker(bundle)
    users = ranker.user_states(HISTORIES)
    ratings_BN = ranker.ratings(
        users, torch.arange(len(bundle.catalogue)).expand(len(HISTORIES), -1)
    )
    assert torch.allclose(
        ratings_BN, ranker.scores(users).clamp(*bundle.manifest.rating_scale or (0, 0)), atol=1e-5
    )


def test_without_ratings_it_learns_what_is_chosen(tmp_path: Path, config: TrainConfig) -> None:
    candidate = train(
        tmp_path, write_planted_snapshot(tmp_path / "snapshot", rows=good_and_bad(None)), config
    )
    bundle = load_bundle(candidate / "bundle")
    assert bundle.manifest.rating_scale is None
    assert even_share(bundle) == 1.0
    ranker = Ranker(bundle)
    assert ranker.scores(ranker.user_states(HISTORIES)).mean().item() == pytest.approx(0.5, abs=0.3)


def test_an_update_goes_on_and_a_new_item_is_ranked_by_its_text(
    tmp_path: Path, full: Path, config: TrainConfig
) -> None:
    live = load_bundle(full / "bundle")
    rows = [
        replace(row, seq=1000 + row.seq, at_us=row.at_us + 10**13)
        for row in good_and_bad(1.0)[:200]
    ]
    items = [
        *planted_items(),
        CatalogueItem(
            item_id="new", title="Thing 41 (1991)", text="Thing 41 (1991). even calm blue"
        ),
    ]
    folders = {"live": full / "bundle", "state": full / "state"}
    snapshot = write_planted_snapshot(
        tmp_path / "snapshot", mode="update", rows=rows, items=items, **folders
    )
    candidate = train(tmp_path, snapshot, config)
    bundle = load_bundle(candidate / "bundle")
    table_NE, before_NE = sketch_of(bundle).table, sketch_of(live).table
    assert len(table_NE) == len(before_NE) + 1
    assert 0.0 < (table_NE[: len(before_NE)] - before_NE).abs().max() < 0.1
    assert len(report(candidate).losses) == config.update_epochs
    assert len(before_NE) in best_rows(bundle, 21)[0], (
        "an even item by its text, before anybody has met it"
    )
    again = write_planted_snapshot(
        tmp_path / "items",
        mode="items",
        rows=[],
        live=candidate / "bundle",
        state=candidate / "state",
    )
    kept = load_bundle(train(tmp_path, again, config, name="items-only") / "bundle")
    assert torch.equal(sketch_of(kept).table, table_NE)


def test_the_worker_publishes_updates_and_serves_it(tmp_path: Path) -> None:
    services = open_workshop(tmp_path)
    settings = replace(
        services.settings,
        train=replace(
            services.settings.train, model=replace(services.settings.train.model, tower="sketch")
        ),
    )
    services = replace(services, settings=settings)
    lease = lease_of(services.ledger)
    send(services, [*item_records(), *event_records(1, 400)])
    runs = [run_cycle(services, lease) for _ in range(2)]
    send(services, event_records(401, 480))
    runs.append(run_cycle(services, lease))
    send(
        services,
        [
            Item(
                event_id="item:new",
                item_id="new",
                title="A new thing",
                text="even calm blue",
                at=START,
            )
        ],
    )
    runs.append(run_cycle(services, lease))
    assert [(run.mode, run.outcome) for run in runs] == [
        (mode, "published") for mode in ("baseline", "full", "update", "items")
    ]
    best = server_of(services).predict(
        None, {"user_seq": ["i0"], "k": 3, "exclude_seen": True}, timeout_s=9
    )
    rated = server_of(services).predict(
        None, {"user_seq": ["Thing 4 (1990)"], "item_desc": "a text that is new"}, timeout_s=9
    )
    assert isinstance(best, dict)
    assert isinstance(rated, dict)
    assert len(best["items"]) == 3
    assert 2.0 <= rated["score"] <= 5.0
    close_workshop(services)
