"""What several processes of a gateway counted together."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from gateway.shared_counts import SharedCounts

ENDED = 2**31 - 1  # no process has such a number
PAGE = """\
# HELP freshet_fallbacks_total Lists
# TYPE freshet_fallbacks_total counter
freshet_fallbacks_total 2.0
# HELP process_open_fds Number of open file descriptors.
# TYPE process_open_fds gauge
process_open_fds 9.0
# HELP process_start_time_seconds Start time.
# TYPE process_start_time_seconds gauge
process_start_time_seconds {start}
"""


def test_counters_of_ended_processes_stay(tmp_path: Path) -> None:
    (tmp_path / f"{ENDED}.prom").write_text(PAGE.format(start="100.0"))
    page = SharedCounts(tmp_path).sum_with(PAGE.format(start="200.0").encode())
    assert b"\nfreshet_fallbacks_total 4.0\n" in page
    assert b"\nprocess_open_fds 9.0\n" in page
    assert b"\nprocess_start_time_seconds 200.0\n" in page


def test_gauges_of_living_processes(tmp_path: Path) -> None:
    (tmp_path / f"{os.getppid()}.prom").write_text(PAGE.format(start="100.0"))
    page = SharedCounts(tmp_path).sum_with(PAGE.format(start="200.0").encode())
    assert b"\nprocess_open_fds 18.0\n" in page
    assert b"\nprocess_start_time_seconds 100.0\n" in page


def test_labels_with_any_characters_are_added_up(tmp_path: Path) -> None:
    disable_created_metrics()  # type: ignore[no-untyped-call]  # as the gateway does
    registry = CollectorRegistry()
    calls = Counter("calls", "By name", ["name"], registry=registry)
    seconds = Histogram("seconds", 'Of "calls"\nby name', ["name"], registry=registry)
    for name in ('a"b', "a\\nb", "a\nb"):
        calls.labels(name=name).inc()
        seconds.labels(name=name).observe(0.3)
    own = generate_latest(registry)
    assert SharedCounts(tmp_path).sum_with(own) == own  # alone, nothing changes
    (tmp_path / f"{ENDED}.prom").write_bytes(own)
    for name in ('a"b', "a\\nb", "a\nb"):
        calls.labels(name=name).inc()
        seconds.labels(name=name).observe(0.3)
    assert SharedCounts(tmp_path).sum_with(own) == generate_latest(registry)
