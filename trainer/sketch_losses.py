"""What the sketch learns from: squared error on ratings, or, where the data has none, on 1 for what a user chose and 0 for the rest.

Without ratings each chosen item stands beside one drawn uniformly from the catalogue, whose target
is 0; since the model adds up a user's and an item's number, the expectation over that draw is a
mean over the catalogue, and is taken instead of a draw. Impressions are not read. Letters as in
`recommender.model`; Q chosen items, R rated ones.
"""

from __future__ import annotations

from torch import Tensor

from recommender.model import ItemFacts, ItemSide, Sketch
from trainer.losses import LossSums
from trainer.sampling import TrainBatch


def sketch_losses(model: Sketch, facts: ItemFacts, batch: TrainBatch) -> LossSums:
    """Run the sketch on a batch: with ratings in the data only `rating` counts, else only `ranking`."""
    side = model.item_side(facts)
    state_BSD = model.states(side, batch.histories)
    rated = bool(facts.rating_count_N.any())
    wanted_BS = ~batch.target_ratings_BS.isnan() if rated else batch.target_rows_BS >= 0
    rows_BS = batch.rated_rows_BS if rated else batch.target_rows_BS
    predicted_X = model.ratings(
        side, state_BSD[wanted_BS], rows_BS[wanted_BS].unsqueeze(1)
    ).squeeze(1)
    none = predicted_X.new_zeros(())
    if rated:
        error_R = (predicted_X - batch.target_ratings_BS[wanted_BS]) / model.rating_std
        return LossSums(ranking=none, shown=none, rating=error_R.square().sum())
    chosen = (predicted_X - 1.0).square().sum()
    return LossSums(
        ranking=chosen + _of_others(model, side, state_BSD[wanted_BS]), shown=none, rating=none
    )


def _of_others(model: Sketch, side: ItemSide, state_QD: Tensor) -> Tensor:
    """Return the sum over Q of the mean over the catalogue of the squared prediction."""
    return model.logits(side, state_QD).square().mean(1).sum()
