"""The sample-ratio check: do the arms have the shares of users that they were given?

If not, users are lost or counted in one arm more than in another, and every other number of the
experiment is wrong. The test may be looked at after every user: the Bayes factor of "the shares are
drawn from a Dirichlet distribution around the planned ones" to "the shares are as planned" (Lindon,
Malek 2022, "Anytime-valid inference for multinomial count data"). For counts n_i of n users,
planned shares p_i and a_i = concentration * p_i, a = concentration:

    B = G(a) / G(a + n) * product of G(a_i + n_i) / G(a_i) / p_i^n_i     (G is the gamma function)

Where the shares are right, B exceeds 1 / alpha at any time with a probability of at most alpha.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

ALPHA = 0.001  # it stops an experiment, so it must hardly ever be wrong
CONCENTRATION = 1_000.0  # shares around the planned ones by about 1.6 percentage points


def sample_ratio_p(
    counts: Sequence[int], shares: Sequence[float], *, concentration: float = CONCENTRATION
) -> float:
    """Return the always-valid p-value of the planned shares, which sum to 1; 1 without users."""
    num_users = sum(counts)
    log_factor = math.lgamma(concentration) - math.lgamma(concentration + num_users)
    for count, share in zip(counts, shares, strict=True):
        expected = concentration * share
        log_factor += math.lgamma(expected + count) - math.lgamma(expected)
        log_factor -= count * math.log(share)
    return math.exp(-max(log_factor, 0.0))


def is_broken(counts: Sequence[int], shares: Sequence[float], *, alpha: float = ALPHA) -> bool:
    """Return whether the arms have other shares of the users than planned."""
    return sample_ratio_p(counts, shares) <= alpha
