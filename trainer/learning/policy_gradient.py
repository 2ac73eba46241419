"""The off-policy policy gradient with top-K correction.

From Chen et al. 2019 (arXiv 1812.02353), with logged propensities in place of estimated ones. The
policy is the softmax over the catalogue. It draws a list item by item, without repetition, so the
probability of an item at its position is that of the softmax over all items that are not above it.
An item that was chosen contributes

    −ρ (1 − π)^(K−1) · credit · log p

where p is that probability, ρ is p over the item's logged propensity, at most `cap`, and π is the
item's probability among all items. The factor with π is the paper's correction divided by K: an
item that is in almost every list of K gains nothing from more probability. No gradient goes through
ρ and π. A pin, which the policy did not choose, is not an item of the draw.

Letters as in `recommender.network.model`; J slates, K items of a slate, C candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recommender.network.model import ItemSide, TwoTowers
from trainer.config import PolicyGradientConfig
from trainer.data.slate_places import NO_ITEM, SlateBatch
from trainer.learning.negatives import Negatives

# The score of what cannot be drawn. Its exponential is zero; the gradient of −inf would be NaN.
NEVER = -1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class SlateProbabilities:
    """The log probability of each item at its position, and among all items."""

    at_position_JK: Tensor
    among_all_JK: Tensor

    def ratios(self, slates: SlateBatch, config: PolicyGradientConfig) -> Tensor:
        """Return ratio_Q of the items that are learned from: capped, without gradient."""
        learned_JK = slates.learned_JK
        p_Q = self.at_position_JK.detach()[learned_JK].exp()
        return (p_Q / slates.propensity_JK[learned_JK]).clamp(max=config.cap)


def policy_loss(
    probabilities: SlateProbabilities, slates: SlateBatch, config: PolicyGradientConfig
) -> Tensor:
    """Return the sum of the loss over the items that are learned from."""
    learned_JK = slates.learned_JK
    pi_Q = probabilities.among_all_JK.detach()[learned_JK].exp()
    weight_Q = probabilities.ratios(slates, config) * (1.0 - pi_Q) ** (config.list_size - 1)
    log_p_Q = probabilities.at_position_JK[learned_JK]
    loss: Tensor = -(weight_Q * slates.credit_JK[learned_JK] * log_p_Q).sum()
    return loss


def slate_probabilities(
    model: TwoTowers,
    side: ItemSide,
    state_BSD: Tensor,
    slates: SlateBatch,
    negatives: Negatives | None,
) -> SlateProbabilities:
    """Return log probabilities of slates whose rows, like the negatives, are places in `side`.

    With negatives, the sum over the items that are not in the slate is estimated from them.
    """
    state_JD = state_BSD[slates.user_J, slates.state_J]
    is_item_JK = slates.rows_JK != NO_ITEM
    picked_JKD = side.vectors_ND[slates.rows_JK.clamp(min=0)]
    score_JK = torch.einsum("jd,jkd->jk", model.queries(state_JD), picked_JKD)
    score_JK = score_JK + side.bias_N[slates.rows_JK.clamp(min=0)]
    score_JK = score_JK.masked_fill(~is_item_JK | slates.propensity_JK.isnan(), NEVER)
    rest_J1 = _rest(model, side, state_JD, slates, negatives)
    # of each position: it and those below
    left_JK = score_JK.flip(1).logcumsumexp(1).flip(1)
    among_left_JK = score_JK - torch.logaddexp(rest_J1, left_JK)
    among_all_JK = score_JK - torch.logaddexp(rest_J1, left_JK[:, :1])
    return SlateProbabilities(at_position_JK=among_left_JK, among_all_JK=among_all_JK)


def _rest(
    model: TwoTowers,
    side: ItemSide,
    state_JD: Tensor,
    slates: SlateBatch,
    negatives: Negatives | None,
) -> Tensor:
    """Return the log of the summed exponentials of the items that are not in each slate."""
    if negatives is None:
        candidate_C = torch.arange(len(side.bias_N), device=state_JD.device)
        score_JC = model.logits(side, state_JD)
    else:
        candidate_C = negatives.places_C
        score_JC = model.logits(side.at(candidate_C), state_JD) - negatives.log_expected_C
    is_served_JC = torch.zeros_like(score_JC, dtype=torch.bool)
    for row_J in slates.rows_JK.unbind(1):
        is_served_JC |= row_J.unsqueeze(1) == candidate_C
    return score_JC.masked_fill(is_served_JC, NEVER).logsumexp(1, keepdim=True)
