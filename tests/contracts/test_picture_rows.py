"""Pictures in the ledger, on each database: what is due, what is ready, and what changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cron.ledger import lease_row, picture_rows, shown_pictures
from cron.ledger.ledger import Ledger, open_ledger
from cron.ledger.picture_rows import FetchedPicture, ItemPicture, NamedPicture
from cron.ledger.shown_pictures import PictureCounts
from cron.lineage import Lease
from tests.contracts.ledgers import EMBEDDED, NOW, ON_SERVERS

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures
HOSTS = ("a.example",)


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """Return a ledger whose clock stands still."""
    opened = open_ledger(url, now=lambda: NOW)
    yield opened
    opened.close()


@pytest.fixture
def lease(ledger: Ledger) -> Lease:
    taken = lease_row.acquire(ledger, "test", 600.0, lease_row.clock(ledger))
    assert taken is not None
    return taken


def item(
    item_id: str, source: str | None, *, at: datetime = NOW, event_id: str = "e"
) -> ItemPicture:
    return ItemPicture(item_id=item_id, source=source, host="a.example", at=at, event_id=event_id)


def ready(source: str, thumbnail: str) -> FetchedPicture:
    return FetchedPicture(source=source, thumbnail=thumbnail)


def due(ledger: Ledger, *hosts: str) -> list[str]:
    return [one.source for one in picture_rows.due(ledger, hosts or HOSTS, limit=10)]


def changes_of(ledger: Ledger, change: int) -> dict[str, str | None]:
    return {one.item_id: one.thumbnail for one in shown_pictures.changed_since(ledger, change)}


def test_a_picture_of_two_items_is_fetched_once(ledger: Ledger, lease: Lease) -> None:
    items = [item("1", "x"), item("2", "x"), item("3", "y"), item("4", None)]
    picture_rows.note_items(ledger, items, through=4, lease=lease)
    assert picture_rows.through_seq(ledger) == 4
    assert sorted(due(ledger)) == ["x", "y"]
    assert due(ledger, "b.example") == []
    picture_rows.record(ledger, [ready("x", "t1")], lease=lease)
    assert due(ledger) == ["y"]
    assert shown_pictures.thumbnails_of(ledger, ["1", "2", "3", "9"]) == {"1": "t1", "2": "t1"}
    assert shown_pictures.count(ledger) == PictureCounts(ready=1, failed=0, waiting=1)
    assert changes_of(ledger, 0) == {"1": "t1", "2": "t1"}


def test_a_failed_picture_is_due_again_later(ledger: Ledger, lease: Lease) -> None:
    picture_rows.note_items(ledger, [item("1", "x")], through=1, lease=lease)
    for due_at in (NOW, NOW + timedelta(seconds=1)):
        failed = FetchedPicture(source="x", thumbnail=None, why="404", due_at=due_at)
        (waiting,) = picture_rows.due(ledger, HOSTS, limit=1)
        picture_rows.record(ledger, [failed], lease=lease)
    assert (waiting.source, waiting.tries) == ("x", 1)
    assert due(ledger) == []
    assert shown_pictures.count(ledger) == PictureCounts(ready=0, failed=1, waiting=0)


def test_a_new_picture_of_an_item_replaces_the_old_one(ledger: Ledger, lease: Lease) -> None:
    picture_rows.note_items(ledger, [item("1", "x")], through=1, lease=lease)
    picture_rows.record(ledger, [ready("x", "t1")], lease=lease)
    before = picture_rows.num_changes(ledger)
    later = NOW + timedelta(seconds=5)
    picture_rows.note_items(ledger, [item("1", "y", at=later)], through=2, lease=lease)
    assert changes_of(ledger, before) == {"1": None}, "the old picture may show something else"
    picture_rows.record(ledger, [ready("y", "t2")], lease=lease)
    assert changes_of(ledger, before) == {"1": "t2"}
    assert changes_of(ledger, picture_rows.num_changes(ledger)) == {}
    gone = item("1", None, at=later, event_id="f")
    picture_rows.note_items(ledger, [gone], through=3, lease=lease)
    assert changes_of(ledger, before) == {"1": None}
    assert due(ledger) == []


def test_the_newest_record_counts_in_any_order(ledger: Ledger, lease: Lease) -> None:
    early, middle, late = (NOW - timedelta(seconds=seconds) for seconds in (9, 5, 1))
    for number, one in enumerate(
        [
            item("1", "x", at=early),
            item("1", "x", at=late),
            item("1", "old", at=middle),
        ]
    ):
        picture_rows.note_items(ledger, [one], through=number, lease=lease)
    assert due(ledger) == ["x"]
    change = picture_rows.num_changes(ledger)
    picture_rows.note_items(ledger, [item("1", "x", event_id="f")], through=9, lease=lease)
    assert changes_of(ledger, change) == {}, "the same picture in a newer record is no change"


def test_a_picture_that_no_item_has_is_not_fetched(ledger: Ledger, lease: Lease) -> None:
    picture_rows.note_items(ledger, [item("1", "x")], through=1, lease=lease)
    newer = item("1", "y", event_id="f")
    picture_rows.note_items(ledger, [newer], through=2, lease=lease)
    assert due(ledger) == ["y"]


def test_a_picture_without_a_place_is_kept_and_not_fetched(ledger: Ledger, lease: Lease) -> None:
    """Until another item has it as one of those that are fetched."""
    beyond = (NamedPicture(source="z", host=""),)
    first = replace(item("1", "x"), more=beyond)
    picture_rows.note_items(ledger, [first], through=1, lease=lease)
    assert due(ledger) == ["x"]
    assert shown_pictures.count(ledger) == PictureCounts(ready=0, failed=0, waiting=1)
    assert picture_rows.unused_sources(ledger, ["y", "z", "x"]) == ["y"]
    picture_rows.note_items(ledger, [item("2", "z")], through=2, lease=lease)
    assert sorted(due(ledger)) == ["x", "z"]
    gone = [item(one, None, event_id="f") for one in ("1", "2")]
    picture_rows.note_items(ledger, gone, through=4, lease=lease)
    assert picture_rows.unused_sources(ledger, ["z", "x"]) == ["z", "x"]


def test_thousands_of_pictures_fit_into_one_call(ledger: Ledger, lease: Lease) -> None:
    items = [item(str(number), f"s{number}") for number in range(1_200)]
    picture_rows.note_items(ledger, items, through=1_200, lease=lease)
    picture_rows.note_items(ledger, items, through=1_200, lease=lease)
    assert shown_pictures.count(ledger).waiting == 1_200
    assert shown_pictures.thumbnails_of(ledger, [one.item_id for one in items]) == {}


def pictures_of(*sources: str) -> tuple[NamedPicture, ...]:
    return tuple(NamedPicture(source=source, host="a.example") for source in sources)


def test_main_pictures_come_before_others_and_checks(ledger: Ledger, lease: Lease) -> None:
    first = replace(item("1", "x"), more=pictures_of("z", "y"))
    picture_rows.note_items(ledger, [first], through=1, lease=lease)
    picture_rows.record(ledger, [replace(ready("z", "t3"), due_at=NOW)], lease=lease)
    picture_rows.note_items(ledger, [item("2", "w")], through=2, lease=lease)
    asked = picture_rows.due(ledger, HOSTS, checked=HOSTS, limit=10)
    assert sorted(one.source for one in asked[:2]) == ["w", "x"]
    assert [one.source for one in asked[2:]] == ["y", "z"]
    assert due(ledger)[-1] == "y", "what is ready is only checked where that is asked for"
    picture_rows.note_items(ledger, [item("3", "y")], through=3, lease=lease)
    assert sorted(due(ledger)) == ["w", "x", "y"]
    (last,) = picture_rows.due(ledger, HOSTS, checked=HOSTS, limit=10)[3:]
    assert last.source == "z", "it became the main picture of an item, and comes with those"


def test_other_pictures_are_shown_in_their_order(ledger: Ledger, lease: Lease) -> None:
    first = replace(item("1", "x"), more=pictures_of("z", "broken", "y"))
    picture_rows.note_items(ledger, [first], through=1, lease=lease)
    picture_rows.record(ledger, [ready("y", "t2"), ready("z", "t3")], lease=lease)
    assert shown_pictures.more_thumbnails_of(ledger, ["1", "2"]) == {"1": ("t3", "t2")}
    assert shown_pictures.count(ledger) == PictureCounts(ready=2, failed=0, waiting=2)
    assert changes_of(ledger, 0) == {}, "a release reads the main pictures alone"
    assert shown_pictures.num_new_thumbnails(ledger, 0) == 0


def test_a_check_that_finds_the_same_is_no_change(ledger: Ledger, lease: Lease) -> None:
    picture_rows.note_items(ledger, [item("1", "x")], through=1, lease=lease)
    picture_rows.record(ledger, [replace(ready("x", "t1"), etag="a", due_at=NOW)], lease=lease)
    (one,) = picture_rows.due(ledger, (), checked=HOSTS, limit=9)
    assert (one.thumbnail, one.etag, one.modified, one.tries) == ("t1", "a", None, 0)
    before = picture_rows.num_changes(ledger)
    failed = FetchedPicture(source="x", thumbnail=None, why="404", due_at=NOW)
    picture_rows.record(ledger, [failed], lease=lease)
    assert picture_rows.due(ledger, (), checked=HOSTS, limit=9)[0].tries == 1
    picture_rows.record(ledger, [ready("x", "t1")], lease=lease)
    assert changes_of(ledger, before) == {}
    assert shown_pictures.num_new_thumbnails(ledger, before) == 0
    assert picture_rows.dropped_thumbnails(ledger, limit=9) == {}
    picture_rows.record(ledger, [ready("x", "t2")], lease=lease)
    assert changes_of(ledger, before) == {"1": "t2"}
    assert shown_pictures.num_new_thumbnails(ledger, before) == 1
    assert picture_rows.dropped_thumbnails(ledger, limit=9) == {"t1": False}


def test_what_no_item_has_any_more_is_dropped(ledger: Ledger, lease: Lease) -> None:
    """A thumbnail that another picture has too is needed, and a picture may come back."""
    items = [replace(item("1", "x"), more=pictures_of("y")), item("2", "z"), item("3", "waiting")]
    picture_rows.note_items(ledger, items, through=1, lease=lease)
    fetched = [ready("x", "t1"), ready("y", "t2"), ready("z", "t1")]
    picture_rows.record(ledger, fetched, lease=lease)
    gone = [item("1", None, event_id="f"), item("3", None, event_id="f")]
    picture_rows.note_items(ledger, gone, through=2, lease=lease)
    assert picture_rows.dropped_thumbnails(ledger, limit=9) == {"t1": True, "t2": False}
    picture_rows.note_items(ledger, [item("1", "y", event_id="g")], through=3, lease=lease)
    assert due(ledger) == ["y"], "it waits as a new picture does"
    picture_rows.record(ledger, [ready("y", "t2")], lease=lease)
    assert picture_rows.dropped_thumbnails(ledger, limit=9) == {"t1": True, "t2": True}
    picture_rows.forget_dropped(ledger, ["t1", "t2"], lease=lease)
    assert picture_rows.dropped_thumbnails(ledger, limit=9) == {}
    assert shown_pictures.thumbnails_of(ledger, ["1", "2", "3"]) == {"1": "t2", "2": "t1"}
