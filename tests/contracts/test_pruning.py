"""Pruning, on each database: old rows are removed, and what is still needed stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from cron.ledger import lease_row, metric_rows, pruning, release_rows, run_rows, schema
from cron.ledger.ledger import Ledger, open_ledger
from cron.ledger.migrations.versions import r0004_ended_runs
from cron.lineage import Lease, Outcome, Quality, Run
from cron.metrics.ledger_metrics import LedgerMetrics
from cron.metrics.overview import look_at_ledger
from tests.contracts.ledgers import EMBEDDED, NOW, ON_SERVERS
from tests.releases import manifest, publish_releases, reason
from trainer.config import Mode
from trainer.report import PopularItem

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures
POPULAR = tuple(PopularItem(item_id=f"i{number}", title="T" * 60) for number in range(200))


def ended_run(
    ledger: Ledger, lease: Lease, *, mode: Mode = "update", outcome: Outcome = "refused"
) -> Run:
    """Make a run with a step and a quality row."""
    run = run_rows.start(ledger, mode, reason=reason("why", ok=True), supersedes=None, lease=lease)
    run_rows.record_step(
        ledger,
        run.run_id,
        "archive",
        json.dumps({"manifest": "x" * 1000}),
        seconds=2.5,
        lease=lease,
    )
    if outcome == "published":
        run_rows.allot_version(ledger, run.run_id, lease=lease)
    quality = Quality(
        run_id=run.run_id,
        kind="panel",
        model="live",
        version=None,
        ndcg=0.1,
        rmse=None,
        num_users=1,
        num_events=1,
        at=NOW,
    )
    metric_rows.add_quality(ledger, [quality], lease=lease)
    return run_rows.finish(ledger, run.run_id, outcome, reasons=[], metrics={}, lease=lease)


def rows(ledger: Ledger, table: sa.Table) -> int:
    with ledger.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def run_counts(ledger: Ledger) -> dict[str, float]:
    """Return the numbers of ended runs that Prometheus reads, by outcome."""
    page = LedgerMetrics(ledger, lambda: look_at_ledger(ledger, now=NOW), lambda: 0)
    (metric,) = (metric for metric in page.collect() if metric.name == "freshet_runs")
    return {sample.labels["outcome"]: sample.value for sample in metric.samples if sample.value}


def test_what_continues_an_open_run_is_forgotten_when_it_ends(ledger: Ledger, lease: Lease) -> None:
    run = ended_run(ledger, lease)
    assert run_rows.step_output(ledger, run.run_id, "archive") == "{}"
    assert run.seconds == {"archive": 2.5}
    assert run_rows.newest(ledger) == (run,)


def test_only_the_newest_runs_stay_and_counters_never_fall(ledger: Ledger, lease: Lease) -> None:
    ended_run(ledger, lease, outcome="published")
    for _ in range(3):
        ended_run(ledger, lease, mode="full")
        ended_run(ledger, lease)
        run_rows.record_skip(ledger, reason("few", ok=False), lease=lease)
        run_rows.record_skip(ledger, reason("few", ok=False), lease=lease)
    before, last_full, runs = (
        run_counts(ledger),
        run_rows.last_full(ledger),
        run_rows.newest(ledger),
    )
    assert before == {"published": 1, "refused": 6, "skipped": 6}
    assert pruning.prune(ledger, lease=lease, keep=10) == 0
    assert pruning.prune(ledger, lease=lease, keep=2) == 6
    assert run_rows.newest(ledger) == (*runs[:2], runs[2], runs[-1]), (
        "beside the newest the last full retrain, and the last with a version"
    )
    assert (run_counts(ledger), run_rows.last_full(ledger)) == (before, last_full)
    assert (rows(ledger, schema.steps), rows(ledger, schema.quality)) == (3, 3)
    for _ in range(3):
        ended_run(ledger, lease)
    assert pruning.prune(ledger, lease=lease, keep=2) == 3
    assert run_counts(ledger) == before | {"refused": 9}
    run = run_rows.start(
        ledger, "baseline", reason=reason("why", ok=True), supersedes=None, lease=lease
    )
    assert run_rows.allot_version(ledger, run.run_id, lease=lease) == 2, "no version is given twice"


def test_an_open_run_stays_however_old(ledger: Ledger, lease: Lease) -> None:
    run = run_rows.start(
        ledger, "update", reason=reason("why", ok=True), supersedes=None, lease=lease
    )
    for _ in range(3):
        run_rows.record_skip(ledger, reason("few", ok=False), lease=lease)
        run_rows.record_skip(ledger, reason("held", ok=False), lease=lease)
    pruning.prune(ledger, lease=lease, keep=1)
    found = run_rows.open_run(ledger)
    assert found is not None
    assert found.run_id == run.run_id


def test_a_release_without_its_archive_keeps_its_lineage_alone(
    ledger: Ledger, lease: Lease
) -> None:
    bases = tuple(f"{number:064x}" for number in range(600))
    gone, live = (manifest(one, popular=POPULAR, bases=bases) for one in (1, 2))
    for one in (gone, live):
        release_rows.add(ledger, one, lease=lease)
    publish_releases(ledger, lease, 1, 2)
    assert release_rows.mark_archive_gone(ledger, 1, lease=lease)
    for one in (gone, live):
        pruning.slim_release(ledger, one, lease=lease)
    assert release_rows.release(ledger, 1).manifest == manifest(1)
    assert release_rows.release(ledger, 2).manifest == live


def test_the_step_to_this_shape_prunes_what_older_releases_kept(
    ledger: Ledger, lease: Lease
) -> None:
    run = ended_run(ledger, lease)
    for one in (1, 2):
        release_rows.add(ledger, manifest(one, popular=POPULAR), lease=lease)
    publish_releases(ledger, lease, 1, 2)
    release_rows.mark_archive_gone(ledger, 1, lease=lease)
    with ledger.write() as connection:
        connection.execute(schema.steps.update().values(output='{"manifest": "x"}'))
        with Operations.context(MigrationContext.configure(connection)):
            r0004_ended_runs.upgrade()
    assert run_rows.step_output(ledger, run.run_id, "archive") == "{}"
    assert release_rows.release(ledger, 1).manifest == manifest(1)
    assert release_rows.release(ledger, 2).manifest.popular == POPULAR


@pytest.mark.parametrize("megabytes", [4, 40])
def test_a_file_that_is_mostly_free_gives_its_disk_back(tmp_path: Path, megabytes: int) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(f"sqlite:///{path}")
    lease = lease_row.acquire(ledger, "one", 30, NOW)
    assert lease is not None
    run = run_rows.start(
        ledger, "update", reason=reason("why", ok=True), supersedes=None, lease=lease
    )
    for number in range(megabytes):
        run_rows.record_step(
            ledger,
            run.run_id,
            f"step {number}",
            json.dumps({"text": "x" * 2**20}),
            seconds=1,
            lease=lease,
        )
    assert not pruning.give_back_disk(ledger), "nothing is free"
    run_rows.finish(ledger, run.run_id, "refused", reasons=[], metrics={}, lease=lease)
    assert pruning.give_back_disk(ledger) == (megabytes == 40)
    with ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert (path.stat().st_size < 2**20) == (megabytes == 40)
    assert len(run_rows.newest(ledger)) == 1
    ledger.close()


def test_a_ledger_elsewhere_is_left_to_its_server(ledger: Ledger, back_end: str) -> None:
    if back_end != "sqlite":
        assert not pruning.give_back_disk(ledger)
