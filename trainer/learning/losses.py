"""The losses of one batch, as sums and counts that several ranks can add up.

* Ranking: softmax over the catalogue; over sampled negatives, shared by the batch and with the logQ
  correction (Bengio & Senécal 2008), when the catalogue is large.
* Shown but not chosen: log(1 + p N), which pushes an item down to the average item and hardly
  further. −log(1 − p) was tried and had no effect, because p is small.
* Rating: squared error in units of the ratings' standard deviation.
* Policy: the policy gradient on served lists (`trainer.learning.policy_gradient`).

Letters as in `recommender.network.model`; Q ranking targets, R rated targets, X impressions, C
candidates of the softmax.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from recommender.network.model import ITEM_SHRINKAGE, ItemBlock, ItemFacts, ItemSide, TwoTowers
from trainer.config import PolicyGradientConfig
from trainer.data.sampling import TrainBatch
from trainer.learning.negatives import Negatives
from trainer.learning.policy_gradient import policy_loss, slate_probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSums:
    """Sums over ranking targets, impressions, ratings and choices in served lists.

    `counts` returns their numbers.
    """

    ranking: Tensor
    shown: Tensor
    rating: Tensor
    policy: Tensor


def counts(batch: TrainBatch) -> Tensor:
    """Return the numbers of what `LossSums` has sums over, in its order."""
    ranked = (batch.target_rows_BS >= 0).sum()
    numbers = [
        ranked,
        torch.ones_like(batch.shown_row_X).sum(),
        (~batch.target_ratings_BS.isnan()).sum(),
        batch.slates.learned_JK.sum() if batch.slates is not None else torch.zeros_like(ranked),
    ]
    return torch.stack([number.float() for number in numbers])


def learning_rows(facts: ItemFacts, shown_X: Tensor) -> Tensor:
    """Mark the rows whose residuals and biases learn: those that at least one user has met.

    `shown_X` are the rows of impressions. They learn as negatives too. The vector of every other
    item stays the one of its text.
    """
    met_N = facts.counts_N > 0
    met_N[shown_X.to(met_N.device)] = True
    return met_N


def batch_losses(
    model: TwoTowers,
    block: ItemBlock,
    batch: TrainBatch,
    negatives: Negatives | None,
    *,
    num_items: int,
    policy: PolicyGradientConfig,
) -> LossSums:
    """Run the model on a batch whose rows, like the negatives, are places in the block.

    Without negatives the block is the whole catalogue. `num_items` is the catalogue's size. The
    policy loss is 0 for a batch without slates.
    """
    side = model.block_side(block)
    state_BSD = model.states(side, batch.histories)
    ranked_BS = batch.target_rows_BS >= 0
    target_Q = batch.target_rows_BS[ranked_BS]
    shown_XD = state_BSD[batch.shown_user_X, batch.shown_state_X]
    state_PD = torch.cat([state_BSD[ranked_BS], shown_XD])
    picked_P = torch.cat([target_Q, batch.shown_row_X])
    log_p_P = _log_probabilities(model, side, state_PD, picked_P, negatives)
    policy_sum = log_p_P.new_zeros(())
    if batch.slates is not None:
        probabilities = slate_probabilities(model, side, state_BSD, batch.slates, negatives)
        policy_sum = policy_loss(probabilities, batch.slates, policy)
    above_average_X = log_p_P[len(target_Q) :] + math.log(max(1, num_items))
    return LossSums(
        ranking=-log_p_P[: len(target_Q)].sum(),
        shown=F.softplus(above_average_X).sum(),
        rating=_rating_loss(model, side, block.facts, batch, state_BSD),
        policy=policy_sum,
    )


def _log_probabilities(
    model: TwoTowers,
    side: ItemSide,
    state_PD: Tensor,
    picked_P: Tensor,
    negatives: Negatives | None,
) -> Tensor:
    if negatives is None:
        return -F.cross_entropy(model.logits(side, state_PD), picked_P, reduction="none")
    drawn = side.at(negatives.places_C)
    negative_PC = model.logits(drawn, state_PD) - negatives.log_expected_C
    same_PC = picked_P.unsqueeze(1) == negatives.places_C
    negative_PC = negative_PC.masked_fill(same_PC, float("-inf"))
    picked_PD = side.vectors_ND[picked_P] / model.config.dim**0.5
    positive_P = (state_PD[:, : model.config.dim] * picked_PD).sum(1) + side.bias_N[picked_P]
    log_p_P: Tensor = positive_P - torch.logsumexp(
        torch.cat([positive_P.unsqueeze(1), negative_PC], dim=1), dim=1
    )
    return log_p_P


def _rating_loss(
    model: TwoTowers, side: ItemSide, facts: ItemFacts, batch: TrainBatch, state_BSD: Tensor
) -> Tensor:
    rated_BS = ~batch.target_ratings_BS.isnan()
    rows_R = batch.rated_rows_BS[rated_BS]
    rating_R = batch.target_ratings_BS[rated_BS]
    predicted_R = model.ratings(side, state_BSD[rated_BS], rows_R.unsqueeze(1)).squeeze(1)
    # The item's mean includes the rating to be predicted, which is not so in serving; subtract it.
    above_R, sum_R, count_R = (
        rating_R - model.rating_mean,
        facts.rating_sum_N[rows_R],
        facts.rating_count_N[rows_R],
    )
    without_R = (sum_R - above_R) / ((count_R - 1.0).clamp(min=0.0) + ITEM_SHRINKAGE)
    leak_R = sum_R / (count_R + ITEM_SHRINKAGE) - without_R
    return ((predicted_R - leak_R - rating_R) / model.rating_std).square().sum()
