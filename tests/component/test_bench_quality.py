"""The quality bench with the product's own trainer and ranker, on planted tastes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.contestants.configs import CONFIGS, STREAM_CONFIGS
from bench.contestants.ease import popularity
from bench.data import snapshots
from bench.data.leave_one_out import split_of
from bench.ranking.quality import Options, freshet, ranking_metrics
from bench.ranking.ratings import rating_metrics
from bench.report.labels import SKETCH
from recommender.config import ModelConfig
from tests.unit.bench.tastes import NUM_USERS, tastes
from trainer.config import TrainConfig

CONFIG = TrainConfig(
    model=ModelConfig(dim=16, max_history=20, dropout=0.0), full_epochs=12, full_lr=1e-2
)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_BENCH_WORK", str(tmp_path))


def test_freshet_learns_the_tastes_and_is_kept(tmp_path: Path) -> None:
    split = split_of(tastes())
    first = freshet(split, CONFIG)
    assert len(first.ndcg_U) == NUM_USERS
    assert np.mean(first.ndcg_U) > 1.3 * np.mean(popularity(split).ndcg_U)
    assert first.seconds > 0.0
    assert freshet(split, CONFIG) == first
    assert len(list((tmp_path / "quality").iterdir())) == 1
    assert not list(tmp_path.rglob("snapshot"))


def test_an_interrupted_training_starts_from_scratch(tmp_path: Path) -> None:
    """Its seconds count, and those before the interruption are lost."""
    split = split_of(tastes())
    freshet(split, CONFIG)
    (result,) = tmp_path.rglob("result.json")
    result.unlink()  # an interruption after the training leaves a candidate without a result
    (left,) = tmp_path.rglob("candidate")
    trained = (left / "report.json").stat().st_mtime_ns
    assert freshet(split, CONFIG).cpu_s > 0.1, "a training that existed already would cost nothing"
    assert (left / "report.json").stat().st_mtime_ns > trained


def test_a_settings_file_for_a_gpu_trains_on_one_or_not_at_all() -> None:
    split = split_of(tastes())
    if torch.cuda.is_available():
        assert freshet(split, replace(CONFIG, device="cuda", full_epochs=1)).ndcg_U
    else:
        with pytest.raises(
            ValueError,
            match=r"train\.device is cuda.*; start fewer ranks, .* or set train\.device",
        ):
            freshet(split, replace(CONFIG, device="cuda"))


def test_the_benches_train_on_the_cpu_as_the_peers_do() -> None:
    assert {config.device for config in [*CONFIGS.values(), *STREAM_CONFIGS.values()]} == {"cpu"}


def test_an_interrupted_snapshot_leaves_no_folder(tmp_path: Path) -> None:
    data, folder = tastes(), tmp_path / "snapshot"
    roles = snapshots.Roles(target_E=np.ones(len(data.users_E), np.bool_))
    without_items = replace(data, items=[])  # fails when the events are written already
    with pytest.raises(IndexError):
        snapshots.write_snapshot(folder, without_items, roles, mode="full")
    assert (tmp_path / "snapshot.partial" / "events.parquet").exists()
    assert not folder.exists(), "the benches would take an existing one as it is"
    assert (snapshots.write_snapshot(folder, data, roles, mode="full") / "manifest.json").exists()


def test_a_settings_file_replaces_the_benchs_configuration(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[train]\nfull_epochs = 3\n[train.model]\ndim = 32\n")
    config = Options(seeds=[0], threads=2, peers=False, settings=file).config("ml-100k")
    assert (config.full_epochs, config.model.dim, config.num_threads) == (3, 32, 2)


def test_a_settings_file_runs_alone_under_its_own_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[train]\ndevice = 'cpu'\nfull_epochs = 1\n[train.model]\ndim = 16\n")
    options = Options(seeds=[0], threads=1, peers=True, settings=file)
    assert options.ours_alone == "Freshet, mine.toml"
    data = tastes(noise=0.2)
    ranked = ranking_metrics(split_of(data), options)
    rated = rating_metrics(
        data, options.config("ml-100k"), seeds=[0], tuning=False, alone_as=options.ours_alone
    )
    assert {row.model for row in [*ranked, *rated]} == {"Freshet, mine.toml"}


def test_ratings_are_predicted_static_and_progressive() -> None:
    data = tastes(noise=0.2)
    found = {
        (row.model, row.protocol): row
        for row in rating_metrics(data, CONFIG, seeds=[0], tuning=False)
    }
    kinds = ("static", "progressive")
    both = {
        (name, f"global time 80/20, {kind}")
        for name in ("Freshet", SKETCH, "biases", "SVD")
        for kind in kinds
    }
    assert set(found) == {("item mean", "global time 80/20, static"), *both}
    spread = float(np.std(data.ratings_E))
    for kind in kinds:
        row = found["Freshet", f"global time 80/20, {kind}"]
        assert row.low is not None
        assert row.high is not None
        assert row.low <= row.value <= row.high < spread
    assert "144 ratings of 60 users" in found["Freshet", "global time 80/20, static"].note
