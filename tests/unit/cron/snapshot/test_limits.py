"""How much one user and one item may contribute, and how far a mix has shifted."""

from __future__ import annotations

import numpy as np
import pytest

from cron.snapshot.limits import Limits, within_limits
from cron.snapshot.shift import Shift, shift_of
from tests.unit.cron.snapshot.test_judged import Act, everyone, lives_of

LIMITS = Limits(user_share=0.1, item_share=0.2, floor=5)
RNG = np.random.default_rng(1)


def test_a_user_and_an_item_contribute_no_more_than_their_share() -> None:
    honest = [
        Act(user=f"u{number % 60}", at=number, item=f"i{number % 40}") for number in range(600)
    ]
    bot = [Act(user="bot", at=0, item=f"i{number % 40}") for number in range(400)]
    fans = [Act(user=f"fan{number}", at=0, item="rare") for number in range(500)]
    lives = lives_of([*honest, *bot, *fans])
    kept = within_limits(lives, everyone(lives), LIMITS)
    assert (kept.over_user, kept.over_item) == (400 - 150, 500 - 300)
    assert kept.mask_N[lives.seq_N <= 600].all(), "nobody else loses anything"
    assert set(lives.seq_N[~kept.mask_N]) == {*range(601, 851), *range(1001, 1201)}, (
        "the newest stay"
    )


def test_what_is_under_the_floor_is_within_the_limits() -> None:
    lives = lives_of([Act(user="a", at=number) for number in range(5)])
    assert within_limits(lives, everyone(lives), LIMITS).mask_N.all()


def test_impressions_do_not_use_up_the_limit_of_what_was_chosen() -> None:
    shown = [Act(user="a", at=number, type="impression") for number in range(300)]
    lives = lives_of([*[Act(user="a", at=number) for number in range(30)], *shown])
    kept = within_limits(lives, everyone(lives), Limits(user_share=0.1, item_share=1.0, floor=5))
    assert (kept.over_user, kept.over_item) == (300 - 33, 0)
    assert kept.mask_N[lives.lasting_N].all()


def honest(num: int, first: int = 0) -> list[Act]:
    ratings = RNG.choice([1.0, 2.0, 3.0, 4.0, 5.0], num, p=[0.05, 0.1, 0.25, 0.4, 0.2])
    items = np.minimum(RNG.geometric(0.02, num), 400)
    return [
        Act(
            user=f"u{n % 50}",
            at=first + n,
            item=f"i{items[n]}",
            type="rating",
            rating=float(ratings[n]),
        )
        for n in range(num)
    ]


def shift(new: list[Act], num_before: int = 5000) -> Shift:
    found = shift_of(
        lives_of([*honest(num_before), *new]).table, (num_before + 1, num_before + len(new))
    )
    assert found is not None
    return found


def test_more_of_the_same_is_no_shift() -> None:
    found = shift(honest(1000))
    assert max(found.types, found.items, found.ratings) < 0.1


def test_inverted_ratings_shift_the_ratings_alone() -> None:
    turned = [
        Act(user=one.user, at=one.at, item=one.item, type="rating", rating=6 - (one.rating or 0))
        for one in honest(1000)
    ]
    found = shift(turned)
    assert found.ratings > 0.3
    assert max(found.types, found.items) < 0.1


def test_views_of_random_items_shift_types_and_items() -> None:
    found = shift([Act(user=f"bot{n}", at=n, item=f"i{n % 400}") for n in range(1000)])
    assert found.types == pytest.approx(1.0)
    assert found.items > 0.3


def test_a_flood_of_a_rare_or_new_item_shifts_the_items() -> None:
    assert (
        shift(
            [
                *honest(500),
                *(
                    Act(user="bot", at=n, item="i400", type="rating", rating=4.0)
                    for n in range(500)
                ),
            ]
        ).items
        > 0.3
    )
    assert (
        shift(
            [
                *honest(500),
                *(Act(user="bot", at=n, item="new", type="rating", rating=4.0) for n in range(500)),
            ]
        ).items
        > 0.3
    )


def test_too_few_events_are_compared_with_nothing() -> None:
    lives = lives_of(honest(400))
    assert shift_of(lives.table, (350, 400)) is None
    assert shift_of(lives.table, (50, 400)) is None
