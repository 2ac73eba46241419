"""A reconciler on a clock that a test moves, and the requests its server gets."""

from __future__ import annotations

from cron.services import Services
from cron.serving.reconcile import Reconciler
from tests.workshop import server_of


class SteppedClock:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def record_asked(services: Services) -> list[int]:
    """Return the versions that the server is asked to register from now on."""
    asked: list[int] = []
    register = server_of(services).register

    def recorded_switches(version: int, url: str) -> None:
        asked.append(version)
        register(version, url)

    server_of(services).register = recorded_switches  # type: ignore[method-assign]
    return asked


def ticks(services: Services, number: int = 4) -> Reconciler:
    reconciler = Reconciler(services, monotonic=SteppedClock())
    for _ in range(number):
        reconciler.tick()
    return reconciler
