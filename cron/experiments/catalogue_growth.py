"""How much of the catalogue the lists of an arm have shown, for any number of lists.

An arm with more users shows more items, so arms are compared at equal numbers of shown items: the
expected number of distinct items among m of the N shown ones, drawn without replacement, is the
rarefaction of Hurlbert (1971) where item i was shown n_i times:

    E(m) = sum over i of 1 - C(N - n_i, m) / C(N, m)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence


def expected_items(times_shown: Collection[int], num_shown: int) -> float:
    """Return how many distinct items are expected among `num_shown` of those that were shown.

    `times_shown` has the number of times of each item that was shown.
    """
    total = sum(times_shown)
    if not 0 <= num_shown <= total:
        raise ValueError(f"num_shown: found {num_shown}, expected 0 to {total}")
    return math.fsum(1.0 - _share_without(total, times, num_shown) for times in times_shown)


def compare_at_equal_size(arms: Sequence[Collection[int]]) -> list[float]:
    """Return each arm's expected number of distinct items, all at the size of the smallest."""
    size = min((sum(times) for times in arms), default=0)
    return [expected_items(times, size) for times in arms]


def _share_without(total: int, times: int, drawn: int) -> float:
    """Return C(total - times, drawn) / C(total, drawn), the probability of not seeing an item."""
    if drawn > total - times:
        return 0.0
    logs = _log_binomial(total - times, drawn) - _log_binomial(total, drawn)
    return math.exp(logs)


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
