"""What the training of a run takes: the seconds of its devices, and their price."""

from __future__ import annotations

import json
from pathlib import Path

from cron.ledger import run_rows
from cron.lineage import Lease, Run
from cron.services import Services
from cron.urls.launcher_table import launcher_url, price_of
from trainer.candidate_files import PROGRESS, partial_of


def record_training_cost(services: Services, run: Run, folder: Path, lease: Lease) -> None:
    """Store what the training in a run's folder has taken so far, if it has begun."""
    device_s = device_seconds(folder / "candidate")
    if device_s is None:
        return
    worker, store = services.settings.worker, services.settings.store
    url = launcher_url(folder / "snapshot", worker.launchers, otherwise=store.launcher)
    cost = device_s / 3600 * price_of(worker.price_per_device_hour, url)
    run_rows.record_cost(services.ledger, run.run_id, device_s=device_s, cost=cost, lease=lease)


def device_seconds(candidate: Path) -> float | None:
    """Return the seconds of all devices that made a candidate, or are making it; None before."""
    for file in (candidate / "report.json", partial_of(candidate) / PROGRESS):
        try:
            return float(json.loads(file.read_text(encoding="utf-8"))["device_s"])
        except (OSError, ValueError, KeyError):
            continue
    return None
