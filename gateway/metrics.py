"""The gateway's metrics for Prometheus: calls, records, answers, and the ledger's metrics.

`cron.metrics.ledger_metrics` collects those of the ledger, the log and the histories.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.callers.call_limits import CallLimit
from gateway.callers.flood_limits import FloodLimit
from gateway.shared_counts import SharedCounts
from gateway.slates.recorder import DROPPED, SlateOutcome

# an answer usually takes 5 to 50 ms; after the inference time-out of 2 s it is a fallback
_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# By call and version: the live version and a few before it. A release comes every few minutes, and
# Prometheus keeps labels forever.
NUM_SERIES = 16
FALLBACK = "fallback"  # the version of an answer from the popular items


class GatewayMetrics:
    """What a process counts, and what `of_ledger` collects, the same in every process.

    Each gateway has its own registries, so that two in one process (in tests) share no counts. With
    `shared`, the page has the counts of all processes of the gateway.
    """

    def __init__(self, *of_ledger: Collector, shared: SharedCounts | None = None) -> None:
        # it would add a second series to every counter, which nothing here plots
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "freshet_requests",
            "Calls answered, by route and status",
            ["call", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "freshet_request_seconds",
            "Time to answer, by route",
            ["call"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.records = Counter(
            "freshet_records",
            "Records by what became of them",
            ["kind", "outcome"],
            registry=self.registry,
        )
        for kind in ("event", "item"):
            for outcome in ("accepted", "duplicate", "rejected"):
                self.records.labels(kind=kind, outcome=outcome)
        self.records.labels(kind="event", outcome="ignored")
        self.limited = Counter(
            "freshet_limited",
            "Calls (key, address) and events (user, item) refused because there were too many",
            ["limit"],
            registry=self.registry,
        )
        for limit in ("key", "address", "user", "item"):
            self.limited.labels(limit=limit)
        self.fallbacks = Counter(
            "freshet_fallbacks",
            "Recommendations answered from the popular items",
            registry=self.registry,
        )
        self.slates = _slate_counter(self.registry)
        self.answers = AnswerTimes(self.registry)
        ProcessCollector(registry=self.registry)
        self._shared = shared
        self._of_ledger = CollectorRegistry()
        for collector in of_ledger:
            self._of_ledger.register(collector)

    def count_records(
        self, kind: str, *, accepted: int, duplicates: int, rejected: int = 0
    ) -> None:
        """Count the records of one call by what became of them."""
        for outcome, number in (
            ("accepted", accepted),
            ("duplicate", duplicates),
            ("rejected", rejected),
        ):
            if number:
                self.records.labels(kind=kind, outcome=outcome).inc(number)

    def count_limited(self, limit: CallLimit | FloodLimit) -> None:
        """Count a call or an event that was refused because there were too many."""
        self.limited.labels(limit=limit).inc()

    def count_slates(self, outcome: SlateOutcome, number: int) -> None:
        """Count served lists that were recorded, or dropped."""
        self.slates.labels(outcome=outcome).inc(number)

    def text(self) -> bytes:
        """Render all metrics in Prometheus' text format."""
        own = generate_latest(self.registry)
        counts = own if self._shared is None else self._shared.sum_with(own)
        return counts + generate_latest(self._of_ledger)

    def publish(self) -> None:
        """Write this process's counts for the others, if there are any."""
        if self._shared is not None:
            self._shared.publish(generate_latest(self.registry))


def _slate_counter(registry: CollectorRegistry) -> Counter:
    text = "Served lists by whether they were recorded, or why not"
    counter = Counter("freshet_slates", text, ["outcome"], registry=registry)
    for outcome in ("stored", *DROPPED):
        counter.labels(outcome=outcome)
    return counter


class AnswerTimes:
    """The times of the model's answers, by call and by model version. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        text = "Time to an answer of the model, history included, by the version that gave it"
        self._seconds = Histogram(
            "freshet_answer_seconds",
            text,
            ["call", "model_version"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()

    def add(self, call: str, version: int | str, seconds: float) -> None:
        """Count one answer, and drop the least recently used labels beyond NUM_SERIES."""
        labels = (call, str(version))
        with self._lock:
            self._seen[labels] = None
            self._seen.move_to_end(labels)
            if len(self._seen) > NUM_SERIES:
                self._seconds.remove(*self._seen.popitem(last=False)[0])
            self._seconds.labels(*labels).observe(seconds)


class CallMetrics:
    """ASGI middleware: count and time calls by route template, so that ids never become labels."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on and observe its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def send_observing_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_observing_status)
        finally:
            call = getattr(scope.get("route"), "path_format", "unknown")
            metrics: GatewayMetrics = scope["app"].state.services.metrics
            metrics.requests.labels(call, status).inc()
            metrics.seconds.labels(call).observe(time.perf_counter() - began)
