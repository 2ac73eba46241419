"""What items and users explain without a network: popularity, shrunk biases of items' ratings, and each user's taste.

Learns nothing: what it is given by a network, keys and ridges, it is differentiable in. Letters as
in `recommender.model`; F factors.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from recommender.tensors import HistoryBatch, ItemFacts, ItemSide

ITEM_SHRINKAGE = 5.0  # an item's mean rating counts as so many ratings of the average item more
USER_SHRINKAGE = 3.0  # the same for a user: the ridge of the bias


def log_popularity(facts: ItemFacts) -> Tensor:
    """Return popularity_N, the logarithm of an item's interactions beside the average item's; one more is added to both."""
    return torch.log((facts.counts_N + 1.0) / (facts.counts_N.mean() + 1.0))


def item_rating_biases(facts: ItemFacts) -> Tensor:
    """Return how far each item's ratings lie above the mean, shrunk, as bias_N (Koren 2010, baseline estimates)."""
    return facts.rating_sum_N / (facts.rating_count_N + ITEM_SHRINKAGE)


def ratings_above_items(side: ItemSide, batch: HistoryBatch, rating_mean: Tensor) -> Tensor:
    """Return off_BL, how far each rating lies above mean and item bias; 0 where there is no rating."""
    above_BL = (batch.ratings_BL - rating_mean).nan_to_num(0.0)
    return torch.where(~batch.ratings_BL.isnan(), above_BL - side.rating_bias_N[batch.rows_BL], 0.0)


def tastes(
    key_BLF: Tensor,
    off_BL: Tensor,
    batch: HistoryBatch,
    ridge_F: Tensor,
    prior_BSF: Tensor | float = 0.0,
) -> Tensor:
    """Return taste_BSF, in units of the ratings: the ridge regression of `off_BL` on the keys of the items rated so far.

    It is the user's step of alternating least squares (Koren, Bell & Volinsky 2009), solved exactly
    after each event and shrunk to the prior instead of to nothing: without a rating the taste is
    the prior. A key that is always 1 makes its factor the user's bias, the mean of `off`, shrunk.
    Keys, ridges and prior may learn through it (Bertinetto et al. 2019).
    """
    key_BLF = torch.where(batch.ratings_BL.isnan().unsqueeze(2), 0.0, key_BLF)
    gram_BSFF = F.pad(
        (key_BLF.unsqueeze(3) * key_BLF.unsqueeze(2)).cumsum(1), (0, 0, 0, 0, 1, 0)
    ) + torch.diag(ridge_F)
    answer_BSF = (
        F.pad((key_BLF * off_BL.unsqueeze(2)).cumsum(1), (0, 0, 1, 0)) + ridge_F * prior_BSF
    )
    taste_BSF: Tensor = torch.linalg.solve_ex(
        gram_BSFF, answer_BSF
    ).result  # broken weights give no taste, and no crash
    return taste_BSF
