"""The Histories port, on every back end."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cron.epoch import micros
from cron.errors import Unavailable
from cron.past_event import PastEvent, event_row
from cron.ports import START, Cursor, Histories
from cron.user_keys import hash_without_key
from cron.wiring import open_histories
from recommender.records.ids import MAX_ID_CHARS
from recommender.records.record_fields import MAX_TYPE_CHARS
from recommender.records.record_times import EARLIEST
from tests.contracts.records import DETAILS, START_AT, event, item, start_process, wait_for_end
from tests.servers import Servers, unique

EMBEDDED: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}/histories.db"
}
ON_SERVERS: dict[str, Callable[[Servers], str]] = {
    "redis": lambda servers: f"redis://127.0.0.1:{servers.redis.port}/0?prefix={unique()}"
}
RATINGS = (None, 0.0, 4.0, -0.1, 1 / 3, 0.1 + 0.2, 1e300, 5e-324, 123456789.123456789)
APPEND_MANY = """
import sys
from cron.user_keys import hash_without_key
from cron.wiring import open_histories
from tests.contracts.records import event
histories = open_histories(sys.argv[1])
first = int(sys.argv[2])
for number in range(first, first + 300):
    histories.append([event(number)])
"""


@pytest.fixture
def histories(url: str) -> Histories:
    return open_histories(url)


def test_an_unknown_user_has_no_history(histories: Histories) -> None:
    assert histories.recent("nobody", 10) == ()
    assert histories.hidden() == frozenset()
    assert histories.cursor() == START


def test_events_come_back_equal_newest_last(histories: Histories) -> None:
    first = replace(event(1), rating=3.5, type="rating", at=START_AT + timedelta(microseconds=1))
    second = event(2, item_id="日本🎬")
    histories.append([second, first])
    assert histories.recent("u", 10) == (first, second)


def test_details_are_not_history(histories: Histories) -> None:
    histories.append([replace(event(1), details=DETAILS)])
    assert histories.recent("u", 10) == (event(1),)


def test_events_that_are_rows_already_are_stored_too(histories: Histories) -> None:
    histories.append([event(2)])
    shown, rated = event(3, type_="impression"), replace(event(1), rating=1 / 3, type="rating")
    histories.append_rows([event_row(one) for one in (rated, shown, event(2), event(4))])
    assert histories.recent("u", 10) == (rated, event(2), event(4))
    up_to = histories.forget("u", at=event(4).at)
    histories.append_rows([event_row(event(4)), event_row(event(5))])
    assert histories.recent("u", 10) == (event(5),)
    assert up_to == event(4).at


def test_past_events_are_the_recent_ones_as_values(histories: Histories) -> None:
    events = [replace(event(number), rating=rating) for number, rating in enumerate(RATINGS)]
    histories.append([*events, replace(event(99, item_id='\x01"\\日本🎬'), type="a\tb")])
    for n in (0, 2, 1000):
        past = histories.past("u", n)
        assert past == tuple(
            PastEvent(micros(one.at), one.event_id, one.item_id, one.type, one.rating)
            for one in histories.recent("u", n)
        )
        assert histories.past_at_once("u", n) in (past, None)
    assert histories.past("nobody", 10) == ()


def test_order_is_by_time_then_id_whatever_the_order_of_arrival(histories: Histories) -> None:
    tied = [event(number, at=START_AT) for number in range(5)]
    later = [event(number) for number in range(5, 50)]
    shuffled = [*tied, *later]
    random.Random(0).shuffle(shuffled)
    for one in shuffled:
        histories.append([one])
    assert histories.recent("u", 1000) == (*tied, *later)
    assert histories.recent("u", 3) == tuple(later[-3:])
    assert histories.recent("u", 0) == ()


def test_ids_times_and_ratings_of_any_kind_come_back_equal(histories: Histories) -> None:
    longest = "ü🎬" * (MAX_ID_CHARS // 2)
    odd = [
        replace(
            event(1, user_id=longest, item_id=longest, type_="t" * MAX_TYPE_CHARS), event_id=longest
        ),
        replace(event(2, user_id=longest, item_id=" \n\t\x01'\"\\*[{"), rating=-0.1),
        replace(event(3, user_id=longest, at=EARLIEST), rating=1e300),
        replace(event(4, user_id=longest, at=EARLIEST + timedelta(microseconds=1)), rating=0.0),
    ]
    histories.append(odd)
    assert histories.recent(longest, 10) == (odd[2], odd[3], odd[0], odd[1])
    histories.forget(longest, at=odd[1].at)
    assert histories.recent(longest, 10) == ()


def test_ties_are_ordered_by_id_also_when_pruning(
    histories: Histories,
) -> None:
    ids = [*"aAbBäÄ_-", "a ", "aa", "日", "🎬"]
    tied = [replace(event(0), event_id=f"{one}{number:04}") for one in ids for number in range(120)]
    random.Random(1).shuffle(tied)
    histories.append(tied)
    assert histories.recent("u", 1000) == tuple(sorted(tied, key=lambda one: one.event_id)[-1000:])


def test_a_repeat_changes_nothing_even_with_another_time(histories: Histories) -> None:
    histories.append([event(1), event(1), event(2)])
    histories.append(
        [event(1), replace(event(1), at=START_AT + timedelta(days=1), item_id="another")]
    )
    assert histories.recent("u", 10) == (event(1), event(2))


def test_users_are_kept_apart(histories: Histories) -> None:
    histories.append([event(1, user_id="a"), event(2, user_id="b")])
    assert histories.recent("a", 10) == (event(1, user_id="a"),)
    histories.forget("a", at=event(9).at)
    assert histories.recent("a", 10) == ()
    assert histories.recent("b", 10) == (event(2, user_id="b"),)
    histories.forget("a", at=event(9).at)


def test_earlier_events_of_a_forgotten_user_stay_out(histories: Histories) -> None:
    histories.append([event(1), event(2)])
    histories.forget("u", at=event(2).at)
    histories.append(
        [event(1), event(2), event(3)], cursor=Cursor("9")
    )  # the follower, a moment later
    assert histories.recent("u", 10) == (event(3),)
    histories.clear()  # a rebuild
    histories.append([event(1), event(2), event(3)])
    assert histories.recent("u", 10) == (event(3),)


def test_an_event_ahead_of_the_clock_is_forgotten_too(histories: Histories) -> None:
    histories.append([event(5)])  # its sender's clock ran fast
    histories.forget("u", at=event(2).at)
    histories.append([event(5), event(6)], cursor=Cursor("9"))
    assert histories.recent("u", 10) == (event(6),)


def test_forgetting_again_readmits_nothing(histories: Histories) -> None:
    histories.append([event(1), event(2)])
    histories.forget("u", at=event(2).at)
    histories.forget("u", at=event(0).at)  # another gateway, whose clock is slow
    histories.append([event(1), event(2)])
    assert histories.recent("u", 10) == ()


def test_forgetting_returns_up_to_when_events_stay_out(histories: Histories) -> None:
    histories.append([event(5)])
    assert histories.forget("u", at=event(2).at) == event(5).at
    assert histories.forget("u", at=event(3).at) == event(5).at
    assert histories.forget("u", at=event(9).at) == event(9).at
    assert histories.forgotten() == {hash_without_key("u"): event(9).at}


def test_forgotten_users_are_stored_as_a_hash_alone(url: str) -> None:
    histories = open_histories(url, lambda user_id: f"key of {len(user_id)}")
    histories.append([event(1, user_id="ann")])
    histories.forget("ann", at=event(1).at)
    assert histories.forgotten() == {"key of 3": event(1).at}
    histories.append([event(1, user_id="ann")])
    assert histories.recent("ann", 9) == ()


def test_kept_out_events_stay_out_after_a_loss(histories: Histories) -> None:
    histories.keep_out({hash_without_key("u"): event(2).at, hash_without_key("w"): event(1).at})
    histories.keep_out({hash_without_key("u"): event(1).at})  # earlier: changes nothing
    histories.append([event(1), event(2), event(3), event(4, user_id="v")])
    assert histories.recent("u", 9) == (event(3),)
    assert histories.recent("v", 9) == (event(4, user_id="v"),)
    assert histories.forgotten() == {
        hash_without_key("u"): event(2).at,
        hash_without_key("w"): event(1).at,
    }


def test_impressions_are_not_history(histories: Histories) -> None:
    histories.append([event(1, type_="impression"), event(2)])
    assert histories.recent("u", 10) == (event(2),)


def test_at_least_the_newest_thousand_stay(histories: Histories) -> None:
    events = [event(number) for number in range(2500)]
    histories.append(events[1000:])
    histories.append(events[:1000])  # late, and older than all that is kept
    newest = histories.recent("u", 1000)
    assert newest == tuple(events[-1000:])
    assert len(histories.recent("u", 10_000)) < 2500, "histories are not pruned"


def test_a_late_event_is_sorted_by_its_time(histories: Histories) -> None:
    histories.append([event(number) for number in range(0, 2400, 2)])
    histories.append([event(2301)])
    assert [one.event_id for one in histories.recent("u", 51)][:3] == [
        "e002300",
        "e002301",
        "e002302",
    ]


def test_the_newest_item_record_decides_what_is_hidden(histories: Histories) -> None:
    histories.append([item(1, "a", hidden=True), item(1, "b", hidden=True), item(1, "c")])
    assert histories.hidden() == {"a", "b"}
    histories.append([item(3, "a", hidden=False)])
    histories.append([item(2, "a", hidden=True)])  # late
    assert histories.hidden() == {"b"}


def test_hidden_items_are_found_among_given_ones(histories: Histories) -> None:
    hidden = [item(1, f"h{number}", hidden=True) for number in range(3_000)]
    histories.append([*hidden, item(1, "日本", hidden=True), item(1, "c")])
    assert histories.hidden_among([]) == frozenset()
    assert histories.hidden_among(["c", "nobody's", "h7", "日本", "h7"]) == {"h7", "日本"}
    for ids in ([], ["c", "h7", "日本"]):
        assert histories.hidden_at_once(ids) in (histories.hidden_among(ids), None)
    assert len(histories.hidden_among([f"h{number}" for number in range(2_000, 6_000)])) == 1_000


def test_the_greater_id_decides_between_records_of_one_time(histories: Histories) -> None:
    histories.append(
        [replace(item(2, "a", hidden=True), at=START_AT), replace(item(1, "a"), at=START_AT)]
    )
    assert histories.hidden() == {"a"}


def test_the_cursor_moves_with_the_followers_records_only(histories: Histories, url: str) -> None:
    histories.append([event(1)])
    assert histories.cursor() == START
    histories.append([event(2)], cursor=Cursor("7"))
    histories.append([event(3)])
    histories.append([], cursor=Cursor("8"))
    assert histories.cursor() == "8"
    assert open_histories(url).cursor() == "8"


def test_reopened_histories_are_the_same(histories: Histories, url: str) -> None:
    histories.append([event(1), item(1, "a", hidden=True)])
    again = open_histories(url)
    assert again.recent("u", 10) == (event(1),)
    assert again.hidden() == {"a"}


def test_clear_deletes_everything(histories: Histories) -> None:
    histories.append([event(1), item(1, "a", hidden=True)], cursor=Cursor("7"))
    histories.clear()
    assert histories.recent("u", 10) == ()
    assert histories.hidden() == frozenset()
    assert histories.cursor() == START
    histories.append([event(1)])
    assert histories.recent("u", 10) == (event(1),)


def test_fifty_thousand_records_in_one_append(histories: Histories) -> None:
    histories.append([event(number, user_id=f"u{number % 500}") for number in range(50_000)])
    assert [len(histories.recent(f"u{user}", 1000)) for user in (0, 499)] == [100, 100]


def test_the_gateway_and_the_follower_write_at_once(histories: Histories, url: str) -> None:
    writers = [
        start_process(APPEND_MANY, url, first) for first in ("0", "150")
    ]  # half of each is the other's too
    for number in range(450, 500):
        histories.append([event(number)])
        assert histories.recent("u", 1) != ()
    for writer in writers:
        wait_for_end(writer)
    assert histories.recent("u", 1000) == tuple(event(number) for number in range(500))


def test_a_user_is_forgotten_for_good_while_others_write(histories: Histories, url: str) -> None:
    writer = start_process(APPEND_MANY, url, "0")
    while writer.poll() is None and not histories.recent("u", 1):
        pass
    histories.forget("u", at=event(150).at)
    wait_for_end(writer)
    assert histories.recent("u", 1000) == tuple(
        event(number) for number in range(_first_left(histories), 300)
    )
    assert _first_left(histories) > 150


def _first_left(histories: Histories) -> int:
    """The mark covers all events of that moment, which may be later than the given time."""
    left = histories.recent("u", 1000)
    return int(left[0].event_id[1:]) if left else 300


def test_histories_that_cannot_be_opened_are_unavailable(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database" * 1000)
    with pytest.raises(Unavailable, match="the history store at"):
        open_histories(f"sqlite:///{tmp_path}/broken.db")
