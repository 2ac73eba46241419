"""The worker's page for Prometheus: its content, and that it never blocks the worker."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from cron.cycle.cycle import run_cycle
from cron.metrics.worker_metrics import WorkerMetrics
from cron.services import Services
from cron.settings.tree import GateSettings
from cron.worker.metrics_page import serve_metrics
from cron.worker.worker import Worker
from tests.ports import free_port
from tests.workshop import (
    close_workshop,
    event_records,
    item_records,
    lease_of,
    open_workshop,
    send,
    with_gate,
)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Return a workshop whose metrics are served on a free port."""
    opened = open_workshop(tmp_path)
    yield on_port(opened, free_port())
    close_workshop(opened)


def on_port(services: Services, port: int) -> Services:
    return replace(
        services,
        settings=replace(
            services.settings, worker=replace(services.settings.worker, metrics_port=port)
        ),
    )


def samples_on_page(services: Services) -> dict[str, float]:
    """Return every sample on the page."""
    page = httpx.get(
        f"http://127.0.0.1:{services.settings.worker.metrics_port}/metrics",
        timeout=60,
        trust_env=False,
    ).text
    samples = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def test_a_cycle_leaves_its_steps_its_events_and_its_release(services: Services) -> None:
    send(services, [*item_records(), *event_records(1, 200)])
    with serve_metrics(services):
        before = samples_on_page(services)
        assert before["freshet_live_version"] == -1
        assert before["freshet_log_backlog"] > 200
        assert before["freshet_event_lag_seconds"] > 0
        for _ in range(2):  # the baseline, then a first training
            run_cycle(services, lease_of(services.ledger))
        send(services, event_records(201, 210))
        after = samples_on_page(services)
    assert after["freshet_live_version"] == 1
    assert after['freshet_runs_total{outcome="published"}'] == 2
    assert after['freshet_cycle_step_seconds_count{step="train"}'] == 2
    assert after['freshet_newest_run_step_seconds{step="train"}'] > 0
    assert after['freshet_collected_records_total{kind="event"}'] == 200
    assert after["freshet_event_wait_seconds_count"] == before["freshet_log_backlog"]
    assert after["freshet_log_backlog"] == 10
    assert after["freshet_history_backlog"] == before["freshet_log_backlog"] + 10
    assert 0 < after["freshet_release_age_seconds"] < 600
    assert after['freshet_ndcg_at_10{kind="panel",model="candidate"}'] > 0


def test_a_refusal_is_counted_by_the_test_that_refused(services: Services) -> None:
    send(services, [*item_records(), *event_records(1, 200)])
    run_cycle(services, lease_of(services.ledger))
    strict = with_gate(services, GateSettings(probe_p99_ms=0.0))
    with serve_metrics(strict):
        assert samples_on_page(strict)['freshet_refusals_total{reason="latency"}'] == 0
        assert run_cycle(strict, lease_of(services.ledger)).outcome == "refused"
        after = samples_on_page(strict)
    assert after['freshet_refusals_total{reason="latency"}'] == 1
    assert after['freshet_refusals_total{reason="golden_answers"}'] == 0
    assert after['freshet_runs_total{outcome="refused"}'] == 1


def test_the_lease_is_reported(services: Services) -> None:
    with serve_metrics(services):
        worker = Worker(services)
        assert samples_on_page(services)["freshet_lease_held"] == 0
        worker.start()
        assert samples_on_page(services)["freshet_lease_held"] == 1
        assert worker.end(180.0)


def test_a_taken_port_costs_the_metrics_and_not_the_work(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with serve_metrics(on_port(services, other.getsockname()[1])):
            assert "worker.metrics_port" in caplog.text


def test_the_port_is_free_again_afterwards_and_0_is_off(services: Services) -> None:
    for _ in range(2):
        again = replace(services, metrics=WorkerMetrics())
        with serve_metrics(again):
            assert samples_on_page(again)["freshet_ledger_up"] == 1
    with serve_metrics(on_port(services, 0)), pytest.raises(httpx.ConnectError):
        samples_on_page(services)


def test_the_page_is_there_when_the_ledger_is_not(services: Services, tmp_path: Path) -> None:
    with serve_metrics(services):
        services.ledger.close()
        for name in ("ledger.db-wal", "ledger.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / "ledger.db").write_bytes(b"no database any more")
        found = samples_on_page(services)
    assert found["freshet_ledger_up"] == 0
    assert found["freshet_history_backlog"] == 0
    assert "freshet_event_lag_seconds" not in found


def test_the_lag_is_an_upper_bound_since_the_log_was_empty() -> None:
    now = [100.0]
    metrics = WorkerMetrics(monotonic=lambda: now[0])
    assert metrics.lag_s(0) == 0
    now[0] = 160.0
    assert metrics.lag_s(5) == 60
    assert metrics.lag_s(0) == 0
    now[0] = 170.0
    assert metrics.lag_s(1) == 10
