"""The losses of the sketch: squared error on ratings, or on choices if there are no ratings.

Without ratings, the target of a chosen item is 1, and each is paired with an item drawn uniformly
from the catalogue whose target is 0. The model adds a user's number and an item's number, so the
expectation over that draw is a mean over the catalogue, which is computed instead of drawing.
Impressions and served lists are not used. Letters as in `recommender.network.model`; Q chosen
items, R rated items.
"""

from __future__ import annotations

from torch import Tensor

from recommender.network.model import ItemBlock, ItemSide, Sketch
from trainer.data.sampling import TrainBatch
from trainer.learning.losses import LossSums


def sketch_losses(model: Sketch, block: ItemBlock, batch: TrainBatch) -> LossSums:
    """Return the sketch's losses: `rating` alone if the data has ratings, else `ranking` alone.

    The block is the whole catalogue.
    """
    side = model.block_side(block)
    state_BSD = model.states(side, batch.histories)
    rated = bool(block.facts.rating_count_N.any())
    wanted_BS = ~batch.target_ratings_BS.isnan() if rated else batch.target_rows_BS >= 0
    rows_BS = batch.rated_rows_BS if rated else batch.target_rows_BS
    predicted_X = model.ratings(
        side, state_BSD[wanted_BS], rows_BS[wanted_BS].unsqueeze(1)
    ).squeeze(1)
    none = predicted_X.new_zeros(())
    if rated:
        error_R = (predicted_X - batch.target_ratings_BS[wanted_BS]) / model.rating_std
        return LossSums(ranking=none, shown=none, rating=error_R.square().sum(), policy=none)
    chosen = (predicted_X - 1.0).square().sum()
    return LossSums(
        ranking=chosen + _catalogue_loss(model, side, state_BSD[wanted_BS]),
        shown=none,
        rating=none,
        policy=none,
    )


def _catalogue_loss(model: Sketch, side: ItemSide, state_QD: Tensor) -> Tensor:
    """Return the sum over Q of the mean over the catalogue of the squared prediction."""
    return model.logits(side, state_QD).square().mean(1).sum()
