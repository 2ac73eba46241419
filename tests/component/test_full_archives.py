"""The cycle with an `archives/` that cannot be used: it waits, says where, and continues."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cron.cycle.cycle import run_cycle
from cron.errors import CannotKeep, Unavailable
from cron.ledger import journal_rows, run_rows
from cron.lineage import Lease
from cron.services import Services
from cron.wiring import open_artifacts
from tests.workshop import event_records, live_version, send


@contextmanager
def block_writes(folder: Path) -> Iterator[None]:
    """Block writes into the store with a file where it prepares artifacts; works for root too."""
    unfinished = folder / ".store" / "unfinished"
    unfinished.rmdir()
    unfinished.touch()
    yield
    unfinished.unlink()
    unfinished.mkdir()


def test_a_full_disk_is_reported_with_its_path(tmp_path: Path) -> None:
    store = open_artifacts(f"file:///{tmp_path}/archives")
    (tmp_path / "large").write_bytes(b"x" * 200_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(
            CannotKeep,
            match=rf"store at {tmp_path}/archives.* cannot store our data .*; make room there",
        ):
            store.put("rec-1.mar", tmp_path / "large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert store.names() == ()
    store.put("rec-1.mar", tmp_path / "large")
    assert store.names() == ("rec-1.mar",)


def test_events_wait_while_the_journal_cannot_be_written(
    services: Services, lease: Lease, tmp_path: Path
) -> None:
    folder = tmp_path / "workshop" / "archives"
    send(services, event_records(401, 480))
    with block_writes(folder):
        run = run_cycle(services, lease)
        assert (run.outcome, run.reasons[0].name) == ("skipped", "not_collected")
        assert f"the artifact store at {folder}" in run.reasons[0].text
    assert run_cycle(services, lease).outcome == "published"


def test_a_run_waits_while_its_archive_cannot_be_put(
    services: Services, lease: Lease, tmp_path: Path
) -> None:
    """It would count as one of the failures after which a full retrain is tried."""
    folder = tmp_path / "workshop" / "archives"
    send(services, event_records(401, 480))
    assert run_cycle(services, lease).outcome == "published"
    send(services, event_records(481, 560))
    batch = services.log.read(journal_rows.log_cursor(services.ledger), 1000)
    services.journal.accept(batch.records, batch.cursor, lease)
    with block_writes(folder), pytest.raises(Unavailable, match=f"the artifact store at {folder}"):
        run_cycle(services, lease)
    left_open = run_rows.open_run(services.ledger)
    assert left_open is not None
    run = run_cycle(services, lease)
    assert (run.run_id, run.outcome, live_version(services)) == (left_open.run_id, "published", 3)
