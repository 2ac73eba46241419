"""A worker whose lease is gone neither loads nor unloads anything: TorchServe fences no calls, so the lease is looked at before each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cron.cycle.cycle import run_cycle
from cron.cycle.retention import tidy
from cron.errors import LeaseLost
from cron.lineage import Lease
from cron.parts import Parts
from cron.ports import ServerMemory, ServerVersion
from tests.workshop import event_records, lease_of, send, server_of


def lost_at(parts: Parts, when: Callable[[], bool]) -> list[str]:
    """Let another worker take the lease as soon as the server is asked what it holds and `when`; return the server's log."""
    server = server_of(parts)
    versions, memory, is_lost = server.versions, server.memory, [False]

    def lose() -> None:
        if when() and not is_lost[0]:
            is_lost[0] = True
            lease_of(parts.ledger)
            server.log.clear()

    def looked() -> tuple[ServerVersion, ...]:
        lose()
        return versions()

    def measured() -> ServerMemory | None:
        lose()
        return memory()

    server.versions, server.memory = looked, measured  # type: ignore[method-assign]
    return server.log


def test_without_the_lease_no_version_is_registered(parts: Parts, lease: Lease) -> None:
    send(parts, event_records(401, 480))
    log = lost_at(parts, lambda: parts.ledger.archived(2) is not None)
    with pytest.raises(LeaseLost):
        run_cycle(parts, lease)
    assert log == []


def test_without_the_lease_no_version_is_unloaded(parts: Parts, lease: Lease) -> None:
    frugal = replace(
        parts,
        settings=replace(
            parts.settings, release=replace(parts.settings.release, keep_registered=1)
        ),
    )
    log = lost_at(parts, lambda: True)
    with pytest.raises(LeaseLost):
        tidy(frugal, lease)
    assert log == []
    assert [found.version for found in parts.server.versions()] == [0, 1]
