"""The planted shop of the policy gradient: exact propensities, and what loses visitors."""

from collections import Counter

import numpy as np
import pytest

from bench.decisions.clickbait_shop import (
    LIST_SIZE,
    NUM_CLICKBAIT,
    NUM_EARLIER,
    NUM_ITEMS,
    DrawnLists,
    Ints,
    ShopVisitors,
    best_lists,
    discounted_returns,
    draw_lists,
    item_groups,
    run_visits,
)


def test_propensities_are_the_shares_of_draws() -> None:
    score_VN = np.tile(np.linspace(0.0, 3.0, NUM_ITEMS), (20_000, 1))
    allowed_VN = np.ones_like(score_VN, dtype=np.bool_)
    allowed_VN[:, -1] = False
    lists = draw_lists(score_VN, allowed_VN, np.random.default_rng(0))
    expected = dict(zip(lists.items_VK[:, 0], lists.propensity_VK[:, 0], strict=True))
    assert NUM_ITEMS - 1 not in expected
    assert all(len(set(items)) == LIST_SIZE for items in lists.items_VK.tolist())
    for item, count in Counter(lists.items_VK[:, 0]).most_common(20):
        assert count / 20_000 == pytest.approx(expected[item], abs=0.005)
    left_VK = 1.0 / (1.0 - lists.propensity_VK[:, 0])  # what the first item leaves to the second
    weight_VN = np.exp(score_VN) * allowed_VN
    second_V = weight_VN[np.arange(20_000), lists.items_VK[:, 1]] / weight_VN.sum(axis=1)
    assert lists.propensity_VK[:, 1] == pytest.approx(second_V * left_VK)


def test_clickbait_is_clicked_more_and_loses_visitors() -> None:
    values, first_clicks = [], []
    for wants_clickbait in (True, False):
        generator = np.random.default_rng(1)
        visitors = ShopVisitors.arrive(400, generator)

        def policy(
            served: ShopVisitors, staying_V: Ints, wants_clickbait: bool = wants_clickbait
        ) -> DrawnLists:
            groups_N = item_groups()
            is_liked_VN = groups_N[None, :] == served.group_V[staying_V][:, None]
            is_wanted_VN = np.broadcast_to(groups_N < 0, is_liked_VN.shape)
            shown_VN = is_wanted_VN if wants_clickbait else is_liked_VN
            return best_lists(shown_VN.astype(np.float64), served.unseen(staying_V))

        visits = run_visits(visitors, policy, generator)
        values.append(discounted_returns(visits, num_visitors=400, discount=0.9).mean())
        first_clicks.append(np.mean([one.clicked >= 0 for one in visits if one.number == 0]))
    assert first_clicks[0] > first_clicks[1]
    assert 2 * values[0] < values[1]


def test_visitors_have_clicked_items_of_their_group() -> None:
    visitors = ShopVisitors.arrive(50, np.random.default_rng(2))
    groups_N = item_groups()
    assert sum(groups_N < 0) == NUM_CLICKBAIT
    for group, clicks in zip(visitors.group_V, visitors.clicks, strict=True):
        assert len(set(clicks)) == NUM_EARLIER
        assert all(groups_N[item] == group for item in clicks)
