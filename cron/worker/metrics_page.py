"""The page on which Prometheus reads what the worker measures of its own work, beside the ledger's figures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from prometheus_client import ProcessCollector, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from cron.errors import FreshetError
from cron.metrics.ledger_metrics import LedgerFigures, gauge
from cron.metrics.meters import Meters
from cron.metrics.overview import look
from cron.parts import Parts

log = logging.getLogger(__name__)


@contextmanager
def served(parts: Parts) -> Iterator[None]:
    """Serve the figures while the block runs, on `worker.metrics_port` unless it is 0.

    A port that is taken costs the figures, not the freshness: it is logged, and the worker works.
    """
    settings = parts.settings.worker
    if not settings.metrics_port:
        yield
        return
    _register(parts)
    try:
        server, thread = start_http_server(
            settings.metrics_port, settings.metrics_host, parts.meters.registry
        )
    except OSError as error:
        where = f"{settings.metrics_host}:{settings.metrics_port}"
        log.warning(
            "no figures for Prometheus: set worker.metrics_port",
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
    def __init__(self, meters: Meters, backlog: Callable[[], int]) -> None:
        self._meters = meters
        self._backlog = backlog

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance: registering must not read the log."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Look at the backlog; no figure while ledger or log don't answer."""
        with suppress(FreshetError, SQLAlchemyError):
            text = "How long the oldest record that waits in the log has waited at most"
            yield gauge("freshet_event_lag_seconds", text, self._meters.lag_s(self._backlog()))


def _register(parts: Parts) -> None:
    ledger, meters = parts.ledger, parts.meters
    meters.registry.register(_EventLag(meters, lambda: parts.log.backlog(ledger.log_cursor())))
    meters.registry.register(
        LedgerFigures(
            ledger,
            lambda: look(ledger, parts.log, parts.paths.runs, now=ledger.now()),
            lambda: parts.log.backlog(parts.histories.cursor()),
        )
    )
    ProcessCollector(registry=meters.registry)
