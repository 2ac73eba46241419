"""A shop made from MovieLens 1M: visitors drift and leave, and new films arrive.

What a visitor likes is a dense model that was fitted to the ratings: biases, and a truncated
singular value decomposition of what they leave. The attraction of a film is scaled to

    P(click) = sigmoid(SLOPE * z - OFFSET),   z: attraction in standard deviations

so the middle film is clicked three times in a hundred, and a visitor's best about every third time.

U  visitors    I  films    D  width of a taste    V  visits
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from bench.data.sets import RatingsSet

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

WIDTH = 12
SLOPE, OFFSET = 1.0, 3.5
DRIFT = 0.03  # of a visitor's taste at each visit, as a share of its length
LEAVES_BORED, LEAVES_PLEASED = 0.1, 0.01  # after a visit without a click, and with one
NUM_VISITORS, NUM_KNOWN, NUM_NEW = 1_000, 400, 20
NUM_GOOD = 5  # of the new films, planted: exactly what some visitors like


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmShop:
    """Tastes and films. Films from `num_known` on are new; film i can be shown from `arrives_I`."""

    taste_UD: Floats
    film_ID: Floats
    bias_I: Floats
    arrives_I: Integers
    good: Integers
    num_known: int

    def chance_I(self, taste_D: Floats) -> Floats:
        """Return the probability of a click on each film."""
        return 1 / (1 + np.exp(OFFSET - SLOPE * (self.bias_I + self.film_ID @ taste_D)))

    def best_UK(self, k: int) -> Integers:
        """Return every visitor's k best films, those that arrive later included."""
        chance_UI = np.stack([self.chance_I(taste_D) for taste_D in self.taste_UD])
        return np.argsort(-chance_UI, axis=1)[:, :k]


def make_shop(ratings: RatingsSet, *, num_visits: int, seed: int) -> FilmShop:
    """Draw visitors and films; the new ones arrive evenly in the first half of the visits."""
    draw = np.random.default_rng(seed)
    taste_UD, film_ID, bias_I = _fit(ratings)
    visitors = draw.choice(len(taste_UD), NUM_VISITORS, replace=False)
    often_rated = np.flatnonzero(np.bincount(ratings.items_E, minlength=len(bias_I)) >= 50)
    films = draw.choice(often_rated, NUM_KNOWN + NUM_NEW, replace=False)
    attraction_UI = bias_I[films] + taste_UD[visitors] @ film_ID[films].T
    scale = float(attraction_UI.std())
    taste_UD, film_ID = taste_UD[visitors], film_ID[films] / scale
    bias_I = (bias_I[films] - attraction_UI.mean()) / scale
    good = NUM_KNOWN + draw.choice(NUM_NEW, NUM_GOOD, replace=False)
    for film in good:
        film_ID[film], bias_I[film] = _film_for(taste_UD[draw.integers(NUM_VISITORS)], taste_UD)
    arrives_I = np.zeros(len(films), np.int64)
    arrives_I[NUM_KNOWN:] = np.linspace(0, num_visits // 2, NUM_NEW).astype(np.int64)
    return FilmShop(
        taste_UD=taste_UD,
        film_ID=film_ID,
        bias_I=bias_I,
        arrives_I=arrives_I,
        good=np.sort(good),
        num_known=NUM_KNOWN,
    )


def _film_for(centre_D: Floats, taste_UD: Floats) -> tuple[Floats, float]:
    """Return a film, and its bias, that visitors like the more their taste is like the centre's.

    One visitor in twenty would click it with probability .38 or more, the middle one with .05.
    """
    direction_D = centre_D / np.linalg.norm(centre_D)
    along_U = taste_UD @ direction_D
    film_D = 1.5 * direction_D / along_U.std()
    return film_D, float(3.0 - 1.5 * np.quantile(along_U, 0.95) / along_U.std())


def _fit(ratings: RatingsSet) -> tuple[Floats, Floats, Floats]:
    """Return tastes, films and the films' biases."""
    shape = (ratings.num_users, len(ratings.item_ids))
    counts_I = np.bincount(ratings.items_E, minlength=shape[1])
    centred_E = ratings.ratings_E - ratings.ratings_E.mean()
    bias_I = np.bincount(ratings.items_E, centred_E, minlength=shape[1]) / (counts_I + 10)
    left_E = centred_E - bias_I[ratings.items_E]
    matrix = csr_matrix((left_E, (ratings.users_E, ratings.items_E)), shape=shape)
    taste_UD, size_D, film_DI = svds(matrix, k=WIDTH, random_state=0)
    return taste_UD * np.sqrt(size_D), film_DI.T * np.sqrt(size_D), bias_I
