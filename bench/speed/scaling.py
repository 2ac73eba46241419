"""One training by different launchers: speed, exchange, sameness, and the loss of a rank.

    .venv/bin/python -m bench scaling [--set ml-100k] [--epochs 4] [--launchers URL,URL] [--no-peer]

Each launcher trains the same snapshot from scratch. The losses of its epochs are compared with
those of `process:`, which is always measured. Then each launcher trains again, and the last of its
ranks is killed with SIGKILL after some steps: the time until a step that was not taken before, and
the number of steps that are taken again, are those of its second start.

The memory of a rank's share of the events is measured with events that are made up.
RecTools' SASRec trains on the same events, in one process and in two, unless with --no-peer.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import psutil

from bench.contestants.configs import CONFIGS
from bench.data.sets import load_set
from bench.data.snapshots import Roles, write_snapshot
from bench.report.kept import work_folder
from bench.report.labels import LAUNCHERS
from bench.report.rows import BenchMetric, save
from bench.speed.scaling_peer import peer_rows, train_peer
from bench.speed.shares import share_rows
from cron.wiring import open_launcher
from tests.component.at_work import until
from trainer.candidate_files import PROGRESS, last_checkpoint_ns, partial_of
from trainer.config import TrainConfig
from trainer.report import Report, read_report

COMMAND = "python -m bench scaling"
ONE = "process:"
URLS = f"{ONE},torchrun:?nproc=1,torchrun:?nproc=2"
LIMIT_S = 1_800.0
CHECKPOINT_S = 2.0  # of the training whose rank is killed
KILLED_AFTER_STEPS = 40
_RAY_WORKER = "RayTrainWorker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What the loss of a rank cost."""

    lost_s: float
    repeated_steps: int


def train(url: str, snapshot: Path, config: TrainConfig, folder: Path) -> Report:
    """Train by one launcher and return the report."""
    launcher = open_launcher(url, text_cache=folder.parent / "texts")
    out = launcher.train(snapshot, config, folder / "candidate", limit_s=LIMIT_S)
    return read_report(out / "report.json")


def lose_a_rank(url: str, snapshot: Path, config: TrainConfig, folder: Path) -> Recovery:
    """Train by one launcher, kill its last rank on the way, and return what that cost."""
    out = folder / "candidate"
    config = replace(config, checkpoint_s=CHECKPOINT_S, full_epochs=config.full_epochs * 4)
    thread = threading.Thread(target=train, args=(url, snapshot, config, folder), daemon=True)
    thread.start()
    until(
        lambda: _steps_done(out) >= KILLED_AFTER_STEPS and last_checkpoint_ns(out) is not None,
        limit_s=LIMIT_S,
    )
    reached = _steps_done(out)
    killed_s = time.monotonic()
    max(_ranks(out), key=lambda one: one.pid).kill()
    until(lambda: _state(out).get("starts") != 1 and _steps_done(out), limit_s=LIMIT_S)
    resumed = _steps_done(out)
    until(lambda: _steps_done(out) > reached, limit_s=LIMIT_S)
    recovery = Recovery(
        lost_s=time.monotonic() - killed_s, repeated_steps=max(0, reached - resumed + 1)
    )
    thread.join()
    return recovery


def _state(out: Path) -> Mapping[str, int | str]:
    """Return the progress of a training; empty before it."""
    with suppress(OSError, ValueError):
        text = (partial_of(out) / PROGRESS).read_text(encoding="utf-8")
        state: dict[str, int | str] = json.loads(text)
        return state
    return {}


def _steps_done(out: Path) -> int:
    """Return how many steps are done; 0 before the first, and after a start."""
    state = _state(out)
    return int(state["done"]) if state.get("phase") == "train" else 0


def _ranks(out: Path) -> list[psutil.Process]:
    """Return the processes that train a candidate, without the runner that starts them."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(out) in words and "torch.distributed.run" not in words:
            found.append(process)
    return [one for process in found for one in _of_ray(process)] or found


def _of_ray(driver: psutil.Process) -> list[psutil.Process]:
    """Return the workers of a cluster that a driver started; none for other launchers."""
    workers = []
    for process in driver.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if _RAY_WORKER in " ".join(process.cmdline()):
                workers.append(process)
    return workers


def load_note() -> str:
    """Return how many programs wanted a core in the last quarter of an hour."""
    return f"load {os.getloadavg()[2]:.0f}"


def ranks_of(url: str) -> int:
    """Return the number of ranks that a launcher's URL asks for."""
    options = parse_qs(urlsplit(url).query)
    numbers = options.get("nproc") or options.get("workers") or ["1"]
    return int(numbers[-1].rpartition(":")[2])


def metrics_of(
    name: str, url: str, report: Report, one: Report, recovery: Recovery | None
) -> list[BenchMetric]:
    """Return the rows of one launcher, compared with one process.

    They say how many programs wanted a core, because all times are the clock's.
    """
    note = load_note()
    seconds = report.seconds
    apart = max(abs(a - b) for a, b in zip(report.losses, one.losses, strict=True))
    values = {
        "seconds of training": (seconds["train"], "s"),
        "times as fast as one process": (one.seconds["train"] / seconds["train"], "1"),
        "share of the time in exchanges": (seconds.get("exchange", 0.0) / seconds["train"], "1"),
        "share of the time in checkpoints": (seconds["checkpoints"] / seconds["train"], "1"),
        "largest difference of an epoch's loss": (apart, "1"),
    }
    if recovery is not None:
        values["from kill -9 of a rank to the next new step"] = (recovery.lost_s, "s")
        values["steps repeated"] = (float(recovery.repeated_steps), "1")
    rows = []
    for metric, (value, unit) in values.items():
        print(f"{name:8} {url:24} {metric:44} {value:.6g} {unit}", flush=True)
        rows.append(
            BenchMetric(
                metric=metric,
                value=value,
                unit=unit,
                note=note,
                set=name,
                protocol=LAUNCHERS,
                model=url,
            )
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="One training by each launcher.")
    parser.add_argument("--set", default="ml-100k", help=f"the set, of {', '.join(CONFIGS)}")
    parser.add_argument("--epochs", type=int, default=4, help="the number of epochs")
    parser.add_argument("--launchers", default=URLS, help="the URLs to measure, beside process:")
    parser.add_argument("--no-peer", action="store_true", help="do not train RecTools' SASRec")
    given = parser.parse_args(arguments)
    data, config = load_set(given.set), replace(CONFIGS[given.set], full_epochs=given.epochs)
    work_folder().mkdir(parents=True, exist_ok=True)
    rows: list[BenchMetric] = []
    with tempfile.TemporaryDirectory(prefix="scaling-", dir=work_folder()) as name:
        everything = Roles(target_E=np.ones(len(data.users_E), np.bool_))
        snapshot = write_snapshot(Path(name) / "snapshot", data, everything, mode="full")
        one = train(ONE, snapshot, config, Path(name) / "one")
        ours = {1: one.seconds["train"]}
        for number, url in enumerate(given.launchers.split(",")):
            folder = Path(name) / str(number)
            report = one if url == ONE else train(url, snapshot, config, folder / "whole")
            ours.setdefault(ranks_of(url), report.seconds["train"])
            recovery = lose_a_rank(url, snapshot, config, folder / "killed")
            rows += metrics_of(given.set, url, report, one, recovery)
        (Path(name) / "shares").mkdir()
        rows += share_rows("made up", Path(name) / "shares", load_note())
        if not given.no_peer:
            seconds = {
                processes: train_peer(
                    data, Path(name) / f"peer-{processes}", processes=processes, epochs=given.epochs
                )
                for processes in (1, 2)
            }
            rows += peer_rows(given.set, seconds, ours, load_note())
    save("scaling", given.set, rows, command=COMMAND)
