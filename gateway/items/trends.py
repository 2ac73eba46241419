"""How unusually an item's share of events grew: the signed root of Dunning's G².

T. Dunning, Accurate Methods for the Statistics of Surprise and Coincidence (1993), section 4: with
c of C events in the window and b of B events before it, G² = 2 · (L(c, C, c/C) + L(b, B, b/B) −
L(c, C, p) − L(b, B, p)), where p = (c + b)/(C + B) and L(k, n, q) = k ln q + (n − k) ln(1 − q). The
score is √G², and only items whose share grew have one. Shares, not rates, are compared, so hours
and seasons in which everything sells more change nothing.
"""

from __future__ import annotations

import math

# with fewer events in the window an item is no trend, however rare it was: two visits are chance
MIN_EVENTS = 5


def trend_score(num: int, total: int, num_before: int, total_before: int) -> float:
    """Return the score of an item; 0 when its share did not grow, or nothing is known before."""
    if num < MIN_EVENTS or not total_before or num * total_before <= num_before * total:
        return 0.0
    together = (num + num_before) / (total + total_before)
    ratio = (
        _log_likelihood(num, total, num / total)
        + _log_likelihood(num_before, total_before, num_before / total_before)
        - _log_likelihood(num, total, together)
        - _log_likelihood(num_before, total_before, together)
    )
    return math.sqrt(max(0.0, 2 * ratio))


def _log_likelihood(num: int, total: int, share: float) -> float:
    """Return the logarithm of share^num · (1 − share)^(total − num), where 0 · ln 0 is 0."""
    hits = num * math.log(share) if num else 0.0
    misses = (total - num) * math.log1p(-share) if total > num else 0.0
    return hits + misses
