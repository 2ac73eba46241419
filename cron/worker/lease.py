"""One worker in one place: a file lock for one `store.var` on this machine, and a fenced lease in the ledger for all machines.

The lock tells that an earlier holder of the same folder is dead, so its lease may be taken over at
once; on a shared ledger another machine's worker waits until the lease is let go or runs out.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cron.errors import AlreadyRunning, LeaseLost, Unavailable
from cron.ledger import lease_row
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from trainer import durable_files
from trainer.file_lock import LockHeld, file_lock


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold the lock file; raise AlreadyRunning naming the process that does. The kernel lets go when we die."""
    try:
        with file_lock(lock, wait=False, holder=f"process {os.getpid()}\n"):
            yield
    except LockHeld as error:
        holder = error.holder or "another process"
        raise AlreadyRunning(holder=holder, where=str(lock.parent)) from error


def holder_of(var: Path) -> str:
    """Return the name under which the workers of one folder hold the lease, one after another.

    It ends with a mark that lies in the folder: two containers may have the same host name and the
    same paths.
    """
    mark = var / "worker.id"
    var.mkdir(parents=True, exist_ok=True)
    if not mark.is_file():
        durable_files.replace_text(mark, secrets.token_hex(4))
    return f"{socket.gethostname()}:{var.resolve()}#{mark.read_text()}"


@contextmanager
def held_lease(ledger: Ledger, holder: str, ttl_s: float) -> Iterator[Lease]:
    """Hold the lease for one piece of work, without renewal; raise LeaseLost when another holds it."""
    lease = lease_row.acquire(ledger, holder, ttl_s, lease_row.clock(ledger))
    if lease is None:
        raise LeaseLost(holder=lease_row.holder(ledger) or "another worker")
    try:
        yield lease
    finally:
        with suppress(Unavailable):  # it runs out by itself
            lease_row.release(ledger, lease)
