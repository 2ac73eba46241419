"""Everything that a cycle uses, opened once by `cron.wiring`, and the paths of its files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cron.ledger.ledger import Ledger
from cron.machine_provider import MachineProvider
from cron.ports import (
    ArtifactStore,
    EventLog,
    Histories,
    ItemRecords,
    ModelServer,
    TrainLauncher,
)
from cron.settings.tree import Settings

if TYPE_CHECKING:  # pyarrow takes a second to load, and a rollback needs none of it
    from cron.journal.journal import Journal
    from cron.metrics.worker_metrics import WorkerMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Folders under `store.var`.

    All of them except `var` itself may be deleted while nothing runs; they are filled again.
    """

    var: Path

    @property
    def runs(self) -> Path:
        """Return the folder of all runs: `17/snapshot`, `17/candidate`, `17/archive`."""
        return self.var / "runs"

    @property
    def bundles(self) -> Path:
        """Return the unpacked bundles and optimiser states of releases, by version."""
        return self.var / "bundles"

    @property
    def texts(self) -> Path:
        """Return the trainer's cache of text vectors."""
        return self.var / "texts"

    @property
    def pictures(self) -> Path:
        """Return the copies of thumbnails whose artifact store is elsewhere."""
        return self.var / "pictures"

    @property
    def journal(self) -> Path:
        """Return the journal's index of event ids and its cached segments."""
        return self.var / "journal"

    @property
    def lock(self) -> Path:
        """Return the file that the one worker of this folder locks."""
        return self.var / "worker.lock"


def _metrics() -> WorkerMetrics:
    # takes 0.1 s to load, which `status` does not need
    from cron.metrics.worker_metrics import WorkerMetrics

    return WorkerMetrics()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The settings and the opened ports; `metrics` are those of this process.

    `machines` opens whoever gives the machines of a URL. `copy_server` is the writer of texts on
    the same nodes, opened at its first use.

    `stop` is set when the worker has to stop. `serving_lock` is held by the thread that changes
    what the server has loaded or serves.
    """

    settings: Settings
    paths: Paths
    ledger: Ledger
    log: EventLog
    histories: Histories
    item_records: ItemRecords
    artifacts: ArtifactStore
    launcher: TrainLauncher
    machines: Callable[[str], MachineProvider]
    server: ModelServer
    copy_server: Callable[[], ModelServer]
    journal: Journal
    metrics: WorkerMetrics = field(default_factory=_metrics)
    stop: threading.Event = field(default_factory=threading.Event)
    serving_lock: threading.RLock = field(default_factory=threading.RLock)
