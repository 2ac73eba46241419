"""What a run's training takes is recorded, and the budget makes full retrains wait."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cron.cycle.cycle import run_cycle
from cron.cycle.stages import folder_of
from cron.cycle.training_cost import record_training_cost
from cron.ledger import run_rows
from cron.lineage import Lease
from cron.metrics.overview import look_at_ledger, run_json
from cron.services import Services
from cron.verbs import runs, status
from tests.releases import reason
from tests.workshop import event_records, send
from trainer.candidate_files import PROGRESS, partial_of


def with_price(services: Services, price: float) -> Services:
    """Return the same parts with a price of an hour of `process:`, and a budget of 1 a day."""
    worker = replace(
        services.settings.worker, price_per_device_hour={"process": price}, budget_per_day=1.0
    )
    return replace(services, settings=replace(services.settings, worker=worker))


def test_a_dear_training_makes_full_retrains_wait(services: Services, lease: Lease) -> None:
    dear = with_price(services, 1e6)
    send(dear, event_records(401, 440))
    run = run_cycle(dear, lease)
    assert run.device_s is not None
    assert run.cost is not None
    assert run.cost == pytest.approx(run.device_s / 3600 * 1e6)
    assert run_json(run)["figures"]["cost"] == run.cost  # type: ignore[index]
    overview = look_at_ledger(dear.ledger, now=dear.ledger.now())
    assert overview.spent.cost >= run.cost
    (line,) = status._spending(overview, 1.0)
    assert line.startswith(f"cost     {overview.spent.cost:.2f} of 1.00 for ")
    assert line.endswith("; full retrains wait")
    (line,) = status._spending(overview, None)
    assert "wait" not in line
    assert any("cost " in line for line in runs.lines_of(run))
    retrains = replace(dear.settings.worker, full_every_s=1e-6)
    again = replace(dear, settings=replace(dear.settings, worker=retrains))
    send(again, event_records(441, 480))
    after = run_cycle(again, lease)
    assert after.mode == "update"
    assert "a full retrain waits for the budget" in after.reasons[0].text


def test_a_training_that_fails_is_paid_too(services: Services, lease: Lease) -> None:
    """Its progress says how long its ranks were there."""
    started = reason("asked_for", ok=True)
    run = run_rows.start(services.ledger, "full", reason=started, supersedes=None, lease=lease)
    folder = folder_of(services.paths, run)
    record_training_cost(services, run, folder, lease)
    assert run_rows.one(services.ledger, run.run_id).device_s is None, "nothing has begun"
    assert status._spending(look_at_ledger(services.ledger, now=services.ledger.now()), None) == []
    progress = partial_of(folder / "candidate") / PROGRESS
    progress.parent.mkdir(parents=True)
    progress.write_text(json.dumps({"device_s": 7200.0}))
    record_training_cost(with_price(services, 2.5), run, folder, lease)
    recorded = run_rows.one(services.ledger, run.run_id)
    assert (recorded.device_s, recorded.cost) == (7200.0, 5.0)
