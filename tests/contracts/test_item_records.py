"""The ItemRecords port, on every back end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cron.errors import Unavailable
from cron.item_counts import (
    ALL_ITEMS,
    MAX_COMPARED_WINDOW,
    Bucket,
    EventCounts,
    buckets_of,
    count_events,
    impression_buckets,
    usual_buckets,
)
from cron.ports import START, Cursor, ItemRecords
from cron.rebuild_marks import is_mark, next_mark
from cron.wiring import open_item_records
from recommender.records.events import Description, Event, Record
from recommender.records.ids import MAX_ID_CHARS
from tests.contracts.records import (
    START_AT,
    event,
    fact,
    item,
    start_process,
    wait_for_end,
)
from tests.servers import Servers, unique

EMBEDDED: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}/histories.db"
}
ON_SERVERS: dict[str, Callable[[Servers], str]] = {
    "redis": lambda servers: f"redis://127.0.0.1:{servers.redis.port}/0?prefix={unique()}"
}
NOW = datetime.now(START_AT.tzinfo)  # counts expire by the server's clock
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FOLLOW_ALL = """
import sys
from datetime import datetime
from cron.ports import START, Cursor
from tests.contracts.test_item_records import counts_of, open_item_records
from tests.contracts.records import event
records, now = open_item_records(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
places = [START, *map(str, range(1, 201))]
for number in range(200):
    counts = counts_of([event(number, at=now)], now=now)
    records.follow([], counts, after=Cursor(places[number]), cursor=Cursor(places[number + 1]))
"""


@pytest.fixture
def records(url: str) -> ItemRecords:
    return open_item_records(url)


def counts_of(events: Sequence[Record], *, now: datetime = NOW) -> EventCounts:
    return count_events(events, counts=lambda _: True, now=now)


def count(records: ItemRecords, events: Sequence[Event], *, now: datetime = NOW) -> None:
    """Count events as a rebuild does, chunk by chunk."""
    place = records.cursor() if is_mark(records.cursor()) else records.clear()
    assert records.follow([], counts_of(events, now=now), after=place, cursor=next_mark(place))


def total(records: ItemRecords, buckets: Sequence[Bucket]) -> int:
    return records.sums([ALL_ITEMS], buckets).get(ALL_ITEMS, 0)


def ids(records: ItemRecords, *, after: str = "", limit: int = 100) -> list[str]:
    return [one.record.item_id for one in records.by_id(after=after, limit=limit)]


def newest(records: ItemRecords, *, limit: int = 100) -> list[str]:
    return [one.record.item_id for one in records.newest(before=None, limit=limit)]


def test_an_empty_store_has_nothing(records: ItemRecords) -> None:
    assert records.find(["a", ""]) == {}
    assert (ids(records), newest(records)) == ([], [])
    assert records.most_counted(buckets_of(HOUR, now=NOW), limit=9) == ()
    assert total(records, buckets_of(DAY, now=NOW)) == 0
    assert records.cursor() == START


def test_records_come_back_equal(records: ItemRecords) -> None:
    longest = "ü🎬" * (MAX_ID_CHARS // 2)
    odd = [
        replace(item(1, longest), text="a\nb\t\x01", attributes={"genre": ("A", ""), "year": 1.5}),
        replace(item(2, "a/../%2F?#"), at=START_AT + timedelta(microseconds=1), hidden=True),
        item(3, " \\'\"*[{"),
    ]
    records.append(odd)
    found = records.find([one.item_id for one in odd])
    assert [found[one.item_id].record for one in odd] == odd
    assert [found[one.item_id].first_at for one in odd] == [one.at for one in odd]


def test_the_newest_record_counts_and_the_first_time_stays(records: ItemRecords) -> None:
    records.append([item(5, "a"), item(7, "a", hidden=True)])
    records.append([item(6, "a"), item(7, "a", hidden=True)])  # late, and a repeat
    records.append([item(3, "a")])
    (found,) = records.find(["a"]).values()
    assert found.record == item(7, "a", hidden=True)
    assert found.first_at == item(3, "a").at


def test_of_records_of_one_time_the_greater_id_counts(records: ItemRecords) -> None:
    late, early = replace(item(2, "a"), at=START_AT), replace(item(1, "a"), at=START_AT)
    records.append([late])
    records.append([early])
    assert records.find(["a"])["a"].record == late


def test_a_revision_names_the_newest_record(records: ItemRecords) -> None:
    for newest in (item(1, "a"), item(2, "a")):
        records.append([newest, item(3, "b")])
        found = records.find(["a", "unknown"])
        assert found["a"].record == newest
        expected = {"a": found["a"].revision}
        assert records.revisions_at_once(["a", "unknown"]) in (expected, None)


def test_a_deleted_item_is_gone_until_a_later_record(records: ItemRecords) -> None:
    records.append([item(1, "a"), item(1, "b")])
    records.append([replace(item(5, "a", hidden=True), deleted=True)])
    records.append([item(4, "a"), item(1, "a")])  # late, and as the follower replays it
    assert records.find(["a"]) == {}
    assert (ids(records), newest(records)) == (["b"], ["b"])
    records.append([item(6, "a")])
    assert records.find(["a"])["a"].record == item(6, "a")
    assert ids(records) == ["a", "b"]


def test_facts_come_back_by_head_in_order(records: ItemRecords) -> None:
    odd = "ü/ %[*\\"
    kept = [fact(1, "a", "b"), fact(2, "a", odd), fact(3, "a", relation="actor"), fact(4, odd)]
    records.append([*kept, item(5, "a")])
    found = records.facts(["a", "nothing", odd, "ab"], limit=9)
    assert found == {"a": (kept[2], kept[0], kept[1]), odd: (kept[3],)}
    assert records.facts(["a"], limit=1) == {"a": (kept[2],)}
    assert records.facts(["a", odd], relation="actor", limit=9) == {"a": (kept[2],)}
    assert records.facts([], limit=9) == {}


def test_a_withdrawn_fact_is_gone_until_a_later_one(records: ItemRecords) -> None:
    records.append([fact(1, "a"), fact(1, "a", "bob")])
    records.append([fact(5, "a", withdrawn=True)])
    records.append([fact(4, "a"), fact(1, "a")])  # late, and as the follower replays it
    assert records.facts(["a"], limit=9) == {"a": (fact(1, "a", "bob"),)}
    records.append([fact(6, "a")])
    assert records.facts(["a"], limit=9) == {"a": (fact(6, "a"), fact(1, "a", "bob"))}


def test_pages_by_id_have_every_item_once(records: ItemRecords) -> None:
    names = sorted([f"i{number}" for number in range(250)] + ["日", "🎬", "Z", "a/b", "%", " x"])
    records.append([item(1, name) for name in reversed(names)])
    found, after = list[str](), ""
    while page := ids(records, after=after, limit=40):
        assert len(page) <= 40
        found, after = found + page, page[-1]
    assert found == names


def test_new_items_come_newest_first_in_pages(records: ItemRecords) -> None:
    records.append([item(number // 3, f"i{number:03}") for number in range(60)])
    records.append([replace(item(500, "i010"), deleted=True), item(501, "i020")])
    expected = [f"i{number:03}" for number in range(59, -1, -1) if number != 10]
    found = list(records.newest(before=None, limit=7))
    while page := records.newest(before=(found[-1].first_at, found[-1].record.item_id), limit=7):
        found += page
    assert [one.record.item_id for one in found] == expected


def test_counts_are_sums_of_a_windows_buckets(records: ItemRecords) -> None:
    at = (NOW, NOW - 3 * HOUR, NOW - 3 * DAY, NOW - 20 * DAY)
    count(records, [event(number, item_id="a", at=one) for number, one in enumerate(at)])
    count(records, [event(9, item_id="b", at=NOW), event(10, item_id="b", at=NOW)])
    hour, days, month = (buckets_of(one, now=NOW) for one in (HOUR, 7 * DAY, 28 * DAY))
    assert records.most_counted(hour, limit=9) == (("b", 2), ("a", 1))
    assert records.most_counted(days, limit=9) == (("a", 3), ("b", 2))
    assert records.most_counted(days, limit=1) == (("a", 3),)
    assert records.sums(["a", "b", "nobody's"], month) == {"a": 4, "b": 2}
    assert [total(records, one) for one in (hour, days, month)] == [3, 5, 6]


def test_equal_counts_are_in_order_of_id(records: ItemRecords) -> None:
    count(records, [event(number, item_id=one, at=NOW) for number, one in enumerate("日ba")])
    assert records.most_counted(buckets_of(HOUR, now=NOW), limit=9) == (
        ("a", 1),
        ("b", 1),
        ("日", 1),
    )


def test_what_was_usual_is_before_the_window(records: ItemRecords) -> None:
    before = usual_buckets(7 * DAY, now=NOW)
    old = [event(number, at=NOW - number * DAY) for number in (1, 7, 8, 30, 34)]
    count(records, old)
    assert total(records, buckets_of(7 * DAY, now=NOW)) == 2
    assert total(records, before) == 3


def test_old_counts_are_deleted(records: ItemRecords) -> None:
    past = NOW - MAX_COMPARED_WINDOW - 30 * DAY
    count(records, [event(1, at=past), event(2, at=past - 8 * DAY)], now=past)
    count(records, [event(3, at=NOW)])
    for window in (HOUR, DAY, 28 * DAY):
        assert total(records, buckets_of(window, now=past)) == 0
    assert total(records, buckets_of(HOUR, now=NOW)) == 1


def test_impressions_are_counted_by_day_and_deleted(records: ItemRecords) -> None:
    past = NOW - MAX_COMPARED_WINDOW - 30 * DAY
    before, now = (impression_buckets(DAY, now=at) for at in (past, NOW))
    old = event(9, item_id="a", type_="impression", at=past)
    count(records, [old], now=past)
    count(records, [event(n, item_id="a", type_="impression", at=NOW) for n in range(3)])
    assert records.sums(["a", "b"], now) == {"a": 3}
    assert records.sums(["a"], before) == {}
    assert records.sums(["a"], (*now, *buckets_of(DAY, now=NOW))) == {"a": 6}, "each counts apart"


def test_the_cursor_moves_with_records_and_counts(records: ItemRecords, url: str) -> None:
    moved = records.follow(
        [item(1, "a")], counts_of([event(1, at=NOW)]), after=START, cursor=Cursor("7")
    )
    assert moved
    assert open_item_records(url).cursor() == "7"
    assert open_item_records(url).find(["a"])["a"].record == item(1, "a")


def test_a_batch_that_was_followed_already_counts_once(records: ItemRecords) -> None:
    counts = counts_of([event(1, at=NOW)])
    assert records.follow([], counts, after=START, cursor=Cursor("7"))
    assert records.follow([item(1, "a")], counts, after=START, cursor=Cursor("7"))  # no reply came
    assert not records.follow([item(1, "a")], counts, after=START, cursor=Cursor("8"))
    assert total(records, buckets_of(HOUR, now=NOW)) == 1
    assert records.find(["a"]) == {}


def test_two_followers_count_every_event_once(records: ItemRecords, url: str) -> None:
    for follower in [start_process(FOLLOW_ALL, url, NOW.isoformat()) for _ in range(2)]:
        wait_for_end(follower)
    assert records.cursor() == "200"
    assert records.sums(["i"], buckets_of(DAY, now=NOW)) == {"i": 200}


def test_clear_deletes_everything(records: ItemRecords) -> None:
    both: list[Description] = [item(1, "a"), fact(1, "a")]
    records.follow(both, counts_of([event(1, at=NOW)]), after=START, cursor=Cursor("7"))
    assert records.facts(["a"], limit=9) == {"a": (fact(1, "a"),)}
    mark = records.clear()
    assert records.facts(["a"], limit=9) == {}
    assert (records.cursor(), ids(records), newest(records)) == (mark, [], [])
    assert is_mark(mark)
    assert records.clear() != mark
    assert total(records, buckets_of(HOUR, now=NOW)) == 0


def test_thousands_of_records_in_one_call(records: ItemRecords) -> None:
    many = [item(number, f"i{number:05}") for number in range(5_000)]
    records.append(many)
    assert len(records.find([one.item_id for one in many])) == 5_000
    assert records.follow(many, counts_of([]), after=START, cursor=Cursor("1"))


def test_a_store_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "broken.items.db").write_bytes(b"no database" * 1000)
    with pytest.raises(Unavailable, match="the store of items at"):
        open_item_records(f"sqlite:///{tmp_path}/broken.db")
