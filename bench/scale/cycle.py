"""Update cycles of the worker, stage by stage, by the size of catalogue and history.

The worker collects from the embedded log, has the product's trainer train, judges, packs, and
registers the release in a TorchServe of its own. The journal is that of a made-up shop, and the
release that is updated was trained on its newest `LEARNED` events only. The first update does some
work that the later ones do not repeat, and is not reported.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from bench.scale.costs import Cost, Size
from bench.scale.cycle_runs import ShopHistory, call_with_services, prepare, update_cycles
from bench.scale.cycle_usage import Cycle
from bench.scale.trainings import CONFIG
from cron.settings.tree import GateSettings, Settings, StoreSettings
from cron.settings.worker_settings import WorkerSettings
from tests.system.torchserve import running_torchserve

T = TypeVar("T")

UPDATES = (1_000, 1_000, 10_000)  # new events of each
LIVE = "set_live"


def cycle_costs(size: Size) -> list[Cost]:
    """Measure updates of the release of a made-up shop."""
    updates = [num for num in UPDATES if 10 * num <= size.num_events]
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as name:
        folder = Path(name)
        with running_torchserve(folder) as node:
            settings = settings_of(folder, node.url)
            history = ShopHistory(
                num_items=size.num_items, num_events=size.num_events, num_new=sum(updates)
            )
            with_services(prepare, settings, history)
            cycles = with_services(update_cycles, settings, history, updates, node.process.pid)
    costs: list[Cost] = []
    for num_new, cycle in list(zip(updates, cycles, strict=True))[1:]:
        costs += costs_of(size, num_new, cycle)
    return costs


def settings_of(folder: Path, server: str) -> Settings:
    """Return the settings of docs/scale.md for large shops, with embedded stores in a folder."""
    store = StoreSettings(
        events=f"sqlite:///{folder}/events.db",
        histories=f"sqlite:///{folder}/histories.db",
        ledger=f"sqlite:///{folder}/ledger.db",
        artifacts=f"file:///{folder}/archives",
        server=server,
        var=f"{folder}/var",
    )
    return Settings(
        store=store,
        train=replace(CONFIG, batch_size=64),
        gate=GateSettings(probe_p99_ms=1_000.0),
        worker=WorkerSettings(full_share=0.0, train_limit_s=86_400.0, refusal_backoff_s=0.0),
    )


def with_services(work: Callable[..., T], settings: Settings, *arguments: object) -> T:
    """Call `work` in a new process, with the services opened there and the arguments."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as processes:
        return processes.submit(call_with_services, work, settings, *arguments).result()


def costs_of(size: Size, num_new: int, cycle: Cycle) -> list[Cost]:
    """Return the costs of a cycle and of its stages."""

    def cost(what: str, value: float, unit: str, note: str = "") -> Cost:
        title = f"an update of {num_new:,} events, {what}"
        return Cost(size=size, what=title, value=value, unit=unit, note=note)

    of_server = f"of TorchServe {cycle.server_s:.1f} s"
    highest = max(cycle.stages, key=lambda stage: stage.worker_gib)
    costs = [
        cost("start to live by the clock", cycle.wall_s(LIVE), "s"),
        cost("start to live", cycle.cpu_s(LIVE), "processor s", of_server),
    ]
    for stage in cycle.stages:
        note = f"{stage.wall_s:.1f} s of the clock"
        if stage.name == "train":
            note += f": {cycle.phases}"
        stage_cost = cost(stage.name, stage.cpu_s, "processor s", note)
        costs.append(replace(stage_cost, is_drawn=False))
    return [
        *costs,
        cost("memory of the worker", highest.worker_gib, "GiB", f"peak, in {highest.name}"),
        cost("memory of the trainer", cycle.trainer_gib, "GiB", "peak"),
        cost("stored artifacts", cycle.stored_mb, "MB", cycle.stored_note),
        cost("written to the disk", cycle.written_mb, "MB", "by worker and trainer in all"),
    ]
