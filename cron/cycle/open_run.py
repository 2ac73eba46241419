"""A run in progress: its steps, each stored when it finishes, and its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from cron.cycle.steps import store_value, stored_value
from cron.cycle.still_wanted import check_wanted
from cron.errors import Stopped
from cron.ledger import metric_rows, run_rows
from cron.lineage import Lease, Outcome, Reason, Run
from cron.metrics.ledger_metrics import REFUSED_BY
from cron.services import Services

log = logging.getLogger(__name__)

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class OpenRun:
    """See the module's docstring."""

    services: Services
    run: Run
    lease: Lease

    def step(self, name: str, kind: type[_Value], work: Callable[[], _Value]) -> _Value:
        """Return the step's stored value; if there is none, do its work first."""
        stored = stored_value(self.services.ledger, self.run.run_id, name, kind)
        return stored if stored is not None else self.repeat(name, work)

    def repeat(self, name: str, work: Callable[[], _Value]) -> _Value:
        """Do a step's work even if it was done before; a value stored earlier stays.

        The model server may have been restarted since.
        """
        services = self.services
        if services.stop.is_set():
            raise Stopped
        check_wanted(services.ledger, services.serving_lock, self.run, self.lease)
        started = time.monotonic()
        value = work()
        seconds = time.monotonic() - started
        store_value(
            services.ledger, self.run.run_id, name, value, seconds=seconds, lease=self.lease
        )
        services.metrics.step_done(name, seconds)
        log.info("step done", extra={"run_id": self.run.run_id, "step": name})
        return value

    def end(
        self, outcome: Outcome, *reasons: Reason, metrics: Mapping[str, float] | None = None
    ) -> Run:
        """Record the run's outcome."""
        ledger = self.services.ledger
        if outcome == "refused":
            for reason in reasons:
                if not reason.ok:
                    metric_rows.count(ledger, f"{REFUSED_BY}{reason.name}")
        return run_rows.finish(
            ledger,
            self.run.run_id,
            outcome,
            reasons=reasons,
            metrics=metrics or {},
            lease=self.lease,
        )
