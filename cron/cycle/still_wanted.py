"""The check that a run's result is still wanted.

A hold, a promotion or another worker may have made it useless. `cron.ledger.switches` has the rules
for publishing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from cron.cycle.run_plan import RunPlan
from cron.cycle.steps import stored_value
from cron.errors import Held, LeaseLost, Superseded, Unavailable
from cron.ledger import lease_row, switches
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Run
from cron.local.beside import repeating
from cron.services import Services

log = logging.getLogger(__name__)


def check_wanted(
    ledger: Ledger, serving_lock: AbstractContextManager[object], run: Run, lease: Lease
) -> None:
    """Raise Held, Superseded or LeaseLost if the run could no longer publish."""
    lease_row.check(ledger, lease)
    try:
        _check(ledger, run)
    except Superseded:
        # not while the live version is being reloaded and another release is live in its place
        with serving_lock:
            _check(ledger, run)


@contextmanager
def cancelled_when_unwanted(services: Services, run: Run, lease: Lease) -> Iterator[None]:
    """Cancel the training in this block as soon as the run is no longer wanted."""

    def cancel_if_unwanted() -> bool:
        try:
            check_wanted(services.ledger, services.serving_lock, run, lease)
        except (Held, Superseded, LeaseLost) as error:
            log.info("training cancelled", extra={"run_id": run.run_id, "why": str(error)})
            services.launcher.cancel()
            return False
        except Unavailable:  # the ledger; the next look asks again
            pass
        return True

    with repeating(cancel_if_unwanted, every_s=services.settings.worker.poll_s):
        yield


def _check(ledger: Ledger, run: Run) -> None:
    plan = stored_value(ledger, run.run_id, "plan", RunPlan)
    switches.check_wanted(
        ledger,
        expected=run.supersedes,
        target_range=plan.target_range if plan is not None else None,
        excluded=plan.excluded if plan is not None else (),
    )
