"""What the worker measures of its own work: numbers for Prometheus, in a registry that `cron.worker.metrics_page` shows.

Knows names and units of metrics; who calls, and when, is the cycle's and the worker's business.
What must outlive the process is in the ledger (`cron.metrics.ledger_metrics`): the counts here
begin at 0 with each start, which Prometheus expects of a counter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from recommender.events import Record

if TYPE_CHECKING:  # pyarrow takes a second to load
    from cron.journal.collect import Collected

# planning takes a hundredth of a second, a full retrain an hour
_STEP_S = (0.05, 0.2, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 7200.0)
# from an event's own time to the journal: an interval when all is well; an old file that is
# ingested falls past the end
_WAIT_S = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 21600.0, 86400.0)


class WorkerMetrics:
    """One registry a worker. Its threads write, Prometheus' thread reads."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, which nothing here plots
        self.registry = CollectorRegistry()
        self._monotonic = monotonic
        self._emptied_at = monotonic()  # when the log was last seen without a record that waits
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
        for kind in ("event", "item", "duplicate"):
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
        """Note that a turn began now."""
        self._turn_at.set_to_current_time()

    def step_done(self, step: str, seconds: float) -> None:
        """Note how long a step took."""
        self._steps.labels(step=step).observe(seconds)

    def records_read(self, records: Sequence[Record], now: datetime) -> None:
        """Note how long records waited, from their own time to now."""
        for record in records:
            self._waits.observe(max(0.0, (now - record.at).total_seconds()))

    def log_emptied(self, collected: Collected) -> None:
        """Note what a collection brought that read the log to its end."""
        self._emptied_at = self._monotonic()
        found = {
            "event": collected.num_events,
            "item": collected.num_items,
            "duplicate": collected.num_duplicates,
        }
        for kind, number in found.items():
            self._collected.labels(kind=kind).inc(number)

    def lag_s(self, backlog: int) -> float:
        """Return the most that the oldest waiting record can have waited, and note when none waits."""
        if backlog == 0:
            self._emptied_at = self._monotonic()
            return 0.0
        return self._monotonic() - self._emptied_at

    def watch_lease(self, is_held: Callable[[], bool]) -> None:
        """Ask `is_held` whenever somebody scrapes."""
        self._lease.set_function(lambda: float(is_held()))
