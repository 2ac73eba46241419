"""A training whose result could not be published any more is ended at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from cron.cycle.cycle import run_cycle
from cron.errors import LeaseLost, Stopped, Superseded
from cron.ledger import holds, switches
from cron.lineage import Lease
from cron.services import Services
from cron.serving import release
from tests.workshop import HereLauncher, event_records, lease_of, live_version, send
from trainer.config import TrainConfig

LIMIT_S = 120.0


class Endless(HereLauncher):
    """A training that lasts until it is cancelled; `meanwhile` happens once it is under way."""

    def __init__(self, services: Services, meanwhile: Callable[[], object]) -> None:
        super().__init__(services.paths.texts)
        self._meanwhile = meanwhile
        self.cancelled = threading.Event()
        self.was_ended = False

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        self._meanwhile()
        self.was_ended = self.cancelled.wait(LIMIT_S)
        raise Stopped

    def cancel(self) -> None:
        self.cancelled.set()


@pytest.mark.parametrize(
    ("meanwhile", "outcome", "why"),
    [
        (
            lambda services: holds.pause(services.ledger, "poison is coming in"),
            "held",
            "poison is coming in",
        ),
        (
            lambda services: release.promote(services.ledger, services.server, 0),
            "superseded",
            "0 is live now",
        ),
        (
            lambda services: switches.begin_promote(services.ledger, 0),
            "superseded",
            "0 is live now",
        ),
        (
            lambda services: holds.resume(services.ledger, [(441, 450)]),
            "superseded",
            "events 441–450 were excluded",
        ),
    ],
    ids=["a hold", "a promotion", "a promotion that the server has not heard of", "an exclusion"],
)
def test_a_doomed_training_is_ended_at_once(
    services: Services,
    lease: Lease,
    meanwhile: Callable[[Services], object],
    outcome: str,
    why: str,
) -> None:
    send(services, event_records(401, 480))
    launcher = Endless(services, lambda: meanwhile(services))
    run = run_cycle(replace(services, launcher=launcher), lease)
    assert launcher.was_ended
    assert run.outcome == outcome
    assert why in run.reasons[-1].text
    assert "judge" not in run.seconds


def test_a_training_ends_with_the_lease(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))
    launcher = Endless(services, lambda: lease_of(services.ledger))
    with pytest.raises(LeaseLost):
        run_cycle(replace(services, launcher=launcher), lease)
    assert launcher.was_ended


def test_a_version_that_stands_in_for_a_moment_dooms_no_training(
    services: Services, lease: Lease
) -> None:
    """The worker reloads a live version that lost its workers; another one answers meanwhile."""
    send(services, event_records(401, 480))
    ledger, looked, cancelled = services.ledger, threading.Semaphore(0), list[bool]()
    read = ledger.read

    @contextmanager
    def watched_read() -> Iterator[sa.Connection]:
        try:
            with read() as connection:
                yield connection
        except Superseded:
            looked.release()
            raise

    ledger.read = watched_read  # type: ignore[method-assign]

    class Reloads(HereLauncher):
        def train(self, *arguments: object, **named: object) -> Path:
            with services.serving_lock:
                for version in (0, 1):
                    begun = switches.begin_restore(ledger, version, expected=1 - version)
                    assert begun is not None
                    assert switches.end(ledger, begun)
                    if version == 0:
                        assert looked.acquire(timeout=LIMIT_S), "nobody looked"
            return super().train(*arguments, **named)  # type: ignore[arg-type]

        def cancel(self) -> None:
            cancelled.append(True)

    run = run_cycle(replace(services, launcher=Reloads(services.paths.texts)), lease)
    assert (run.outcome, live_version(services), cancelled) == ("published", 2, [])


def test_a_late_cancellation_costs_one_restart(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))

    class CancelledBefore(HereLauncher):
        starts = 0

        def train(self, *arguments: object, **named: object) -> Path:
            self.starts += 1
            if self.starts == 1:
                raise Stopped
            return super().train(*arguments, **named)  # type: ignore[arg-type]

    run = run_cycle(replace(services, launcher=CancelledBefore(services.paths.texts)), lease)
    assert (run.outcome, live_version(services)) == ("published", 2)
