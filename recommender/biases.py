"""What items and users explain without a network: popularity, and shrunk biases of ratings (Koren 2010, baseline estimates).

Knows counts and sums; learns nothing. Letters as in `recommender.model`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from recommender.tensors import HistoryBatch, ItemFacts, ItemSide

ITEM_SHRINKAGE = 5.0  # an item's mean rating counts as so many ratings of the average item more
USER_SHRINKAGE = 3.0  # the same for a user


def log_popularity(facts: ItemFacts) -> Tensor:
    """Return popularity_N, the logarithm of an item's interactions beside the average item's; one more is added to both."""
    return torch.log((facts.counts_N + 1.0) / (facts.counts_N.mean() + 1.0))


def item_rating_biases(facts: ItemFacts) -> Tensor:
    """Return how far each item's ratings lie above the mean, shrunk, as bias_N."""
    return facts.rating_sum_N / (facts.rating_count_N + ITEM_SHRINKAGE)


def ratings_above_items(side: ItemSide, batch: HistoryBatch, rating_mean: Tensor) -> Tensor:
    """Return off_BL, how far each rating lies above mean and item bias; 0 where there is no rating."""
    above_BL = (batch.ratings_BL - rating_mean).nan_to_num(0.0)
    return torch.where(~batch.ratings_BL.isnan(), above_BL - side.rating_bias_N[batch.rows_BL], 0.0)


def user_residuals(off_BL: Tensor, batch: HistoryBatch) -> Tensor:
    """Return residual_BS: how far the user's ratings so far lie above what their items explain, shrunk."""
    num_known_BS = F.pad((~batch.ratings_BL.isnan()).cumsum(1), (1, 0))
    return F.pad(off_BL.cumsum(1), (1, 0)) / (num_known_BS + USER_SHRINKAGE)
