"""Trainings of a made-up shop by the product's trainer: a full retrain, then updates.

Each training is `python -m trainer` on a snapshot, in a process of its own. Its time is the
processor's. A full retrain of one epoch shows the rate and the quality: NDCG@10 on users it was not
trained on, and how many of the listed items belong to what was planted as their tastes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bench.data.planted import BEGAN_S, SPAN_S, Shop
from bench.data.shop_snapshots import PANEL_OF, ShopEvents, shop_events, write_full, write_update
from bench.scale.costs import Cost, Size
from recommender.bundle import load_bundle
from recommender.config import HASHED_WORDS, EncoderConfig
from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from trainer.config import TrainConfig, dump_config
from trainer.report import Report, read_report

CONFIG = TrainConfig(encoder=EncoderConfig(model=HASHED_WORDS), full_epochs=1)
NEW_EVENTS = (1_000, 10_000)
NUM_ASKED = 100  # users whose lists are compared with what was planted
LATEST = 50  # events of theirs that are sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A finished training: its candidate, its report, and what its process used."""

    candidate: Path
    report: Report
    cpu_s: float
    peak_gib: float

    @property
    def phases(self) -> str:
        """The seconds of the clock by phase, for a note."""
        return ", ".join(f"{name} {one:.0f} s" for name, one in self.report.seconds.items())


def training_costs(size: Size) -> list[Cost]:
    """Measure a full retrain of one epoch, and updates of its release."""
    shop = Shop(size.num_items, size.num_events)
    data = shop_events(shop)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        full = run_trainer(write_full(folder / "full", shop, data), folder)
        costs = _full_costs(size, full) + _quality(size, full, shop, data)
        for num_new in NEW_EVENTS:
            if 2 * num_new > size.num_events:
                continue
            snapshot = folder / f"update-{num_new}"
            write_update(snapshot, shop, data, full.candidate, num_new=num_new)
            costs += _update_costs(size, run_trainer(snapshot, folder), num_new)
            shutil.rmtree(snapshot)
    return costs


def run_trainer(snapshot: Path, folder: Path) -> Training:
    """Train a candidate of a snapshot; raise CalledProcessError when the trainer fails."""
    config, out = folder / "config.json", folder / f"{snapshot.name}-candidate"
    dump_config(CONFIG, config)
    command = [sys.executable, "-m", "trainer", "--snapshot", str(snapshot)]
    command += ["--config", str(config), "--out", str(out), "--text-cache", str(folder / "texts")]
    with subprocess.Popen(command) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Training(
        candidate=out,
        report=read_report(out / "report.json"),
        cpu_s=used.ru_utime + used.ru_stime,
        peak_gib=used.ru_maxrss / 2**20,
    )


def _full_costs(size: Size, full: Training) -> list[Cost]:
    return [
        Cost(
            size=size,
            what="a full retrain of one epoch",
            value=full.report.num_targets / full.cpu_s,
            unit="events a processor s",
            peak_gib=full.peak_gib,
            note=full.phases,
        )
    ]


def _update_costs(size: Size, update: Training, num_new: int) -> list[Cost]:
    what = f"the trainer in an update of {num_new:,} events"
    size_bytes = sum(file.stat().st_size for file in update.candidate.rglob("*") if file.is_file())
    return [
        Cost(
            size=size,
            what=what,
            value=update.cpu_s,
            unit="s",
            peak_gib=update.peak_gib,
            note=update.phases,
        ),
        Cost(size=size, what=f"{what}: written", value=size_bytes / 1e6, unit="MB"),
    ]


def _quality(size: Size, full: Training, shop: Shop, data: ShopEvents) -> list[Cost]:
    panel = full.report.panel
    assert panel is not None
    users = f"{len(panel.user_ids):,} users"
    ndcg = [
        Cost(
            size=size,
            what=f"NDCG@10 of {title} after one epoch",
            value=float(np.average(panel.models[model].ndcg, weights=panel.num_events)),
            unit="1",
            note=users,
        )
        for model, title in (("candidate", "the model"), ("popularity", "popularity"))
    ]
    share = planted_share(full.candidate / "bundle", shop, data)
    by_chance = 3 / shop.num_groups
    what = "share of a top-10 list that is of the user's planted tastes"
    note = f"{by_chance:.4f} by chance"
    return [*ndcg, Cost(size=size, what=what, value=share, unit="1", note=note)]


def planted_share(bundle: Path, shop: Shop, data: ShopEvents) -> float:
    """Return the share, 0 to 1, of listed items that belong to a taste of the user who asks."""
    torch.set_num_threads(1)
    users_E = data.events.users_E
    asked = np.unique(users_E[data.panel_E])[:NUM_ASKED]
    assert (asked % PANEL_OF == 0).all()
    bodies: list[object] = []
    for user in asked:
        first, last = np.searchsorted(users_E, (user, user + 1))
        items = data.events.items_E[max(first, last - LATEST) : last]
        bodies.append({"user_seq": [f"i{item}" for item in items], "k": 10})
    tastes_UT = shop.tastes(asked, np.full(len(asked), BEGAN_S + SPAN_S - 1))
    answers = answer_batch(Ranker(load_bundle(bundle, verify=False)), bodies)
    shares = [
        np.isin(shop.groups_N[_numbers(answer)], tastes).mean()
        for answer, tastes in zip(answers, tastes_UT, strict=True)
    ]
    return float(np.mean(shares))


def _numbers(answer: object) -> list[int]:
    """Return the numbers of the listed items."""
    listed = json.loads(json.dumps(answer))["items"]
    return [int(item["id"].removeprefix("i")) for item in listed]
