"""The rule for a positive event: what a user chose. One rule for training, for the gate's panel, and for its choice.

Knows columns of type and rating; neither files nor tables. E counts events.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recommender.config import IMPRESSION


def mark_positive(
    types: Sequence[str],
    type_E: npt.NDArray[np.int64],
    rating_E: npt.NDArray[np.float64],
    *,
    positive_types: Sequence[str],
    positive_rating: float | None,
) -> npt.NDArray[np.bool_]:
    """Mark events of a positive type and, with a threshold, not rated below it.

    `type_E` holds numbers into `types`; a NaN in `rating_E` is an event without a rating.
    """
    chosen = [
        number for number, name in enumerate(types) if name in positive_types and name != IMPRESSION
    ]
    chosen_E: npt.NDArray[np.bool_] = np.isin(type_E, chosen)
    return chosen_E if positive_rating is None else chosen_E & ~(rating_E < positive_rating)
