"""What the training of a run takes: the seconds of its devices, and their price."""

from __future__ import annotations

import json
from pathlib import Path

from cron.ledger import rental_rows, run_rows
from cron.lineage import Lease, Run
from cron.services import Services
from cron.urls.launcher_table import launcher_url, price_of
from trainer.candidate_files import PROGRESS, partial_of


def record_training_cost(services: Services, run: Run, folder: Path, lease: Lease) -> None:
    """Store what the training in a run's folder has taken so far, if it has begun.

    Machines that were rented for it cost from their start to their stop; without any, each device
    costs while it trains.
    """
    ledger, device_s = services.ledger, device_seconds(folder / "candidate")
    rentals = rental_rows.of_run(ledger, run.run_id)
    if rentals:
        cost = sum(rental.cost(ledger.now()) for rental in rentals)
    elif device_s is not None:
        worker, store = services.settings.worker, services.settings.store
        url = launcher_url(folder / "snapshot", worker.launchers, otherwise=store.launcher)
        cost = device_s / 3600 * price_of(worker.price_per_device_hour, url)
    else:
        return
    run_rows.record_cost(ledger, run.run_id, device_s=device_s or 0.0, cost=cost, lease=lease)


def device_seconds(candidate: Path) -> float | None:
    """Return the seconds of all devices that made a candidate, or are making it; None before."""
    for file in (candidate / "report.json", partial_of(candidate) / PROGRESS):
        try:
            return float(json.loads(file.read_text(encoding="utf-8"))["device_s"])
        except (OSError, ValueError, KeyError):
            continue
    return None
