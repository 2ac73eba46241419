"""What an event loop reads of histories in SQLite is kept until something in them changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cron.backends.sqlite import kept_reads
from cron.backends.sqlite.histories import SqliteHistories, open_histories
from cron.backends.sqlite.kept_reads import KeptReads
from cron.past_event import KeptPast, PastEvent
from recommender.records.events import Item
from tests.contracts.records import START_AT, event

HIDDEN = Item(event_id="h", item_id="i1", title="Film", at=START_AT, hidden=True)
PAST = KeptPast([PastEvent(1, "e", "i", "view", None)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "histories.db"


@pytest.fixture
def read(path: Path) -> SqliteHistories:
    """Return histories of which everything that the tests ask for is kept."""
    histories = open_histories(path)
    histories.append([event(1, user_id="ann"), event(2, user_id="ben")])
    for user_id in ("ann", "ben", "cy"):
        histories.past_at_once(user_id, 10)
    histories.hidden_at_once(["i1", "i2"])
    return histories


def test_the_same_history_is_returned_until_something_changes(read: SqliteHistories) -> None:
    first = read.past_at_once("ann", 10)
    assert first == read.past("ann", 10)
    assert read.past_at_once("ann", 10) is first
    read.append([event(3, user_id="cy")])
    again = read.past_at_once("ann", 10)
    assert again == first
    assert again is not first


@pytest.mark.parametrize("is_other", [False, True], ids=["same process", "another connection"])
@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.append([event(9, user_id="ann")]),
        lambda one: one.append([HIDDEN]),
        lambda one: one.append([HIDDEN, replace(HIDDEN, event_id="s", hidden=False)]),
        lambda one: one.forget("ann", at=START_AT),
        lambda one: one.clear(),
    ],
    ids=["an event", "hidden", "shown again", "forgotten", "cleared"],
)
def test_every_change_is_seen_at_once(
    read: SqliteHistories, path: Path, change: Callable[[SqliteHistories], object], is_other: bool
) -> None:
    change(open_histories(path) if is_other else read)
    for user_id in ("ann", "ben", "cy"):
        assert read.past_at_once(user_id, 10) == read.past(user_id, 10)
    for items in (["i1"], ["i2"], ["i2", "i1"], ["i3"]):
        assert read.hidden_at_once(items) == read.hidden_among(items)


def test_what_was_read_of_an_older_version_is_not_kept() -> None:
    """A thread may read, and another see a change, before the first keeps what it read."""
    reads = KeptReads()
    assert reads.past("ann", 10, version=1) is None
    assert reads.hidden(["i"], version=2) is None
    reads.keep_past("ann", 10, PAST, version=1)
    reads.keep_hidden(["i"], frozenset("i"), version=1)
    assert reads.past("ann", 10, version=2) is None
    assert reads.hidden(["i"], version=2) is None


def test_what_is_kept_is_bounded() -> None:
    reads = KeptReads()
    reads.past("0", 10, version=1)
    kept = KeptPast([PAST[0]] * 1000)
    for number in range(kept_reads.MAX_EVENTS // 1000 + 1):
        assert reads.past(f"{number - 1}", 10, version=1) is (kept if number else None)
        reads.keep_past(f"{number}", 10, kept, version=1)
    assert reads.past("0", 10, version=1) is None
    many = [str(number) for number in range(kept_reads.MAX_ITEMS)]
    reads.keep_hidden(many, frozenset(), version=1)
    assert reads.hidden(["0"], version=1) == frozenset()
    reads.keep_hidden(["other"], frozenset(), version=1)
    assert reads.hidden(["0"], version=1) is None
