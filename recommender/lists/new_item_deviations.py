"""The draws of what a question's new items may be worth, for the items of its pool.

X  new items    P  items of the pool    M  draws
"""

from __future__ import annotations

import numpy as np

from recommender.arrays.best_rows import Rows
from recommender.policies.deviations import draw_deviations
from recommender.policies.slots import Floats
from recommender.ranking.ranker import Ranker
from recommender.requests.list_policy import ListPolicy


def deviations_of(
    ranker: Ranker, policy: ListPolicy, new_rows: Rows, rows_P: Rows
) -> Floats | None:
    """Return deviations_MP, 0 for what is not new; None for a policy without doubts."""
    asked = policy.new_items
    if asked is None or asked.doubts is None:
        return None
    rows = map(ranker.catalogue.row, asked.ids)
    doubt_of = dict(zip(rows, asked.doubts, strict=True))
    doubts_X = np.array([doubt_of[row] for row in new_rows.tolist()], np.float64)
    deviations_MX = draw_deviations(new_rows, doubts_X)
    deviations_MP = np.zeros((len(deviations_MX), len(rows_P)))
    place_of = {row: place for place, row in enumerate(rows_P.tolist())}
    deviations_MP[:, [place_of[row] for row in new_rows.tolist()]] = deviations_MX
    return deviations_MP
