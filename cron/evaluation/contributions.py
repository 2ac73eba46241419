"""What each slate contributes to an estimate, and the estimate as a function of the sums.

All estimators have one form. With sums over the N slates,

    V = 1/N × Σ_k earned_k × shown_k / normaliser_k

where shown_k counts the slates that have position k. A normaliser equal to `shown` makes it the
mean of what was earned. A normaliser of weights makes it self-normalised, position by position.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cron.evaluation.logged_slates import Floats, Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributions:
    """N slates at K terms, mostly positions; an estimator over whole slates has one term.

    `weight_NK` are the importance weights behind the terms: 1 where the estimator has none.
    `removed_weight` is the share of the weight that clipping took away.
    """

    user_N: Integers
    earned_NK: Floats
    normaliser_NK: Floats
    shown_NK: Floats
    weight_NK: Floats
    removed_weight: float = 0.0

    @property
    def num_slates(self) -> int:
        """The number of slates."""
        return len(self.user_N)

    def value(self) -> float:
        """Return the mean reward of a slate; NaN without slates or when all weights are 0."""
        if not self.num_slates:
            return float("nan")
        return float(values_of(self.sums()[np.newaxis], self.num_terms)[0])

    @property
    def num_terms(self) -> int:
        """The number of terms of a slate."""
        return int(self.earned_NK.shape[1])

    def statistics(self) -> Floats:
        """Return what is summed, one row a slate: earned, normaliser and shown by term, and 1."""
        ones_N1 = np.ones((self.num_slates, 1))
        return np.hstack([self.earned_NK, self.normaliser_NK, self.shown_NK, ones_N1])

    def sums(self) -> Floats:
        """Return the sums of the statistics over all slates."""
        return np.asarray(self.statistics().sum(axis=0))


def values_of(sums_BS: Floats, num_terms: int) -> Floats:
    """Return the estimates of B sums; a term without slates adds 0, one without weight is NaN."""
    earned_BK, normaliser_BK, shown_BK, slates_B = _split(sums_BS, num_terms)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms_BK = earned_BK * shown_BK / normaliser_BK
    terms_BK[shown_BK == 0] = 0.0
    return np.asarray(terms_BK.sum(axis=1) / slates_B)


def gradients_of(sums_BS: Floats, num_terms: int) -> Floats:
    """Return the derivatives of the estimates by each of the sums.

    A user's influence on the estimate is this gradient times the user's statistics (the delta
    method); over all users these add up to 0.
    """
    earned_BK, normaliser_BK, shown_BK, slates_B = _split(sums_BS, num_terms)
    slates_B1 = slates_B[:, np.newaxis]
    with np.errstate(divide="ignore", invalid="ignore"):
        by_earned_BK = shown_BK / (normaliser_BK * slates_B1)
        by_shown_BK = earned_BK / (normaliser_BK * slates_B1)
    by_earned_BK[shown_BK == 0] = 0.0
    by_shown_BK[shown_BK == 0] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        by_normaliser_BK = -by_shown_BK * shown_BK / normaliser_BK
    by_normaliser_BK[shown_BK == 0] = 0.0
    by_slates_B1 = -values_of(sums_BS, num_terms)[:, np.newaxis] / slates_B1
    return np.hstack([by_earned_BK, by_normaliser_BK, by_shown_BK, by_slates_B1])


def _split(sums_BS: Floats, num_terms: int) -> tuple[Floats, Floats, Floats, Floats]:
    earned_BK, normaliser_BK, shown_BK = np.split(sums_BS[:, :-1], 3, axis=1)
    assert earned_BK.shape[1] == num_terms
    return earned_BK, normaliser_BK, shown_BK, sums_BS[:, -1]
