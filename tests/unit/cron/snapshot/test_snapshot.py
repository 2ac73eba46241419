"""Which events a snapshot takes: checked against plain loops over the users' lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cron.snapshot.tables import ContentDigest
from cron.snapshot.timeline import (
    ReplayDraw,
    Timeline,
    context_of,
    in_ranges,
    replay_sample,
    timeline,
    with_roles,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedEvent:
    """One event of a test."""

    user: str
    at: int
    type: str = "view"


rows = st.builds(
    TimedEvent,
    user=st.sampled_from("abc"),
    at=st.integers(0, 8),
    type=st.sampled_from(["view", "view", "impression"]),
)


def table_of(events: Sequence[TimedEvent]) -> pa.Table:
    numbers = range(1, len(events) + 1)
    return pa.table(
        {
            "seq": pa.array(numbers, pa.int64()),
            "event_id": pa.array([f"e{number:04}" for number in numbers], pa.string()),
            "user_id": pa.array([row.user for row in events], pa.string()),
            "item_id": pa.array(["i"] * len(events), pa.string()),
            "type": pa.array([row.type for row in events], pa.string()),
            "rating": pa.array([None] * len(events), pa.float64()),
            "at_us": pa.array([row.at for row in events], pa.int64()),
        }
    )


def timeline_of(events: Sequence[TimedEvent], *, panel: str = "") -> Timeline:
    return timeline(table_of(events), is_panel=lambda user: user in panel)


def numbers_of(events: Timeline, mask_N: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> set[int]:
    return set(events.seq_N[mask_N].tolist())


@settings(deadline=None)  # other suites may share the cores
@given(
    events=st.lists(rows, max_size=40),
    chosen=st.sets(st.integers(1, 40)),
    max_history=st.integers(1, 5),
)
def test_context_is_the_last_lasting_events_before_each_target(
    events: list[TimedEvent], chosen: set[int], max_history: int
) -> None:
    lives = timeline_of(events)
    chosen_N = np.isin(lives.seq_N, list(chosen))
    expected: set[int] = set()
    for user in "abc":
        life = sorted(
            (row.at, f"e{number:04}", number, row.type)
            for number, row in enumerate(events, start=1)
            if row.user == user
        )
        for place, (_, _, number, _) in enumerate(life):
            if number in chosen:
                before = [one[2] for one in life[:place] if one[3] != "impression"]
                expected |= set(before[-max_history:])
    assert (
        numbers_of(lives, context_of(lives, chosen_N, max_history=max_history)) == expected - chosen
    )


def test_the_timeline_is_sorted_by_user_time_and_id() -> None:
    lives = timeline_of(
        [
            TimedEvent(user="b", at=2),
            TimedEvent(user="a", at=3),
            TimedEvent(user="b", at=1),
            TimedEvent(user="b", at=2),
        ]
    )
    assert lives.seq_N.tolist() == [2, 3, 1, 4]
    assert lives.user_N.tolist() == [0, 1, 1, 1]


def test_a_timeline_before_a_number_ignores_later_events() -> None:
    events = [TimedEvent(user="cabd"[number % 4], at=100 - number) for number in range(40)]
    before, alone = (
        timeline_of([*events, TimedEvent(user="aa", at=1)]).before(21),
        timeline_of(events[:20]),
    )
    assert before.table.drop_columns(["is_first", "is_first_rating"]) == alone.table.drop_columns(
        ["is_first", "is_first_rating"]
    )
    assert (before.users, before.user_N.tolist()) == (alone.users, alone.user_N.tolist())
    chosen_N = before.seq_N % 5 == 0
    assert (
        context_of(before, chosen_N, max_history=2).tolist()
        == context_of(alone, chosen_N, max_history=2).tolist()
    )


def replay(
    lives: Timeline,
    *,
    before: int,
    size: int,
    first: frozenset[int] | set[int] = frozenset(),
    run: int = 10,
    seed: int = 0,
) -> set[int]:
    first_N = np.isin(lives.seq_N, list(first))
    allowed_N = (lives.seq_N < before) & lives.lasting_N & ~lives.panel_N
    return numbers_of(
        lives,
        replay_sample(
            lives, allowed_N, first_N=first_N, draw=ReplayDraw(size=size, run=run, seed=seed)
        ),
    )


def test_a_replay_is_drawn_from_the_allowed_events_alone() -> None:
    events = [
        TimedEvent(
            user="abc"[number % 3], at=number, type="impression" if number % 5 == 0 else "view"
        )
        for number in range(300)
    ]
    lives = timeline_of(events, panel="c")
    sample = replay(lives, before=200, size=80, seed=3)
    assert 80 <= len(sample) < 90
    assert max(sample) < 200
    assert all(
        events[number - 1].user != "c" and events[number - 1].type == "view" for number in sample
    )
    assert sample == replay(lives, before=200, size=80, seed=3)
    assert sample != replay(lives, before=200, size=80, seed=4)


def test_a_replay_is_made_of_runs_of_a_users_events() -> None:
    lives = timeline_of(
        [TimedEvent(user="abcdefghij"[number % 10], at=number) for number in range(1000)]
    )
    sample = replay(lives, before=1001, size=60, run=20)
    lengths = []
    for number in sorted(sample):  # numbers of a user lie ten apart
        if number - 10 not in sample:
            lengths.append(sum(number + 10 * step in sample for step in range(100)))
    assert max(lengths) >= 20
    assert len(lengths) <= 6, "sixty events drawn singly would lie alone, nearly all of them"


def test_what_is_read_anyway_is_replayed_first() -> None:
    lives = timeline_of(
        [TimedEvent(user="abcdefghij"[number % 10], at=number) for number in range(200)], panel="c"
    )
    read = {1, 11, 21, 31, 3, 199}
    assert replay(lives, before=100, size=2, first=read) == {1, 11, 21, 31}, (
        "the panel's and later ones are not"
    )
    more = replay(lives, before=100, size=20, first=read, run=4)
    assert {1, 11, 21, 31} < more
    assert 20 <= len(more) < 24


def test_a_replay_larger_than_the_past_takes_all_of_it() -> None:
    lives = timeline_of([TimedEvent(user="a", at=number) for number in range(10)])
    assert replay(lives, before=6, size=100) == {1, 2, 3, 4, 5}
    assert replay(lives, before=1, size=100) == set()


def test_ranges_hold_both_ends() -> None:
    assert in_ranges(np.arange(8), [(1, 2), (5, 5)]).tolist() == [
        False,
        True,
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    assert not in_ranges(np.arange(3), []).any()


def test_roles_leave_the_rest_out_and_the_first_mark_counts() -> None:
    lives = timeline_of([TimedEvent(user="a", at=number) for number in range(3)])
    table = with_roles(lives, [("target", lives.seq_N == 2), ("context", lives.seq_N <= 2)])
    assert table["seq"].to_pylist() == [1, 2]
    assert table["role"].to_pylist() == ["context", "target"]
    assert table.schema.field("rating").type == pa.float32()


def digest_of(name: str, *parts: pa.Table) -> str:
    digest = ContentDigest()
    for part in parts:
        digest.add(name, part)
    return digest.hexdigest()


def test_the_digest_knows_content_not_chunks() -> None:
    table = pa.table(
        {"a": [1, 2, None], "b": ["x", None, "yz"], "c": [True, False, None], "d": [0.5, None, 1.0]}
    )
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    assert digest_of("t", table) == digest_of("t", chunked)
    assert digest_of("t", table) == digest_of("t", table.slice(0, 2), table.slice(2))
    changed = [
        ("u", table),
        ("t", table.slice(0, 2)),
        ("t", table.rename_columns(["a", "b", "c", "e"])),
        ("t", table.set_column(1, "b", pa.array(["xy", None, "z"]))),
        ("t", table.set_column(0, "a", pa.array([1, 2, 0]))),
        ("t", table.take([1, 0, 2])),
    ]
    digests = {digest_of(*one) for one in [("t", table), *changed]}
    assert len(digests) == 1 + len(changed)
