"""An older ledger is restored: newer segments are kept, and `adopt` brings them in."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cron.__main__ import main
from cron.cycle.cycle import run_cycle
from cron.errors import ArtifactCorrupt, ArtifactMissing, FreshetError, JournalAhead, LeaseLost
from cron.forgetting.request import forget
from cron.journal.compaction import NUM_MERGED, sweep
from cron.journal.dead_letters import DeadLetters
from cron.journal.segment_files import SegmentFiles
from cron.journal.segments import table_of, write
from cron.ledger import forgotten, journal_rows, lease_row
from cron.ledger.ledger import open_ledger
from cron.lineage import Lease
from cron.ports import Cursor
from cron.services import Services
from recommender.records.events import Event
from tests.component.house import House, accept, open_house
from tests.contracts.records import event
from tests.workshop import close_workshop, event_records, lease_of, open_workshop, send

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def kept_copy(folder: Path) -> Path:
    """Copy the ledger as a backup does."""
    copy = folder / "ledger.backup"
    copy.unlink(missing_ok=True)
    with sqlite3.connect(folder / "ledger.db") as ledger, sqlite3.connect(copy) as backup:
        ledger.backup(backup)
    ledger.close()
    backup.close()
    return copy


def put_back(folder: Path, copy: Path | None) -> None:
    """Replace the ledger by an older one, or by none."""
    for file in folder.glob("ledger.db*"):
        file.unlink()
    if copy is not None:
        copy.replace(folder / "ledger.db")


def close_ledger(house: House) -> None:
    house.journal.close()
    house.ledger.close()


def collected_house(house: House, first: int, last: int) -> None:
    """Bring events through the log into the journal, and trim the log, as a turn does."""
    house.log.append([event(number) for number in range(first, last)])
    house.collect()
    house.log.trim(journal_rows.log_cursor(house.ledger))


def adopt(house: House) -> int:
    """Do what the verb does; return how many segments were adopted."""
    cursor = house.log.give_up(journal_rows.log_cursor(house.ledger))
    return len(house.journal.adopt(cursor, house.lease).segments)


def test_unknown_newer_segments_survive_and_are_adopted(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    collected_house(house, 0, 10)
    copy = kept_copy(tmp_path)
    for first in range(10, 40, 10):
        collected_house(house, first, first + 10)
    close_ledger(house)
    put_back(tmp_path, copy)

    again = open_house(tmp_path)
    with pytest.raises(JournalAhead, match=r"whose last number is 10: .*python -m cron adopt"):
        again.journal.refuse_newer()
    sweep(again.ledger, SegmentFiles(again.artifacts, tmp_path / "other"), lease=again.lease)
    assert len(again.artifacts.names()) == 4
    assert adopt(again) == 3
    again.journal.refuse_newer(is_log_trimmed=True)
    assert again.records() == [event(number) for number in range(40)]
    again.log.append([event(39), event(40)])
    again.collect()
    assert again.records() == [event(number) for number in range(41)]
    assert adopt(again) == 0
    close_ledger(again)


def test_the_log_tells_one_newer_segment_from_a_crash(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    collected_house(house, 0, 10)
    copy = kept_copy(tmp_path)
    collected_house(house, 10, 20)
    close_ledger(house)
    put_back(tmp_path, copy)

    again = open_house(tmp_path)
    again.journal.refuse_newer()  # a worker that died before it could commit leaves the same
    with pytest.raises(JournalAhead):
        again.journal.refuse_newer(is_log_trimmed=True)
    assert adopt(again) == 1
    assert again.records() == [event(number) for number in range(20)]
    close_ledger(again)


@pytest.mark.parametrize("num_after", [0, 1], ids=["in its place", "and beyond"])
def test_a_merged_segment_stands_for_files_that_the_ledger_names(
    tmp_path: Path, num_after: int
) -> None:
    house = open_house(tmp_path)
    for number in range(NUM_MERGED - num_after):
        accept(house, [event(number)])
    copy = kept_copy(tmp_path)
    for number in range(NUM_MERGED - num_after, NUM_MERGED):
        accept(house, [event(number)])
    assert house.journal.merge_small(house.lease) == NUM_MERGED
    close_ledger(house)
    put_back(tmp_path, copy)

    again = open_house(tmp_path)
    with pytest.raises(JournalAhead):
        again.journal.refuse_newer()
    sweep(again.ledger, SegmentFiles(again.artifacts, tmp_path / "other"), lease=again.lease)
    assert adopt(again) == 1
    assert again.records() == [event(number) for number in range(NUM_MERGED)]
    assert len(journal_rows.segments(again.ledger)) == 1
    close_ledger(again)


def test_a_lost_ledger_is_filled_from_the_segments(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    for first in range(0, 30, 10):
        collected_house(house, first, first + 10)
    segments = journal_rows.segments(house.ledger)
    close_ledger(house)
    put_back(tmp_path, None)

    again = open_house(tmp_path)
    with pytest.raises(JournalAhead):
        again.journal.refuse_newer()
    assert adopt(again) == 3
    assert journal_rows.segments(again.ledger) == segments
    close_ledger(again)


def test_adopted_segments_exclude_forgotten_users(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    collected_house(house, 0, 10)
    copy = kept_copy(tmp_path)
    collected_house(house, 10, 30)
    user_id = event(12).user_id
    close_ledger(house)
    put_back(tmp_path, copy)

    again = open_house(tmp_path)
    forget(
        again.ledger,
        again.histories,
        DeadLetters(tmp_path / "dead-letters.jsonl"),
        user_id,
        asked_by="a test",
    )
    marks = forgotten.pending(again.ledger)
    forgotten.note_erased(
        again.ledger, marks, again.journal.erase(marks, again.lease), done=True, lease=again.lease
    )
    assert adopt(again) == 1
    assert user_id not in {
        record.user_id for record in again.records() if isinstance(record, Event)
    }
    assert again.journal.erase(forgotten.pending(again.ledger), again.lease).total() > 0
    close_ledger(again)


def test_a_gap_or_a_damaged_file_is_named_and_changes_nothing(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    collected_house(house, 0, 10)
    copy = kept_copy(tmp_path)
    for first in range(10, 40, 10):
        collected_house(house, first, first + 10)
    middle = journal_rows.segments(house.ledger)[2]
    close_ledger(house)
    put_back(tmp_path, copy)

    again = open_house(tmp_path)
    before = (
        journal_rows.segments(again.ledger),
        journal_rows.last_seq(again.ledger),
        journal_rows.log_cursor(again.ledger),
    )
    write(table_of([event(1)], first_seq=21), tmp_path / "other")
    again.artifacts.delete(middle.name)
    again.artifacts.put(middle.name, tmp_path / "other")
    with pytest.raises(ArtifactCorrupt, match=middle.name):
        adopt(again)
    again.artifacts.delete(middle.name)
    with pytest.raises(FreshetError, match="numbers 21 to 30 are in no stored segment"):
        adopt(again)
    again.artifacts.delete(before[0][0].name)
    with pytest.raises(ArtifactMissing, match="the journal's number"):
        adopt(again)
    assert before == (
        journal_rows.segments(again.ledger),
        journal_rows.last_seq(again.ledger),
        journal_rows.log_cursor(again.ledger),
    )
    close_ledger(again)


def test_committed_segments_win_over_crash_leftovers(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    files = SegmentFiles(house.artifacts, tmp_path / "other")
    files.put(table_of([event(7)], first_seq=1), covers=(1, 1), lease=house.lease)
    close_ledger(house)
    house = open_house(tmp_path)  # the next life's lease has a greater token
    collected_house(house, 0, 1)
    collected_house(house, 1, 5)
    close_ledger(house)
    put_back(tmp_path, None)
    again = open_house(tmp_path)
    assert adopt(again) == 2
    assert again.records() == [event(number) for number in range(5)]
    close_ledger(again)


def test_a_turn_over_an_older_ledger_does_nothing_and_says_why(
    services: Services, lease: Lease, tmp_path: Path
) -> None:
    folder = tmp_path / "workshop"
    copy = kept_copy(folder)
    for first in (401, 411):
        send(services, event_records(first, first + 9))
        assert run_cycle(services, lease).outcome == "skipped"
    close_workshop(services)
    put_back(folder, copy)
    again = open_workshop(folder)
    send(again, event_records(421, 560))
    held = lease_of(again.ledger)
    run = run_cycle(again, held)
    assert (run.outcome, run.reasons[0].name) == ("skipped", "not_collected")
    assert "python -m cron adopt" in run.reasons[0].text
    assert again.journal.last_seq == 440
    again.journal.adopt(again.log.give_up(journal_rows.log_cursor(again.ledger)), held)
    assert run_cycle(again, held).outcome == "published"
    close_workshop(again)


def test_a_log_gap_covered_by_a_segment_asks_for_adopt(
    services: Services, lease: Lease, tmp_path: Path
) -> None:
    """The log's own remedy would number new records over it."""
    folder = tmp_path / "workshop"
    copy = kept_copy(folder)
    send(services, event_records(401, 410))
    assert run_cycle(services, lease).outcome == "skipped"
    services.log.trim(journal_rows.log_cursor(services.ledger))
    close_workshop(services)
    put_back(folder, copy)
    again = open_workshop(folder)
    run = run_cycle(again, lease_of(again.ledger))
    assert (run.outcome, run.reasons[0].name) == ("skipped", "not_collected")
    assert "python -m cron adopt" in run.reasons[0].text
    close_workshop(again)


def test_two_holders_of_one_number_are_told_apart(tmp_path: Path) -> None:
    """An older ledger repeats lease numbers while the previous worker may still run."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = open_ledger(url)
    copy = kept_copy(tmp_path)
    frozen = lease_row.acquire(ledger, "one host", 60, NOW)
    assert frozen is not None
    ledger.close()
    put_back(tmp_path, copy)
    ledger = open_ledger(url)
    other = lease_row.acquire(ledger, "another host", 60, NOW)
    assert other is not None
    assert other.token == frozen.token
    calls: list[Callable[[], object]] = [
        lambda: journal_rows.commit_segment(ledger, None, Cursor("9"), frozen),
        lambda: lease_row.check(ledger, frozen),
        lambda: lease_row.renew(ledger, frozen, 60, NOW),
    ]
    for call in calls:
        with pytest.raises(LeaseLost, match="another host"):
            call()
    lease_row.release(ledger, frozen)
    assert lease_row.acquire(ledger, "one host", 60, NOW + timedelta(seconds=1)) is None, (
        "the other's lease was released"
    )
    ledger.close()


def test_the_verb_adopts_and_no_log_is_given_up_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    house = open_house(tmp_path)
    collected_house(house, 0, 10)
    copy = kept_copy(tmp_path)
    collected_house(house, 10, 30)
    close_ledger(house)
    put_back(tmp_path, copy)
    for name in ("events", "histories", "ledger"):
        monkeypatch.setenv(f"FRESHET__STORE__{name.upper()}", f"sqlite:///{tmp_path}/{name}.db")
    monkeypatch.setenv("FRESHET__STORE__ARTIFACTS", f"file:///{tmp_path}/archives")
    monkeypatch.setenv("FRESHET__STORE__VAR", str(tmp_path / "var"))
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    held = lease_row.acquire(ledger, "worker", 60, NOW)  # the copy was made while a worker ran
    assert held is not None
    lease_row.release(ledger, held)
    ledger.close()
    assert main(["follow", "--new-log", "--once"]) == 1
    assert "python -m cron adopt" in capsys.readouterr().err
    assert main(["adopt"]) == 0
    assert (
        "adopted 1 segment from number 11, 20 events; the journal's last number is 30"
        in capsys.readouterr().out
    )
    assert main(["adopt"]) == 0
    assert "nothing to adopt" in capsys.readouterr().out
