"""The worker's page for Prometheus: metrics of its own work, and those of the ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from prometheus_client import ProcessCollector, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from cron.errors import FreshetError
from cron.ledger import journal_rows
from cron.metrics.copy_metrics import CopyMetrics
from cron.metrics.ledger_metrics import LedgerMetrics, gauge
from cron.metrics.overview import look
from cron.metrics.worker_metrics import WorkerMetrics
from cron.services import Services

log = logging.getLogger(__name__)


@contextmanager
def serve_metrics(services: Services) -> Iterator[None]:
    """Serve the metrics while the block runs, on `worker.metrics_port` unless it is 0.

    When the port is taken, log it and continue without metrics: the worker's own work goes on.
    """
    settings = services.settings.worker
    if not settings.metrics_port:
        yield
        return
    _register(services)
    try:
        server, thread = start_http_server(
            settings.metrics_port, settings.metrics_host, services.metrics.registry
        )
    except OSError as error:
        where = f"{settings.metrics_host}:{settings.metrics_port}"
        log.warning(
            "no metrics for Prometheus: set worker.metrics_port",
            extra={"address": where, "why": str(error)},
        )
        yield
        return
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _EventLag(Collector):
    def __init__(self, metrics: WorkerMetrics, backlog: Callable[[], int]) -> None:
        self._metrics = metrics
        self._backlog = backlog

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering must not read the log."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield the lag; nothing while the ledger or the log does not answer."""
        with suppress(FreshetError):
            text = "How long the oldest record that waits in the log has waited at most"
            yield gauge("freshet_event_lag_seconds", text, self._metrics.lag_s(self._backlog()))


def _register(services: Services) -> None:
    ledger, metrics = services.ledger, services.metrics
    metrics.registry.register(
        _EventLag(metrics, lambda: services.log.backlog(journal_rows.log_cursor(ledger)))
    )
    metrics.registry.register(
        LedgerMetrics(
            ledger,
            lambda: look(ledger, services.log, services.paths.runs, now=ledger.now()),
            lambda: services.log.backlog(services.histories.cursor()),
        )
    )
    metrics.registry.register(CopyMetrics(ledger, services.settings.copy))
    ProcessCollector(registry=metrics.registry)
