"""Draws of what new items may be worth, more or less than their scores say.

A new item's score comes from its text and its facts. By how much it may be wrong is the item's
doubt, the standard deviation of a normal distribution around the score.

X  new items    M  draws
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from recommender.policies.normal_numbers import normal_numbers
from recommender.policies.slots import Floats

NUM_DRAWS = 100  # the propensity of a new item is so many parts of the share


def draw_deviations(rows_X: npt.NDArray[np.int64], doubts_X: Floats) -> Floats:
    """Return NUM_DRAWS numbers of spreads for each item, the same for the same doubts.

    So a list's propensities can be asked for again, and other doubts bring other draws: no item is
    left out forever because its draws were low.
    """
    digest = hashlib.sha256(doubts_X.astype("<f8").tobytes()).digest()
    seed = int.from_bytes(digest[:8], "little")
    deviations_MX: Floats = normal_numbers(seed, rows_X, NUM_DRAWS) * doubts_X
    return deviations_MX
