"""Training that goes on from a live bundle on planted data, and new items without training."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from recommender.bundle import load_bundle
from recommender.catalogue.item_columns import CatalogueItem
from recommender.config import BUNDLE_FORMAT
from tests.component.training import command, new_rows, report, train
from tests.planted import (
    PlantedRow,
    in_panel,
    planted_items,
    towers_of,
    write_planted_snapshot,
)
from trainer.__main__ import main
from trainer.candidate import Job, make_candidate
from trainer.config import Mode, TrainConfig


def test_an_update_goes_on_from_the_live_bundle(
    tmp_path: Path, full: Path, config: TrainConfig
) -> None:
    live = load_bundle(full / "bundle")
    items = [
        *planted_items(),
        CatalogueItem(item_id="new", title="Newest thing", text="even calm blue"),
    ]
    rejected = PlantedRow(
        seq=3000, user_id=new_rows(1)[1].user_id, item_id="i39", at_us=2 * 10**16, type="dislike"
    )
    snapshot = write_planted_snapshot(
        tmp_path / "snapshot",
        mode="update",
        rows=[*new_rows(200), rejected],
        items=items,
        live=full / "bundle",
        state=full / "state",
    )
    candidate = train(tmp_path, snapshot, config)
    bundle = load_bundle(candidate / "bundle")
    counted = [row for row in new_rows(200) if not in_panel(row.user_id) and row.role == "target"]
    assert bundle.counts_N.sum() - live.counts_N.sum() == len(counted)
    assert [item.item_id for item in bundle.catalogue[:40]] == [
        item.item_id for item in live.catalogue
    ]
    assert bundle.catalogue[40].item_id == "new"
    assert bundle.facts.has_text_N[40]
    assert torch.equal(bundle.whitening.components_RT, live.whitening.components_RT)
    assert torch.equal(bundle.texts_NT[:40], live.texts_NT)
    assert not torch.equal(towers_of(bundle).table[:40], towers_of(live).table)
    assert (towers_of(bundle).table[:40] - towers_of(live).table).abs().max() < 0.1
    steps = load_file(candidate / "state" / "optimizer.safetensors")["table.steps"]
    assert (steps[:40] >= load_file(full / "state" / "optimizer.safetensors")["table.steps"]).all()
    made = report(candidate)
    assert len(made.losses) == config.update_epochs
    assert made.fresh is not None
    assert set(made.fresh.models) == {"live", "popularity", "biases"}
    assert made.panel is not None
    assert {"candidate", "live"} <= set(made.panel.models)


def test_the_average_is_served_and_training_continues(
    tmp_path: Path, full: Path, config: TrainConfig
) -> None:
    live = load_bundle(full / "bundle")
    rows = [replace(row, role="target") for row in new_rows(50)]
    snapshot = write_planted_snapshot(
        tmp_path / "1" / "s", mode="update", rows=rows, live=full / "bundle", state=full / "state"
    )
    first = train(tmp_path / "1", snapshot, config)
    trained = load_file(first / "state" / "optimizer.safetensors")["trained.table"]
    served = towers_of(load_bundle(first / "bundle")).table
    assert not torch.equal(trained[:40], served[:40])
    assert torch.allclose(
        served[:40], towers_of(live).table.lerp(trained[:40], 1 - config.average_decay), atol=1e-6
    )

    still = replace(config, update_lr=1e-12)
    again = write_planted_snapshot(
        tmp_path / "2" / "s", mode="update", rows=rows, live=first / "bundle", state=first / "state"
    )
    second = train(tmp_path / "2", again, still)
    assert torch.allclose(
        load_file(second / "state" / "optimizer.safetensors")["trained.table"], trained, atol=1e-6
    )
    assert torch.allclose(
        towers_of(load_bundle(second / "bundle")).table,
        served.lerp(trained, 1 - config.average_decay),
        atol=1e-6,
    ), "the served weights come nearer, though nothing new was learned"


@pytest.mark.parametrize(("mode", "keeps"), [("full", True), ("update", False)])
def test_only_a_full_retrain_keeps_checkpoints(
    tmp_path: Path, full: Path, config: TrainConfig, mode: Mode, keeps: bool
) -> None:
    """Those of a large update would be most of what it writes."""
    snapshot = write_planted_snapshot(
        tmp_path / "snapshot",
        mode=mode,
        rows=new_rows(40),
        live=full / "bundle" if mode == "update" else None,
        state=full / "state" if mode == "update" else None,
    )
    partial, found = tmp_path / "out.partial", []
    make_candidate(
        Job(
            snapshot=snapshot,
            config=replace(config, full_epochs=2, update_epochs=2),
            out=tmp_path / "out",
            text_cache=tmp_path / "texts",
            check=lambda: found.append((partial / "checkpoint").exists()),
        )
    )
    assert any(found) is keeps


def test_an_update_uses_the_full_rate_by_default(
    tmp_path: Path, full: Path, config: TrainConfig
) -> None:
    rows = [replace(row, role="target") for row in new_rows(50)]
    tables = []
    for number, rate in enumerate((None, config.full_lr, config.full_lr / 10)):
        folder = tmp_path / str(number)
        snapshot = write_planted_snapshot(
            folder / "s", mode="update", rows=rows, live=full / "bundle", state=full / "state"
        )
        candidate = train(folder, snapshot, replace(config, update_lr=rate))
        tables.append(towers_of(load_bundle(candidate / "bundle")).table)
    unset, same, own = tables
    assert torch.equal(unset, same)
    assert not torch.equal(unset, own)


def test_new_items_come_without_gradients(tmp_path: Path, full: Path, config: TrainConfig) -> None:
    live = load_bundle(full / "bundle")
    items = [
        replace(planted_items()[0], hidden=True),
        CatalogueItem(item_id="new", title="Thing 0 (1990)", text="Thing 0 (1990). even calm blue"),
    ]
    snapshot = write_planted_snapshot(
        tmp_path / "snapshot",
        mode="items",
        rows=[],
        items=items,
        live=full / "bundle",
        state=full / "state",
    )
    candidate = train(tmp_path, snapshot, config)
    bundle = load_bundle(candidate / "bundle")
    assert bundle.catalogue[0].hidden
    assert torch.equal(towers_of(bundle).table[:40], towers_of(live).table)
    assert torch.allclose(bundle.texts_NT[40], live.texts_NT[0], atol=1e-3)
    assert torch.equal(bundle.counts_N[:40], live.counts_N)
    carried, before = (
        load_file(folder / "state" / "optimizer.safetensors") for folder in (candidate, full)
    )
    assert all(torch.equal(carried[name], before[name]) for name in before), (
        "the next update goes on where the last one ended"
    )
    assert report(candidate).losses == ()


def test_another_program_version_needs_a_full_training(
    tmp_path: Path, full: Path, config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(full / "bundle", tmp_path / "old")
    manifest = tmp_path / "old" / "manifest.json"
    manifest.write_text(
        json.dumps(json.loads(manifest.read_text()) | {"format": BUNDLE_FORMAT - 1})
    )
    update = write_planted_snapshot(
        tmp_path / "update", mode="update", rows=new_rows(50), live=tmp_path / "old"
    )
    assert main(command(tmp_path, update, config)) == 1
    assert (
        "another version of this program made it; train with mode full" in capsys.readouterr().err
    )
    fresh = write_planted_snapshot(tmp_path / "fresh", mode="full", live=tmp_path / "old")
    shutil.copytree(tmp_path / "old", fresh / "anchor")
    panel = report(train(tmp_path, fresh, config)).panel
    assert panel is not None
    assert set(panel.models) == {"candidate", "popularity", "biases"}


def test_a_parent_that_does_not_fit_is_one_sentence(
    tmp_path: Path, full: Path, config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = write_planted_snapshot(
        tmp_path / "snapshot", mode="update", rows=new_rows(10), live=full / "bundle"
    )
    assert (
        main(command(tmp_path, snapshot, replace(config, model=replace(config.model, dim=32)))) == 1
    )
    assert "train with mode full" in capsys.readouterr().err
    assert main(command(tmp_path, tmp_path / "missing", config)) == 1
    assert "manifest.json: not a valid manifest of a snapshot" in capsys.readouterr().err
