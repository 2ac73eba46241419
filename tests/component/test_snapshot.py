"""The snapshot directory of docs/architecture.md, written from a real journal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cron.ports import Cursor
from cron.settings.tree import GateSettings
from cron.snapshot.judged import Need
from cron.snapshot.limits import Limits
from cron.snapshot.panel import Panel, key_id
from cron.snapshot.panel_choice import choose_panel_share
from cron.snapshot.snapshot import SnapshotRequest, build_snapshot
from recommender.events import Event
from tests.component.house import House
from tests.contracts.records import START_AT, event, item
from trainer.config import TrainConfig

SHARE = 0.2
WHOLE = Panel(share=SHARE)
USERS = [f"user {number}" for number in range(30)]
PANEL = {user for user in USERS if WHOLE.holds(user)}
NUM_EVENTS = 600
EVENTS = [
    event(number, user_id=USERS[number % 30], item_id=f"i{number % 7}")
    for number in range(1, NUM_EVENTS + 1)
]  # journal number = event number
REQUEST = SnapshotRequest(
    mode="update",
    target_range=(501, 600),
    items_through=NUM_EVENTS,
    panel=WHOLE,
    replay_ratio=2.0,
    max_history=5,
    need=Need(min_users=4, min_events=20, max_item_share=1.0),
    limits=Limits(user_share=0.01, item_share=0.1),
    positive_types=TrainConfig().positive_types,
)

Row = dict[str, object]


@pytest.fixture
def house(house: House) -> House:
    """Return the shared empty house with `EVENTS` in its journal."""
    for begin in range(0, NUM_EVENTS, 200):
        house.journal.accept(EVENTS[begin : begin + 200], Cursor("0"), house.lease)
    return house


def rows(folder: Path, file: str, role: str | None = None) -> list[Row]:
    found: list[Row] = pq.read_table(folder / file).to_pylist()
    return [row for row in found if role is None or row["role"] == role]


def numbers(folder: Path, file: str, role: str | None = None) -> set[object]:
    return {row["seq"] for row in rows(folder, file, role)}


def test_an_update_trains_its_range_without_the_panel(house: House, tmp_path: Path) -> None:
    info = build_snapshot(house.journal, REQUEST, tmp_path / "out")
    expected = {number for number in range(501, 601) if EVENTS[number - 1].user_id not in PANEL}
    assert numbers(tmp_path / "out", "events.parquet", "target") == expected
    assert info.num_targets == len(expected)
    assert 2 <= len(PANEL) <= 15
    assert not {row["user_id"] for row in rows(tmp_path / "out", "events.parquet")} & PANEL
    replay = numbers(tmp_path / "out", "events.parquet", "replay")
    assert len(replay) == info.num_replay
    assert len(replay) >= 2 * len(expected)
    assert max(int(str(number)) for number in replay) <= 500


def test_every_context_is_there(house: House, tmp_path: Path) -> None:
    build_snapshot(house.journal, REQUEST, tmp_path / "out")
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


def test_rows_are_sorted_and_typed_as_agreed(house: House, tmp_path: Path) -> None:
    build_snapshot(house.journal, REQUEST, tmp_path / "out")
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


def test_the_panel_is_scored_on_its_newest_events(house: House, tmp_path: Path) -> None:
    info = build_snapshot(house.journal, REQUEST, tmp_path / "out")
    newest = [number for number, one in enumerate(EVENTS, start=1) if one.user_id in PANEL][-20:]
    assert numbers(tmp_path / "out", "panel.parquet", "score") == set(newest)
    assert info.num_panel_events == 20
    assert info.num_panel_users == len({EVENTS[number - 1].user_id for number in newest}) >= 4


def test_fresh_holds_the_panel_too(house: House, tmp_path: Path) -> None:
    build_snapshot(house.journal, REQUEST, tmp_path / "out")
    assert numbers(tmp_path / "out", "fresh.parquet", "score") == set(range(501, 601))


def test_a_full_retrain_takes_everything_and_replays_nothing(house: House, tmp_path: Path) -> None:
    full = replace(REQUEST, mode="full", target_range=(1, 600))
    info = build_snapshot(house.journal, full, tmp_path / "out")
    assert info.num_targets == sum(one.user_id not in PANEL for one in EVENTS)
    assert info.num_replay == 0
    assert rows(tmp_path / "out", "fresh.parquet") == [], "the live model knows these events"
    build_snapshot(house.journal, replace(full, fresh_range=(550, 600)), tmp_path / "other")
    assert numbers(tmp_path / "other", "fresh.parquet", "score") == set(range(550, 601))


def test_a_release_for_items_has_a_panel_and_no_targets(house: House, tmp_path: Path) -> None:
    info = build_snapshot(
        house.journal, replace(REQUEST, mode="items", target_range=None), tmp_path / "out"
    )
    assert rows(tmp_path / "out", "events.parquet") == []
    assert (info.num_targets, info.num_replay, info.num_panel_events) == (0, 0, 20)


def test_what_is_excluded_shows_nowhere(house: House, tmp_path: Path) -> None:
    request = replace(REQUEST, excluded=((300, 400), (510, 550)))
    build_snapshot(house.journal, request, tmp_path / "out")
    poison = {*range(300, 401), *range(510, 551)}
    for file in ("events.parquet", "panel.parquet", "older.parquet", "fresh.parquet"):
        assert not numbers(tmp_path / "out", file) & poison
    expected = {
        number for number in range(501, 601) if EVENTS[number - 1].user_id not in PANEL
    } - poison
    assert numbers(tmp_path / "out", "events.parquet", "target") == expected


def test_nothing_after_the_range_is_seen(house: House, tmp_path: Path) -> None:
    capped = replace(REQUEST, target_range=(401, 500), items_through=500)
    before = build_snapshot(house.journal, capped, tmp_path / "before")
    future: list[Event] = [
        event(number, user_id=USERS[number % 30], item_id="future") for number in range(601, 700)
    ]
    house.journal.accept([*future, item(700, "future")], Cursor("0"), house.lease)
    after = build_snapshot(house.journal, capped, tmp_path / "after")
    assert after == before
    assert after.num_items == 0


def test_an_impression_is_a_target_and_never_history(house: House, tmp_path: Path) -> None:
    user = next(user for user in USERS if user not in PANEL)
    shown = [event(number, user_id=user, type_="impression") for number in range(601, 604)]
    house.journal.accept([*shown, event(604, user_id=user)], Cursor("0"), house.lease)
    request = replace(REQUEST, target_range=(603, 604), items_through=604, replay_ratio=1.0)
    info = build_snapshot(house.journal, request, tmp_path / "out")
    assert numbers(tmp_path / "out", "events.parquet", "target") == {603, 604}
    history = {number for number, one in enumerate(EVENTS, start=1) if one.user_id == user}
    assert info.num_replay == min(REQUEST.max_history, len(history)), (
        "what is looked back on is replayed"
    )
    assert numbers(tmp_path / "out", "events.parquet", "replay") <= history
    assert not numbers(tmp_path / "out", "events.parquet") & {601, 602}
    assert numbers(tmp_path / "out", "fresh.parquet", "score") == {604}


def test_a_late_event_is_history_of_what_happened_after_it(house: House, tmp_path: Path) -> None:
    user = next(user for user in USERS if user not in PANEL)
    late = replace(event(601, user_id=user), at=START_AT)  # before all others
    house.journal.accept([late], Cursor("0"), house.lease)
    request = replace(REQUEST, target_range=(601, 601), items_through=601, replay_ratio=0.0)
    build_snapshot(house.journal, request, tmp_path / "out")
    assert numbers(tmp_path / "out", "events.parquet") == {601}, (
        "an event has no context from its own future"
    )


def test_the_newest_word_on_an_item_stands(house: House, tmp_path: Path) -> None:
    known = replace(item(5, "b"), text="text", attributes={"genre": ("x", "y"), "year": 1995.0})
    house.journal.accept(
        [item(2, "a", hidden=True), item(1, "a"), item(9, "c"), known], Cursor("0"), house.lease
    )
    house.journal.accept([replace(item(10, "c"), title="Renamed")], Cursor("0"), house.lease)
    build_snapshot(
        house.journal,
        replace(REQUEST, target_range=(501, 605), items_through=604),
        tmp_path / "out",
    )
    found = {row["item_id"]: row for row in rows(tmp_path / "out", "items.parquet")}
    assert list(found) == ["a", "b", "c"]
    assert [found[name]["hidden"] for name in "abc"] == [True, False, False]
    assert found["c"]["title"] == "Item c", "the renaming came after items_through"
    assert json.loads(str(found["b"]["attributes"])) == {"genre": ["x", "y"], "year": 1995.0}
    assert (found["b"]["text"], found["a"]["text"]) == ("text", None)


def test_bundles_and_state_are_copied(house: House, tmp_path: Path) -> None:
    for name in ("live", "anchor"):
        (tmp_path / name / "encoder").mkdir(parents=True)
        (tmp_path / name / "encoder" / "weights").write_text(name)
    (tmp_path / "optimizer-17.safetensors").write_text("state")
    with_bundles = replace(
        REQUEST,
        live=tmp_path / "live",
        anchor=tmp_path / "anchor",
        state=tmp_path / "optimizer-17.safetensors",
        live_version=17,
        anchor_version=3,
    )
    out = tmp_path / "out"
    build_snapshot(house.journal, with_bundles, out)
    assert [(out / name / "encoder" / "weights").read_text() for name in ("live", "anchor")] == [
        "live",
        "anchor",
    ]
    assert (out / "state" / "optimizer.safetensors").read_text() == "state"
    build_snapshot(house.journal, REQUEST, tmp_path / "bare")
    assert sorted(path.name for path in (tmp_path / "bare").iterdir()) == [
        "events.parquet",
        "fresh.parquet",
        "items.parquet",
        "manifest.json",
        "older.parquet",
        "panel.parquet",
    ]


def test_the_manifest_says_what_was_asked_and_found(house: House, tmp_path: Path) -> None:
    info = build_snapshot(
        house.journal, replace(REQUEST, excluded=((3, 4),), live_version=2), tmp_path / "out"
    )
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    agreed = {
        "format": 2,
        "mode": "update",
        "target_range": [501, 600],
        "items_through": 600,
        "panel_share": SHARE,
        "excluded": [[3, 4]],
    }
    agreed |= {
        "live_version": 2,
        "anchor_version": None,
        "seed": 0,
        "data_digest": info.data_digest,
    }
    agreed |= {"num_targets": info.num_targets, "num_replay": info.num_replay}
    assert {name: manifest[name] for name in agreed} == agreed


def test_the_same_request_gives_the_same_digest(house: House, tmp_path: Path) -> None:
    first = build_snapshot(house.journal, REQUEST, tmp_path / "out")
    made_at = (tmp_path / "out" / "events.parquet").stat().st_mtime_ns
    assert build_snapshot(house.journal, REQUEST, tmp_path / "out") == first
    assert (tmp_path / "out" / "events.parquet").stat().st_mtime_ns == made_at
    assert build_snapshot(house.journal, REQUEST, tmp_path / "other") == first
    assert (
        build_snapshot(house.journal, replace(REQUEST, seed=1), tmp_path / "out").data_digest
        != first.data_digest
    )


def test_a_half_made_snapshot_is_made_again(house: House, tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "events.parquet").write_text("half")
    build_snapshot(house.journal, REQUEST, tmp_path / "out")
    assert rows(tmp_path / "out", "events.parquet", "target") != []
    assert not (tmp_path / "out.partial").exists()


def test_dropped_segments_leave_a_snapshot_without_their_events(
    house: House, tmp_path: Path
) -> None:
    house.journal.compact_and_drop(
        older_than=START_AT + timedelta(days=1), needed_from=401, lease=house.lease
    )
    build_snapshot(house.journal, REQUEST, tmp_path / "out")
    assert min(int(str(number)) for number in numbers(tmp_path / "out", "events.parquet")) == 401


def test_older_panel_events_see_only_their_own_past(house: House, tmp_path: Path) -> None:
    """A late event with an old time is neither judged nor part of the histories."""
    user = next(iter(PANEL))
    late = replace(event(601, user_id=user), at=START_AT)
    house.journal.accept([late], Cursor("0"), house.lease)
    info = build_snapshot(
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


def test_what_is_over_a_limit_is_neither_learned_nor_replayed(house: House, tmp_path: Path) -> None:
    tight = Limits(user_share=0.0, item_share=1.0, floor=2)
    info = build_snapshot(
        house.journal, replace(REQUEST, limits=tight, replay_ratio=50.0), tmp_path / "out"
    )
    by_role = [
        [row["user_id"] for row in rows(tmp_path / "out", "events.parquet", role)]
        for role in ("target", "replay")
    ]
    assert all(users.count(user) <= 2 for users in by_role for user in users)
    outside = sum(EVENTS[number - 1].user_id not in PANEL for number in range(501, 601))
    assert info.over_user_limit == outside - info.num_targets > 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["over_user_limit"], manifest["over_item_limit"]) == (info.over_user_limit, 0)


def test_a_users_first_event_with_an_item_is_marked(house: House, tmp_path: Path) -> None:
    build_snapshot(
        house.journal, replace(REQUEST, mode="full", target_range=(1, 600)), tmp_path / "out"
    )
    first: dict[tuple[str, str], int] = {}
    for number, one in enumerate(EVENTS, start=1):
        first.setdefault((one.user_id, one.item_id), number)
    trained = rows(tmp_path / "out", "events.parquet")
    assert {row["seq"] for row in trained if row["is_first"]} == {
        row["seq"] for row in trained
    } & set(first.values())


def test_the_judged_of_another_key_are_not_trained_on_either(house: House, tmp_path: Path) -> None:
    """The full retrain that takes the key is judged by the old panel and trains on neither."""
    keyed = Panel(share=SHARE, key=key_id("s"), secret="s")
    coming = {user for user in USERS if keyed.holds(user)}
    assert coming - PANEL
    full = replace(REQUEST, mode="full", target_range=(1, 600), panel=keyed, judged=WHOLE)
    build_snapshot(house.journal, full, tmp_path / "out")
    assert {row["user_id"] for row in rows(tmp_path / "out", "panel.parquet", "score")} <= PANEL
    assert not {row["user_id"] for row in rows(tmp_path / "out", "events.parquet")} & (
        PANEL | coming
    )


def test_the_panels_secret_is_written_nowhere(house: House, tmp_path: Path) -> None:
    secret = "5ecret" * 9
    build_snapshot(
        house.journal,
        replace(REQUEST, panel=Panel(share=SHARE, key=key_id(secret), secret=secret)),
        tmp_path / "out",
    )
    assert not any(secret.encode() in file.read_bytes() for file in (tmp_path / "out").iterdir())
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["panel_key"] == key_id(
        secret
    )


def test_the_panel_share_counts_what_is_not_excluded(house: House) -> None:
    gate = GateSettings(min_users=2, min_events=20, min_panel_share=0.01, max_panel_share=0.9)
    train = TrainConfig()
    whole = choose_panel_share(house.journal, WHOLE, gate, train, last_seq=600)
    users = sorted((WHOLE.fraction(user), user) for user in USERS)
    assert whole == pytest.approx(users[2][0], abs=1e-4), "two users and a fifth more, so three"
    gone = tuple(
        (number, number) for number, one in enumerate(EVENTS, start=1) if one.user_id == users[0][1]
    )
    assert choose_panel_share(
        house.journal, WHOLE, gate, train, last_seq=600, excluded=gone
    ) == pytest.approx(users[3][0], abs=1e-4)
