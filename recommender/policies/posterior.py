"""What the rewards of shown items say about all items: a Bayesian linear regression.

The reward of an impression, in standard deviations of all rewards, is

    a + b * score + c * position + w . v + u + noise

with the score and the position of `recommender.requests.reward_evidence` (the score in standard
deviations within lists), the unit vector v of the item's tower, and u, what is the item's own. The
effect of an item is w . v + u, and its lift is the effect over b: how much higher a score would
have to be for the same reward. The prior of u has the precision of as many impressions as the item
is known for, so the effect of an item that training knows well stays near 0.

The posterior is Gaussian, and exact for a known variance of the noise, for which that of the
rewards is taken (the linear model of Riquelme et al. 2018, "Deep Bayesian Bandits Showdown",
without its prior of the variance). u is integrated out: it needs only sums of each item, and the
rest is one system of 3 + D equations. Li et al. 2010 add each item's own effect in the same way
("hybrid" LinUCB).

E  items with evidence    X  items    D  width of a vector    M  samples
F  weights: a, b, c, then w
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommender.policies.normal_numbers import normal_numbers
from recommender.requests.reward_evidence import SUMS

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

NUM_SAMPLES = 100  # a thompson list's propensities are hundredths
# a rate of 5 % is known to 4 points after so many impressions (95 %), as for the new items
PRIOR_IMPRESSIONS = 100.0
IMPRESSIONS_PER_CHOICE = 20.0  # one of so many is chosen
# of each component of w: training fits the vectors of all items, so w . v is a third of u
VECTOR_PRECISION = 1_000.0
# of b: what one standard deviation of score adds to a reward, in standard deviations of rewards
SLOPE, SLOPE_SPREAD, LEAST_SLOPE = 0.05, 0.05, 0.02
_WEAK_PRECISION = 0.01  # precision of a and c
_NUM_COVARIATES = 3
_COLUMN_OF = {name: place for place, name in enumerate(SUMS)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ItemFeatures:
    """Items by their rows, ascending, with unit vectors and counts of interactions in training."""

    rows_X: Rows
    unit_XD: Floats
    counts_X: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ItemEffects:
    """The effects' means and standard deviations, and what is needed to sample them."""

    mean_X: Floats
    spread_X: Floats
    weights_XF: Floats
    offset_X: Floats
    own_spread_X: Floats


class ItemPosterior:
    """The posterior of one release's items. It is computed once and then only read."""

    def __init__(self, shown: ItemFeatures, sums_ES: Floats, *, seed: int) -> None:
        self.shown = shown
        self._seed = seed
        self._sums_ES = sums_ES / _units(sums_ES)
        self.score_unit = _score_unit(sums_ES)
        precision_FF, right_F = self._system()
        self._covariance_FF = np.linalg.inv(precision_FF)
        self._mean_F = self._covariance_FF @ right_F
        root_FF = np.linalg.cholesky(self._covariance_FF)
        normal_MF = np.random.default_rng(seed).standard_normal((NUM_SAMPLES, len(right_F)))
        self._sampled_MF = self._mean_F + normal_MF @ root_FF.T

    @property
    def slope(self) -> float:
        """What a standard deviation of score is worth, at least LEAST_SLOPE."""
        return max(float(self._mean_F[1]), LEAST_SLOPE)

    def effects(self, items: ItemFeatures) -> ItemEffects:
        """Return the effects of any items, whether they were shown or not."""
        prior_X = _prior_impressions(items.counts_X)
        sums_XS = self._sums_of(items.rows_X)
        total_X = prior_X + sums_XS[:, _COLUMN_OF["n"]]
        weights_XF = np.concatenate(
            [
                -_first_moments(sums_XS) / total_X[:, np.newaxis],
                (prior_X / total_X)[:, np.newaxis] * items.unit_XD,
            ],
            axis=1,
        )
        offset_X = sums_XS[:, _COLUMN_OF["r"]] / total_X
        variance_X = np.einsum("xf,fg,xg->x", weights_XF, self._covariance_FF, weights_XF)
        return ItemEffects(
            mean_X=weights_XF @ self._mean_F + offset_X,
            spread_X=np.sqrt(variance_X + 1 / total_X),
            weights_XF=weights_XF,
            offset_X=offset_X,
            own_spread_X=1 / np.sqrt(total_X),
        )

    def sampled_lifts(self, items: ItemFeatures) -> Floats:
        """Return NUM_SAMPLES samples of the items' lifts_MX, the same at each call."""
        effect = self.effects(items)
        own_MX = normal_numbers(self._seed, items.rows_X, NUM_SAMPLES) * effect.own_spread_X
        sampled_MX = self._sampled_MF @ effect.weights_XF.T + effect.offset_X + own_MX
        lifts_MX: Floats = sampled_MX / self.slope
        return lifts_MX

    def optimistic_lifts(self, items: ItemFeatures, width: float) -> Floats:
        """Return the lifts_X of the items, `width` standard deviations above the mean."""
        effect = self.effects(items)
        lifts_X: Floats = (effect.mean_X + width * effect.spread_X) / self.slope
        return lifts_X

    def _system(self) -> tuple[Floats, Floats]:
        """Return precision and right side of the equations for the mean of the weights."""
        sums_ES, unit_ED = self._sums_ES, self.shown.unit_XD
        prior_E = _prior_impressions(self.shown.counts_X)
        total_E = prior_E + sums_ES[:, _COLUMN_OF["n"]]
        kept_E = prior_E / total_E
        moments_E3, rewards_E = _first_moments(sums_ES), sums_ES[:, _COLUMN_OF["r"]]
        gram_33 = _gram(sums_ES.sum(axis=0)) - (moments_E3.T / total_E) @ moments_E3
        cross_3D = (moments_E3.T * kept_E) @ unit_ED
        square_DD = (unit_ED.T * (kept_E * sums_ES[:, _COLUMN_OF["n"]])) @ unit_ED
        precision_FF = np.block([[gram_33, cross_3D], [cross_3D.T, square_DD]])
        prior_F = np.full(len(precision_FF), VECTOR_PRECISION)
        prior_F[:_NUM_COVARIATES] = _WEAK_PRECISION, SLOPE_SPREAD**-2, _WEAK_PRECISION
        right_3 = sums_ES[:, [_COLUMN_OF["r"], _COLUMN_OF["rs"], _COLUMN_OF["rp"]]].sum(axis=0)
        right_F = np.concatenate(
            [right_3 - (rewards_E / total_E) @ moments_E3, (rewards_E * kept_E) @ unit_ED]
        )
        right_F[1] += SLOPE * prior_F[1]
        return precision_FF + np.diag(prior_F), right_F

    def _sums_of(self, rows_X: Rows) -> Floats:
        """Return the sums of some rows, 0 for those without evidence."""
        rows_E, sums_XS = self.shown.rows_X, np.zeros((len(rows_X), len(SUMS)))
        if len(rows_E):
            places_X = np.searchsorted(rows_E, rows_X).clip(max=len(rows_E) - 1)
            has_some_X = rows_E[places_X] == rows_X
            sums_XS[has_some_X] = self._sums_ES[places_X[has_some_X]]
        return sums_XS


def _prior_impressions(counts_X: Floats) -> Floats:
    prior_X: Floats = PRIOR_IMPRESSIONS + IMPRESSIONS_PER_CHOICE * counts_X
    return prior_X


def _first_moments(sums_XS: Floats) -> Floats:
    moments_X3: Floats = sums_XS[:, [_COLUMN_OF["n"], _COLUMN_OF["s"], _COLUMN_OF["p"]]]
    return moments_X3


def _gram(total_S: Floats) -> Floats:
    names = (("n", "s", "p"), ("s", "ss", "sp"), ("p", "sp", "pp"))
    return np.array([[total_S[_COLUMN_OF[name]] for name in row] for row in names])


def _score_unit(sums_ES: Floats) -> float | None:
    """Return the standard deviation of scores within lists; None where all are the same."""
    total_S = sums_ES.sum(axis=0)
    squares = float(total_S[_COLUMN_OF["ss"]])
    return float(np.sqrt(squares / total_S[_COLUMN_OF["n"]])) if squares > 0 else None


def _units(sums_ES: Floats) -> Floats:
    """Return the units of the sums: standard deviations of scores and of rewards, 1 if 0."""
    total_S = sums_ES.sum(axis=0)
    num = float(total_S[_COLUMN_OF["n"]]) or 1.0
    variance = float(total_S[_COLUMN_OF["rr"]]) / num - (float(total_S[_COLUMN_OF["r"]]) / num) ** 2
    reward, score = variance**0.5 if variance > 0 else 1.0, _score_unit(sums_ES) or 1.0
    units_S = np.ones(len(SUMS))
    for name, place in _COLUMN_OF.items():
        units_S[place] = reward ** name.count("r") * score ** name.count("s")
    return units_S
