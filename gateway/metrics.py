"""The gateway's figures for Prometheus: its own calls and answers, and beside them what ledger, log and histories say.

Knows names and units of the gateway's own metrics; the others are `cron.metrics.ledger_metrics`'.
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

# an answer is usually 5 to 50 ms; past the 2 s of the inference time-out it is a fallback
_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# by call and version: the live one and a few before it. A release comes every few minutes, and
# labels are for ever
NUM_SERIES = 16
FALLBACK = "fallback"  # in the place of a version: the popular items answered


class GatewayMetrics:
    """One registry a gateway, so that two in one process (tests) don't share counts."""

    def __init__(self, ledger: Collector) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, which nothing here plots
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
        self.fallbacks = Counter(
            "freshet_fallbacks",
            "Recommendations answered from the popular items",
            registry=self.registry,
        )
        self.answers = Answers(self.registry)
        self.registry.register(ledger)
        ProcessCollector(registry=self.registry)

    def text(self) -> bytes:
        """Render everything in Prometheus' text format."""
        return generate_latest(self.registry)


class Answers:
    """Answers by call and by the model version that gave them: how many, and how long they took. Thread-safe."""

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

    def add(self, call: str, version: object, seconds: float) -> None:
        """Count one answer; the labels that were used longest ago are dropped."""
        labels = (call, str(version))
        with self._lock:
            self._seen[labels] = None
            self._seen.move_to_end(labels)
            if len(self._seen) > NUM_SERIES:
                self._seconds.remove(*self._seen.popitem(last=False)[0])
            self._seconds.labels(*labels).observe(seconds)


class Metered:
    """ASGI middleware: counts and times every call by its route's template, so that ids never become labels."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on and watch its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            call = getattr(scope.get("route"), "path", "unknown")
            metrics: GatewayMetrics = scope["app"].state.services.metrics
            metrics.requests.labels(call=call, status=str(status)).inc()
            metrics.seconds.labels(call=call).observe(time.perf_counter() - began)
