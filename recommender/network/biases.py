"""Popularity, shrunk rating biases of items, and each user's taste, without a network.

The keys and ridges of a taste may come from a network: the computation is differentiable in them.
Letters are those of `recommender.network.model`; F factors.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from recommender.network.tensors import HistoryBatch, ItemBlock, ItemFacts, ItemSide

ITEM_SHRINKAGE = 5.0  # ratings of the average item that are added to each item's own
USER_SHRINKAGE = 3.0  # the same for a user: the ridge of the bias


def log_popularity(block: ItemBlock) -> Tensor:
    """Return the log of each item's count relative to the mean count, as popularity_X.

    One is added to both counts.
    """
    return torch.log((block.facts.counts_N + 1.0) / (block.mean_count + 1.0))


def item_rating_biases(facts: ItemFacts) -> Tensor:
    """Return how far each item's ratings are above the mean, shrunk, as bias_N.

    This is the baseline estimate of Koren 2010.
    """
    return facts.rating_sum_N / (facts.rating_count_N + ITEM_SHRINKAGE)


class RatingsRead(NamedTuple):
    """The ratings of a batch of histories, 0 where there is none."""

    known_BL: Tensor  # whether there is one
    above_BL: Tensor  # minus the mean
    off_BL: Tensor  # minus the mean and the item's bias


def read_ratings(side: ItemSide, batch: HistoryBatch, rating_mean: Tensor) -> RatingsRead:
    """Return the ratings of histories, relative to the mean and to the items."""
    known_BL = ~batch.ratings_BL.isnan()
    above_BL = (batch.ratings_BL - rating_mean).nan_to_num(0.0)
    off_BL = torch.where(known_BL, above_BL - side.rating_bias_N[batch.rows_BL], 0.0)
    return RatingsRead(known_BL=known_BL, above_BL=above_BL, off_BL=off_BL)


def tastes(
    key_BLF: Tensor,
    ratings: RatingsRead,
    ridge_F: Tensor,
    prior_BSF: Tensor | float = 0.0,
) -> Tensor:
    """Return taste_BSF: ridge regression of `off_BL` on the keys of the items rated so far.

    A taste is in units of the ratings. It is the user's step of alternating least squares (Koren,
    Bell & Volinsky 2009), solved exactly after each event and shrunk to the prior instead of to
    zero: without a rating the taste is the prior. A key that is always 1 makes its factor the
    user's bias, the shrunk mean of `off`. Gradients flow to keys, ridges and prior (Bertinetto et
    al. 2019).
    """
    key_BLF = _rated_keys(key_BLF, ratings)
    gram_BSFF = F.pad(
        (key_BLF.unsqueeze(3) * key_BLF.unsqueeze(2)).cumsum(1), (0, 0, 0, 0, 1, 0)
    ) + torch.diag(ridge_F)
    answer_BSF = (
        F.pad((key_BLF * ratings.off_BL.unsqueeze(2)).cumsum(1), (0, 0, 1, 0)) + ridge_F * prior_BSF
    )
    taste_BSF: Tensor = torch.linalg.solve_ex(
        gram_BSFF, answer_BSF
    ).result  # broken weights give NaN instead of an exception
    return taste_BSF


def last_tastes(key_BLF: Tensor, ratings: RatingsRead, ridge_F: Tensor, prior_BF: Tensor) -> Tensor:
    """Return taste_BF after each whole history: the last row of `tastes`, one solution a user."""
    key_BLF = _rated_keys(key_BLF, ratings)
    key_BFL = key_BLF.transpose(1, 2)
    gram_BFF = key_BFL @ key_BLF + torch.diag(ridge_F)
    answer_BF = (key_BFL @ ratings.off_BL.unsqueeze(2)).squeeze(2) + ridge_F * prior_BF
    taste_BF: Tensor = torch.linalg.solve_ex(gram_BFF, answer_BF).result
    return taste_BF


def _rated_keys(key_BLF: Tensor, ratings: RatingsRead) -> Tensor:
    """Return the keys with zeros where there is no rating."""
    return torch.where(ratings.known_BL.unsqueeze(2), key_BLF, 0.0)
