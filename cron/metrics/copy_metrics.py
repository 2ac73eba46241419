"""Metrics of texts about items for Prometheus, from the ledger at each scrape.

The gateway and the worker both export them, as those of `cron.metrics.ledger_metrics`: take their
maximum, never their sum. While the ledger is away they are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import get_args

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from copywriter.verifier.verdict import Rule
from cron.errors import FreshetError
from cron.ledger import metric_rows
from cron.ledger.copy_cost_rows import MADE, SHOWN
from cron.ledger.ledger import Ledger
from cron.metrics.copy_report import SOURCES, CopyReport, copy_report
from cron.metrics.ledger_metrics import gauge
from cron.settings.copy_settings import CopySettings


class CopyMetrics(Collector):
    """Reads at each scrape; one query for each kind of number."""

    def __init__(self, ledger: Ledger, settings: CopySettings) -> None:
        self._ledger = ledger
        self._settings = settings

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering must not read the ledger."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Read everything once and yield it as metrics."""
        try:
            report = copy_report(self._ledger, self._settings)
            counts = metric_rows.stored_metrics(self._ledger)
        except FreshetError:
            return  # freshet_ledger_up is 0
        yield from _counters(report, counts)
        yield gauge(
            "freshet_copy_waiting", "Briefs that wait for a writer of texts", report.num_waiting
        )
        yield gauge(
            "freshet_copy_budget_used",
            "Share of this hour's budget for writing texts that is used",
            report.budget_used,
        )
        yield gauge(
            "freshet_copy_hour_seconds", "Seconds of writing in this hour", report.of_hour.seconds
        )
        yield gauge(
            "freshet_copy_hour_cost",
            "What writing cost in this hour, in the currency of the prices",
            report.of_hour.cost,
        )


def _counters(report: CopyReport, counts: Mapping[str, float]) -> Iterable[Metric]:
    shown = CounterMetricFamily(
        "freshet_copy_shown", "Texts in answers, by who wrote them", labels=["source"]
    )
    for source in SOURCES:
        shown.add_metric([source], counts.get(SHOWN + source, 0.0))
    yield shown
    made = CounterMetricFamily(
        "freshet_copy_written",
        "Briefs that a writer finished, by whose text they have",
        labels=["source"],
    )
    for source in ("writer", "template"):
        made.add_metric([source], counts.get(MADE + source, 0.0))
    yield made
    rejected = CounterMetricFamily(
        "freshet_copy_rejected", "Texts that the verifier rejected, by rule", labels=["rule"]
    )
    for rule in get_args(Rule):
        rejected.add_metric([rule], report.rules.get(rule, 0))
    yield rejected
