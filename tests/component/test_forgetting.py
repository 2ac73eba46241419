"""A forgotten user stays forgotten in the journal, histories, snapshots and dead letters."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cron.cycle.cycle import run_cycle
from cron.errors import WrongUserId
from cron.forgetting.erase_users import erase_forgotten
from cron.journal.dead_letters import DeadLetters
from cron.journal.follow import follow_once, rebuild
from cron.journal.segment_files import is_compacted
from cron.ledger import forgotten, journal_rows, run_rows
from cron.ledger.ledger import open_ledger
from cron.services import Services
from cron.snapshot.judged import Need
from cron.snapshot.limits import Limits
from cron.snapshot.panel import Panel
from cron.snapshot.request import SnapshotRequest
from cron.snapshot.snapshot import build_snapshot
from recommender.records.events import Event
from recommender.records.ids import MAX_ID_CHARS
from tests.component.forgetting import forget_in, one_raw
from tests.component.house import House, accept, open_house
from tests.contracts.records import START_AT, event, item
from tests.releases import reason
from tests.workshop import close_workshop, lease_of, open_workshop

FAR = datetime(2100, 1, 1, tzinfo=UTC)


def one(
    number: int, user_id: str = "ann", *, item_id: str = "i", at: datetime | None = None
) -> Event:
    """Return an event whose id gives its user away."""
    return replace(
        event(number, user_id=user_id, item_id=item_id, at=at), event_id=f"{user_id}-{number:04}"
    )


def erase(house: House) -> int:
    return house.journal.erase(forgotten.pending(house.ledger), house.lease).total()


def users_in(house: House) -> set[str]:
    return {record.user_id for record in house.records() if isinstance(record, Event)}


def bytes_under(folder: Path) -> bytes:
    """Return all readable bytes: databases, and the cells of Parquet files."""
    found = b""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        found += (
            json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
            if content.startswith(b"PAR1")
            else content
        )
    return found


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = open_workshop(tmp_path)
    yield services
    close_workshop(services)


def test_the_journal_excludes_a_forgotten_user_at_once(house: House, tmp_path: Path) -> None:
    accept(house, [one(1), one(2, "bob"), item(3, "i")])
    accept(house, [one(4, "bob")])
    accept(house, [one(5), one(6)])
    before = journal_rows.segments(house.ledger)
    forget_in(house, tmp_path)
    assert users_in(house) == {"bob"}  # before anything is erased
    assert b"ann" in bytes_under(tmp_path / "archives")
    assert erase(house) == 3
    assert users_in(house) == {"bob"}
    assert b"ann" not in bytes_under(
        tmp_path
    )  # whatever their event ids say: in archives, copies, index and ledger
    after = journal_rows.segments(house.ledger)
    assert [(segment.first_seq, segment.last_seq) for segment in after] == [
        (segment.first_seq, segment.last_seq) for segment in before
    ]
    assert after[1] == before[1]  # nothing of theirs was in there
    assert {after[0].name, after[2].name}.isdisjoint({before[0].name, before[2].name})
    assert sorted(house.artifacts.names()) == sorted(segment.name for segment in after)
    assert (
        house.journal.last_seq,
        house.journal.count(1, 6).events,
        house.journal.count(1, 6).items,
    ) == (6, 2, 1)
    assert erase(house) == 0  # safe to repeat


def test_what_was_erased_is_a_duplicate_forever(house: House, tmp_path: Path) -> None:
    accept(house, [one(1), one(2)])
    forget_in(house, tmp_path)
    erase(house)
    assert (
        house.journal.accept(
            [one(1), one(2)], journal_rows.log_cursor(house.ledger), house.lease
        ).num_duplicates
        == 2
    )
    for file in (tmp_path / "journal").glob("seen.db*"):  # the index is rebuilt from the segments
        file.unlink()
    again = open_house(tmp_path)
    again_taken = again.journal.accept(
        [one(1), one(2), one(3, at=FAR)], journal_rows.log_cursor(again.ledger), again.lease
    )
    assert (again_taken.num_duplicates, again_taken.num_events) == (2, 1)


def test_retention_and_merges_keep_what_was_erased_a_duplicate(
    house: House, tmp_path: Path
) -> None:
    accept(house, [one(1), one(2, "bob")])
    accept(house, [one(3, "bob")])
    forget_in(house, tmp_path)
    erase(house)
    house.journal.compact_and_drop(older_than=FAR, needed_from=3, lease=house.lease)
    assert [is_compacted(segment) for segment in journal_rows.segments(house.ledger)] == [
        True,
        False,
    ]
    again = open_house(tmp_path)
    assert (
        again.journal.accept(
            [one(1), one(2, "bob")], journal_rows.log_cursor(again.ledger), again.lease
        ).num_duplicates
        == 2
    )


def test_events_that_wait_in_the_log_are_not_collected(house: House, tmp_path: Path) -> None:
    house.log.append([one(1), one(2, "bob"), one(3)])
    forget_in(house, tmp_path)
    house.collect()
    assert users_in(house) == {"bob"}
    assert b"ann" not in bytes_under(tmp_path / "archives")
    house.log.append([one(1), one(3)])  # ingested again, after a trim perhaps
    assert house.collect() == (0, 0, 0)
    house.log.trim(journal_rows.log_cursor(house.ledger))
    house.log.append([one(1), one(3)])
    assert house.collect() == (0, 0, 2)


def test_late_events_stay_out_and_new_ones_count(house: House, tmp_path: Path) -> None:
    now = house.ledger.now()
    forget_in(house, tmp_path)
    late, new = one(1, at=now - timedelta(days=1)), one(2, at=now + timedelta(minutes=4))
    house.log.append([late, new])
    while follow_once(house.log, house.histories):
        pass
    house.collect()
    assert house.records() == [new]
    assert house.histories.recent("ann", 9) == (new,)
    assert erase(house) == 0
    assert house.records() == [new]


def test_events_ahead_of_the_clock_are_forgotten_too(house: House, tmp_path: Path) -> None:
    ahead = one(1, at=house.ledger.now() + timedelta(minutes=4))
    house.log.append([ahead])
    house.collect()
    waiting = one(2, at=house.ledger.now() + timedelta(minutes=3))
    house.log.append([waiting])
    house.histories.append([waiting])
    forget_in(house, tmp_path)
    house.collect()
    erase(house)
    assert house.records() == []


def test_a_rebuild_restores_no_forgotten_events(house: House, tmp_path: Path) -> None:
    house.log.append([one(1), one(2, "bob")])
    house.collect()
    forget_in(house, tmp_path)
    house.log.append([one(3, at=house.ledger.now() - timedelta(days=1))])
    for file in tmp_path.glob("histories.db*"):
        file.unlink()
    again = open_house(tmp_path)
    rebuild(again.journal, again.log, again.histories)
    assert again.histories.recent("ann", 9) == ()
    assert again.histories.recent("bob", 9) == (one(2, "bob"),)
    assert again.histories.forgotten() == again.journal.forgotten()


def test_a_snapshot_has_nothing_of_the_user_in_any_part(house: House, tmp_path: Path) -> None:
    users = ["ann", *(f"u{number}" for number in range(20))]
    accept(
        house, [one(number, users[number % 21], item_id=f"i{number % 5}") for number in range(210)]
    )
    forget_in(house, tmp_path)
    request = SnapshotRequest(
        mode="full",
        target_range=(1, 210),
        items_through=210,
        panel=Panel(share=0.5),
        fresh_range=(1, 210),
        older_before=200,
        need=Need(min_users=1, min_events=1, max_item_share=1.0),
        limits=Limits(user_share=1.0, item_share=1.0),
        positive_types=("view",),
    )
    build_snapshot(house.journal, request, tmp_path / "before")
    erase(house)
    build_snapshot(house.journal, request, tmp_path / "after")
    for folder in ("before", "after"):
        assert b"ann" not in bytes_under(tmp_path / folder)
        assert b"u1" in bytes_under(tmp_path / folder)


def test_a_turn_erases_journal_runs_and_dead_letters(services: Services) -> None:
    lease = lease_of(services.ledger)
    letters = DeadLetters(services.paths.var / "dead-letters.jsonl")
    letters.add(source="gateway", reason="at: …", raw=one_raw("ann"), at=START_AT)
    letters.add(source="gateway", reason="at: …", raw=one_raw("bob"), at=START_AT)
    services.log.append([one(1), one(2, "bob")])
    run_cycle(services, lease)
    folder = services.paths.runs / "1"
    assert (folder / "snapshot").is_dir()
    key = forgotten.keys_of(services.ledger).of_user("ann")
    forgotten.record(services.ledger, key, up_to=services.ledger.now(), asked_by="another machine")
    run_cycle(services, lease)
    assert [json.loads(letter.raw)["user_id"] for letter in letters.newest(9)] == ["bob"]
    assert not folder.exists()
    assert {mark.num_erased for mark in forgotten.every(services.ledger)} == {1}
    assert forgotten.pending(services.ledger) == []


def test_a_run_that_is_open_keeps_its_files_and_the_mark(services: Services) -> None:
    lease = lease_of(services.ledger)
    services.log.append([one(1)])
    run_cycle(services, lease)
    forgotten.record(
        services.ledger,
        forgotten.keys_of(services.ledger).of_user("ann"),
        up_to=services.ledger.now(),
        asked_by="a test",
    )
    run = run_rows.start(
        services.ledger, "full", reason=reason("because", ok=True), supersedes=None, lease=lease
    )
    folder = services.paths.runs / str(run.run_id)
    folder.mkdir(parents=True)
    erase_forgotten(services, lease)
    assert folder.is_dir()
    assert len(forgotten.pending(services.ledger)) == 1
    run_rows.finish(services.ledger, run.run_id, "failed", reasons=(), metrics={}, lease=lease)
    erase_forgotten(services, lease)
    assert not folder.is_dir()
    assert forgotten.pending(services.ledger) == []


def test_a_run_folder_that_stays_leaves_the_user_marked(services: Services, tmp_path: Path) -> None:
    """Python refuses to delete through a link, such as that of a folder moved to another disk."""
    lease = lease_of(services.ledger)
    moved = tmp_path / "other-disk"
    moved.mkdir()
    services.paths.runs.mkdir(parents=True, exist_ok=True)
    (services.paths.runs / "7").symlink_to(moved)
    key = forgotten.keys_of(services.ledger).of_user("ann")
    forgotten.record(services.ledger, key, up_to=services.ledger.now(), asked_by="a test")
    erase_forgotten(services, lease)
    assert [mark.user_key for mark in forgotten.pending(services.ledger)] == [key]
    (services.paths.runs / "7").unlink()
    erase_forgotten(services, lease)
    assert forgotten.pending(services.ledger) == []


def test_who_asks_again_is_erased_again(house: House, tmp_path: Path) -> None:
    accept(house, [one(1)])
    forget_in(house, tmp_path)
    marks = forgotten.pending(house.ledger)
    later = one(2, at=house.ledger.now() + timedelta(seconds=1))
    accept(house, [later])
    forgotten.record(
        house.ledger, marks[0].user_key, up_to=later.at, asked_by="the user, meanwhile"
    )
    num_erased = house.journal.erase(marks, house.lease)
    forgotten.note_erased(house.ledger, marks, num_erased, done=True, lease=house.lease)
    assert [mark.num_erased for mark in forgotten.pending(house.ledger)] == [1]
    assert erase(house) == 1
    assert house.records() == []


def test_histories_tell_an_older_ledger_who_was_forgotten(
    services: Services, tmp_path: Path
) -> None:
    lease = lease_of(services.ledger)
    services.log.append([one(1), one(2, "bob")])
    run_cycle(services, lease)
    key = forgotten.keys_of(services.ledger).of_user("ann")
    services.histories.keep_out(
        {key: services.ledger.now()}
    )  # noted after the backup of the ledger that was put back
    run_cycle(services, lease)
    assert [(mark.user_key, mark.num_erased) for mark in forgotten.every(services.ledger)] == [
        (key, 1)
    ]


def test_marks_of_an_earlier_freshet_are_hashed_and_obeyed(tmp_path: Path) -> None:
    open_house(tmp_path)
    at_us = (START_AT + timedelta(days=1) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )
    with closing(sqlite3.connect(tmp_path / "histories.db")) as db, db:
        db.execute("INSERT INTO forgotten VALUES ('ann', ?)", (at_us,))
    again = open_house(tmp_path)
    again.histories.append([one(1)])
    assert again.histories.recent("ann", 9) == ()
    assert list(again.histories.forgotten()) == [forgotten.keys_of(again.ledger).of_user("ann")]
    with closing(sqlite3.connect(tmp_path / "histories.db")) as db:
        assert db.execute("SELECT count(*) FROM forgotten").fetchone() == (0,)


def test_the_table_says_nothing_to_who_guesses_ids(tmp_path: Path) -> None:
    keys = [
        forgotten.keys_of(open_ledger(f"sqlite:///{tmp_path}/{name}.db")).of_user("ann")
        for name in ("one", "two")
    ]
    assert keys[0] != keys[1]
    assert "ann" not in "".join(keys)


@pytest.mark.parametrize("user_id", ["a\nb", "a/b", "\x1b", "x" * MAX_ID_CHARS, "null"])
def test_ids_that_are_not_taken_any_more_can_be_forgotten(
    house: House, tmp_path: Path, user_id: str
) -> None:
    accept(house, [event(1, user_id=user_id)])
    forget_in(house, tmp_path, user_id)
    assert erase(house) == 1


@pytest.mark.parametrize("user_id", ["", "  ", "x" * (MAX_ID_CHARS + 1)])
def test_what_no_user_can_be_called_makes_no_row(
    house: House, tmp_path: Path, user_id: str
) -> None:
    with pytest.raises(WrongUserId, match=f"at most {MAX_ID_CHARS} characters"):
        forget_in(house, tmp_path, user_id)
    assert forgotten.every(house.ledger) == []


def test_no_byte_is_left_in_the_files_of_histories_and_log(house: House, tmp_path: Path) -> None:
    """Deleted rows would stay in free pages and in the write-ahead logs."""
    house.log.append([one(number) for number in range(200)])
    while follow_once(house.log, house.histories):
        pass
    forget_in(house, tmp_path)
    for name in ("histories.db", "histories.db-wal"):
        assert b"ann" not in (tmp_path / name).read_bytes()
    house.collect()
    house.log.trim(journal_rows.log_cursor(house.ledger))
    for name in ("events.db", "events.db-wal"):
        assert b"ann" not in (tmp_path / name).read_bytes()
