"""The journal's events by user are those of its segments, whatever happens to the index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cron.journal.segment_files import SegmentFiles
from cron.journal.user_events import SortSizes, UserEvents
from cron.journal.user_index import IndexProgress, UserIndex
from cron.ledger import forgotten
from cron.ledger.forgotten import keys_of
from cron.ledger.ledger import Ledger, utc_now
from tests.component.house import House, accept, open_house
from tests.contracts.records import event, item

USERS = ["ann", "bob", "carol", "Ünal 🎬"]
FAR = datetime(2100, 1, 1, tzinfo=UTC)
SORTED = SortSizes(sorted_from=0, part_rows=7)


def fill(house: House, first: int, last: int) -> None:
    """Accept events of all users, and an item, in segments of ten."""
    for begin in range(first, last + 1, 10):
        numbers = range(begin, min(begin + 10, last + 1))
        accept(house, [event(number, user_id=USERS[number % 4]) for number in numbers])


def by_user(house: House, folder: Path, sizes: SortSizes) -> UserEvents:
    files = SegmentFiles(house.artifacts, folder / "journal" / "segments")
    path = folder / "journal" / "users.db"
    return UserEvents(house.ledger, files, keys_of(house.ledger), path, sizes=sizes)


def rows_of(house: House, user_id: str) -> pa.Table:
    """Return the same from the segments."""
    rows = house.journal.read(1, house.journal.last_seq)
    rows = rows.filter(pc.equal(rows["user_id"], user_id))
    return rows.sort_by([("at_us", "ascending"), ("event_id", "ascending")])


def agrees(house: House, events: UserEvents) -> bool:
    """Return whether each user has the same events in the index and in the segments."""
    last = house.journal.last_seq
    return all(
        events.of([user], (1, last)).to_pylist()
        == rows_of(house, user).select(events.of([user], (1, last)).column_names).to_pylist()
        for user in USERS
    )


@pytest.mark.parametrize("sizes", [SortSizes(), SORTED], ids=["added", "sorted"])
def test_the_index_follows_the_journal(house: House, tmp_path: Path, sizes: SortSizes) -> None:
    fill(house, 1, 35)
    events = by_user(house, tmp_path, sizes)
    assert agrees(house, events)
    fill(house, 36, 50)
    assert agrees(house, events)
    assert agrees(house, by_user(house, tmp_path, sizes)), "after a restart"
    assert not (tmp_path / "journal" / "users-parts").exists()


def test_users_are_returned_in_the_order_asked_and_by_number(house: House, tmp_path: Path) -> None:
    fill(house, 1, 30)
    found = by_user(house, tmp_path, SORTED).of(["carol", "nobody", "bob"], (5, 20))
    assert found["seq"].to_pylist() == [6, 10, 14, 18, 5, 9, 13, 17]


def delete(path: Path) -> None:
    path.unlink()


def spoil(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


@pytest.mark.parametrize("harm", [delete, spoil])
def test_a_lost_or_damaged_index_is_built_again(
    house: House, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    fill(house, 1, 30)
    events = by_user(house, tmp_path, SortSizes())
    assert agrees(house, events)
    events.close()
    for left in tmp_path.glob("journal/users.db-*"):
        left.unlink()
    harm(tmp_path / "journal" / "users.db")
    assert agrees(house, by_user(house, tmp_path, SortSizes()))


def test_the_index_of_another_journal_is_replaced(house: House, tmp_path: Path) -> None:
    other = open_house(tmp_path / "other")
    accept(other, [event(number, user_id="stranger") for number in range(900, 930)])
    strangers = by_user(other, tmp_path / "other", SortSizes())
    assert strangers.of(["stranger"], (1, 30)).num_rows == 30
    strangers.close()
    (tmp_path / "journal").mkdir(exist_ok=True)
    (tmp_path / "other" / "journal" / "users.db").rename(tmp_path / "journal" / "users.db")
    fill(house, 1, 40)
    events = by_user(house, tmp_path, SortSizes())
    assert agrees(house, events)
    assert events.of(["stranger"], (1, 40)).num_rows == 0


def test_a_forgotten_user_leaves_no_byte_in_the_index(house: House, tmp_path: Path) -> None:
    """Neither at once, nor in the file after the erasure, here or on another host."""
    fill(house, 1, 40)
    elsewhere = by_user(house, tmp_path / "elsewhere", SortSizes())
    assert elsewhere.of(["carol"], (1, 40)).num_rows == 10
    assert house.journal.by_user.of(["carol"], (1, 40)).num_rows == 10
    key = keys_of(house.ledger).of_user("carol")
    mark = forgotten.record(house.ledger, key, up_to=FAR, asked_by="test")
    assert house.journal.by_user.of(["carol"], (1, 40)).num_rows == 0
    house.journal.erase([mark], house.lease)
    elsewhere.erase()
    for folder in (tmp_path, tmp_path / "elsewhere"):
        for file in (folder / "journal").glob("users.db*"):
            assert b"carol" not in file.read_bytes()
    assert house.journal.by_user.of(["bob"], (1, 40)).num_rows == 10
    assert agrees(house, elsewhere)


def test_events_after_the_request_are_kept(house: House, tmp_path: Path) -> None:
    fill(house, 1, 20)
    key = keys_of(house.ledger).of_user("bob")
    mark = forgotten.record(house.ledger, key, up_to=event(20).at, asked_by="test")
    house.journal.erase([mark], house.lease)
    fill(house, 21, 30)
    assert house.journal.by_user.of(["bob"], (1, 30))["seq"].to_pylist() == [21, 25, 29]


def test_dropped_events_are_not_returned_and_leave_the_file(house: House, tmp_path: Path) -> None:
    fill(house, 1, 40)
    events = by_user(house, tmp_path, SortSizes())
    assert agrees(house, events)
    house.journal.compact_and_drop(older_than=FAR, needed_from=21, lease=house.lease)
    assert house.journal.first_seq == 21
    assert agrees(house, events)
    assert events.of(["bob"], (1, 40))["seq"].to_pylist() == [21, 25, 29, 33, 37]
    assert agrees(house, by_user(house, tmp_path / "elsewhere", SORTED))


def test_merged_segments_change_nothing(house: House, tmp_path: Path) -> None:
    fill(house, 1, 300)
    events = by_user(house, tmp_path, SortSizes())
    assert agrees(house, events)
    fill(house, 301, 700)
    assert house.journal.merge_small(house.lease)
    assert agrees(house, events)


def test_records_of_items_are_found_by_id(house: House, tmp_path: Path) -> None:
    accept(house, [item(1, "a"), item(2, "b"), replace(item(3, "a"), title="New")])
    accept(house, [item(4, "a")])
    for sizes in (SortSizes(), SORTED):
        found = by_user(house, tmp_path, sizes).records_of_items(["a"], through=3)
        assert found["seq"].to_pylist() == [1, 3]


def test_a_build_that_was_killed_is_begun_again(house: House, tmp_path: Path) -> None:
    """It left a folder that kept every later update and erasure from working."""
    fill(house, 1, 40)
    parts = tmp_path / "journal" / "users-parts"
    parts.mkdir(parents=True)
    (parts / "0.arrow").write_bytes(b"carol")
    key = keys_of(house.ledger).of_user("carol")
    mark = forgotten.record(house.ledger, key, up_to=FAR, asked_by="test")
    house.journal.erase([mark], house.lease)
    assert not parts.exists()
    events = by_user(house, tmp_path, SORTED)
    assert agrees(house, events)


def test_rows_of_an_unfinished_build_do_not_count(house: House, tmp_path: Path) -> None:
    other = open_house(tmp_path / "other")
    accept(other, [event(number, user_id="ann") for number in range(900, 930)])
    index = UserIndex(tmp_path / "journal" / "users.db")
    index.add(other.journal.read(1, 30), IndexProgress())
    index.close()
    fill(house, 1, 40)
    assert agrees(house, by_user(house, tmp_path, SortSizes()))


def test_a_mark_of_a_clock_that_is_behind_is_erased_too(house: House, tmp_path: Path) -> None:
    fill(house, 1, 40)
    keys, marks = keys_of(house.ledger), []
    for user, behind_s in (("ann", 0), ("carol", 60)):
        at = utc_now() - timedelta(seconds=behind_s)
        ledger = Ledger(house.ledger.engine, now=at.replace)
        marks.append(forgotten.record(ledger, keys.of_user(user), up_to=FAR, asked_by="test"))
        house.journal.by_user.of(["bob"], (1, 40))
    house.journal.erase(marks, house.lease)
    for file in (tmp_path / "journal").glob("users.db*"):
        assert b"carol" not in file.read_bytes()
