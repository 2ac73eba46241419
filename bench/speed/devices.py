"""The same training on a GPU and on the processor of the same machine.

    .venv/bin/python -m bench devices [--sets ml-100k,ml-1m] [--epochs 2] [--threads 16]

Each training is a process of its own and learns from all events of the set. Interactions a second
are those of training alone; reading the texts is reported separately. The GPU trains one epoch
before it is timed, because its first steps also load and choose kernels. Nothing is ranked here;
`python -m bench quality` measures how good a model is.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from bench.contestants.configs import CONFIGS
from bench.contestants.offline import train_bundle
from bench.data.sets import RatingsSet, load_set
from bench.data.snapshots import Roles, write_snapshot
from bench.report.kept import work_folder
from bench.report.labels import DEVICES
from bench.report.rows import BenchMetric, save
from trainer.config import Device, TrainConfig

COMMAND = "python -m bench devices"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCost:
    """The cost of one training: seconds by phase, and the peak of the GPU's memory in GiB."""

    seconds: dict[str, float]
    peak_gib: float


def train_once(snapshot: Path, config: TrainConfig, folder: Path) -> TrainingCost:
    """Train once; on a GPU after one epoch that is not timed."""
    for name, epochs in (("warm-up", 1), ("timed", config.full_epochs)):
        if name == "timed" or config.device == "cuda":
            train_bundle(
                snapshot,
                replace(config, full_epochs=epochs),
                folder / name,
                text_cache=folder / f"{name}-texts",
            )
    peak = torch.cuda.max_memory_allocated() / 2**30 if config.device == "cuda" else 0.0
    return TrainingCost(
        seconds=json.loads((folder / "timed" / "report.json").read_text(encoding="utf-8"))[
            "seconds"
        ],
        peak_gib=peak,
    )


def run(data_set: str, config: TrainConfig) -> list[BenchMetric]:
    """Measure one set's training on both devices."""
    data = load_set(data_set)
    work_folder().mkdir(parents=True, exist_ok=True)
    costs: dict[Device, TrainingCost] = {}
    with tempfile.TemporaryDirectory(prefix="devices-", dir=work_folder()) as name:
        everything = Roles(target_E=np.ones(len(data.users_E), np.bool_))
        snapshot = write_snapshot(Path(name) / "snapshot", data, everything, mode="full")
        devices: tuple[Device, ...] = ("cuda", "cpu")
        for device in devices:
            # a process that has claimed the CPU cannot use its GPUs any longer
            with ProcessPoolExecutor(
                1, mp_context=multiprocessing.get_context("spawn")
            ) as processes:
                (Path(name) / device).mkdir()
                costs[device] = processes.submit(
                    train_once, snapshot, replace(config, device=device), Path(name) / device
                ).result()
    return metrics_of(data, config, costs["cuda"], costs["cpu"])


def metrics_of(
    data: RatingsSet, config: TrainConfig, gpu: TrainingCost, cpu: TrainingCost
) -> list[BenchMetric]:
    """Return the rates of both devices and their ratios."""
    shape = (
        f"width {config.model.dim}, {config.model.num_layers} layers,"
        f" batches of {config.batch_size}, {config.full_epochs} epochs"
    )
    titles = {"train": "interactions a second", "encode": "seconds of reading the texts"}
    rows = []
    for phase, metric in titles.items():
        value = {
            "GPU": gpu.seconds[phase],
            f"CPU, {config.num_threads} threads": cpu.seconds[phase],
        }
        ratio = cpu.seconds[phase] / gpu.seconds[phase]
        if phase == "train":
            value = {
                model: len(data.users_E) * config.full_epochs / seconds
                for model, seconds in value.items()
            }
        for model, one in {**value, "GPU, times as fast": ratio}.items():
            memory = f", {gpu.peak_gib:.2f} GiB of the GPU's memory" if model == "GPU" else ""
            rows.append(
                BenchMetric(
                    metric=metric,
                    value=one,
                    unit="1",
                    set=data.name,
                    protocol=DEVICES,
                    model=model,
                    note=f"{shape}{memory}",
                )
            )
            print(f"{data.name:8} {model:20} {metric:30} {one:,.1f}  {shape}{memory}", flush=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="The same training on a GPU and on the processor of the same machine.",
    )
    parser.add_argument(
        "--sets", default="ml-100k,ml-1m", help=f"the sets, of {', '.join(CONFIGS)}"
    )
    parser.add_argument("--epochs", type=int, default=2, help="the number of epochs that are timed")
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="threads of the processor; all its cores by default",
    )
    given = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        parser.error("torch sees no GPU here; there is nothing to compare")
    found = []
    for name in given.sets.split(","):
        found += run(
            name, replace(CONFIGS[name], full_epochs=given.epochs, num_threads=given.threads)
        )
    save("devices", given.sets.replace(",", ", "), found, command=COMMAND)
