"""The judged events and the size of a panel, checked against the evaluation's own count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.settings.tree import GateSettings
from cron.snapshot.judged import (
    Need,
    newest_judged,
    older_judged,
    positive_of,
    smallest_enough_share,
)
from cron.snapshot.timeline import Mask, Timeline, timeline
from trainer.config import TrainConfig
from trainer.data.dataset import EventTable
from trainer.evaluation.evaluate import scored_events

TYPES = ("view", "rating")
NEED = Need(min_users=50, min_events=1000, max_item_share=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One event of a test; its journal number is its place."""

    user: str
    at: int
    item: str = "i"
    type: str = "view"
    rating: float | None = None


def lives_of(acts: Sequence[Act]) -> Timeline:
    numbers = range(1, len(acts) + 1)
    table = pa.table(
        {
            "seq": pa.array(numbers, pa.int64()),
            "event_id": pa.array([f"e{number:06}" for number in numbers], pa.string()),
            "user_id": pa.array([act.user for act in acts], pa.string()),
            "item_id": pa.array([act.item for act in acts], pa.string()),
            "type": pa.array([act.type for act in acts], pa.string()),
            "rating": pa.array([act.rating for act in acts], pa.float64()),
            "at_us": pa.array([act.at for act in acts], pa.int64()),
        }
    )
    return timeline(table, is_panel=lambda _: True)


def everyone(lives: Timeline) -> Mask:
    return np.ones(len(lives.seq_N), np.bool_)


def positives(lives: Timeline, rating: float | None = None) -> Mask:
    return positive_of(lives, TYPES, rating)


def count_judged(lives: Timeline, score_N: Mask, rating: float | None = None) -> tuple[int, int]:
    """Return the users and choices that the trainer's evaluation finds among the scored events."""
    names, type_N = lives.types()
    users, user_E = np.unique(lives.user_N[score_N], return_inverse=True)
    num = int(score_N.sum())
    events = EventTable(
        users=tuple(lives.users[user] for user in users),
        items=("i",),
        types=tuple(names),
        roles=("score",),
        seq_E=lives.seq_N[score_N],
        user_E=user_E.astype(np.int64),
        item_E=np.zeros(num, np.int64),
        type_E=type_N[score_N],
        role_E=np.zeros(num, np.int64),
        rating_E=lives.rating_N[score_N],
        at_s_E=lives.at_us_N[score_N] / 1e6,
        first_E=np.ones(num, np.bool_),
        first_rating_E=np.ones(num, np.bool_),
    )
    found = scored_events(
        events, TrainConfig(positive_types=TYPES, positive_rating=rating), newest=None
    )
    return (len(found.user_ids), int(found.ranked_X.sum())) if found is not None else (0, 0)


acts = st.builds(
    Act,
    user=st.sampled_from("abcd"),
    at=st.integers(0, 8),
    item=st.sampled_from("xyz"),
    type=st.sampled_from(["view", "rating", "add_to_cart", "impression"]),
    rating=st.sampled_from([None, 1.0, 5.0]),
)


@given(
    events=st.lists(acts, min_size=1, max_size=60),
    threshold=st.sampled_from([None, 3.0]),
    needed=st.integers(1, 3),
)
def test_what_is_chosen_is_what_the_evaluation_counts(
    events: list[Act], threshold: float | None, needed: int
) -> None:
    """If enough events can be judged, the evaluation finds enough, and no more than needed."""
    lives, need = lives_of(events), Need(min_users=needed, min_events=4, max_item_share=1.0)
    positive_N = positives(lives, threshold)
    score_N = newest_judged(lives, positive_N, everyone(lives), need)
    found = count_judged(lives, score_N, threshold)
    assert found == (
        len(np.unique(lives.user_N[score_N & positive_N])),
        (score_N & positive_N).sum(),
    )
    there = [
        (act.user, act.at, -number)
        for number, act in enumerate(events)
        if act.type in TYPES and not _under(act, threshold)
    ]
    limited = [
        one
        for one in there
        if sum(other[0] == one[0] and other[1:] > one[1:] for other in there) < need.user_limit
    ]
    if need.met_by(len({user for user, *_ in limited}), len(limited)):
        assert need.met_by(*found)


def _under(act: Act, threshold: float | None) -> bool:
    return threshold is not None and act.rating is not None and act.rating < threshold


def fifty_users(num_each: int = 30) -> list[Act]:
    return [
        Act(user=f"u{user}", at=step * 50 + user, item=f"i{step}")
        for step in range(num_each)
        for user in range(50)
    ]


def test_an_event_that_is_not_judged_displaces_none_that_is() -> None:
    """A fifty-first user's `add_to_cart` is not a choice here: fifty users are still judged."""
    lives = lives_of(
        [*fifty_users(), Act(user="shopper-2", at=10_000, item="50", type="add_to_cart")]
    )
    score_N = newest_judged(lives, positives(lives), everyone(lives), NEED)
    assert count_judged(lives, score_N) == (50, 1000)


def test_a_rating_that_is_no_choice_is_judged_as_a_rating() -> None:
    lives = lives_of(
        [
            Act(user="a", at=1, type="rating", rating=5.0),
            Act(user="a", at=2, type="rating", rating=1.0),
        ]
    )
    few = Need(min_users=1, min_events=1, max_item_share=1.0)
    assert newest_judged(lives, positives(lives, 3.0), everyone(lives), few).tolist() == [
        True,
        True,
    ]


def test_one_user_and_one_item_fill_no_panel() -> None:
    flood = [Act(user="bot", at=20_000 + number, item=f"x{number % 7}") for number in range(5000)]
    fans = [Act(user=f"fan{number}", at=30_000 + number, item="rare") for number in range(5000)]
    lives = lives_of([*fifty_users(), *flood, *fans])
    need = Need(min_users=50, min_events=1000, max_item_share=0.1)
    score_N = newest_judged(lives, positives(lives), everyone(lives), need)
    table = lives.table.filter(pa.array(score_N))
    assert table["user_id"].to_pylist().count("bot") == need.user_limit == 40
    assert table["item_id"].to_pylist().count("rare") == 100
    assert score_N.sum() >= 1000


def test_a_catalogue_of_few_items_can_still_fill_the_panel() -> None:
    lives = lives_of(
        [Act(user=f"u{number % 60}", at=number, item=f"i{number % 3}") for number in range(3000)]
    )
    score_N = newest_judged(
        lives,
        positives(lives),
        everyone(lives),
        Need(min_users=50, min_events=1000, max_item_share=0.1),
    )
    assert score_N.sum() == 1000


def test_older_events_are_spread_over_the_journal() -> None:
    """A burst of five thousand new events gets its share of the journal and no more."""
    honest = [
        Act(user=f"u{number % 500}", at=number, item=f"i{number % 300}") for number in range(10_000)
    ]
    burst = [
        Act(user=f"bot{number % 500}", at=20_000 + number, item=f"i{number % 300}")
        for number in range(5_000)
    ]
    lives = lives_of([*honest, *burst])
    older_N = older_judged(lives, positives(lives), everyone(lives), NEED)
    assert older_N.sum() == 2000
    assert (older_N & (lives.seq_N > 10_000)).sum() == pytest.approx(2000 / 3, abs=10)


def test_a_users_burst_does_not_displace_their_older_events() -> None:
    """Fifty users with a hundred events each send forty more: those stay a minority."""
    burst = [
        Act(user=f"u{user}", at=20_000 + step * 50 + user, item=f"x{step}")
        for step in range(40)
        for user in range(50)
    ]
    lives = lives_of([*fifty_users(100), *burst])
    older_N = older_judged(lives, positives(lives), everyone(lives), NEED)
    assert (older_N & (lives.seq_N > 5_000)).sum() / older_N.sum() == pytest.approx(
        40 / 140, abs=0.05
    )


def share_of(lives: Timeline, gate: GateSettings) -> float:
    return smallest_enough_share(
        lives, positives(lives), lambda user_id: int(user_id[1:]) / 1000, gate
    )


def test_the_share_is_the_smallest_that_is_enough_with_slack() -> None:
    lives = lives_of(
        [
            Act(user=f"u{number % 1000}", at=number, item=f"i{number % 97}")
            for number in range(25_000)
        ]
    )
    gate = GateSettings(min_panel_share=0.01, max_panel_share=0.9)
    assert share_of(lives, gate) == 0.0591, "60 users, u0 to u59, a fifth more than are needed"
    carts = [Act(user=f"u{number}", at=number, type="add_to_cart") for number in range(1000)]
    rare = lives_of(
        [
            *carts,
            *(
                Act(user=f"u{10 * number}", at=number, item=f"i{number}")
                for number in range(100)
                for _ in range(30)
            ),
        ]
    )
    assert share_of(rare, gate) == 0.5901, "of users who chose nothing none is counted"


def test_the_share_keeps_its_bounds() -> None:
    lives = lives_of(fifty_users())
    few = GateSettings(min_users=1, min_events=1, min_panel_share=0.05, max_panel_share=0.2)
    assert share_of(lives, few) == 0.05
    many = GateSettings(min_users=1000, min_panel_share=0.05, max_panel_share=0.2)
    assert share_of(lives, many) == 0.2
