"""One training by different launchers: speed, exchange, sameness, and what a loss costs.

    .venv/bin/python -m bench scaling [--parts launchers,machines] [--launchers URL,URL]

launchers: each trains the same snapshot from scratch. The losses of its epochs are compared with
those of `process:`, which is always measured. Then each trains again, and the last of its ranks is
killed with SIGKILL after some steps: the time until a step that was not taken before, and the
number of steps that are taken again, are those of its second start.
machines: the second machine of an elastic training vanishes and comes back, with torchrun and with
Ray (`--engines`; Ray needs `pip install 'freshet[ray]'`).
shares: the memory of a rank's share of the events, with events that are made up.
peer: RecTools' SASRec on the same events, in one process and in two, beside the launchers.

A part that is not run keeps its earlier rows.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import psutil

from bench.contestants.configs import CONFIGS
from bench.data.sets import RatingsSet, load_set
from bench.data.snapshots import Roles, write_snapshot
from bench.report.kept import work_folder
from bench.report.rows import BenchMetric, save
from bench.speed.launcher_rows import launcher_rows, load_note
from bench.speed.scaling_machines import CHECKPOINT_S, RAY, TORCHRUN, machine_rows
from bench.speed.scaling_peer import peer_rows, train_peer
from bench.speed.shares import share_rows
from bench.speed.watched_training import LIMIT_S, glance, train
from tests.component.at_work import until
from trainer.candidate_files import last_checkpoint_ns
from trainer.config import TrainConfig
from trainer.report import Report

COMMAND = "python -m bench scaling"
LAUNCHERS_PART, MACHINES_PART, SHARES_PART, PEER_PART = "launchers", "machines", "shares", "peer"
PARTS = (LAUNCHERS_PART, MACHINES_PART, SHARES_PART, PEER_PART)
ENGINES: Mapping[str, str] = {"torchrun": TORCHRUN, "ray": RAY}
ONE = "process:"
URLS = f"{ONE},torchrun:?nproc=1,torchrun:?nproc=2"
KILLED_AFTER_STEPS = 40
_RAY_WORKER = "RayTrainWorker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What the loss of a rank cost."""

    lost_s: float
    repeated_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredTraining:
    """The rows of the launchers, and the seconds of training by the number of ranks."""

    rows: list[BenchMetric] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)


def lose_a_rank(url: str, snapshot: Path, config: TrainConfig, folder: Path) -> Recovery:
    """Train by one launcher, kill its last rank on the way, and return what that cost."""
    out = folder / "candidate"
    config = replace(config, checkpoint_s=CHECKPOINT_S, full_epochs=config.full_epochs * 4)
    thread = threading.Thread(target=train, args=(url, snapshot, config, folder), daemon=True)
    thread.start()
    until(
        lambda: glance(out).done >= KILLED_AFTER_STEPS and last_checkpoint_ns(out) is not None,
        limit_s=LIMIT_S,
    )
    reached = glance(out).done
    killed_s = time.monotonic()
    max(_ranks(out), key=lambda one: one.pid).kill()
    until(lambda: glance(out).starts > 1 and glance(out).done, limit_s=LIMIT_S)
    resumed = glance(out).done
    until(lambda: glance(out).done > reached, limit_s=LIMIT_S)
    recovery = Recovery(
        lost_s=time.monotonic() - killed_s, repeated_steps=max(0, reached - resumed + 1)
    )
    thread.join()
    return recovery


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
    return launcher_rows(name, url, values, load_note())


def measure_launchers(
    name: str, urls: Sequence[str], snapshot: Path, config: TrainConfig, folder: Path
) -> MeasuredTraining:
    """Train by each launcher, then again with the loss of a rank."""
    folder.mkdir()
    one = train(ONE, snapshot, config, folder / "one")
    found = MeasuredTraining(seconds={1: one.seconds["train"]})
    for number, url in enumerate(urls):
        own = folder / str(number)
        report = one if url == ONE else train(url, snapshot, config, own / "whole")
        found.seconds.setdefault(ranks_of(url), report.seconds["train"])
        recovery = lose_a_rank(url, snapshot, config, own / "killed")
        found.rows.extend(metrics_of(name, url, report, one, recovery))
    return found


def measure_peer(
    data: RatingsSet, folder: Path, *, epochs: int, ours: Mapping[int, float]
) -> list[BenchMetric]:
    """Train RecTools' SASRec in one process and in two."""
    seconds = {
        processes: train_peer(data, folder / str(processes), processes=processes, epochs=epochs)
        for processes in (1, 2)
    }
    return peer_rows(data.name, seconds, ours, load_note())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    given = _parse(arguments)
    data, config = load_set(given.set), replace(CONFIGS[given.set], full_epochs=given.epochs)
    work_folder().mkdir(parents=True, exist_ok=True)
    rows: list[BenchMetric] = []
    trained = MeasuredTraining()
    with tempfile.TemporaryDirectory(prefix="scaling-", dir=work_folder()) as name:
        folder = Path(name)
        everything = Roles(target_E=np.ones(len(data.users_E), np.bool_))
        snapshot = write_snapshot(folder / "snapshot", data, everything, mode="full")
        if LAUNCHERS_PART in given.parts:
            trained = measure_launchers(
                given.set, given.launchers.split(","), snapshot, config, folder / LAUNCHERS_PART
            )
            rows += trained.rows
        if MACHINES_PART in given.parts:
            engines = [ENGINES[engine] for engine in given.engines]
            rows += machine_rows(given.set, snapshot, config, folder / MACHINES_PART, engines)
        if SHARES_PART in given.parts:
            (folder / SHARES_PART).mkdir()
            rows += share_rows("made up", folder / SHARES_PART, load_note())
        if PEER_PART in given.parts:
            (folder / PEER_PART).mkdir()
            rows += measure_peer(
                data, folder / PEER_PART, epochs=given.epochs, ours=trained.seconds
            )
    save("scaling", given.set, rows, command=COMMAND)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=COMMAND, description="One training by each launcher.")
    parser.add_argument("--set", default="ml-100k", help=f"the set, of {', '.join(CONFIGS)}")
    parser.add_argument("--epochs", type=int, default=4, help="the number of epochs")
    parser.add_argument("--launchers", default=URLS, help="the URLs to measure, beside process:")
    for option, all_names, what in (
        ("--parts", PARTS, "the parts to measure"),
        ("--engines", tuple(ENGINES), "what loses a machine in the part `machines`"),
    ):
        parser.add_argument(
            option,
            type=lambda text: text.split(","),
            default=",".join(all_names),
            help=f"{what}, of {', '.join(all_names)}",
        )
    given = parser.parse_args(arguments)
    for option, chosen, all_names in (
        ("--parts", given.parts, PARTS),
        ("--engines", given.engines, tuple(ENGINES)),
    ):
        if unknown := [one for one in chosen if one not in all_names]:
            parser.error(f"{option} {unknown[0]}: there are {', '.join(all_names)}")
    if PEER_PART in given.parts and LAUNCHERS_PART not in given.parts:
        parser.error("--parts peer goes with launchers: both are measured in one run")
    has_ray = importlib.util.find_spec("ray") is not None
    if MACHINES_PART in given.parts and "ray" in given.engines and not has_ray:
        parser.error("Ray is not installed: pip install 'freshet[ray]', or --engines torchrun")
    return given
