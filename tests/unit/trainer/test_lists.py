"""Cells are given to a bundle only where its lists keep nearly all of the best items."""

from dataclasses import replace
from pathlib import Path

import pytest

from recommender.bundle import Bundle, load_bundle, save_bundle
from recommender.ranking.ranker import Ranker
from tests.planted import planted_bundle, planted_rows, write_rows
from trainer.config import TrainConfig
from trainer.data.dataset import EventTable, read_events
from trainer.lists import list_recall, with_cells

CONFIG = TrainConfig(cells_items=40)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return planted_bundle(tmp_path / "bundle", tower="transformer")


@pytest.fixture
def panel(tmp_path: Path) -> EventTable:
    write_rows(tmp_path / "panel.parquet", planted_rows())
    return read_events(tmp_path / "panel.parquet")


def test_cells_that_find_the_best_items_are_saved(
    bundle: Bundle, panel: EventTable, tmp_path: Path
) -> None:
    made = with_cells(bundle, panel, CONFIG)
    assert made.cells is not None
    assert len(made.cells.cells_N) == 40
    save_bundle(made, tmp_path / "saved")
    loaded = load_bundle(tmp_path / "saved")
    assert loaded.cells is not None
    recall = list_recall(Ranker(loaded), panel)
    assert recall is not None
    assert recall >= CONFIG.cells_recall


def test_a_smaller_catalogue_is_searched_whole(bundle: Bundle, panel: EventTable) -> None:
    assert with_cells(bundle, panel, replace(CONFIG, cells_items=41)).cells is None
    assert list_recall(Ranker(bundle), panel) is None
    assert list_recall(Ranker(bundle, scanned_items=0), panel) == 1.0


def test_without_panel_users_there_are_no_cells(bundle: Bundle, tmp_path: Path) -> None:
    write_rows(tmp_path / "none.parquet", [])
    assert with_cells(bundle, read_events(tmp_path / "none.parquet"), CONFIG).cells is None


def test_cells_of_the_release_before_are_not_kept(bundle: Bundle, panel: EventTable) -> None:
    made = with_cells(bundle, panel, CONFIG)
    assert with_cells(made, panel, TrainConfig()).cells is None
