"""Histories whose newest events are in memory until the follower has written them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cron.backends.sqlite.events import SqliteEventLog, open_log
from cron.backends.sqlite.histories import SqliteHistories, open_histories
from cron.backends.sqlite.histories_ahead import HistoriesAhead
from cron.backends.sqlite.log_place import LogPlace
from cron.journal.follow import follow_once
from cron.past_event import event_row
from cron.ports import START, Cursor
from recommender.records.events import Event, EventLines, to_json
from tests.contracts.records import START_AT, event, event_lines
from tests.system.machine import until

NEVER_S = 1_000.0


class Shop:
    """A gateway's histories, its log, and a follower with its own connection to the file."""

    def __init__(self, folder: Path, *, late_s: float = NEVER_S, most_ahead: int = 1_000) -> None:
        self.log: SqliteEventLog = open_log(folder / "events.db")
        path = folder / "histories.db"
        self.ahead = HistoriesAhead(path, late_s=late_s, most_ahead=most_ahead)
        self.file: SqliteHistories = open_histories(path)
        self._num_others = 0

    def send(self, events: Sequence[Event]) -> None:
        """Take events as the gateway does."""
        lines = EventLines(
            event_ids=[one.event_id for one in events],
            user_ids=[one.user_id for one in events],
            lines=[to_json(one) for one in events],
        )
        through = self.log.append_lines(lines).through
        self.ahead.append_rows([event_row(one) for one in events], through=through)

    def follow(self) -> None:
        """Copy all that the log has."""
        while follow_once(self.log, self.file):
            pass

    def be_followed(self) -> None:
        """Return when the follower was seen, at events of another user."""
        until(self._has_seen_follower, "the follower is seen", limit_s=60)

    def _has_seen_follower(self) -> bool:
        self._num_others += 1
        self.send([event(1_000 + self._num_others, user_id="other")])
        self.follow()
        return self.ahead.is_followed

    def close(self) -> None:
        for one in (self.ahead, self.file, self.log):
            one.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def test_without_a_follower_events_are_written_at_once(shop: Shop) -> None:
    shop.send([event(1)])
    assert shop.file.recent("u", 10) == shop.ahead.recent("u", 10) == (event(1),)


def test_before_the_follower_comes_events_are_in_memory(shop: Shop) -> None:
    shop.be_followed()
    shop.send([event(2), event(1)])
    assert shop.file.recent("u", 10) == ()
    assert shop.ahead.recent("u", 10) == (event(1), event(2))
    assert shop.ahead.past_at_once("u", 10) == shop.ahead.past("u", 10)
    shop.follow()
    assert shop.file.recent("u", 10) == (event(1), event(2))
    until(lambda: not shop.ahead.num_waiting, "memory is empty", limit_s=30)
    assert shop.ahead.recent("u", 10) == (event(1), event(2))


def test_an_event_in_memory_and_in_the_file_counts_once(shop: Shop) -> None:
    shop.be_followed()
    shop.send([event(1), event(2)])
    shop.file.append([event(2), event(3)])
    assert shop.ahead.recent("u", 10) == (event(1), event(2), event(3))
    assert shop.ahead.recent("u", 2) == (event(2), event(3))
    assert shop.ahead.recent("u", 0) == ()


def test_an_answer_in_an_event_loop_has_each_new_event(shop: Shop) -> None:
    shop.be_followed()
    for number in range(1, 4):
        shop.send([event(number)])
        past = shop.ahead.past_at_once("u", 10)
        assert past is not None
        assert [one.event_id for one in past] == [
            event(one).event_id for one in range(1, number + 1)
        ]
        assert shop.ahead.past_at_once("u", 10) is past


def test_a_call_of_duplicates_alone_waits_for_nothing(shop: Shop) -> None:
    shop.be_followed()
    shop.send([event(1)])
    lines = event_lines([1])
    again = shop.log.append_lines(lines)
    assert again.duplicates == (0,)
    shop.ahead.append_rows([], through=again.through)
    shop.follow()
    until(lambda: not shop.ahead.num_waiting, "memory is empty", limit_s=30)
    shop.send([event(2)])
    shop.follow()
    until(lambda: not shop.ahead.num_waiting, "memory is empty again", limit_s=30)


def test_a_late_follower_is_done_without(tmp_path: Path) -> None:
    shop = Shop(tmp_path, late_s=0.5)
    shop.be_followed()
    shop.send([event(1)])
    assert shop.ahead.recent("u", 10) == (event(1),)
    until(lambda: shop.file.recent("u", 10) == (event(1),), "the event is written", limit_s=30)
    assert not shop.ahead.is_followed
    shop.send([event(2)])
    assert shop.file.recent("u", 10) == (event(1), event(2))
    shop.close()


def test_calls_wait_when_too_many_events_are_in_memory(tmp_path: Path) -> None:
    shop = Shop(tmp_path, most_ahead=2)
    shop.be_followed()
    call = threading.Thread(target=shop.send, args=[[event(one) for one in range(3)]])
    call.start()
    until(lambda: shop.ahead.num_waiting == 3, "the call has come", limit_s=30)
    assert call.is_alive()
    shop.follow()
    call.join(30)
    assert not call.is_alive()
    shop.close()


def test_what_is_in_memory_is_written_at_the_end(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.be_followed()
    shop.send([event(1), event(2)])
    shop.ahead.close()
    assert shop.file.recent("u", 10) == (event(1), event(2))
    shop.close()


def test_events_in_memory_are_forgotten_too(shop: Shop) -> None:
    shop.be_followed()
    late = event(3, at=START_AT + timedelta(days=1))
    shop.send([event(1), late])
    assert shop.ahead.forget("u", at=START_AT) == late.at
    assert shop.ahead.recent("u", 10) == ()
    shop.follow()
    assert shop.ahead.recent("u", 10) == ()
    newer = replace(event(4), at=late.at + timedelta(seconds=1))
    shop.send([event(2), newer])
    assert shop.ahead.recent("u", 10) == (newer,)


def test_impressions_are_not_history_in_memory(shop: Shop) -> None:
    shop.be_followed()
    shop.send([event(1, type_="impression")])
    assert shop.ahead.recent("u", 10) == ()


def test_events_of_another_log_are_written_at_once(shop: Shop) -> None:
    shop.be_followed()
    shop.ahead.append_rows([event_row(event(1))], through=Cursor("0-1"))
    shop.ahead.append_rows([event_row(event(2))])
    assert shop.file.recent("u", 10) == (event(1), event(2))


def test_a_place_is_reached_in_its_own_log_alone() -> None:
    place = LogPlace(7, "ab")
    assert LogPlace.parse(place.cursor) == place
    assert [place.reaches(LogPlace(one, "ab")) for one in (6, 7, 8)] == [True, True, False]
    assert not place.reaches(LogPlace(6, "cd"))
    for other in (START, "7", "x@ab", "7@"):
        assert LogPlace.parse(Cursor(other)) is None
