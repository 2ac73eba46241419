"""Planted tastes: even users take even items, odd users odd ones."""

from __future__ import annotations

import numpy as np

from bench.data.sets import RatingsSet

NUM_USERS, NUM_ITEMS = 60, 40


def tastes(*, rounds: int = 12, noise: float = 0.0) -> RatingsSet:
    """Return events in rounds, in each of which every user takes a new item of their own parity.

    The last four items get 2 stars, all others 4.
    """
    generator = np.random.default_rng(0)
    order_UR = np.stack([generator.permutation(NUM_ITEMS // 2)[:rounds] for _ in range(NUM_USERS)])
    users_E = np.tile(np.arange(NUM_USERS), rounds)
    items_E = 2 * order_UR.T.reshape(-1) + users_E % 2
    ratings_E = np.where(items_E >= NUM_ITEMS - 4, 2.0, 4.0) + noise * generator.normal(
        size=len(users_E)
    )
    return RatingsSet(
        name="tastes",
        users_E=users_E,
        items_E=items_E,
        ratings_E=ratings_E,
        at_s_E=np.arange(len(users_E), dtype=float),
        item_ids=[str(item) for item in range(NUM_ITEMS)],
        items=[None] * NUM_ITEMS,
    )
