"""The cycles that the bench of cycles measures: of a made-up shop, by the worker's own code.

The worker imports no torch, and neither does this module, so the memory of its process is the
worker's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from bench.data.planted import Shop, rows_of
from bench.scale.cycle_usage import Cycle, measured_cycle
from bench.scale.journal_shop import blocks, last_block, records_of, write_events, write_items
from cron.ledger import holds, journal_rows, schema
from cron.lineage import Run
from cron.services import Services
from cron.settings.tree import Settings
from cron.wiring import open_services
from cron.worker.lease import working_alone
from cron.worker.worker import run_once

T = TypeVar("T")

LEARNED = 200_000  # newest events that the first release is trained on


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopHistory:
    """A made-up shop whose first `num_events` are in the journal before any update."""

    num_items: int
    num_events: int
    num_new: int
    learned: int = LEARNED

    @property
    def shop(self) -> Shop:
        """The shop with the events of all updates."""
        return Shop(self.num_items, self.num_events + self.num_new)


def prepare(services: Services, history: ShopHistory) -> None:
    """Write the journal, and make the release that the updates begin with.

    Events before the newest `learned` are excluded from its training, and only from that. The
    events of the updates follow the journal's in the same shop.
    """
    shop = history.shop
    with working_alone(services) as lease:
        write_items(services, shop, lease)
        for first, events in blocks(shop):
            kept = np.arange(min(len(events), max(0, history.num_events - first)))
            write_events(services, rows_of(events, kept), first, lease)
    last_seq = journal_rows.last_seq(services.ledger)
    if history.learned < history.num_events:
        holds.resume(services.ledger, [(history.num_items + 1, last_seq - history.learned)])
    _check_published(run_once(services))  # the baseline
    _check_published(run_once(services))
    with services.ledger.write() as connection:
        connection.execute(schema.excluded.delete())
    # A worker has both indexes when it has run for a while.
    services.journal.by_user.of([], (1, 1))
    with working_alone(services) as lease:
        services.journal.accept([], services.journal.log_cursor, lease)


def update_cycles(
    services: Services, history: ShopHistory, updates: Sequence[int], server_pid: int
) -> list[Cycle]:
    """Run one cycle after the other, each by so many new events."""
    first, events = last_block(history.shop)
    begin = history.num_events
    cycles = []
    for num_new in updates:
        part = rows_of(events, np.arange(begin - first, begin - first + num_new))
        services.log.append(records_of(part, begin))
        begin += num_new
        cycles.append(measured_cycle(services, server_pid=server_pid))
        _check_published(cycles[-1].run)
    return cycles


def call_with_services(work: Callable[..., T], settings: Settings, *arguments: object) -> T:
    """Call `work` with the services of the settings, which are closed afterwards."""
    services = open_services(settings)
    try:
        return work(services, *arguments)
    finally:
        services.journal.close()
        services.ledger.close()


def _check_published(run: Run) -> None:
    """Raise SystemExit with the reasons of a run that did not publish."""
    if run.outcome != "published":
        reasons = "; ".join(one.text for one in run.reasons if not one.ok)
        raise SystemExit(f"run {run.run_id} {run.outcome}, so nothing is measured: {reasons}")
