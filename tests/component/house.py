"""Everything that collects, opened on one folder like the worker opens it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cron.journal.collect import collect
from cron.journal.journal import Journal
from cron.journal.segments import records_of
from cron.ledger import lease_row
from cron.ledger.forgotten import keys_of
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.ports import START, ArtifactStore, Batch, Cursor, EventLog, Histories
from cron.wiring import open_artifacts, open_histories, open_ledger, open_log
from recommender.records.events import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that collects, opened on one folder."""

    ledger: Ledger
    artifacts: ArtifactStore
    log: EventLog
    histories: Histories
    journal: Journal
    lease: Lease

    def collect(self) -> tuple[int, int, int]:
        """Collect all; return the new events, items and the duplicates."""
        collected = collect(self.log, self.journal, self.ledger, self.lease)
        return collected.num_events, collected.num_items, collected.num_duplicates

    def records(self) -> list[Record]:
        return records_of(self.journal.read(1, self.journal.last_seq))


def open_house(folder: Path, *, log: EventLog | None = None) -> House:
    """Open like after a restart: only what is on disk, or in a log elsewhere, is known."""
    ledger = open_ledger(f"sqlite:///{folder}/ledger.db")
    artifacts = open_artifacts(f"file:///{folder}/archives")
    lease = lease_row.acquire(ledger, "worker", 60, datetime.now(UTC))
    assert lease is not None
    return House(
        ledger=ledger,
        artifacts=artifacts,
        log=log or open_log(f"sqlite:///{folder}/events.db"),
        histories=open_histories(f"sqlite:///{folder}/histories.db", keys_of(ledger).of_user),
        journal=Journal(ledger, artifacts, folder / "journal"),
        lease=lease,
    )


def accept(house: House, records: Sequence[Record]) -> None:
    """Bring records into the journal without a log."""
    house.journal.accept(records, Cursor("0"), house.lease)


class HookedArtifacts:
    """An artifact store during whose calls something else happens.

    `after_fetch`, `before_put` and `after_put` are called with the artifact's name.
    """

    def __init__(
        self,
        artifacts: ArtifactStore,
        *,
        after_fetch: Callable[[str], object] = lambda _: None,
        before_put: Callable[[str], object] = lambda _: None,
        after_put: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._artifacts, self._after_fetch = artifacts, after_fetch
        self._before_put, self._after_put = before_put, after_put
        self.url, self.names, self.delete = artifacts.url, artifacts.names, artifacts.delete
        self.folder = artifacts.folder

    def put(self, name: str, file: Path) -> str:
        self._before_put(name)
        sha256 = self._artifacts.put(name, file)
        self._after_put(name)
        return sha256

    def fetch(self, name: str, into: Path, *, sha256: str | None = None) -> None:
        self._artifacts.fetch(name, into, sha256=sha256)
        self._after_fetch(name)


class OthersLog:
    """A log that others trim, as Kafka's topics: it begins at START with what is left."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.append, self.append_lines = log.append, log.append_lines
        self.give_up, self.backlog, self.trim = log.give_up, log.backlog, log.trim

    def read(self, after: Cursor, limit: int) -> Batch:
        return self._log.read(self._log.give_up(after) if after == START else after, limit)
