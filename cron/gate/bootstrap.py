"""The paired bootstrap over users, weighted by events: how certain is a difference?

It draws users, not events: the events of one user are not independent.
Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), ch. 13.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEED = 20_251_125  # fixed, so that the same report always gets the same verdict
LOW, HIGH = 5.0, 95.0  # percentiles; each alone is a one-sided 95 % bound
_CHUNK_CELLS = 4_000_000  # draws of users held at once, 32 MB

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A difference and its one-sided 95 % bounds."""

    difference: float
    low: float
    high: float


def paired_mean_difference(
    mine: Array, theirs: Array, weights: Array, *, resamples: int
) -> Interval:
    """Return the difference of the weighted means, mine − theirs; one value and weight per user."""
    return _interval(
        lambda draws: _mean(draws, mine, weights) - _mean(draws, theirs, weights),
        len(weights),
        resamples,
    )


def paired_root_difference(
    mine: Array, theirs: Array, weights: Array, *, resamples: int
) -> Interval:
    """Return the difference of the roots of the weighted means, for mean squared errors."""
    return _interval(
        lambda draws: np.sqrt(_mean(draws, mine, weights)) - np.sqrt(_mean(draws, theirs, weights)),
        len(weights),
        resamples,
    )


def _mean(draws_RU: Array, values_U: Array, weights_U: Array) -> Array:
    """Return the weighted mean per resample: R resamples, U users.

    `draws_RU` says how often each user was drawn.
    """
    return np.asarray(draws_RU @ (values_U * weights_U) / (draws_RU @ weights_U))


def _interval(statistic: Callable[[Array], Array], num_users: int, resamples: int) -> Interval:
    generator = np.random.default_rng(SEED)
    shares = np.full(num_users, 1 / num_users)
    chunk = max(1, _CHUNK_CELLS // num_users)
    sizes = [min(chunk, resamples - start) for start in range(0, resamples, chunk)]
    drawn = []
    for size in sizes:
        draws = generator.multinomial(num_users, shares, size=size).astype(np.float64)
        drawn.append(statistic(draws))
    low, high = np.percentile(np.concatenate(drawn), [LOW, HIGH])
    difference = statistic(np.ones((1, num_users)))[0]
    return Interval(difference=float(difference), low=float(low), high=float(high))
