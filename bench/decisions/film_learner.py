"""What the shop's recommender believes about its films: a Bayesian logistic regression each.

The features of a visitor are 1 and the taste at the first visit, so a taste that drifts away is not
followed. Known films are as long training would leave them. The prior of a new film is the mean and
the covariance of the known ones (empirical Bayes). The posterior is Gaussian (Laplace), updated by
one Newton step for what came since the last update.

I  films    D  features    S  shown films
"""

from __future__ import annotations

import numpy as np

from bench.decisions.film_shop import OFFSET, SLOPE, FilmShop, Floats, Integers

_SEEN_AS = 2_000.0  # shown times that training of a known film is worth
_CHANCE = 0.04  # of a click, for the information in one of them
_RIDGE = 1e-3


class FilmLearner:
    """Means and precisions of the weights of each film; `learn` is called every few minutes."""

    def __init__(self, shop: FilmShop) -> None:
        known = shop.num_known
        features_UD = features_of(shop.taste_UD)
        gram_DD = features_UD.T @ features_UD / len(features_UD)
        true_ID = np.column_stack([SLOPE * shop.bias_I - OFFSET, SLOPE * shop.film_ID])
        prior_DD = np.cov(true_ID[:known].T) + _RIDGE * np.eye(len(gram_DD))
        self.mean_ID = true_ID.copy()
        self.mean_ID[known:] = true_ID[:known].mean(0)
        self._precision_IDD = np.empty((len(true_ID), *gram_DD.shape))
        self._precision_IDD[:known] = _SEEN_AS * _CHANCE * (1 - _CHANCE) * gram_DD
        self._precision_IDD[known:] = 0
        self._precision_IDD += np.linalg.inv(prior_DD)
        self._root_IDD = np.linalg.cholesky(np.linalg.inv(self._precision_IDD))
        self._gradient_ID = np.zeros_like(true_ID)
        self._touched: set[int] = set()

    @property
    def num_films(self) -> int:
        """Return how many films there are, those that arrive later included."""
        return len(self.mean_ID)

    def score_I(self, features_D: Floats) -> Floats:
        """Return the expected log-odds of a click."""
        return self.mean_ID @ features_D

    def drawn_I(self, features_D: Floats, draw: np.random.Generator) -> Floats:
        """Return log-odds by weights that are drawn from the posterior (Thompson 1933)."""
        noise_I = draw.standard_normal(len(self.mean_ID))
        return self.score_I(features_D) + self._spread_I(features_D) * noise_I

    def note(self, films_S: Integers, clicks_S: Floats, features_D: Floats) -> None:
        """Keep what a visitor was shown and clicked for the next `learn`."""
        chance_S = 1 / (1 + np.exp(-self.mean_ID[films_S] @ features_D))
        information_S = (chance_S * (1 - chance_S))[:, None, None]
        self._precision_IDD[films_S] += information_S * np.outer(features_D, features_D)
        self._gradient_ID[films_S] += (clicks_S - chance_S)[:, None] * features_D
        self._touched.update(films_S.tolist())

    def learn(self) -> None:
        """Update the films that were shown since the last call."""
        films = np.array(sorted(self._touched), np.int64)
        self._touched.clear()
        covariance_SDD = np.linalg.inv(self._precision_IDD[films])
        self.mean_ID[films] += np.einsum("sde,se->sd", covariance_SDD, self._gradient_ID[films])
        self._gradient_ID[films] = 0
        self._root_IDD[films] = np.linalg.cholesky(covariance_SDD)

    def _spread_I(self, features_D: Floats) -> Floats:
        """Return the standard deviations of the log-odds."""
        spread_I: Floats = np.linalg.norm(self._root_IDD.swapaxes(1, 2) @ features_D, axis=1)
        return spread_I


def features_of(taste: Floats) -> Floats:
    """Return tastes with a 1 in front."""
    ones = np.ones((*taste.shape[:-1], 1))
    return np.concatenate([ones, taste], axis=-1)
