"""Machines that are rented for the time of one training (`worker.machines`).

They are in the ledger before they are asked for. So a worker that was killed, or did not reach the
provider, is followed by one that stops them; what they cost ends only then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cron.cycle.still_wanted import check_wanted
from cron.cycle.training_cost import record_training_cost
from cron.errors import FreshetError, LeaseLost, Stopped, Unavailable
from cron.ledger import lease_row, rental_rows, run_rows
from cron.lineage import Lease, Rental, Run
from cron.machine_errors import MachinesMissing
from cron.machine_provider import MachineProvider
from cron.services import Services
from cron.urls.launcher_table import launcher_url, price_of, rented_machines
from cron.urls.machines import MachinesUrl, parse_machines

log = logging.getLogger(__name__)

_LOOK_S = 5.0  # a look at a Ray cluster takes 3 s


@contextmanager
def machines_for(
    services: Services,
    run: Run,
    folder: Path,
    lease: Lease,
    *,
    look_s: float = _LOOK_S,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Rent machines for the training in a run's folder, wait for them, and stop them after it.

    Nothing happens where `worker.machines` has no row for it, or the candidate is there already.
    Raise MachinesMissing, MachinesRefused, Unavailable, Stopped, or why the run is not wanted.
    """
    snapshot = folder / "snapshot"
    url = rented_machines(snapshot, services.settings.worker.machines)
    if url is None or (folder / "candidate" / "report.json").is_file():
        yield
        return
    wanted = parse_machines(url)
    rental = rental_rows.start(
        services.ledger,
        run.run_id,
        machines=url,
        num_asked=wanted.most,
        price=wanted.devices * _price(services, snapshot),
        lease=lease,
    )
    try:
        provider = services.machines(url)
        log.info("machines asked for", extra={"run_id": run.run_id, "num": wanted.most})
        provider.start(wanted.most)
        waiting = _MachineWait(
            services=services,
            run=run,
            lease=lease,
            rental=rental,
            wanted=wanted,
            provider=provider,
        )
        _wait_for(waiting, look_s=look_s, monotonic=monotonic)
        yield
    finally:
        with suppress(LeaseLost, Unavailable):  # another worker, or the next turn, stops them
            _stop(services, rental, lease)


def _price(services: Services, snapshot: Path) -> float:
    """Return what an hour of one device costs with the launcher of a training."""
    worker, otherwise = services.settings.worker, services.settings.store.launcher
    launcher = launcher_url(snapshot, worker.launchers, otherwise=otherwise)
    return price_of(worker.price_per_device_hour, launcher)


def stop_left_machines(services: Services, lease: Lease) -> None:
    """Stop the machines of trainings that were killed, or that could not be stopped then."""
    for rental in rental_rows.running(services.ledger):
        if not _stop(services, rental, lease):
            continue
        run = run_rows.find(services.ledger, rental.run_id)
        if run is not None:
            folder = services.paths.runs / str(run.run_id)
            record_training_cost(services, run, folder, lease)


@dataclass(slots=True, kw_only=True)
class _MachineWait:
    """A wait for machines: what it looks at, and what it has seen."""

    services: Services
    run: Run
    lease: Lease
    rental: Rental
    wanted: MachinesUrl
    provider: MachineProvider
    num_joined: int = 0
    why: str = ""  # the provider did not answer the last time

    def look(self) -> None:
        """Ask the provider, and record what changed."""
        try:
            num_joined = self.provider.num_joined()
        except Unavailable as error:
            self.why = str(error)
            return
        self.why = ""
        if num_joined != self.num_joined:
            self.num_joined = num_joined
            self.record(is_enough=False)

    def record(self, *, is_enough: bool) -> None:
        """Store how many there are, for `status`."""
        ledger, rental_id = self.services.ledger, self.rental.rental_id
        rental_rows.record_joined(
            ledger, rental_id, self.num_joined, is_enough=is_enough, lease=self.lease
        )


def _wait_for(waiting: _MachineWait, *, look_s: float, monotonic: Callable[[], float]) -> None:
    """Wait until all machines have joined, or the least number when the time is over."""
    services, wanted = waiting.services, waiting.wanted
    ends_at = monotonic() + wanted.wait_s
    while True:
        waiting.look()
        is_over = monotonic() >= ends_at
        if waiting.num_joined >= (wanted.least if is_over else wanted.most):
            waiting.record(is_enough=True)
            return
        if is_over:
            raise MachinesMissing(
                where=waiting.rental.machines.partition("?")[0],
                joined=waiting.num_joined,
                least=wanted.least,
                wait_s=wanted.wait_s,
                why=waiting.why,
            )
        if services.stop.wait(min(look_s, max(0.0, ends_at - monotonic()))):
            raise Stopped
        check_wanted(services.ledger, services.serving_lock, waiting.run, waiting.lease)


def _stop(services: Services, rental: Rental, lease: Lease) -> bool:
    """Stop a rental's machines and return whether that worked; the next turn tries again."""
    lease_row.check(services.ledger, lease)  # another worker may have started machines since
    extra = {"run_id": rental.run_id, "machines": rental.machines}
    try:
        services.machines(rental.machines).stop()
    except FreshetError as error:
        log.error("machines not stopped", extra={**extra, "why": str(error)})
        return False
    rental_rows.end(services.ledger, rental.rental_id, lease=lease)
    log.info("machines stopped", extra=extra)
    return True
