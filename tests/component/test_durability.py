"""Stored files survive a power cut, with their names and the folders above them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.backends.sqlite.events import open_log
from cron.cycle.cycle import run_cycle
from cron.cycle.stages import folder_of
from cron.ledger.ledger import open_ledger
from cron.lineage import Lease
from cron.services import Services
from cron.wiring import open_artifacts
from tests.planted import planted_bundle
from tests.power_cut import Disk, recorded_syncs
from tests.workshop import event_records, send
from trainer.archive import pack, unpack_bundle
from trainer.machine import durable_files

FULL = 2  # of SQLite's `synchronous`


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with recorded_syncs(monkeypatch) as disk:
        yield disk


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content" * 1000)
    return path


def test_the_record_would_notice_what_is_missing(disk: Disk, tmp_path: Path) -> None:
    written = tmp_path / "folder" / "file"
    written.parent.mkdir()
    written.write_bytes(b"one")
    assert disk.lost_paths(tmp_path) == ["folder", "folder/file"]
    durable_files.sync(written)
    durable_files.sync(written.parent)
    assert disk.lost_paths(tmp_path) == ["folder", "folder/file"], (
        "nobody synced the folder's own name"
    )
    durable_files.sync(tmp_path)
    assert disk.lost_paths(tmp_path) == []
    written.write_bytes(b"another")
    assert disk.lost_paths(tmp_path) == ["folder/file"]


def test_an_artifact_its_digest_and_their_new_folders_survive(
    disk: Disk, file: Path, tmp_path: Path
) -> None:
    store = open_artifacts(f"file:///{tmp_path}/a/b/archives")
    store.put("journal/deep/one.parquet", file)
    assert disk.lost_paths(tmp_path / "a") == []
    assert disk.survives(tmp_path / "a", below=tmp_path)
    names = {path.name for path in (tmp_path / "a" / "b" / "archives").rglob("*.parquet")}
    assert names == {"one.parquet"}
    store.fetch("journal/deep/one.parquet", tmp_path / "fetched" / "here" / "one")
    assert disk.lost_paths(tmp_path / "fetched") == []
    assert disk.survives(tmp_path / "fetched", below=tmp_path)


def test_a_cut_at_any_moment_of_a_put_leaves_no_half_artifact(
    disk: Disk, file: Path, tmp_path: Path
) -> None:
    """An archive in the model store is complete on disk, and its digest is there first."""
    folder = tmp_path / "archives"
    store = open_artifacts(f"file:///{folder}")
    moments: list[bool] = []

    def look() -> None:
        is_seen = (folder / "rec-1.mar").is_file()
        if is_seen:
            assert (folder / "rec-1.mar").read_bytes() == file.read_bytes()
            assert disk.survives(folder / ".store" / "sha256" / "rec-1.mar", below=folder), (
                "bytes came before their digest"
            )
        moments.append(is_seen)

    disk.at_each_sync = look
    store.put("rec-1.mar", file)
    assert len(moments) >= 4, "bytes, digest, and the folders of both"
    assert moments == sorted(moments)


def test_bytes_are_never_written_under_their_final_name(
    disk: Disk, file: Path, tmp_path: Path
) -> None:
    store = open_artifacts(f"file:///{tmp_path}/archives")
    target, into = tmp_path / "archives" / "rec-1.mar", tmp_path / "into"

    def look() -> None:
        for path in (target, into):
            assert not path.exists() or disk.survives(path, below=path), (
                f"{path.name} was written in place"
            )

    disk.at_each_sync = look
    store.put("rec-1.mar", file)
    store.fetch("rec-1.mar", into)


def test_a_packed_archive_and_an_unpacked_bundle_survive(disk: Disk, tmp_path: Path) -> None:
    planted_bundle(tmp_path / "made")
    mar = pack(bundle=tmp_path / "made", version=1, out=tmp_path / "out" / "archive")
    assert disk.survives(mar, below=tmp_path)
    unpack_bundle(mar, tmp_path / "bundles" / "rec-1")
    assert disk.lost_paths(tmp_path / "bundles") == []
    assert disk.survives(tmp_path / "bundles", below=tmp_path)


def test_what_a_run_makes_survives(services: Services, lease: Lease, disk: Disk) -> None:
    send(services, event_records(401, 480))
    shutil.rmtree(services.paths.bundles)
    run = run_cycle(services, lease)
    assert run.outcome == "published"
    folder = folder_of(services.paths, run)
    made = [folder / "snapshot", folder / "candidate", services.paths.bundles]
    assert [disk.lost_paths(one) for one in made] == [[], [], []]
    assert [one for one in made if not disk.survives(one, below=one.parent)] == []


def test_the_databases_wait_for_the_disk(tmp_path: Path) -> None:
    """An acknowledged event, and a segment after a trim, exist nowhere else."""
    ledger, log = open_ledger(f"sqlite:///{tmp_path}/ledger.db"), open_log(tmp_path / "events.db")
    with ledger.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == FULL
    with log._file.transaction(write=False) as db:
        assert isinstance(db, sqlite3.Connection)
        assert db.execute("PRAGMA synchronous").fetchone() == (FULL,)
    log.close()
    ledger.close()
