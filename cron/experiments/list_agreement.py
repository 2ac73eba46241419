"""How far two lists agree: their overlap, and their rank-biased overlap.

The rank-biased overlap (Webber, Moffat, Zobel 2010, "A similarity measure for indefinite
rankings") weighs the top more. It is extrapolated from the k items that are known of both lists,
with X_d the number of items that the first d of both have in common:

    RBO = X_k / k * p^k + (1 - p) / p * sum over d = 1..k of X_d / d * p^d

It is 1 for equal lists and 0 for lists without a common item. With p = 0.9 the first ten items
have 86 % of the weight.
"""

from __future__ import annotations

from collections.abc import Sequence

PERSISTENCE = 0.9


def overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the share of common items, of as many as the longer list has; 1 for empty lists."""
    longest = max(len(one), len(other))
    return len({*one} & {*other}) / longest if longest else 1.0


def rank_biased_overlap(
    one: Sequence[str], other: Sequence[str], *, persistence: float = PERSISTENCE
) -> float:
    """Return the rank-biased overlap of two lists without repeated items; 1 for empty lists.

    Where a list ends, it has nothing in common with the rest of the longer one.
    """
    depth = max(len(one), len(other))
    if depth == 0:
        return 1.0
    seen_of_one, seen_of_other = set[str](), set[str]()
    total, share, weight = 0.0, 0.0, 1.0
    for rank in range(depth):
        seen_of_one.update(one[rank : rank + 1])
        seen_of_other.update(other[rank : rank + 1])
        weight *= persistence
        share = len(seen_of_one & seen_of_other) / (rank + 1)
        total += share * weight
    return share * weight + (1 - persistence) / persistence * total
