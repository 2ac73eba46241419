"""The gateway's figures for Prometheus: its own calls, and what the ledger and the log say about freshness.

Knows names and units of metrics; the ledger's part is read when it is scraped.
"""

from __future__ import annotations

import time
from collections import Counter as Counts
from collections.abc import Callable, Iterable
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cron.errors import FreshetError
from cron.overview import Overview

# an answer is usually 5 to 50 ms; past the 2 s of the inference time-out it is a fallback
_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_LEDGER_FIGURES = {
    "rollback_seconds": "Time that the latest rollback took",
    "failed_switches": "Switches that the model server refused",
    "missing_archives": "Releases whose archive was wanted and not there",
    "refusals_in_a_row": "Runs refused or failed since the last one that published",
    "job_errors": "Jobs of the worker that died unexpectedly",
    "missed_turns": "Turns that came too late to run",
    "overlapping_turns": "Turns that were due while one was under way",
}
_OUTCOMES = ("published", "refused", "skipped", "failed", "superseded", "held", "abandoned")


class Figures:
    """One registry a gateway, so that two in one process (tests) don't share counts."""

    def __init__(self, look: Callable[[], Overview], history_backlog: Callable[[], int]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, which nothing here plots
        self.registry = CollectorRegistry()
        self.requests = Counter("freshet_requests", "Calls answered, by route and status", ["call", "status"], registry=self.registry)
        self.seconds = Histogram(
            "freshet_request_seconds", "Time to answer, by route", ["call"], buckets=_BUCKETS_S, registry=self.registry
        )
        self.records = Counter("freshet_records", "Records by what became of them", ["kind", "outcome"], registry=self.registry)
        self.fallbacks = Counter("freshet_fallbacks", "Recommendations answered from the popular items", registry=self.registry)
        self.registry.register(_LedgerFigures(look, history_backlog))

    def text(self) -> bytes:
        """Render everything in Prometheus' text format."""
        return generate_latest(self.registry)


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
            figures: Figures = scope["app"].state.doors.figures
            figures.requests.labels(call=call, status=str(status)).inc()
            figures.seconds.labels(call=call).observe(time.perf_counter() - began)


class _LedgerFigures(Collector):
    def __init__(self, look: Callable[[], Overview], history_backlog: Callable[[], int]) -> None:
        self._look = look
        self._history_backlog = history_backlog

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance: registering must not read the ledger."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Read the overview once and render it as gauges."""
        overview = self._look()
        live = overview.live
        yield _gauge("freshet_live_version", "Version of the live release; -1 before the first", live.version if live else -1)
        if live:
            age_s = (overview.at - live.published_at).total_seconds()
            yield _gauge("freshet_release_age_seconds", "Time since the live release was published", age_s)
        if overview.waiting.in_log is not None:
            yield _gauge("freshet_log_backlog", "Records in the log that were not collected yet", overview.waiting.in_log)
        with suppress(FreshetError):  # log or histories don't answer, or the log was made anew: no figure, but all the others
            yield _gauge("freshet_history_backlog", "Records in the log that were not followed yet", self._history_backlog())
        yield _gauge("freshet_untrained_records", "Journal records that the live weights have not seen", overview.waiting.in_journal)
        yield _gauge("freshet_publishing_held", "1 while publishing is paused", 1 if overview.hold else 0)
        runs = GaugeMetricFamily("freshet_recent_runs", "Recent runs by how they ended", labels=["outcome"])
        for outcome in _OUTCOMES:
            runs.add_metric([outcome], sum(run.count for run in overview.runs if run.outcome == outcome))
        yield runs
        yield from _verdicts(overview)
        yield from _quality(overview)
        for name, value in sorted(overview.figures.items()):
            yield _gauge(f"freshet_{name}", _LEDGER_FIGURES.get(name, "Counted in the ledger since it was made"), value)


def _verdicts(overview: Overview) -> Iterable[Metric]:
    """Say which tests refused recent candidates, and how long the steps of the newest run took."""
    refusals = GaugeMetricFamily("freshet_recent_refusals", "Tests that recent candidates did not pass", labels=["reason"])
    failed = Counts(reason.name for run in overview.runs if run.outcome == "refused" for reason in run.reasons if not reason.ok)
    for name, number in sorted(failed.items()):
        refusals.add_metric([name], number)
    yield refusals
    steps = GaugeMetricFamily("freshet_step_seconds", "Time that each step of the newest run took", labels=["step"])
    newest = next((run for run in overview.runs if run.seconds), None)
    for step, seconds in newest.seconds.items() if newest else ():
        steps.add_metric([step], seconds)
    yield steps


def _quality(overview: Overview) -> Iterable[Metric]:
    newest = {(quality.kind, quality.model): quality for quality in overview.quality}
    ndcg = GaugeMetricFamily("freshet_ndcg_at_10", "Newest NDCG@10, by the events scored and the model", labels=["kind", "model"])
    for (kind, model), quality in newest.items():
        ndcg.add_metric([kind, model], quality.ndcg)
    yield ndcg


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
