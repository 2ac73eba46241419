"""Ranking metrics, one pure function each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

TOP = 10


def ndcg(top_rows: Sequence[int] | npt.NDArray[np.int64], target_row: int) -> float:
    """Return the NDCG of a list, best first, with one relevant item.

    It is 1 / log2(place + 1), where the first place is 1, and 0 if the item is absent. With one
    relevant item the ideal DCG is 1 (Järvelin & Kekäläinen 2002).
    """
    for place, row in enumerate(top_rows, start=1):
        if row == target_row:
            return 1.0 / math.log2(place + 1)
    return 0.0


def user_means(
    values_E: npt.NDArray[np.float64], user_E: npt.NDArray[np.int64], num_users: int
) -> list[float | None]:
    """Return each user's mean over events, skipping NaN; None for a user without any."""
    counted_E = ~np.isnan(values_E)
    sums = np.bincount(user_E[counted_E], weights=values_E[counted_E], minlength=num_users)
    numbers = np.bincount(user_E[counted_E], minlength=num_users)
    means: list[float | None] = [None] * num_users
    for user in np.flatnonzero(numbers):
        means[user] = float(sums[user] / numbers[user])
    return means


def coverage(top_lists: Sequence[npt.NDArray[np.int64]], num_items: int) -> float:
    """Return the share of the catalogue in at least one list; 0 for an empty catalogue."""
    return len({int(row) for rows in top_lists for row in rows}) / num_items if num_items else 0.0
