"""The interval of an estimate: a studentised bootstrap over users.

It draws users, not slates: the slates of one user are not independent. Each resample is measured in
its own standard errors, so an interval is skewed as the weights are; a percentile interval is too
short on the side of the rare great weights. Neither arm is shorter than the normal distribution's:
with weights as uneven as a real log's, the bootstrap's short arm misses more than its share.
Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), ch. 12.5 (bootstrap-t); the
standard errors are those of the delta method.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from cron.evaluation.contributions import Contributions, gradients_of, values_of
from cron.evaluation.logged_slates import Floats, Integers

# With more users than this, they are dealt at random into as many groups, and groups are drawn:
# the time no longer grows with the shop, and groups of users are as independent as users.
MAX_UNITS = 5_000
_CHUNK_CELLS = 4_000_000  # draws held at once, 32 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How an interval is drawn. The same seed and log give the same interval."""

    resamples: int = 2_000
    confidence: float = 0.95
    seed: int = 20_261_129

    @property
    def percentiles(self) -> tuple[float, float]:
        """The percentiles of the lower and the upper bound."""
        tail = 50 * (1 - self.confidence)
        return tail, 100 - tail


def studentised_interval(
    contributions: Contributions, resampling: Resampling
) -> tuple[float, float]:
    """Return the bounds; with fewer than two users, or no variance, both equal the value.

    Resamples in which all users contribute the same have no standard error and are left out.
    """
    generator = np.random.default_rng(resampling.seed)
    num_terms = contributions.num_terms
    sums_US = sums_by_unit(contributions.statistics(), contributions.user_N, generator)
    value = contributions.value()
    error = _standard_errors(sums_US, np.ones((1, len(sums_US))), num_terms)[0]
    if len(sums_US) < 2 or not error > 0:
        return value, value
    distances = []
    for draws_BU in draws_of_units(len(sums_US), resampling.resamples, generator):
        values_B = values_of(draws_BU @ sums_US, num_terms)
        errors_B = _standard_errors(sums_US, draws_BU, num_terms)
        is_measured_B = (errors_B > 0) & np.isfinite(values_B)
        distances.append((values_B - value)[is_measured_B] / errors_B[is_measured_B])
    all_distances = np.concatenate(distances)
    if not len(all_distances):
        return value, value
    low, high = np.percentile(all_distances, resampling.percentiles)
    normal = NormalDist().inv_cdf(0.5 + resampling.confidence / 2)
    low, high = min(low, -normal), max(high, normal)
    return float(value - high * error), float(value - low * error)


def sums_by_unit(statistics_NS: Floats, user_N: Integers, generator: np.random.Generator) -> Floats:
    """Return the sums of each user's slates, or of each group of users if there are many."""
    _, unit_N = np.unique(user_N, return_inverse=True)
    num_units = int(unit_N.max()) + 1
    if num_units > MAX_UNITS:
        # groups differ in size by at most one user
        group_of_user = generator.permutation(np.arange(num_units) % MAX_UNITS)
        unit_N, num_units = group_of_user[unit_N], MAX_UNITS
    order_N = np.argsort(unit_N, kind="stable")
    starts_U = np.searchsorted(unit_N[order_N], np.arange(num_units))
    return np.asarray(np.add.reduceat(statistics_NS[order_N], starts_U, axis=0))


def draws_of_units(
    num_units: int, resamples: int, generator: np.random.Generator
) -> Iterator[Floats]:
    """Yield how often each unit was drawn, in chunks of resamples."""
    chunk = max(1, _CHUNK_CELLS // num_units)
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        chosen_BU = generator.integers(num_units, size=(size, num_units))
        chosen_BU += np.arange(size)[:, np.newaxis] * num_units
        counts = np.bincount(chosen_BU.ravel(), minlength=size * num_units)
        yield counts.reshape(size, num_units).astype(np.float64)


def _standard_errors(sums_US: Floats, draws_BU: Floats, num_terms: int) -> Floats:
    """Return the delta method's standard error of each resample."""
    gradients_BS = gradients_of(draws_BU @ sums_US, num_terms)
    influences_BU = gradients_BS @ sums_US.T
    num_units = len(sums_US)
    variances_B = (draws_BU * influences_BU**2).sum(axis=1) * num_units / max(1, num_units - 1)
    return np.asarray(np.sqrt(variances_B))
