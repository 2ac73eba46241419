"""The losses of one batch, as sums and counts that several ranks can add up.

* Ranking: softmax over the catalogue; over sampled negatives, shared by the batch and with the logQ
  correction (Bengio & Senécal 2008), when the catalogue is large.
* Shown but not chosen: log(1 + p N), which pushes an item down to the average item and hardly
  further. −log(1 − p) was tried and had no effect, because p is small.
* Rating: squared error in units of the ratings' standard deviation.

Letters as in `recommender.model`; Q ranking targets, R rated targets, X impressions, C candidates
of the softmax.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from recommender.model import ITEM_SHRINKAGE, ItemFacts, ItemSide, TwoTowers
from trainer.data.sampling import Sequences, TrainBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeSampling:
    """From which size of the catalogue negatives are drawn, and how many."""

    max_full_items: int = 10_000  # sampling takes a third of the time on Beauty's 12,101 items
    num_drawn: int = 2_048  # shared by a batch; not tuned


DEFAULT_SAMPLING = NegativeSampling()


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSums:
    """Sums over ranking targets, impressions and ratings; `counts` returns their numbers."""

    ranking: Tensor
    shown: Tensor
    rating: Tensor


def counts(batch: TrainBatch) -> Tensor:
    """Return the numbers of ranking targets, impressions and ratings in a batch."""
    numbers = [
        (batch.target_rows_BS >= 0).sum(),
        torch.ones_like(batch.shown_row_X).sum(),
        (~batch.target_ratings_BS.isnan()).sum(),
    ]
    return torch.stack([number.float() for number in numbers])


def touched_rows(batch: TrainBatch) -> Tensor:
    """Return the rows that the batch reads."""
    lengths_B1 = batch.histories.length_B.unsqueeze(1)
    read_BL = (
        torch.arange(batch.histories.rows_BL.shape[1], device=lengths_B1.device).unsqueeze(0)
        < lengths_B1
    )
    return torch.cat([batch.histories.rows_BL[read_BL], batch.shown_row_X])


def learned_rows(facts: ItemFacts, sequences: Sequences) -> Tensor:
    """Return the rows whose residuals and biases learn: those that at least one user has met.

    They learn as negatives too. The vector of every other item stays the one of its text.
    """
    met_N = facts.counts_N > 0
    met_N[torch.from_numpy(sequences.shown_rows).to(met_N.device)] = True
    return met_N.nonzero().squeeze(1)


def batch_losses(
    model: TwoTowers,
    facts: ItemFacts,
    batch: TrainBatch,
    generator: torch.Generator,
    *,
    known_N: Tensor | None = None,
    sampling: NegativeSampling = DEFAULT_SAMPLING,
) -> LossSums:
    """Run the model on a batch.

    The generator, on the CPU, draws the negatives of a large catalogue. `known_N` is that of
    `item_side`.
    """
    side = model.item_side(facts, known_N)
    state_BSD = model.states(side, batch.histories)
    ranked_BS = batch.target_rows_BS >= 0
    target_Q = batch.target_rows_BS[ranked_BS]
    shown_XD = state_BSD[batch.shown_user_X, batch.shown_state_X]
    state_PD = torch.cat([state_BSD[ranked_BS], shown_XD])
    picked_P = torch.cat([target_Q, batch.shown_row_X])
    drawn = _draw_negatives(facts, generator, sampling)
    log_p_P = _log_probabilities(model, side, state_PD, picked_P, drawn)
    above_average_X = log_p_P[len(target_Q) :] + math.log(max(1, len(side.bias_N)))
    return LossSums(
        ranking=-log_p_P[: len(target_Q)].sum(),
        shown=F.softplus(above_average_X).sum(),
        rating=_rating_loss(model, side, facts, batch, state_BSD),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Negatives:
    """Rows drawn with replacement, and how often each row is expected among them."""

    rows_C: Tensor
    expected_C: Tensor


def _draw_negatives(
    facts: ItemFacts, generator: torch.Generator, sampling: NegativeSampling
) -> _Negatives | None:
    """Draw the negatives of a batch; None if the catalogue is small enough for all of it."""
    if len(facts.counts_N) <= sampling.max_full_items:
        return None
    share_N = (facts.counts_N + 1.0).pow(0.75)  # as word2vec draws them (Mikolov et al. 2013)
    share_N /= share_N.sum()
    rows_C = torch.multinomial(
        share_N.cpu(), sampling.num_drawn, replacement=True, generator=generator
    ).to(share_N.device)
    return _Negatives(rows_C=rows_C, expected_C=sampling.num_drawn * share_N[rows_C])


def _log_probabilities(
    model: TwoTowers,
    side: ItemSide,
    state_PD: Tensor,
    picked_P: Tensor,
    negatives: _Negatives | None,
) -> Tensor:
    if negatives is None:
        return -F.cross_entropy(model.logits(side, state_PD), picked_P, reduction="none")
    drawn_C = negatives.rows_C
    drawn = ItemSide(
        vectors_ND=side.vectors_ND[drawn_C],
        bias_N=side.bias_N[drawn_C],
        rating_bias_N=side.rating_bias_N[drawn_C],
    )
    negative_PC = model.logits(drawn, state_PD) - torch.log(negatives.expected_C)
    negative_PC = negative_PC.masked_fill(picked_P.unsqueeze(1) == drawn_C, float("-inf"))
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
