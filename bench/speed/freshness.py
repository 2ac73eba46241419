"""Freshness: event to next answer, event to live weights, a cycle, a rollback, starts.

    python -m bench freshness

It runs `make serve` on the demo data in a temporary folder, trains release 1, then sends the rest
of MovieLens 100K as `make replay` does.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx

from bench.report.rows import BenchMetric, is_quick, save
from cron.ledger import metric_rows, release_rows, run_rows
from cron.ledger.ledger import Ledger, open_ledger
from cron.lineage import Run
from tests.system.machine import Machine, until

COMMAND = "python -m bench freshness"
NUM_QUICK_EVENTS = 200
ANSWER_LIMIT_S = 10.0
CYCLE_LIMIT_S = 300.0
SPEED, QUICK_SPEED = 100, 400  # events a second


@contextmanager
def running_machine() -> Iterator[tuple[Machine, float]]:
    """Run the whole machine on the demo data with its default settings.

    Yield it with the seconds until the ready block.
    """
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        machine = Machine(Path(folder), settings={})
        started = time.perf_counter()
        try:
            machine.start()
            yield machine, time.perf_counter() - started
        finally:
            machine.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write `bench/results/freshness.json`."""
    argparse.ArgumentParser(
        prog=COMMAND,
        description="Event to next answer and to live weights, a cycle, a rollback, starts.",
    ).parse_args(arguments)
    with running_machine() as (machine, first_start_s):
        ledger = open_ledger(machine.environment["FRESHET__STORE__LEDGER"])
        metrics = [
            BenchMetric(
                metric="first start, training included",
                value=first_start_s,
                unit="s",
                note="packages and data already there",
            ),
            BenchMetric(
                metric="first full training",
                value=_first_training_s(ledger),
                unit="s",
                note="its process: read, encode, learn, write",
            ),
        ]
        metrics += _event_to_answer(machine)
        metrics += _cycle_and_weights(machine, ledger)
        metrics += _rollback(machine, ledger)
        machine.stop()
        started = time.perf_counter()
        machine.start()
        metrics.append(
            BenchMetric(
                metric="second start to ready", value=time.perf_counter() - started, unit="s"
            )
        )
    save("freshness", "ML-100K demo", metrics, command=COMMAND)


def _first_training_s(ledger: Ledger) -> float:
    """Return the seconds of the first full training."""
    return next(
        run.seconds["train"]
        for run in reversed(run_rows.newest(ledger, 100))
        if run.mode == "full" and "train" in run.seconds
    )


def _event_to_answer(machine: Machine) -> list[BenchMetric]:
    """Post a view of the first recommended item, and ask until it is no longer recommended."""
    latencies_s = []
    with httpx.Client(base_url=machine.gateway, timeout=10, trust_env=False) as client:
        for number in range(NUM_QUICK_EVENTS):
            user_id = f"bench-{number % 20}"
            first = _recommendations(client, user_id)[0]
            started = time.perf_counter()
            client.post(
                "/v1/events", json={"user_id": user_id, "item_id": first, "type": "view"}
            ).raise_for_status()
            while first in _recommendations(client, user_id):
                assert time.perf_counter() < started + ANSWER_LIMIT_S, (
                    f"{user_id} is still recommended {first}"
                )
            latencies_s.append(time.perf_counter() - started)
    return _percentiles(
        "event to next answer", latencies_s, note="append, history, ranking, HTTP included"
    )


def _recommendations(client: httpx.Client, user_id: str) -> list[str]:
    return [item["id"] for item in client.get(f"/v1/recommendations/{user_id}").json()["items"]]


def _cycle_and_weights(machine: Machine, ledger: Ledger) -> list[BenchMetric]:
    """Replay the rest; measure the cycles, and each event from its sending to the switch."""
    began = datetime.now(UTC)
    speed = QUICK_SPEED if is_quick() else SPEED
    replay = machine.command("make", "replay", f"SPEED={speed}", timeout_s=600)
    assert replay.returncode == 0, replay.stderr
    until(lambda: _waiting(ledger) == [], "the last cycle", limit_s=CYCLE_LIMIT_S)
    cycles = [
        run
        for run in run_rows.newest(ledger, 100)
        if run.mode == "update" and run.started_at >= began
    ]
    published = published_runs(cycles)
    seconds = sorted(
        (run.ended_at - run.started_at).total_seconds()
        for run in published
        if run.ended_at is not None
    )
    metrics = [
        BenchMetric(metric="update cycles", value=len(cycles), unit="1"),
        BenchMetric(
            metric="accepted share of the update cycles",
            value=len(published) / len(cycles),
            unit="1",
            note="by the default gate",
        ),
        BenchMetric(
            metric="shortest cycle", value=seconds[0], unit="s", note=_sizes(ledger, published)
        ),
        BenchMetric(metric="median cycle", value=seconds[len(seconds) // 2], unit="s"),
    ]
    return metrics + _percentiles(
        "event to live weights",
        _weights_s(machine, ledger, published),
        note=f"replayed at {speed} events/s",
    )


def published_runs(cycles: Sequence[Run]) -> list[Run]:
    """Return the published runs.

    If there is none, raise SystemExit with the outcomes and reasons of all runs.
    """
    published = [run for run in cycles if run.outcome == "published"]
    if not published:
        outcomes = []
        for run in cycles:
            reasons = "; ".join(one.text for one in run.reasons if not one.ok)
            outcomes.append(f"run {run.run_id} {run.outcome}: {reasons}")
        raise SystemExit(
            f"{COMMAND}: no update was published, so there is nothing to measure"
            f" ({' / '.join(outcomes) or 'no update started'})"
        )
    return published


def _waiting(ledger: Ledger) -> list[Run]:
    run = run_rows.open_run(ledger)
    return [run] if run is not None else []


def _sizes(ledger: Ledger, published: list[Run]) -> str:
    ranges = [
        release_rows.release(ledger, run.version).manifest.target_range
        for run in published
        if run.version is not None
    ]
    sizes = [last - first + 1 for first, last in (span for span in ranges if span is not None)]
    return f"new events a cycle: {', '.join(f'{size:,}' for size in reversed(sizes))}"


def _weights_s(machine: Machine, ledger: Ledger, published: list[Run]) -> list[float]:
    from cron.backends.artifacts.folder import open_artifacts
    from cron.journal.journal import Journal

    store = open_artifacts(machine.folder / "archives")
    journal = Journal(ledger, store, machine.folder / "var" / "journal-bench")
    latencies_s: list[float] = []
    for run in published:
        assert run.version is not None
        release = release_rows.release(ledger, run.version)
        assert release.manifest.target_range is not None
        live_at_us = release.published_at.timestamp() * 1e6
        table = journal.read(*release.manifest.target_range)
        latencies_s += [(live_at_us - at_us) / 1e6 for at_us in table["at_us"].to_pylist()]
    journal.close()
    return latencies_s


def _rollback(machine: Machine, ledger: Ledger) -> list[BenchMetric]:
    """Roll back and promote, three times."""
    walls_s, switches_s = [], []
    newest = str(max(one.version for one in release_rows.newest_releases(ledger)))
    for _ in range(3):
        started = time.perf_counter()
        _run_cron(machine, "rollback")
        walls_s.append(time.perf_counter() - started)
        switches_s.append(metric_rows.stored_metrics(ledger)["rollback_seconds"])
        _run_cron(machine, "promote", newest)
    return [
        BenchMetric(
            metric="rollback, the whole command",
            value=median(walls_s),
            unit="s",
            note="median of 3",
        ),
        BenchMetric(
            metric="rollback, decision to switched",
            value=median(switches_s),
            unit="s",
            note="median of 3",
        ),
    ]


def _run_cron(machine: Machine, *words: str) -> None:
    ended = machine.cron(*words)
    assert ended.returncode == 0, ended.stderr


def _percentiles(metric: str, latencies_s: list[float], *, note: str) -> list[BenchMetric]:
    ordered = sorted(latencies_s)
    return [
        BenchMetric(
            metric=f"{metric}, p{round(100 * share)}",
            value=ordered[min(len(ordered) - 1, int(share * len(ordered)))],
            unit="s",
            note=f"{note}; {len(ordered):,} events",
        )
        for share in (0.5, 0.95, 0.99)
    ]
