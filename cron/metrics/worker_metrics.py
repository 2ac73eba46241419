"""Metrics of the worker's own work, for the page that `cron.worker.metrics_page` serves.

The cycle and the worker call it. These counters start at 0 with each process, as Prometheus expects
of counters. Metrics that must outlive the process are stored in the ledger
(`cron.metrics.ledger_metrics`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from recommender.records.events import Record

if TYPE_CHECKING:  # pyarrow takes a second to load
    from cron.journal.collect import Collected

# planning takes a hundredth of a second, a full retrain an hour
_STEP_S = (0.05, 0.2, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 7200.0)
# from an event's own time to the journal: normally one interval; events of an old file that is
# ingested exceed the last bucket
_WAIT_S = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 21600.0, 86400.0)


class WorkerMetrics:
    """One registry per worker. Its threads write; the thread of the metrics page reads."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        # without it every counter has a second series, which nothing plots
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._monotonic = monotonic
        self._emptied_at = monotonic()  # when the log was last seen empty
        self._steps = Histogram(
            "freshet_cycle_step_seconds",
            "Time that a step of a cycle took",
            ["step"],
            buckets=_STEP_S,
            registry=self.registry,
        )
        self._waits = Histogram(
            "freshet_event_wait_seconds",
            "From a record's own time to the journal",
            buckets=_WAIT_S,
            registry=self.registry,
        )
        self._collected = Counter(
            "freshet_collected_records",
            "Records read from the log",
            ["kind"],
            registry=self.registry,
        )
        for kind in ("event", "item", "slate", "duplicate"):
            self._collected.labels(kind=kind)
        self._turn_at = Gauge(
            "freshet_turn_timestamp_seconds",
            "When the worker last began a turn",
            registry=self.registry,
        )
        self._lease = Gauge(
            "freshet_lease_held", "1 while this worker holds the lease", registry=self.registry
        )

    def turn_began(self) -> None:
        """Record that a turn began now."""
        self._turn_at.set_to_current_time()

    def step_done(self, step: str, seconds: float) -> None:
        """Record how long a step took."""
        self._steps.labels(step=step).observe(seconds)

    def records_read(self, records: Sequence[Record], now: datetime) -> None:
        """Record how long records waited, from their own time to now."""
        for record in records:
            self._waits.observe(max(0.0, (now - record.at).total_seconds()))

    def log_emptied(self, collected: Collected) -> None:
        """Record a collection that read the log to its end."""
        self._emptied_at = self._monotonic()
        found = {
            "event": collected.num_events,
            "item": collected.num_items,
            "slate": collected.num_slates,
            "duplicate": collected.num_duplicates,
        }
        for kind, number in found.items():
            self._collected.labels(kind=kind).inc(number)

    def lag_s(self, backlog: int) -> float:
        """Return the longest that the oldest waiting record can have waited; 0 when none waits."""
        if backlog == 0:
            self._emptied_at = self._monotonic()
            return 0.0
        return self._monotonic() - self._emptied_at

    def watch_lease(self, is_held: Callable[[], bool]) -> None:
        """Call `is_held` at each scrape."""
        self._lease.set_function(lambda: float(is_held()))
