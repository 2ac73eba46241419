"""Everything that a cycle works with, opened once by `cron.wiring` and passed as one value; and where its files lie."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cron.ledger.ledger import Ledger
from cron.ports import ArtifactStore, EventLog, Histories, ModelServer, TrainLauncher
from cron.settings.tree import Settings

if TYPE_CHECKING:  # pyarrow takes a second to load, and a rollback needs none of it
    from cron.journal.journal import Journal
    from cron.metrics.worker_metrics import WorkerMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Folders under `store.var`. All of them may be deleted while nothing runs, except `var` itself; they are filled again."""

    var: Path

    @property
    def runs(self) -> Path:
        """A folder for each run: `runs/17/snapshot`, `runs/17/candidate`, `runs/17/archive`."""
        return self.var / "runs"

    @property
    def bundles(self) -> Path:
        """Unpacked bundles and optimiser states of releases, by version."""
        return self.var / "bundles"

    @property
    def texts(self) -> Path:
        """The trainer's cache of text vectors."""
        return self.var / "texts"

    @property
    def journal(self) -> Path:
        """The journal's index of event ids and its cached segments."""
        return self.var / "journal"

    @property
    def lock(self) -> Path:
        """Held by the one worker of this folder."""
        return self.var / "worker.lock"


def _metrics() -> WorkerMetrics:
    from cron.metrics.worker_metrics import (
        WorkerMetrics,  # a tenth of a second to load, for which `status` need not wait
    )

    return WorkerMetrics()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The settings and the opened ports; `metrics` is what this process measures of its own work.

    `stop` is set when the worker is told to end. `serving_lock` is held by the thread that changes
    what the server has loaded or serves.
    """

    settings: Settings
    paths: Paths
    ledger: Ledger
    log: EventLog
    histories: Histories
    artifacts: ArtifactStore
    launcher: TrainLauncher
    server: ModelServer
    journal: Journal
    metrics: WorkerMetrics = field(default_factory=_metrics)
    stop: threading.Event = field(default_factory=threading.Event)
    serving_lock: threading.RLock = field(default_factory=threading.RLock)
