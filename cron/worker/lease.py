"""At most one worker: a file lock on this machine, a lease in the ledger for all.

The holder of the lock knows that the folder's earlier worker is dead, and takes over its lease at
once. A worker on another machine waits until the lease is released or expires.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cron.errors import AlreadyRunning, LeaseLost, Stopped, Unavailable
from cron.ledger import lease_row
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.local.beside import repeating
from cron.services import Services
from trainer.machine import durable_files
from trainer.machine.file_lock import LockHeld, file_lock


@contextmanager
def working_alone(services: Services) -> Iterator[Lease]:
    """Hold lock and lease during one piece of work; raise AlreadyRunning or LeaseLost."""
    ledger, ttl_s = services.ledger, services.settings.worker.lease_s
    with (
        only_one(services.paths.lock),
        held_lease(ledger, holder_of(services.paths.var), ttl_s) as lease,
        renewing(ledger, lease, ttl_s, cancel=services.launcher.cancel),
    ):
        yield lease


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold the lock file; raise AlreadyRunning, naming the process that holds it.

    The kernel releases the lock when the process dies.
    """
    try:
        with file_lock(lock, wait=False, holder=f"process {os.getpid()}\n"):
            yield
    except LockHeld as error:
        holder = error.holder or "another process"
        raise AlreadyRunning(holder=holder, where=str(lock.parent)) from error


def holder_of(var: Path) -> str:
    """Return the name under which successive workers of one folder hold the lease.

    It ends with a mark stored in the folder, because two containers may have the same host name and
    the same paths.
    """
    mark = var / "worker.id"
    var.mkdir(parents=True, exist_ok=True)
    if not mark.is_file():
        durable_files.replace_text(mark, secrets.token_hex(4))
    return f"{socket.gethostname()}:{var.resolve()}#{mark.read_text(encoding='utf-8')}"


@contextmanager
def held_lease(ledger: Ledger, holder: str, ttl_s: float) -> Iterator[Lease]:
    """Hold the lease without renewing it; raise LeaseLost when another holds it."""
    lease = lease_row.acquire(ledger, holder, ttl_s, lease_row.clock(ledger))
    if lease is None:
        raise LeaseLost(holder=lease_row.holder(ledger) or "another worker")
    try:
        yield lease
    finally:
        with suppress(Unavailable):  # it expires by itself
            lease_row.release(ledger, lease)


@contextmanager
def renewing(
    ledger: Ledger, lease: Lease, ttl_s: float, *, cancel: Callable[[], None]
) -> Iterator[None]:
    """Renew a lease during long work; when it is lost, call `cancel` and raise LeaseLost.

    `cancel` ends a running training; other work fails at its next write.
    """
    lost: list[LeaseLost] = []

    def renew() -> bool:
        try:
            with suppress(Unavailable):
                lease_row.renew(ledger, lease, ttl_s, lease_row.clock(ledger))
        except LeaseLost as error:
            lost.append(error)
            cancel()
        return not lost

    with repeating(renew, every_s=ttl_s / 3):
        try:
            yield
        except Stopped:
            if lost:
                raise lost[0] from None
            raise
