"""Is what a run makes still wanted? A hold, a promotion or another worker may have doomed it.

Knows the ledger's rules for publishing through `cron.ledger.switches`; does not know the steps of a
run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from cron.cycle import run_plan
from cron.errors import Held, LeaseLost, Superseded, Unavailable
from cron.ledger import lease_row, run_rows, switches
from cron.lineage import Lease, Run
from cron.local.beside import repeated
from cron.services import Services

log = logging.getLogger(__name__)


def check_wanted(services: Services, run: Run, lease: Lease) -> None:
    """Raise Held, Superseded or LeaseLost when the run could not publish any more."""
    lease_row.check(services.ledger, lease)
    try:
        _check(services, run)
    except Superseded:
        with (
            services.serving_lock
        ):  # not while the live version is reloaded and another one stands in for it
            _check(services, run)


@contextmanager
def cancelled_when_unwanted(services: Services, run: Run, lease: Lease) -> Iterator[None]:
    """Cancel the training in this block as soon as the run is not wanted any more."""

    def look() -> bool:
        try:
            check_wanted(services, run, lease)
        except (Held, Superseded, LeaseLost) as error:
            log.info("training cancelled", extra={"run_id": run.run_id, "why": str(error)})
            services.launcher.cancel()
            return False
        except Unavailable:  # the ledger; looked at again
            pass
        return True

    with repeated(look, every_s=services.settings.worker.poll_s):
        yield


def _check(services: Services, run: Run) -> None:
    output = run_rows.step_output(services.ledger, run.run_id, "plan")
    plan = run_plan.from_output(output) if output is not None else None
    switches.check_wanted(
        services.ledger,
        expected=run.supersedes,
        target_range=plan.target_range if plan is not None else None,
        excluded=plan.excluded if plan is not None else (),
    )
