"""Small trainings for the trainer's tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from recommender.catalogue.item_columns import CatalogueItem
from recommender.config import EncoderConfig, ModelConfig
from tests.planted import PlantedRow, planted_rows, write_tiny_encoder
from trainer.candidate import Job, make_candidate
from trainer.config import TrainConfig, dump_config
from trainer.machine.device import claim_device
from trainer.report import Report, read_report

ROOT = Path(__file__).parents[2]
NAMELESS = [
    CatalogueItem(item_id="i0", title=" ")
]  # no texts: child processes start without the encoder


class TrainingKilled(Exception):
    """A test raises it from a job's check, to end the training there."""


def small_config(folder: Path) -> TrainConfig:
    """Return settings that find planted data in a second; write their random encoder."""
    return TrainConfig(
        encoder=EncoderConfig(model=str(write_tiny_encoder(folder / "tiny")), max_tokens=64),
        model=ModelConfig(text_dim=16, dim=16, num_layers=1, max_history=20, dropout=0.0),
        full_epochs=12,
        full_lr=1e-2,
        batch_size=8,
    )


def train(folder: Path, snapshot: Path, config: TrainConfig, *, name: str = "candidate") -> Path:
    """Train as the command does: on a GPU where there is one."""
    device = claim_device(config.device)
    make_candidate(
        Job(
            snapshot=snapshot,
            config=config,
            out=folder / name,
            text_cache=folder / "texts",
            check=lambda: None,
            device=device,
        )
    )
    return folder / name


def report(candidate: Path) -> Report:
    return read_report(candidate / "report.json")


def command(folder: Path, snapshot: Path, config: TrainConfig, *, name: str = "out") -> list[str]:
    """Return the arguments of `python -m trainer`."""
    file = folder / "config.json"
    dump_config(config, file)
    return [
        "--snapshot",
        str(snapshot),
        "--config",
        str(file),
        "--out",
        str(folder / name),
        "--text-cache",
        str(folder / "texts"),
    ]


def new_rows(count: int) -> list[PlantedRow]:
    """Return newer events of the same users, with an item that no earlier event has."""
    known = planted_rows(seed=1)[:count]
    rows = [replace(row, seq=1000 + row.seq, at_us=row.at_us + 10**13) for row in known]
    return [
        replace(rows[0], seq=1, item_id="i0", role="context"),
        *rows,
        replace(rows[-1], seq=2000, item_id="new", at_us=10**16),
    ]
