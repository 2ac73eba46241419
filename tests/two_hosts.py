"""Two workers on two simulated hosts: a working folder each, everything else shared.

The ledger is a real database server. A worker can be given a place at which it pauses itself
once with SIGSTOP, as a frozen machine would, right before one call of the product's code.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TypeVar

from cron.backends.artifacts.folder import FolderArtifacts
from cron.journal.journal import Journal
from cron.ledger import journal_rows, release_rows, run_rows, switches
from cron.ledger.ledger import open_ledger
from cron.local.sqlite_file import SqliteFile
from cron.services import Paths, Services
from cron.worker.worker import run_worker
from tests.fakes import FakeServer
from tests.workshop import HereLauncher, open_workshop

Result = TypeVar("Result")
# The fake's state is a locked file, and so are log and histories. No thread of a paused process may
# keep such a lock: a real server waits for nobody's wake-up.
_AT_A_FILE = threading.RLock()
LEASE_S = 12.0  # on a busy machine the holder does not lose it
# the call, and what its first argument after `self` must begin with
PAUSES: dict[str, tuple[object, str, str]] = {
    "commit_segment": (journal_rows, "commit_segment", ""),
    "put": (FolderArtifacts, "put", "rec-"),
    "add_release": (release_rows, "add", ""),
    "register": (FakeServer, "register", ""),
    "begin_publish": (switches, "begin_publish", ""),
    "set_live": (FakeServer, "set_live", ""),
    "end_switch": (switches, "end", ""),
    "finish_run": (run_rows, "finish", ""),
}


def open_host(folder: Path, host: str, ledger_url: str) -> Services:
    """Open one host's parts; `folder` holds what is shared."""
    shared = open_workshop(folder)
    shared.ledger.close()
    ledger, paths = open_ledger(ledger_url), Paths(var=folder / host)
    worker = replace(shared.settings.worker, lease_s=LEASE_S, poll_s=0.2, metrics_port=0)
    return replace(
        shared,
        settings=replace(shared.settings, worker=worker),
        ledger=ledger,
        paths=paths,
        launcher=HereLauncher(paths.texts),
        journal=Journal(ledger, shared.artifacts, paths.journal),
    )


def work(folder: Path, host: str, ledger_url: str, pause_at: str | None = None) -> None:
    """Run a host's worker in its own process until told to end; log beside its folder."""
    log = os.open(folder / f"{host}.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.dup2(log, sys.stderr.fileno())
    if pause_at is not None:
        for serialized, call in ((FakeServer, "_change"), (SqliteFile, "transaction")):
            setattr(serialized, call, _one_at_a_time(getattr(serialized, call)))
        owner, name, begin = PAUSES[pause_at]
        setattr(owner, name, _pausing(getattr(owner, name), begin))
    sys.exit(run_worker(open_host(folder, host, ledger_url)))


def _pausing(call: Callable[..., Result], begin: str) -> Callable[..., Result]:
    is_over = False

    @wraps(call)
    def wrapper(*arguments: object, **named: object) -> Result:
        nonlocal is_over
        if not is_over and str(arguments[1]).startswith(begin):
            is_over = True
            # to this very thread: one that is sent to the process stops it an instant later, inside
            # the call
            with _AT_A_FILE:
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return call(*arguments, **named)

    return wrapper


def _one_at_a_time(
    locked: Callable[..., AbstractContextManager[Result]],
) -> Callable[..., AbstractContextManager[Result]]:
    @contextmanager
    def wrapper(*arguments: object, **named: object) -> Iterator[Result]:
        with _AT_A_FILE, locked(*arguments, **named) as inside:
            yield inside

    return wrapper
