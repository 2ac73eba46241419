"""The journal's index of event ids, lost or damaged: nothing counts twice."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from cron.errors import Unavailable
from cron.journal.dedup_index import DedupIndex
from cron.journal.index_file import IndexDamaged
from cron.journal.journal import Journal
from cron.ports import Cursor
from tests.component.house import HookedArtifacts, House, accept, open_house
from tests.contracts.records import event


@pytest.mark.parametrize("harm", ["deleted", "damaged", "of another journal"])
def test_the_index_is_rebuilt_from_the_segments(house: House, tmp_path: Path, harm: str) -> None:
    accept(house, [event(1), event(2)])
    accept(house, [event(3)])
    house.journal.close()
    index = tmp_path / "journal" / "seen.db"
    for part in tmp_path.glob("journal/seen.db*"):
        part.unlink()
    if harm == "damaged":
        index.write_bytes(b"no database" * 1000)
    elif harm == "of another journal":
        other = open_house(tmp_path / "other")
        accept(other, [event(number) for number in range(100, 103)])
        other.journal.close()
        (tmp_path / "other" / "journal" / "seen.db").rename(index)
    again = open_house(tmp_path)
    accepted = again.journal.accept([event(1), event(3), event(101)], Cursor("9"), again.lease)
    assert accepted.num_events == 1
    assert again.records() == [event(1), event(2), event(3), event(101)]


@pytest.mark.parametrize("page", [2, 3, 5, 20], ids=lambda page: f"from page {page} on")
def test_an_index_damaged_in_the_middle_is_rebuilt(house: House, tmp_path: Path, page: int) -> None:
    """Opening it sees nothing of that."""
    records = [event(number) for number in range(20_000)]
    accept(house, records[:10_000])
    accept(house, records[10_000:])
    house.journal.close()
    index = tmp_path / "journal" / "seen.db"
    whole, start = index.read_bytes(), (page - 1) * 4096
    assert len(whole) > start
    index.write_bytes(whole[:start] + b"\xff" * (len(whole) - start))
    again = open_house(tmp_path)
    accepted = again.journal.accept([*records, event(20_000)], Cursor("9"), again.lease)
    assert (accepted.num_events, accepted.num_duplicates) == (1, 20_000)
    assert again.journal.accept(records, Cursor("9"), again.lease).num_events == 0


def test_damage_found_after_a_commit_loses_nothing(house: House, tmp_path: Path) -> None:
    """The index is damaged after it was asked for duplicates, while the segment is stored."""
    damages: list[str] = []

    def damage_once(segment: str) -> None:
        if not damages:
            damages.append(segment)
            damage_schema(tmp_path / "journal" / "seen.db")

    artifacts = HookedArtifacts(house.artifacts, after_put=damage_once)
    accept(house, [event(1)])
    house.journal.close()
    journal = Journal(house.ledger, artifacts, tmp_path / "journal")
    accepted = journal.accept([event(2)], Cursor("1"), house.lease)
    assert accepted.num_events == 1
    with pytest.raises(IndexDamaged):
        DedupIndex(tmp_path / "journal" / "seen.db")
    again = journal.accept([event(1), event(2), event(3)], Cursor("2"), house.lease)
    assert (again.num_events, again.num_duplicates) == (1, 2)
    journal.close()


def damage_schema(index: Path) -> None:
    """Damage an index that is open, so that its next transaction finds out."""
    db = sqlite3.connect(index, isolation_level=None)
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_master SET sql = 'damaged' WHERE name = 'seen'")
    (version,) = db.execute("PRAGMA schema_version").fetchone()
    db.execute(f"PRAGMA schema_version = {version + 1}")
    db.close()


def test_a_full_disk_or_a_lock_is_reported_and_the_index_stays(tmp_path: Path) -> None:
    index = DedupIndex(tmp_path / "seen.db")
    index.add(["one"], through=1)
    index._db.execute("PRAGMA max_page_count=1")
    with pytest.raises(
        Unavailable,
        match=r"the index of event ids at .*seen\.db does not answer \(database or disk is full\)",
    ):
        index.add([f"e{number:06}" for number in range(10_000)], through=10_001)
    assert (index.through(), index.among(["one", "e000001"])) == (1, {"one"})
    index._db.execute("PRAGMA journal_mode=DELETE")  # in which a reader is locked out
    index.close()
    other = sqlite3.connect(tmp_path / "seen.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match="database is locked"):
        DedupIndex(tmp_path / "seen.db", busy_timeout_s=0.05)
    other.close()
    again = DedupIndex(tmp_path / "seen.db")
    assert again.through() == 1
    again.close()
