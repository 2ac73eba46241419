"""The events of a snapshot (docs/architecture.md), written from a real journal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cron.ports import Cursor
from cron.snapshot.limits import Limits
from cron.snapshot.panel import Panel, key_id
from cron.snapshot.snapshot import build_snapshot
from recommender.records.events import Event
from tests.component.house import House
from tests.component.snapshots import (
    EVENTS,
    NUM_EVENTS,
    PANEL,
    REQUEST,
    SHARE,
    SMALL,
    USERS,
    WHOLE,
    Build,
    fill,
    numbers,
    rows,
)
from tests.contracts.records import START_AT, event, fact, item


@pytest.fixture
def house(house: House) -> House:
    """Return the shared empty house with `EVENTS` in its journal."""
    fill(house)
    return house


def test_an_update_trains_its_range_without_the_panel(
    house: House, tmp_path: Path, build: Build
) -> None:
    info = build(house.journal, REQUEST, tmp_path / "out")
    expected = {number for number in range(501, 601) if EVENTS[number - 1].user_id not in PANEL}
    assert numbers(tmp_path / "out", "events.parquet", "target") == expected
    assert info.num_targets == len(expected)
    assert 2 <= len(PANEL) <= 15
    assert not {row["user_id"] for row in rows(tmp_path / "out", "events.parquet")} & PANEL
    replay = numbers(tmp_path / "out", "events.parquet", "replay")
    assert len(replay) == info.num_replay
    assert len(replay) >= 2 * len(expected)
    assert max(int(str(number)) for number in replay) <= 500


def test_every_context_is_there(house: House, tmp_path: Path, build: Build) -> None:
    build(house.journal, REQUEST, tmp_path / "out")
    for file, role in (
        ("events.parquet", "target"),
        ("events.parquet", "replay"),
        ("panel.parquet", "score"),
        ("fresh.parquet", "score"),
    ):
        there = numbers(tmp_path / "out", file)
        for row in rows(tmp_path / "out", file, role):
            before = [
                number
                for number, one in enumerate(EVENTS, start=1)
                if one.user_id == row["user_id"] and number < int(str(row["seq"]))
            ]
            assert set(before[-5:]) <= there


def test_rows_are_sorted_and_typed_as_agreed(house: House, tmp_path: Path, build: Build) -> None:
    build(house.journal, REQUEST, tmp_path / "out")
    for file in ("events.parquet", "panel.parquet", "older.parquet", "fresh.parquet"):
        schema = pq.read_schema(tmp_path / "out" / file)
        assert [f"{field.name} {field.type}" for field in schema] == [
            "seq int64",
            "event_id string",
            "user_id string",
            "item_id string",
            "type string",
            "rating float",
            "at_us int64",
            "is_first bool",
            "is_first_rating bool",
            "role string",
        ]
        keys = [
            (str(row["user_id"]), int(str(row["at_us"])), str(row["event_id"]))
            for row in rows(tmp_path / "out", file)
        ]
        assert keys == sorted(keys)
    row = rows(tmp_path / "out", "events.parquet")[0]
    assert (
        row["at_us"]
        == (EVENTS[int(str(row["seq"])) - 1].at - START_AT) // timedelta(microseconds=1)
        + int(START_AT.timestamp()) * 1_000_000
    )


def test_the_panel_is_scored_on_its_newest_events(
    house: House, tmp_path: Path, build: Build
) -> None:
    info = build(house.journal, REQUEST, tmp_path / "out")
    newest = [number for number, one in enumerate(EVENTS, start=1) if one.user_id in PANEL][-20:]
    assert numbers(tmp_path / "out", "panel.parquet", "score") == set(newest)
    assert info.num_panel_events == 20
    assert info.num_panel_users == len({EVENTS[number - 1].user_id for number in newest}) >= 4


def test_fresh_holds_the_panel_too(house: House, tmp_path: Path, build: Build) -> None:
    build(house.journal, REQUEST, tmp_path / "out")
    assert numbers(tmp_path / "out", "fresh.parquet", "score") == set(range(501, 601))


def test_a_full_retrain_takes_everything_and_replays_nothing(
    house: House, tmp_path: Path, build: Build
) -> None:
    full = replace(REQUEST, mode="full", target_range=(1, 600))
    info = build(house.journal, full, tmp_path / "out")
    assert info.num_targets == sum(one.user_id not in PANEL for one in EVENTS)
    assert info.num_replay == 0
    assert rows(tmp_path / "out", "fresh.parquet") == [], "the live model knows these events"
    build(house.journal, replace(full, fresh_range=(550, 600)), tmp_path / "other")
    assert numbers(tmp_path / "other", "fresh.parquet", "score") == set(range(550, 601))


def test_a_release_for_items_has_a_panel_and_no_targets(
    house: House, tmp_path: Path, build: Build
) -> None:
    info = build(house.journal, replace(REQUEST, mode="items", target_range=None), tmp_path / "out")
    assert rows(tmp_path / "out", "events.parquet") == []
    assert (info.num_targets, info.num_replay, info.num_panel_events) == (0, 0, 20)


def test_what_is_excluded_shows_nowhere(house: House, tmp_path: Path, build: Build) -> None:
    request = replace(REQUEST, excluded=((300, 400), (510, 550)))
    build(house.journal, request, tmp_path / "out")
    poison = {*range(300, 401), *range(510, 551)}
    for file in ("events.parquet", "panel.parquet", "older.parquet", "fresh.parquet"):
        assert not numbers(tmp_path / "out", file) & poison
    expected = {
        number for number in range(501, 601) if EVENTS[number - 1].user_id not in PANEL
    } - poison
    assert numbers(tmp_path / "out", "events.parquet", "target") == expected


def test_nothing_after_the_range_is_seen(house: House, tmp_path: Path, build: Build) -> None:
    capped = replace(REQUEST, target_range=(401, 500), items_through=500)
    before = build(house.journal, capped, tmp_path / "before")
    future: list[Event] = [
        event(number, user_id=USERS[number % 30], item_id="future") for number in range(601, 700)
    ]
    house.journal.accept([*future, item(700, "future")], Cursor("0"), house.lease)
    after = build(house.journal, capped, tmp_path / "after")
    assert after == before
    assert after.num_items == 0


def test_an_impression_is_a_target_and_never_history(
    house: House, tmp_path: Path, build: Build
) -> None:
    user = next(user for user in USERS if user not in PANEL)
    shown = [event(number, user_id=user, type_="impression") for number in range(601, 604)]
    house.journal.accept([*shown, event(604, user_id=user)], Cursor("0"), house.lease)
    request = replace(REQUEST, target_range=(603, 604), items_through=604, replay_ratio=1.0)
    info = build(house.journal, request, tmp_path / "out")
    assert numbers(tmp_path / "out", "events.parquet", "target") == {603, 604}
    history = {number for number, one in enumerate(EVENTS, start=1) if one.user_id == user}
    assert info.num_replay == min(REQUEST.max_history, len(history)), (
        "what is looked back on is replayed"
    )
    assert numbers(tmp_path / "out", "events.parquet", "replay") <= history
    assert not numbers(tmp_path / "out", "events.parquet") & {601, 602}
    assert numbers(tmp_path / "out", "fresh.parquet", "score") == {604}


def test_a_late_event_is_history_of_what_happened_after_it(
    house: House, tmp_path: Path, build: Build
) -> None:
    user = next(user for user in USERS if user not in PANEL)
    late = replace(event(601, user_id=user), at=START_AT)  # before all others
    house.journal.accept([late], Cursor("0"), house.lease)
    request = replace(REQUEST, target_range=(601, 601), items_through=601, replay_ratio=0.0)
    build(house.journal, request, tmp_path / "out")
    assert numbers(tmp_path / "out", "events.parquet") == {601}, (
        "an event has no context from its own future"
    )


def test_dropped_segments_leave_a_snapshot_without_their_events(
    house: House, tmp_path: Path, build: Build
) -> None:
    house.journal.compact_and_drop(
        older_than=START_AT + timedelta(days=1), needed_from=401, lease=house.lease
    )
    build(house.journal, REQUEST, tmp_path / "out")
    assert min(int(str(number)) for number in numbers(tmp_path / "out", "events.parquet")) == 401


def test_a_snapshot_has_the_facts_that_hold(house: House, tmp_path: Path, build: Build) -> None:
    said = [fact(1, "i1"), fact(2, "i1", "bob"), fact(3, "i2"), fact(4, "i1", withdrawn=True)]
    house.journal.accept(said, Cursor("0"), house.lease)
    through = NUM_EVENTS + len(said)
    info = build(house.journal, replace(REQUEST, items_through=through), tmp_path / "out")
    expected = [
        {"head": "i1", "relation": "director", "tail": "bob"},
        {"head": "i2", "relation": "director", "tail": "ann"},
    ]
    assert (rows(tmp_path / "out", "facts.parquet"), info.num_facts) == (expected, 2)
    house.journal.accept([item(9, "i1")], Cursor("0"), house.lease)
    later = replace(REQUEST, items_through=through + 1, items_after=through)
    parts = build_snapshot(house.journal, later, tmp_path / "later", sizes=SMALL)
    assert parts.num_facts == 0
    assert not (tmp_path / "later" / "facts.parquet").exists(), "those of the parent still hold"


def test_an_update_has_the_facts_of_heads_with_new_ones(house: House, tmp_path: Path) -> None:
    """A head that lost its last fact is named, and so are facts that were withdrawn before."""
    said = [fact(1, "i1"), fact(2, "i1", "bob"), fact(3, "i2"), fact(4, "i3")]
    house.journal.accept(said, Cursor("0"), house.lease)
    before = NUM_EVENTS + len(said)
    news = [fact(5, "i1", withdrawn=True), fact(6, "i2", withdrawn=True)]
    house.journal.accept(news, Cursor("0"), house.lease)
    request = replace(REQUEST, items_through=before + len(news), items_after=before)
    info = build_snapshot(house.journal, request, tmp_path / "out", sizes=SMALL)
    expected = [
        {"head": "i1", "relation": "director", "tail": "ann", "withdrawn": True},
        {"head": "i1", "relation": "director", "tail": "bob", "withdrawn": False},
        {"head": "i2", "relation": "director", "tail": "ann", "withdrawn": True},
    ]
    assert rows(tmp_path / "out", "changed_facts.parquet") == expected
    assert info.num_facts == len(expected)
    assert not (tmp_path / "out" / "facts.parquet").exists()
    few = replace(SMALL, changed_facts=1)
    assert build_snapshot(house.journal, request, tmp_path / "all", sizes=few).num_facts == 2
    assert [row["head"] for row in rows(tmp_path / "all", "facts.parquet")] == ["i1", "i3"]
    assert not (tmp_path / "all" / "changed_facts.parquet").exists()


def test_a_late_record_of_a_fact_changes_nothing(house: House, tmp_path: Path) -> None:
    """Of the records of a fact the newest by its own time counts, whichever came last."""
    house.journal.accept([fact(9, "i1", withdrawn=True)], Cursor("0"), house.lease)
    house.journal.accept([fact(3, "i1")], Cursor("0"), house.lease)
    before = NUM_EVENTS + 1
    request = replace(REQUEST, items_through=before + 1, items_after=before)
    build_snapshot(house.journal, request, tmp_path / "out", sizes=SMALL)
    assert [row["withdrawn"] for row in rows(tmp_path / "out", "changed_facts.parquet")] == [True]


def test_without_facts_a_snapshot_has_no_file_of_them(
    house: House, tmp_path: Path, build: Build
) -> None:
    assert build(house.journal, REQUEST, tmp_path / "out").num_facts == 0
    assert not (tmp_path / "out" / "facts.parquet").exists()


def test_older_panel_events_see_only_their_own_past(
    house: House, tmp_path: Path, build: Build
) -> None:
    """A late event with an old time is neither judged nor part of the histories."""
    user = next(iter(PANEL))
    late = replace(event(601, user_id=user), at=START_AT)
    house.journal.accept([late], Cursor("0"), house.lease)
    info = build(
        house.journal,
        replace(REQUEST, target_range=(501, 601), items_through=601, older_before=501),
        tmp_path / "out",
    )
    older = numbers(tmp_path / "out", "older.parquet")
    assert older <= set(range(1, 501))
    assert numbers(tmp_path / "out", "older.parquet", "score") <= {
        n for n in range(1, 501) if EVENTS[n - 1].user_id in PANEL
    }
    assert info.num_older_events == 40, "twice as many as are needed"
    assert 601 in numbers(tmp_path / "out", "panel.parquet") | numbers(
        tmp_path / "out", "fresh.parquet"
    )


def test_what_is_over_a_limit_is_neither_learned_nor_replayed(
    house: House, tmp_path: Path, build: Build
) -> None:
    tight = Limits(user_share=0.0, item_share=1.0, floor=2)
    info = build(house.journal, replace(REQUEST, limits=tight, replay_ratio=50.0), tmp_path / "out")
    by_role = [
        [row["user_id"] for row in rows(tmp_path / "out", "events.parquet", role)]
        for role in ("target", "replay")
    ]
    assert all(users.count(user) <= 2 for users in by_role for user in users)
    outside = sum(EVENTS[number - 1].user_id not in PANEL for number in range(501, 601))
    assert info.over_user_limit == outside - info.num_targets > 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["over_user_limit"], manifest["over_item_limit"]) == (info.over_user_limit, 0)


def test_a_users_first_event_with_an_item_is_marked(
    house: House, tmp_path: Path, build: Build
) -> None:
    build(house.journal, replace(REQUEST, mode="full", target_range=(1, 600)), tmp_path / "out")
    first: dict[tuple[str, str], int] = {}
    for number, one in enumerate(EVENTS, start=1):
        first.setdefault((one.user_id, one.item_id), number)
    trained = rows(tmp_path / "out", "events.parquet")
    assert {row["seq"] for row in trained if row["is_first"]} == {
        row["seq"] for row in trained
    } & set(first.values())


def test_the_judged_of_another_key_are_not_trained_on_either(
    house: House, tmp_path: Path, build: Build
) -> None:
    """The full retrain that takes the key is judged by the old panel and trains on neither."""
    keyed = Panel(share=SHARE, key=key_id("s"), secret="s")
    coming = {user for user in USERS if keyed.holds(user)}
    assert coming - PANEL
    full = replace(REQUEST, mode="full", target_range=(1, 600), panel=keyed, judged=WHOLE)
    build(house.journal, full, tmp_path / "out")
    assert {row["user_id"] for row in rows(tmp_path / "out", "panel.parquet", "score")} <= PANEL
    assert not {row["user_id"] for row in rows(tmp_path / "out", "events.parquet")} & (
        PANEL | coming
    )


def test_as_much_is_replayed_of_a_journal_that_is_read_in_parts(
    house: House, tmp_path: Path
) -> None:
    """The stretches in which runs end had a fixed length, so that short histories ran out."""
    asked = replace(REQUEST, replay_ratio=5.0, max_history=2)
    whole = build_snapshot(house.journal, asked, tmp_path / "whole")
    parts = build_snapshot(house.journal, asked, tmp_path / "parts", sizes=SMALL)
    assert whole.num_replay > 300
    assert parts.num_replay == pytest.approx(whole.num_replay, abs=2)
