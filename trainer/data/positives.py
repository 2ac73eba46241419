"""The rule for a positive event, which says that a user chose an item.

Training, the gate's panel and the choice of the panel's users share this rule. E counts events.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recommender.config import IMPRESSION


def mark_positive(
    types: Sequence[str],
    type_E: npt.NDArray[np.integer],
    rating_E: npt.NDArray[np.floating],
    *,
    positive_types: Sequence[str],
    positive_rating: float | None,
) -> npt.NDArray[np.bool_]:
    """Mark events of a positive type that are not rated below the threshold, if there is one.

    `type_E` holds indices into `types`. `rating_E` is NaN for an event without a rating.
    """
    chosen = [
        number for number, name in enumerate(types) if name in positive_types and name != IMPRESSION
    ]
    chosen_E: npt.NDArray[np.bool_] = np.isin(type_E, chosen)
    return chosen_E if positive_rating is None else chosen_E & ~(rating_E < positive_rating)
